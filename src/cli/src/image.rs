//! `patchkeep image`: the appliance's own images, and starting a new one on trial.

use crate::{
    appliance::Appliance,
    control::{
        ApplianceReply as Reply, ApplianceRequest as Request, about_appliance as ask, unexpected,
    },
    failure::Failure,
    person::Person,
    screen::{Screen, bytes},
};
use clap::Subcommand;
use fleet::{ImageEnd, SettledImage};
use site::{HeldImage, ImageStatus};

#[derive(Subcommand)]
pub(crate) enum ImageVerb {
    /// Which image runs, which are held, and what became of the last that was started.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Start an image that is held: the appliance restarts and tries it once; it stays only if it works.
    Start {
        #[command(flatten)]
        appliance: Appliance,
        /// Its version, as `list` prints it. One that is older than the one that runs takes two administrators within a day,
        /// and somebody at the machine.
        version: String,
        #[command(flatten)]
        person: Person,
    },
}

impl ImageVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::List { appliance } => {
                let Reply::Images(status) = ask(&appliance, Request::Images, screen)? else {
                    return Err(unexpected());
                };
                screen.result(&status, list(&status));
            }
            Self::Start { appliance, version, person } => {
                let person = person.id(&appliance)?;
                let request = Request::StartImage { version, person };
                let Reply::Image(started) = ask(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                let version = &started.image.version;
                let told = match started.another_until {
                    None => format!(
                        "Image {version} is handed over. The appliance restarts and tries it once (an older one once somebody \
                         typed at the machine what its screen says); if it does not work, the one that runs now comes back by \
                         itself. What became of it: patchkeep image list"
                    ),
                    Some(until) => format!(
                        "Image {version} is older than the one that runs, and may have faults that are known: nothing was started. \
                         Another administrator has to start it too, until {until:.0}"
                    ),
                };
                screen.result(&started, told);
            }
        }
        Ok(())
    }
}

fn list(status: &ImageStatus) -> String {
    let mut lines = vec![match &status.running {
        Some(version) => format!("image {version} runs"),
        None => "this appliance runs from no image: none can be started here".to_owned(),
    }];
    if status.waits {
        let waits = "one was handed over and is being taken, or, where it is older, waits for somebody at the machine";
        lines.push(format!("  {waits}"));
    }
    lines.extend(status.asked.as_ref().map(|asked| {
        format!(
            "  {} asked for {}, which is older: another administrator may start it until {:.0}",
            asked.by,
            asked.version,
            asked.until()
        )
    }));
    lines.extend(status.last.as_ref().map(|last| format!("  the last: {}", end(last))));
    lines.extend(status.held.iter().map(held));
    if status.held.is_empty() {
        lines.push("no image is held".to_owned());
    }
    lines.join("\n")
}

fn held(image: &HeldImage) -> String {
    let HeldImage { version, released, source, anchor, sha256, .. } = image;
    let length = bytes(image.bytes);
    let imported = image.imported.map(|at| format!(", imported {at}")).unwrap_or_default();
    let notes = image.notes.as_ref().map(|notes| format!("\n    {notes}")).unwrap_or_default();
    format!(
        "  {version}  {length}, of {released}, from {source}, vouched for by {anchor}{imported}\n    SHA-256 \
         {sha256}{notes}"
    )
}

fn end(last: &SettledImage) -> String {
    let version = last.to.as_deref().unwrap_or("of an unknown version");
    let why = last.why.as_deref().unwrap_or("nobody knows why");
    let (at, from) = (last.settled, &last.from);
    match last.became {
        ImageEnd::Blessed => format!("{version} was blessed at {at}, in place of {from}"),
        ImageEnd::FellBack => format!("{version} did not stay, {from} came back at {at}: {why}"),
        ImageEnd::Refused => format!("one was refused at {at}: {why}"),
    }
}
