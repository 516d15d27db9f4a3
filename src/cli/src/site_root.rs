//! `patchkeep site`: whom the site obeys. The appliance drafts, administrators sign with keys of their
//! own, the appliance accepts what the threshold signed.

use crate::{
    appliance::Appliance,
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
    signed_file::{SignWords, must_be_new, read, write},
    ssh,
};
use clap::{Args, Subcommand};
use durable::RealDisk;
use ids::{Digest, Fault, PersonId, Timestamp};
use jiff::SignedDuration;
use site::{Folder, RootDraft, SiteRootStatus};
use std::{
    fs,
    path::{Path, PathBuf},
};
use trust::{Administrator, Administrators, Approver, SITE_ROOT, SitePolicy, SiteRoot};

/// How long a root lasts unless said otherwise, in days.
pub(crate) const DAYS: u32 = 365;

#[derive(Subcommand)]
pub(crate) enum SiteRootVerb {
    /// Draw up the first site root, or the next one from the newest: nothing is changed yet.
    Draft(Box<DraftWords>),
    /// Sign a drafted root with an administrator's key. Needs no appliance.
    Sign(SignWords),
    /// Accept a root that enough administrators have signed.
    Accept {
        /// The signed root.
        file: PathBuf,
        #[command(flatten)]
        appliance: Appliance,
        /// The first root's fingerprint, as its signers wrote it down.
        #[arg(long)]
        fingerprint: Option<Digest>,
        /// On a restored appliance: a checkpoint of its log that somebody holds (an earlier audit
        /// bundle's, a medium's), to know what the backup lacks. May be repeated.
        #[arg(long, value_name = "FILE")]
        held: Vec<PathBuf>,
        #[command(flatten)]
        person: Person,
    },
    /// Whom the site obeys today.
    Show {
        #[command(flatten)]
        appliance: Appliance,
    },
}

/// A person and a public key file: `ann=ann.pub`.
#[derive(Debug, Clone)]
pub(crate) struct PersonKey(PersonId, PathBuf);

impl std::str::FromStr for PersonKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (person, path) = text.split_once('=').ok_or("it is not PERSON=FILE")?;
        Ok(Self(person.parse().map_err(|e: ids::NameError| e.to_string())?, path.into()))
    }
}

#[derive(Args)]
pub(crate) struct DraftWords {
    #[command(flatten)]
    appliance: Appliance,
    /// Where to write the draft; it must not be there yet.
    #[arg(long)]
    into: PathBuf,
    /// An administrator, new or with a new key in the place of a lost one. May be repeated.
    #[arg(long = "administrator", value_name = "PERSON=FILE")]
    administrators: Vec<PersonKey>,
    /// An administrator who leaves. May be repeated.
    #[arg(long, value_name = "PERSON")]
    remove_administrator: Vec<PersonId>,
    /// How many administrators must sign the next root; more than half unless said.
    #[arg(long)]
    threshold: Option<usize>,
    /// An approver's key. May be repeated, also for one person.
    #[arg(long = "approver", value_name = "PERSON=FILE")]
    approvers: Vec<PersonKey>,
    /// Whether nobody may approve what they imported (so it is unless said).
    #[arg(long)]
    four_eyes: Option<bool>,
    /// Whether approvals that only the appliance attests to are recorded (not so unless said).
    #[arg(long)]
    attested_approvals: Option<bool>,
    /// How many days the root lasts.
    #[arg(long, default_value_t = DAYS)]
    days: u32,
}

impl SiteRootVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Draft(words) => {
                let current = current(&words.appliance, screen)?;
                let (appliance, into) = (words.appliance.clone(), words.into.clone());
                let draft = words.draft(current.map(|status| status.root))?;
                write_draft(&appliance, draft, &into, screen)
            }
            Self::Sign(words) => sign(&words, screen),
            Self::Accept { file, appliance, fingerprint, held, person } => {
                accept(&file, &appliance, fingerprint, &held, &person, screen)
            }
            Self::Show { appliance } => {
                let status = current(&appliance, screen)?;
                let said = status.as_ref().map_or_else(|| NONE.to_owned(), text);
                screen.result(&status, said);
                Ok(())
            }
        }
    }
}

const NONE: &str = "This site has no root yet: `patchkeep site draft` draws one up.";

impl DraftWords {
    /// The newest root with what was asked for changed in it.
    fn draft(self, current: Option<SiteRoot>) -> Result<RootDraft, Failure> {
        let mut draft = match current {
            Some(root) => next(root, self.days)?,
            None => RootDraft {
                administrators: Administrators { threshold: 0, keys: Vec::new() },
                approvers: Vec::new(),
                policy: SitePolicy { four_eyes: true, attested_approvals: false },
                not_after: days_from_now(self.days)?,
            },
        };
        let Administrators { threshold, keys } = &mut draft.administrators;
        let before = keys.len();
        for person in &self.remove_administrator {
            if !keys.iter().any(|known| known.person == *person) {
                let message = format!("the site root lists no administrator {person}");
                return Err(Failure::say(Fault::Input, message));
            }
            keys.retain(|known| known.person != *person);
        }
        for PersonKey(person, path) in self.administrators {
            let key = ssh::public_key(&path)?;
            keys.retain(|known| known.person != person);
            keys.push(Administrator { person, key });
        }
        if let Some(wanted) = self.threshold {
            *threshold = wanted;
        } else if keys.len() != before {
            *threshold = keys.len() / 2 + 1;
        }
        for PersonKey(person, path) in self.approvers {
            let key = ssh::public_key(&path)?;
            draft.approvers.push(Approver { person, key, not_after: None });
        }
        let policy = &mut draft.policy;
        policy.four_eyes = self.four_eyes.unwrap_or(policy.four_eyes);
        policy.attested_approvals = self.attested_approvals.unwrap_or(policy.attested_approvals);
        Ok(draft)
    }
}

