//! Maintenance windows: the list, one with its next openings, making and removing one.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{At, Endpoint, Of, Part, Place, Ring, Text, WindowWord, Words},
};
use fleet::{Operation, Refused};
use ids::WindowName;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A maintenance window.
#[derive(Debug, Serialize, ToSchema)]
struct WindowStatus {
    name: WindowWord,
    ring: Ring,
    /// When it recurs (RFC 5545), e.g. `FREQ=WEEKLY;BYDAY=SA`.
    rule: String,
    /// When it first opens, by the clocks of its zone.
    start: String,
    /// IANA time zone.
    zone: String,
    /// How long it is.
    minutes: u32,
    /// When it opens next.
    next: Vec<Opening>,
    /// Why it does not open, where it does not.
    broken: Option<String>,
    /// Whom it concerns.
    endpoints: Vec<Endpoint>,
}

/// When a window opens.
#[derive(Debug, Serialize, ToSchema)]
struct Opening {
    opens: At,
    closes: At,
    /// Both by the clocks of its zone.
    #[schema(value_type = Vec<String>, min_items = 2, max_items = 2)]
    local: [String; 2],
    /// What clocks do meanwhile, where they change.
    odd: Option<String>,
}

impl Of<site::Opening> for Opening {
    fn of(from: site::Opening) -> Self {
        let (opens, closes) = (At(from.span.opens), At(from.span.closes));
        Self { opens, closes, local: from.local, odd: from.odd }
    }
}

impl Of<site::WindowStatus> for WindowStatus {
    fn of(from: site::WindowStatus) -> Self {
        Self {
            name: WindowWord(from.name),
            ring: Ring(from.window.ring),
            rule: from.window.rule,
            start: from.window.start.to_string(),
            zone: from.window.zone,
            minutes: from.window.minutes,
            next: Of::of(from.next),
            broken: from.broken,
            endpoints: Of::of(from.endpoints),
        }
    }
}

/// A rule as calendars write it.
type Recurrence = Text<1, 500>;

/// What a window is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Window {
    ring: Ring,
    /// When it recurs (RFC 5545); it opens at most once a day.
    rule: Recurrence,
    /// When it first opens, by the clocks of its zone, e.g. `2026-11-28T22:00:00`.
    #[schema(value_type = String, pattern = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9](:00)?$")]
    start: DateTime,
    /// IANA time zone, e.g. `Europe/London`.
    zone: Words,
    /// How long it is.
    #[schema(minimum = 1, maximum = 10080)]
    minutes: u32,
}

/// Which window.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfWindow {
    window: WindowWord,
}

impl Asking {
    fn window(&self, of: OfWindow) -> Result<WindowName, Problem> {
        let WindowWord(window) = of.window;
        let known = self.site().state().windows.contains_key(&window);
        if known { Ok(window) } else { Err(Problem::none(Refused::NoWindow { name: window })) }
    }
}

fn list(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<WindowStatus>>, Problem> {
    Ok(Json(Part::of(asking.site().windows()?, &place)?))
}

fn one(asking: &Asking, of: OfWindow, _: No, _: No) -> Result<Json<WindowStatus>, Problem> {
    let window = asking.window(of)?;
    Ok(Json(Of::of(asking.site().window(&window)?)))
}

fn set(
    asking: &Asking,
    of: OfWindow,
    _: No,
    Json(window): Json<Window>,
) -> Result<Json<WindowStatus>, Problem> {
    let Window { ring, rule, start, zone, minutes } = window;
    let window = fleet::Window { ring: ring.0, rule: rule.0, start, zone: zone.0, minutes };
    Ok(Json(Of::of(asking.site().set_window(asking.actor(), of.window.0, window)?)))
}

fn remove(asking: &Asking, of: OfWindow, _: No, _: No) -> Result<(), Problem> {
    let window = asking.window(of)?;
    Ok(asking.site().remove_window(asking.actor(), window)?)
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/windows"), O::Windows, "Maintenance windows", list);
    table.add(
        ("GET", "/windows/{window}"),
        O::PreviewWindow,
        "When a window opens, and for whom",
        one,
    );
    table.add(("PUT", "/windows/{window}"), O::SetWindow, "Make a window, or change it", set);
    table.add(("DELETE", "/windows/{window}"), O::RemoveWindow, "Do away with a window", remove);
}
