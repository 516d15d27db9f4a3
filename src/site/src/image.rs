//! The appliance's own images: which are held, which one runs, handing one over, and what became of it.
//!
//! An image comes in a bundle as any vendor's file does. It is handed over in a folder that PID 1 looks into (`init`,
//! `slots`): PID 1 starts it once, blesses it or goes back, and leaves word of that beside the folder.

use crate::{Error, Site};
use catalogue::Vendor;
use fleet::{Actor, ApplianceCommand, Command, Fact, ImageEnd, OlderImage, SettledImage};
use ids::{Digest, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use slots::{Became, IMAGE_BYTES_MAX, Outcome, Request, Version};
use std::{
    cmp::Reverse,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use vendor_image::{RELEASE_BYTES_MAX, Release};

/// Longest word of what became of an image, in bytes.
const OUTCOME_BYTES_MAX: u64 = 64 << 10;
/// Longest reason that goes into the log, in characters.
const WHY_CHARS_MAX: usize = 600;

/// The image that this appliance runs from; none on a desk or in a package.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Option<Machine>>);

#[derive(Debug, Clone)]
struct Machine {
    version: Version,
    updates: PathBuf,
}

impl Running {
    fn held(&self) -> MutexGuard<'_, Option<Machine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image that is held: a builder and the publisher signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldImage {
    /// Its version.
    pub version: String,
    /// When its builder released it.
    pub released: Timestamp,
    /// The source that it came from.
    pub source: SourceId,
    /// The anchor under which its builder's signature held.
    pub anchor: String,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
    /// When it was imported, as far as that is in this log.
    pub imported: Option<Timestamp>,
    /// What its builder says of it.
    pub notes: Option<String>,
}

/// What starting an image came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedImage {
    /// Which.
    pub image: HeldImage,
    /// Until when another administrator has to start it too, where it is older than the one that runs and was only asked for.
    pub another_until: Option<Timestamp>,
}

/// How the appliance stands with its images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageStatus {
    /// The version that runs; `None` where the appliance runs from no image.
    pub running: Option<String>,
    /// Whether one was handed over and is not taken yet.
    pub waits: bool,
    /// An older one that one administrator has asked for, as long as another may start it.
    pub asked: Option<OlderImage>,
    /// What became of the last one that was handed over.
    pub last: Option<SettledImage>,
    /// Those that are held, the newest version first.
    pub held: Vec<HeldImage>,
}

impl ImageStatus {
    /// Whether an image is older than the one that runs.
    #[must_use]
    pub fn is_older(&self, image: &HeldImage) -> bool {
        let version = |text: &str| text.parse::<Version>().ok();
        let running = self.running.as_deref().and_then(version);
        running.zip(version(&image.version)).is_some_and(|(running, held)| held < running)
    }
}

impl Site {
    /// Says that the appliance runs from an image of this version, and in which folder PID 1 takes another: `in` in it
    /// is written to, `outcome.json` in it is read.
    pub fn runs_from_image(&self, version: Version, updates: PathBuf) {
        *self.running().held() = Some(Machine { version, updates });
    }

    /// Which image runs, which are held, and what became of the last.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Input`] or [`Error::Views`] when what was imported cannot be read.
    pub fn images(&self) -> Result<ImageStatus, Error> {
        let machine = self.running().held().clone();
        let waits = machine.as_ref().is_some_and(|known| self.disk().len(&known.request()).is_ok());
        let running = machine.map(|known| known.version.to_string());
        let (state, now) = (self.state(), self.now());
        let asked = state.older_image.clone().filter(|asked| now < asked.until());
        let last = state.image_settled.clone();
        Ok(ImageStatus { running, waits, asked, last, held: self.held_images()? })
    }

    fn held_images(&self) -> Result<Vec<HeldImage>, Error> {
        let (state, shelf) = (self.state(), self.shelf().current());
        let mut held: Vec<HeldImage> = Vec::new();
        let mut imports = None;
        for ((source, sequence), kept) in state.views.iter().rev() {
            let view = shelf.view(source, *sequence);
            if view.is_none_or(|view| *view.vendor() != Vendor::Image) {
                continue;
            }
            let signed = self.store().read(&kept.source.vendor.release, RELEASE_BYTES_MAX);
            let release = Release::parse(&signed.map_err(Error::Store)?);
            let release = release.map_err(|e| Error::Input(format!("{source}: {e}")))?;
            let is_known = held.iter().any(|known| known.sha256 == release.sha256);
            if is_known || !self.store().has(&release.sha256) {
                continue;
            }
            if imports.is_none() {
                imports = Some(self.imports()?);
            }
            let import = imports.iter().flatten().find(|import| import.sequence == *sequence);
            held.push(HeldImage {
                version: release.version.to_string(),
                released: release.released,
                source: source.clone(),
                anchor: kept.source.vendor.anchor.clone(),
                sha256: release.sha256,
                bytes: release.bytes,
                imported: import.map(|import| import.at),
                notes: release.notes,
            });
        }
        held.sort_by_cached_key(|image| Reverse(image.version.parse::<Version>().ok()));
        Ok(held)
    }

