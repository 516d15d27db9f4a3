//! Maintenance windows: set, removed, looked at, and worked out for an approval.

use crate::{Error, Site, Wish};
use fleet::{Actor, Command, Odd, Window, WindowCommand, WindowError};
use ids::{EndpointName, RingName, Timestamp, WindowName};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use trust::Interval;

/// How many occurrences a preview shows.
const PREVIEW: usize = 10;
/// How far a preview looks: a window that opens rarely opens within nine years.
const PREVIEW_HOURS: i64 = 9 * 366 * 24;
/// Most occurrences of one window in one approval.
const OCCURRENCES_MAX: usize = 1_000;

/// A window as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowStatus {
    /// Its name.
    pub name: WindowName,
    /// What it says.
    #[serde(flatten)]
    pub window: Window,
    /// When it is open next.
    pub next: Vec<Opening>,
    /// Why that cannot be worked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// The endpoints that it is for.
    pub endpoints: Vec<EndpointName>,
}

/// One occurrence of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The span in UTC.
    #[serde(flatten)]
    pub span: Interval,
    /// Its beginning and end on the wall of the window's zone.
    pub local: [String; 2],
    /// What the clocks of the zone do to its hour, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odd: Option<String>,
}

impl Site {
    /// Makes a window, or changes it. Returns it, with when it opens next.
    ///
    /// # Errors
    /// [`Error::Refused`] when it cannot be.
    pub fn set_window(
        &self,
        actor: Actor,
        name: WindowName,
        window: Window,
    ) -> Result<WindowStatus, Error> {
        let set = WindowCommand::Set { name: name.clone(), window };
        self.heart().ask(actor, Command::Window(set))?;
        self.window(&name)
    }

    /// Does away with a window. Approvals that were signed keep their spans.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of this name.
    pub fn remove_window(&self, actor: Actor, name: WindowName) -> Result<(), Error> {
        let remove = WindowCommand::Remove { name };
        self.heart().ask(actor, Command::Window(remove)).map(drop)
    }

    /// Every window, with when it opens next.
    ///
    /// # Errors
    /// [`Error::Store`] when an endpoint's name cannot be read.
    pub fn windows(&self) -> Result<Vec<WindowStatus>, Error> {
        let state = self.state();
        let next = |(name, window)| self.window_openings(name, window, 1);
        state.windows.iter().map(next).collect()
    }

    /// A window, with its next ten occurrences.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of this name.
    pub fn window(&self, name: &WindowName) -> Result<WindowStatus, Error> {
        let state = self.state();
        let window = state.windows.get(name).ok_or_else(|| no_window(name))?;
        self.window_status(name, window)
    }

    /// A window as it is or would be, with its next ten occurrences.
    pub(crate) fn window_status(
        &self,
        name: &WindowName,
        window: &Window,
    ) -> Result<WindowStatus, Error> {
        self.window_openings(name, window, PREVIEW)
    }

    fn window_openings(
        &self,
        name: &WindowName,
        window: &Window,
        max: usize,
    ) -> Result<WindowStatus, Error> {
        let (next, broken) = match openings(window, self.now(), max) {
            Ok(next) => (next, None),
            Err(why) => (Vec::new(), Some(why.to_string())),
        };
        let (name, endpoints) = (name.clone(), self.members(&window.ring)?);
        Ok(WindowStatus { name, window: window.clone(), next, broken, endpoints })
    }

    /// The endpoints of a ring that may be changed, by name.
    pub(crate) fn members(&self, ring: &RingName) -> Result<Vec<EndpointName>, Error> {
        let state = self.state();
        let elected = state.endpoints.values().filter(|endpoint| endpoint.is_elected());
        let own = elected.filter(|endpoint| endpoint.ring == *ring);
        let mut names: Vec<_> =
            own.map(|endpoint| self.name_of(&endpoint.name)).collect::<Result<_, _>>()?;
        names.sort();
        Ok(names)
    }

    /// The spans of an approval that is drawn up now: what the approver named, or else the windows of the
    /// ring. None where the ring has none.
    pub(crate) fn spans_for(&self, wish: &Wish, now: Timestamp) -> Result<Vec<Interval>, Error> {
        let state = self.state();
        let own = state.windows.iter().filter(|(_, window)| window.ring == wish.ring);
        let meant: Vec<(&WindowName, &Window)> = if !wish.named.is_empty() {
            let found = |name| own.clone().find(|(known, _)| *known == name);
            wish.named
                .iter()
                .map(|name| found(name).ok_or_else(|| no_window(name)))
                .collect::<Result<_, _>>()?
        } else if wish.windows.is_empty() && !wish.any_time {
            own.collect()
        } else {
            Vec::new()
        };
        let (mut spans, mut next) = (wish.windows.clone(), None::<Timestamp>);
        for (name, window) in &meant {
            let cannot =
                |why| Error::Refused(fleet::Refused::Window { name: (*name).clone(), why });
            let opens =
                window.occurrences(now, wish.not_after, OCCURRENCES_MAX + 1).map_err(cannot)?;
            if opens.len() > OCCURRENCES_MAX {
                let message = format!(
                    "window {name} would open more than {OCCURRENCES_MAX} times before the approval ends: \
                     let it end earlier"
                );
                return Err(Error::Input(message));
            }
            if opens.is_empty() {
                let later = openings(window, now, 1).map_err(cannot)?;
                next =
                    later.first().map(|opening| opening.span.opens).into_iter().chain(next).min();
            }
        }
        let windows = meant.iter().map(|(_, window)| *window);
        let own = fleet::spans(windows, now, wish.not_after, OCCURRENCES_MAX);
        spans.extend(own.map_err(|why| Error::Input(why.to_string()))?);
        spans.sort();
        if spans.is_empty() && !meant.is_empty() {
            let next = next.map_or_else(String::new, |next| format!("; the next opens {next}"));
            let message = format!(
                "no window of ring {} opens before the approval would end ({}){next}: let it last longer, \
                 or say that it may be applied at any time",
                wish.ring, wish.not_after
            );
            return Err(Error::Input(message));
        }
        Ok(spans)
    }
}

fn no_window(name: &WindowName) -> Error {
    Error::Refused(fleet::Refused::NoWindow { name: name.clone() })
}

/// When a window is open next.
fn openings(window: &Window, now: Timestamp, max: usize) -> Result<Vec<Opening>, WindowError> {
    let zone = window.zone()?;
    let far = now.checked_add(SignedDuration::from_hours(PREVIEW_HOURS)).unwrap_or(Timestamp::MAX);
    let spans = window.occurrences(now, far, max)?;
    let time = window.start.time();
    let opening = |span: Interval| {
        // A time that the clocks jump over is told by the day, which the jump does not change.
        let odd = zone.odd(zone.local(span.opens).date().to_datetime(time)).map(|odd| match odd {
            Odd::Skipped => format!("clocks jump over {}", time.strftime("%H:%M")),
            Odd::Twice => format!("clocks show {} twice: the first", time.strftime("%H:%M")),
        });
        Opening { local: [zone.text(span.opens), zone.text(span.closes)], span, odd }
    };
    Ok(spans.into_iter().map(opening).collect())
}
