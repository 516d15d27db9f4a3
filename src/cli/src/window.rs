//! `patchkeep window`: when a ring may be changed.

use crate::{
    appliance::Appliance,
    control::{Reply, Request, WindowRequest, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::{Args, Subcommand};
use fleet::Window;
use ids::{RingName, WindowName};
use jiff::civil;
use site::WindowStatus;
use std::fmt::Write as _;

#[derive(Subcommand)]
pub(crate) enum WindowVerb {
    /// The windows, and when each opens next.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Make a window, or change it.
    Set(SetWords),
    /// Do away with a window. What was approved keeps the spans that it was signed with.
    Remove {
        #[command(flatten)]
        appliance: Appliance,
        /// The window.
        name: WindowName,
        #[command(flatten)]
        person: Person,
    },
    /// When a window opens the next ten times, on the wall and in UTC, and for whom.
    Preview {
        #[command(flatten)]
        appliance: Appliance,
        /// The window.
        name: WindowName,
    },
}

#[derive(Args)]
pub(crate) struct SetWords {
    #[command(flatten)]
    appliance: Appliance,
    /// Its name.
    name: WindowName,
    /// The ring that may be changed in it.
    #[arg(long, default_value = "broad")]
    ring: RingName,
    /// On which days, as calendars write it (RFC 5545): `FREQ=MONTHLY;BYDAY=+2TU` is each second Tuesday.
    #[arg(long)]
    rule: String,
    /// From which day on, and at what time on the wall: `2026-12-01T22:00`.
    #[arg(long)]
    start: civil::DateTime,
    /// The time zone of that wall, as `Europe/London`.
    #[arg(long)]
    zone: String,
    /// How long it stays open, in minutes.
    #[arg(long)]
    minutes: u32,
    #[command(flatten)]
    person: Person,
}

impl WindowVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::List { appliance } => {
                let windows = asked(&appliance, WindowRequest::Windows, screen)?;
                let lines: Vec<String> = windows.iter().map(line).collect();
                let said = if lines.is_empty() {
                    "There is no window: what is approved may be applied from then on until it ends."
                        .to_owned()
                } else {
                    lines.join("\n")
                };
                screen.result(&windows, said);
            }
            Self::Set(words) => {
                let SetWords { appliance, name, ring, rule, start, zone, minutes, person } = words;
                let window = Window { ring, rule, start, zone, minutes };
                let set = WindowRequest::Set { name, window, person: person.id(&appliance)? };
                shown(&asked(&appliance, set, screen)?, screen)?;
            }
            Self::Remove { appliance, name, person } => {
                let said = format!(
                    "Window {name} was removed. What was approved keeps the spans that it was signed with."
                );
                asked(
                    &appliance,
                    WindowRequest::Remove { name, person: person.id(&appliance)? },
                    screen,
                )?;
                screen.result(&true, said);
            }
            Self::Preview { appliance, name } => {
                shown(&asked(&appliance, WindowRequest::Preview { name }, screen)?, screen)?;
            }
        }
        Ok(())
    }
}

fn asked(
    appliance: &Appliance,
    request: WindowRequest,
    screen: &Screen,
) -> Result<Vec<WindowStatus>, Failure> {
    match ask(appliance, Request::Windows(request), screen)? {
        Reply::Windows(windows) => Ok(windows),
        _ => Err(unexpected()),
    }
}

fn shown(windows: &[WindowStatus], screen: &Screen) -> Result<(), Failure> {
    let [window] = windows else { return Err(unexpected()) };
    let mut text = line(window);
    // Writing to a String cannot fail.
    for opening in &window.next {
        let [from, to] = &opening.local;
        let odd = opening.odd.as_ref().map(|odd| format!("  ({odd})")).unwrap_or_default();
        let _ = write!(
            text,
            "\n  {from} to {to}  =  {} to {}{odd}",
            opening.span.opens, opening.span.closes
        );
    }
    let names: Vec<&str> = window.endpoints.iter().map(ids::EndpointName::as_str).collect();
    let whom = if names.is_empty() { "nobody yet".to_owned() } else { names.join(", ") };
    let _ = write!(text, "\nFor {whom}.");
    screen.result(window, text);
    Ok(())
}

fn line(status: &WindowStatus) -> String {
    let WindowStatus { name, window, next, broken, .. } = status;
    let Window { ring, rule, start, zone, minutes } = window;
    let time = start.strftime("%H:%M");
    let next = match (next.first(), broken) {
        (_, Some(why)) => format!("BROKEN: {why}"),
        (Some(next), None) => format!("next {} ({})", next.local[0], next.span.opens),
        (None, None) => "it opens no more".to_owned(),
    };
    format!("{name}  ring {ring}, {rule} at {time} {zone} for {minutes} minutes; {next}")
}
