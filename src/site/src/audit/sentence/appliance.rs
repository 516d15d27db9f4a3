//! The sentences of the appliance itself: its images, how it is reached, and what it writes to media.

use super::count;
use fleet::{Fact, ImageEnd, SettledImage};
use network::{Became, Outcome};

/// The sentence of a fact about the appliance itself; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::ServiceStarted { version, entries, data_partition } => {
            let kept =
                data_partition.map(|kept| format!("; its data partition is {}", kept.says()));
            let (entries, kept) = (count(*entries, "entry"), kept.unwrap_or_default());
            format!("Patchkeep {version} started on a log of {entries}{kept}")
        }
        Fact::ImageHandedOver { version, sha256 } => format!(
            "{who} handed over image {version} ({}), to be started once on trial",
            sha256.short()
        ),
        Fact::OlderImageAsked { version, sha256 } => format!(
            "{who} asked for image {version} ({}), which is older than the one that runs: another administrator has to start it \
             too, within a day",
            sha256.short()
        ),
        Fact::ImageSettled(settled) => image(settled),
        Fact::NetworkChangeAsked { settings, .. } => {
            format!("{who} asked that the appliance be reached otherwise, on trial: {settings}")
        }
        Fact::NetworkChangeConfirmed { .. } => {
            format!("{who} confirmed how the appliance is reached")
        }
        Fact::NetworkSettled(outcome) => network(outcome),
        Fact::MediumWriteAsked { custody, name, sha256, .. } => format!(
            "{who} had {name} ({}) written to a medium, with the custody record {custody}",
            sha256.short()
        ),
        Fact::MediumWriteSettled { custody, why: None, .. } => {
            format!("the file was written to the medium of record {custody} and read back whole")
        }
        Fact::MediumWriteSettled { custody, why: Some(why), .. } => {
            format!("no file was written to the medium of record {custody}: {why}")
        }
        _ => return None,
    })
}

/// What became of an image that was handed over.
fn image(settled: &SettledImage) -> String {
    let version = settled.to.as_deref().unwrap_or("of an unknown version");
    let why = settled.why.as_deref().unwrap_or("nobody knows why");
    let from = &settled.from;
    match settled.became {
        ImageEnd::Blessed => {
            format!(
                "image {version} answers and is blessed: it is started from now on, in place of {from}"
            )
        }
        ImageEnd::FellBack => {
            format!("ALARM: image {version} did not stay, and {from} came back by itself: {why}")
        }
        ImageEnd::Refused => {
            format!("ALARM: an image was refused and never started, and {from} goes on: {why}")
        }
    }
}

/// What became of a change of how the appliance is reached.
fn network(outcome: &Outcome) -> String {
    let Outcome { became, settings, why, .. } = outcome;
    let why = why.as_deref().unwrap_or("nobody knows why");
    match became {
        Became::Kept => format!("the appliance is reached otherwise from now on: {settings}"),
        Became::PutBack => {
            format!("the appliance is reached as before; {settings} did not stay: {why}")
        }
        Became::Refused => {
            format!("the appliance is reached as before; {settings} could not be taken: {why}")
        }
        Became::SetThere => {
            format!("somebody before the machine set how the appliance is reached: {settings}")
        }
    }
}