    /// Hands an image over: PID 1 starts it once, on trial, which restarts the appliance. One that is older than the one that
    /// runs is only asked for, until another person starts it too; PID 1 then waits until somebody at the machine says so.
    ///
    /// # Errors
    /// [`Error::Image`] where that cannot be, or may not; [`Error::Refused`] where the same person asked for it; [`Error::Store`] where the image is damaged;
    /// [`Error::Folder`] where it cannot be written. The image that runs goes on in each case.
    pub fn start_image(&self, actor: Actor, version: &str) -> Result<StartedImage, Error> {
        let told = |why: String| Error::Image(why);
        // Held to the end: one is handed over at a time.
        let machine = self.running().held();
        let Some(machine) = machine.as_ref() else {
            let why = "this appliance runs from no image, so that nothing can be handed over";
            return Err(told(why.to_owned()));
        };
        let wanted: Version = version
            .parse()
            .map_err(|_| Error::Input(format!("{version:?} is no version, as 1.2.3 is one")))?;
        let mut held = self.held_images()?;
        held.retain(|image| image.version.parse().ok().as_ref() == Some(&wanted));
        if held.len() > 1 {
            return Err(told(format!("two different images of version {wanted} are held")));
        }
        let Some(image) = held.pop() else {
            return Err(told(format!("no image of version {wanted} is held; import one first")));
        };
        if self.disk().len(&machine.request()).is_ok() {
            return Err(told("the one before was not taken yet; wait a moment".to_owned()));
        }
        let folder = |path: &Path, source: io::Error| Error::Folder { path: path.into(), source };
        // Read whole, and hashed as it is read: it is at most as long as a slot.
        let bytes = self.store().read(&image.sha256, IMAGE_BYTES_MAX).map_err(Error::Store)?;
        let path = machine.folder().join("image.efi");
        self.disk().write_atomic(&path, &bytes).map_err(|e| folder(&path, e))?;
        // The log first: what is asked of PID 1 is never more than the log says.
        let (version, sha256) = (image.version.clone(), image.sha256);
        let command = match &actor {
            Actor::Person { person, .. } if wanted < machine.version => {
                ApplianceCommand::StartOlderImage { version, sha256, by: person.clone() }
            }
            _ => ApplianceCommand::HandOverImage { version, sha256 },
        };
        let done = self.heart().ask(actor, Command::Appliance(command));
        let is_asked = |fact: &Fact| matches!(fact, Fact::OlderImageAsked { .. }).then_some(());
        if done.as_ref().map_or(true, |done| done.find(is_asked).is_some()) {
            drop(self.disk().remove(&path));
            done?;
            let another_until = self.state().older_image.as_ref().map(OlderImage::until);
            return Ok(StartedImage { image, another_until });
        }
        let request = Request { bytes: bytes.len() as u64, sha256 };
        self.leave_word(&machine.request(), &request)?;
        Ok(StartedImage { image, another_until: None })
    }

    /// Says in the log what became of an image that was handed over, once. A restored appliance says nothing.
    ///
    /// # Errors
    /// [`Error::Folder`] or [`Error::Input`] where the word of it cannot be read; [`Error::Ledger`] or
    /// [`Error::Stopped`].
    pub fn see_to_image(&self) -> Result<(), Error> {
        let machine = self.running().held().clone();
        let Some(machine) = machine.filter(|_| self.restored().is_none()) else { return Ok(()) };
        let path = machine.updates.join("outcome.json");
        let Some(outcome) = self.word::<Outcome>(&path, OUTCOME_BYTES_MAX)? else {
            return Ok(());
        };
        let settled = settled(outcome);
        if self.state().image_settled.as_ref() == Some(&settled) {
            return Ok(());
        }
        self.heart()
            .ask(Actor::Appliance, Command::Appliance(ApplianceCommand::SettleImage(settled)))
            .map(drop)
    }
}

impl Machine {
    fn folder(&self) -> PathBuf {
        self.updates.join("in")
    }

    fn request(&self) -> PathBuf {
        self.folder().join("request.json")
    }
}

/// PID 1's word as the log has it.
fn settled(outcome: Outcome) -> SettledImage {
    let Outcome { became, from, to, sha256, why, at, .. } = outcome;
    let plain = |why: String| why.chars().filter(|c| !c.is_control()).take(WHY_CHARS_MAX).collect();
    SettledImage {
        became: match became {
            Became::Blessed => ImageEnd::Blessed,
            Became::FellBack => ImageEnd::FellBack,
            Became::Refused => ImageEnd::Refused,
        },
        from: from.to_string(),
        to: to.map(|version| version.to_string()),
        sha256,
        why: why.map(plain),
        settled: at,
    }
}

#[cfg(test)]
mod tests;