/// A draft that differs from the newest root in its end only.
pub(crate) fn next(root: SiteRoot, days: u32) -> Result<RootDraft, Failure> {
    let SiteRoot { administrators, approvers, policy, .. } = root;
    Ok(RootDraft { administrators, approvers, policy, not_after: days_from_now(days)? })
}

/// The newest root of an appliance.
pub(crate) fn current(
    appliance: &Appliance,
    screen: &Screen,
) -> Result<Option<SiteRootStatus>, Failure> {
    status(ask(appliance, Request::SiteRoot, screen)?)
}

/// Has the appliance complete a draft, and writes it to a file.
pub(crate) fn write_draft(
    appliance: &Appliance,
    draft: RootDraft,
    into: &Path,
    screen: &Screen,
) -> Result<(), Failure> {
    must_be_new(into)?;
    let request = Request::DraftSiteRoot { draft: Box::new(draft) };
    let Reply::Draft(envelope) = ask(appliance, request, screen)? else { return Err(unexpected()) };
    write(into, &envelope)?;
    let (root, fingerprint) = (SiteRoot::unverified(&envelope)?, SiteRoot::fingerprint(&envelope)?);
    let pin = match root.generation {
        1 => "Write the fingerprint down: endpoints pin this first root by it.\n",
        _ => "Administrators of the root before sign it too, as many as that one asks for.\n",
    };
    let file = into.display();
    let said = format!(
        "{}\nFingerprint: {fingerprint}\n{pin}Written to {file}. Now at least {} administrators sign \
         it: patchkeep site sign {file} --key KEY",
        root.text(),
        root.administrators.threshold,
    );
    screen.result(&serde_json::json!({ "root": root, "fingerprint": fingerprint }), said);
    Ok(())
}

fn accept(
    file: &Path,
    appliance: &Appliance,
    pinned: Option<Digest>,
    held: &[PathBuf],
    person: &Person,
    screen: &Screen,
) -> Result<(), Failure> {
    let (envelope, person) = (read(file)?, person.id(appliance)?);
    let note =
        |path: &PathBuf| fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e));
    let held = held.iter().map(note).collect::<Result<_, _>>()?;
    let restored = is_restored(appliance);
    let request = Request::AcceptSiteRoot { envelope, pinned, held, person };
    let Some(status) = status(ask(appliance, request, screen)?)? else { return Err(unexpected()) };
    let SiteRoot { generation, log, .. } = &status.root;
    let said = match (restored, is_restored(appliance)) {
        (true, true) => format!(
            "Site root {generation} is newer than the backup, and is known again. The next epoch is \
             not open: `patchkeep site draft` draws up the root that opens it."
        ),
        (true, false) => format!(
            "Epoch {} is open, under site root {generation}. The log before is kept as it was. \
             Endpoints follow with their next check-in.",
            log.epoch
        ),
        _ => format!("Site root {generation} is obeyed from now on."),
    };
    screen.result(&status, format!("{said}\n{}", text(&status)));
    Ok(())
}

fn is_restored(appliance: &Appliance) -> bool {
    appliance.folder().is_some_and(|folder| Folder::at(folder).is_restored(&RealDisk))
}

fn sign(words: &SignWords, screen: &Screen) -> Result<(), Failure> {
    let envelope = read(&words.file)?;
    let (root, fingerprint) = (SiteRoot::unverified(&envelope)?, SiteRoot::fingerprint(&envelope)?);
    let text = format!("{}\nFingerprint: {fingerprint}\n", root.text());
    let said = words.sign(envelope, SITE_ROOT, &text)?;
    screen.result(&fingerprint, said);
    Ok(())
}

fn text(status: &SiteRootStatus) -> String {
    let SiteRootStatus { root, pinned, days_left } = status;
    let end = match days_left {
        ..0 => "It has ENDED: no approval is obeyed until a next root is accepted.".to_owned(),
        0..30 => format!("It ends in {days_left} days: draw up the next one."),
        _ => format!("It ends in {days_left} days."),
    };
    format!("{}{end}\nFingerprint that endpoints pin: {pinned}", root.text())
}

fn status(reply: Reply) -> Result<Option<SiteRootStatus>, Failure> {
    match reply {
        Reply::SiteRoot(status) => Ok(*status),
        _ => Err(unexpected()),
    }
}

pub(crate) fn days_from_now(days: u32) -> Result<Timestamp, Failure> {
    let end = site::now().checked_add(SignedDuration::from_hours(24 * i64::from(days)));
    end.map_err(|e| Failure::say(Fault::Input, format!("{days} days are too many: {e}")))
}
