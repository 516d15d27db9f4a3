//! `patchkeep approver`: approvers' keys. A change is a next site root, which administrators sign.

use crate::{
    appliance::Appliance,
    failure::Failure,
    screen::Screen,
    site_root::{self, DAYS},
    ssh,
};
use clap::{Args, Subcommand};
use ids::{Fault, PersonId};
use site::RootDraft;
use std::path::{Path, PathBuf};
use trust::Approver;

#[derive(Subcommand)]
pub(crate) enum ApproverVerb {
    /// The approvers' keys that the site obeys.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Draw up the next site root with one more key: a new approver's, or a second one of theirs.
    Add {
        /// The person.
        person: PersonId,
        /// Their public key's file.
        key: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Draw up the next site root with a new key in the place of all that a person had.
    Replace {
        /// The person.
        person: PersonId,
        /// Their new public key's file.
        key: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Draw up the next site root without a person's keys.
    Remove {
        /// The person.
        person: PersonId,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
pub(crate) struct Place {
    #[command(flatten)]
    appliance: Appliance,
    /// Where to write the draft; it must not be there yet.
    #[arg(long)]
    into: PathBuf,
}

impl ApproverVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (draft, place) = match self {
            Self::List { appliance } => return list(&appliance, screen),
            Self::Add { person, key, place } => {
                let mut draft = newest(&place.appliance, screen)?;
                add(&mut draft, person, &key)?;
                (draft, place)
            }
            Self::Replace { person, key, place } => {
                let mut draft = newest(&place.appliance, screen)?;
                remove(&mut draft, &person)?;
                add(&mut draft, person, &key)?;
                (draft, place)
            }
            Self::Remove { person, place } => {
                let mut draft = newest(&place.appliance, screen)?;
                remove(&mut draft, &person)?;
                (draft, place)
            }
        };
        site_root::write_draft(&place.appliance, draft, &place.into, screen)
    }
}

fn list(appliance: &Appliance, screen: &Screen) -> Result<(), Failure> {
    let approvers = newest(appliance, screen)?.approvers;
    let line = |a: &Approver| {
        let end = a.not_after.map(|end| format!(", until {end}")).unwrap_or_default();
        format!("{}: {}{end}", a.person, a.key)
    };
    let mut lines: Vec<String> = approvers.iter().map(line).collect();
    if lines.is_empty() {
        lines
            .push("The site root lists no approver; `patchkeep approver add` draws one up.".into());
    }
    screen.result(&approvers, lines.join("\n"));
    Ok(())
}

fn newest(appliance: &Appliance, screen: &Screen) -> Result<RootDraft, Failure> {
    let none = || {
        let message = "this site has no root yet: `patchkeep site draft` draws one up";
        Failure::say(Fault::Input, message)
    };
    let status = site_root::current(appliance, screen)?.ok_or_else(none)?;
    site_root::next(status.root, DAYS)
}

fn add(draft: &mut RootDraft, person: PersonId, key: &Path) -> Result<(), Failure> {
    let key = ssh::public_key(key)?;
    draft.approvers.push(Approver { person, key, not_after: None });
    Ok(())
}

fn remove(draft: &mut RootDraft, person: &PersonId) -> Result<(), Failure> {
    let before = draft.approvers.len();
    draft.approvers.retain(|approver| approver.person != *person);
    if draft.approvers.len() == before {
        let message = format!("the site root lists no key of {person}; nothing was drawn up");
        return Err(Failure::say(Fault::Input, message));
    }
    Ok(())
}
