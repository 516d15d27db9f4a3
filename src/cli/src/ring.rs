//! `patchkeep ring`: list rings, make one, point one at a view, print what it needs before it can move.

mod need;

use crate::{
    appliance::Appliance,
    control::{Reply, Request, RunRequest, ask, unexpected},
    failure::Failure,
    person::Person,
    run::ask_runs,
    screen::Screen,
};
use clap::Subcommand;
use fleet::RingPlace;
use ids::{RingName, SourceId};
use site::RingPointer;

#[derive(Subcommand)]
pub(crate) enum Ring {
    /// Where rings point.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Make a ring.
    Create {
        #[command(flatten)]
        appliance: Appliance,
        /// Its name.
        ring: RingName,
        /// Let it follow every complete import by itself.
        #[arg(long)]
        follows: bool,
        #[command(flatten)]
        person: Person,
    },
    /// Point a ring at a complete view.
    Point {
        #[command(flatten)]
        appliance: Appliance,
        /// The ring.
        ring: RingName,
        /// The source.
        source: SourceId,
        /// Sequence of the bundle that brought the view; the newest complete one unless given.
        #[arg(long)]
        sequence: Option<u64>,
        #[command(flatten)]
        person: Person,
    },
    /// Put a ring behind another: its runs wait until that one's is complete and has soaked.
    Place {
        #[command(flatten)]
        appliance: Appliance,
        /// The ring.
        ring: RingName,
        /// The ring that goes first; none takes it out of the order.
        #[arg(long, value_name = "RING", required_unless_present = "first")]
        after: Option<RingName>,
        /// For how many hours that one's run must have been complete.
        #[arg(long, value_name = "HOURS", default_value_t = 72)]
        soak_hours: u32,
        /// It waits for none.
        #[arg(long, conflicts_with_all = ["after", "soak_hours"])]
        first: bool,
        #[command(flatten)]
        person: Person,
    },
    /// Name a version of a package that no endpoint of a ring may leave out: a step between.
    Floor {
        #[command(flatten)]
        appliance: Appliance,
        /// The ring.
        ring: RingName,
        /// The package.
        package: String,
        /// The version; none ends it.
        #[arg(required_unless_present = "none")]
        version: Option<String>,
        /// Any version may be left out again.
        #[arg(long, conflicts_with = "version")]
        none: bool,
        #[command(flatten)]
        person: Person,
    },
    /// What its endpoints need and the site does not hold: the page to hand to the connected side.
    Need(need::NeedWords),
}

impl Ring {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Need(words) => words.run(screen)?,
            Self::Place { appliance, ring, after, soak_hours, person, .. } => {
                let said = match &after {
                    Some(after) => {
                        format!("Ring {ring} goes {soak_hours} hours after ring {after}.")
                    }
                    None => format!("Ring {ring} waits for none."),
                };
                let place = after.map(|after| RingPlace { after, soak_hours });
                let request = RunRequest::PlaceRing { ring, place, person: person.id(&appliance)? };
                ask_runs(&appliance, request, screen)?;
                screen.result(&true, said);
            }
            Self::Floor { appliance, ring, package, version, person, .. } => {
                let said = match &version {
                    Some(version) => {
                        format!(
                            "No endpoint of ring {ring} goes past {package} {version} without it."
                        )
                    }
                    None => format!("Ring {ring} may leave out any version of {package}."),
                };
                let request =
                    RunRequest::SetFloor { ring, package, version, person: person.id(&appliance)? };
                ask_runs(&appliance, request, screen)?;
                screen.result(&true, said);
            }
            Self::List { appliance } => {
                let Reply::Rings(rings) = ask(&appliance, Request::Rings, screen)? else {
                    return Err(unexpected());
                };
                screen.result(&rings, lines(&rings));
            }
            Self::Create { appliance, ring, follows, person } => {
                let said = format!("Ring {ring} was made.");
                let request = Request::CreateRing { ring, follows, person: person.id(&appliance)? };
                ask(&appliance, request, screen)?;
                screen.result(&true, said);
            }
            Self::Point { appliance, ring, source, sequence, person } => {
                let name = format!("{ring} for {source}");
                let person = person.id(&appliance)?;
                let request = Request::PointRing { ring, source, sequence, person };
                let Reply::Done(moved) = ask(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                let said = if moved { "points there now" } else { "pointed there already" };
                screen.result(&moved, format!("Ring {name} {said}."));
            }
        }
        Ok(())
    }
}

/// The rings as lines.
pub(crate) fn lines(rings: &[RingPointer]) -> String {
    let line = |ring: &RingPointer| match (&ring.source, ring.sequence) {
        (Some(source), Some(sequence)) => {
            format!("{}: {source} at bundle {sequence}", ring.ring)
        }
        (Some(source), None) => format!("{}: {source} at nothing yet", ring.ring),
        _ => format!("{}: points at nothing yet", ring.ring),
    };
    let stays = |ring: &RingPointer| ring.stays.as_ref().map(|stays| format!("\n  {stays}"));
    let both = rings.iter().map(|ring| line(ring) + &stays(ring).unwrap_or_default());
    both.collect::<Vec<_>>().join("\n")
}
