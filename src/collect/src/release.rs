//! The signed top of a source: fetched only when it changed, verified always, never older.

use crate::{
    Error,
    fetch::{Absent, Fetched, Tools},
    machine::Keyring,
    net::{Document, Validators},
    settings::SourceSettings,
};
use ids::{Digest, SourceId, Timestamp};
use jiff::SignedDuration;
use reqwest::Url;
use sandbox::Reader;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vendor_apt::Release;

/// Far more than Debian's 150 kB.
const BYTES_MAX: u64 = 16 << 20;
/// How long an index that a mirror lacks is not asked for again.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// How far a release file may be ahead of this clock.
pub(crate) const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered of a source between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// Of this file's format.
    pub(crate) schema: u32,
    /// Address that the validators belong to.
    pub(crate) mirror: String,
    pub(crate) validators: Validators,
    /// The newest release file that was accepted.
    pub(crate) release: Option<Digest>,
    pub(crate) date: Option<Timestamp>,
    /// Indexes that the mirror did not have for this release file, and when it was asked.
    #[serde(default)]
    absent: Absent,
    absent_at: Option<Timestamp>,
    /// Earliest signed release date in which each update was seen, by update id.
    pub(crate) first_seen: BTreeMap<String, Timestamp>,
}

impl History {
    pub(crate) fn load(tools: &Tools, source: &SourceId) -> Result<Self, Error> {
        let name = file_name(source);
        let Some(bytes) = tools.depot.read_state(&name)? else {
            return Ok(Self { schema: 1, ..Self::default() });
        };
        let path = tools.depot.state(&name);
        // Forgetting it would forget rollback protection and release dates: a person decides.
        let history: Self = serde_json::from_slice(&bytes).map_err(|e| Error::Settings {
            path: path.clone(),
            reason: format!(
                "{e}; it remembers release dates: restore it from a copy, or remove it"
            ),
        })?;
        if history.schema != 1 {
            let reason = "it was written by a newer version".into();
            return Err(Error::Settings { path, reason });
        }
        Ok(history)
    }

    /// What the mirror need not be asked for again today.
    pub(crate) fn known_absent(&self, now: Timestamp) -> Absent {
        if self.asked_lately(now) { self.absent.clone() } else { Absent::new() }
    }

    pub(crate) fn note_absent(&mut self, absent: Absent, now: Timestamp) {
        if absent != self.absent || !self.asked_lately(now) {
            (self.absent, self.absent_at) = (absent, Some(now));
        }
    }

    fn asked_lately(&self, now: Timestamp) -> bool {
        self.absent_at.is_some_and(|at| at <= now && now.duration_since(at) < ASK_AGAIN)
    }

    pub(crate) fn save(&self, tools: &Tools, source: &SourceId) -> Result<(), Error> {
        let told = |e: serde_json::Error| Error::Invariant { what: e.to_string() };
        let bytes = serde_json::to_vec(self).map_err(told)?;
        tools.depot.write_state(&file_name(source), &bytes)
    }
}

fn file_name(source: &SourceId) -> String {
    format!("{source}.json")
}

/// A release file whose signature holds.
#[derive(Debug, Clone)]
pub(crate) struct SignedRelease {
    pub(crate) digest: Digest,
    pub(crate) length: u64,
    pub(crate) release: Release,
}

/// Which release file is asked for, and by what it is judged.
pub(crate) struct Asked<'a> {
    pub(crate) source: &'a SourceSettings,
    pub(crate) base: &'a Url,
    pub(crate) keyring: &'a Keyring,
    pub(crate) now: Timestamp,
}

/// Asks the mirror for the release file; verifies what it has now.
pub(crate) async fn current(
    tools: &Tools,
    reader: &Reader,
    asked: Asked<'_>,
    history: &mut History,
    fetched: &mut Fetched,
) -> Result<SignedRelease, Error> {
    let Asked { source, base, keyring, now } = asked;
    let path = format!("dists/{}/InRelease", source.suite);
    let held = history.release.and_then(|digest| tools.depot.read(&digest).ok());
    let same = history.mirror == base.as_str() && held.is_some();
    let known = if same { history.validators.clone() } else { Validators::default() };
    let answer = tools.net.document(base, &path, &known, BYTES_MAX).await?;
    let (bytes, validators) = match (answer, held) {
        (Some(Document::Unchanged), Some(bytes)) => (bytes, known),
        (Some(Document::Found { bytes, validators }), _) => {
            fetched.files += 1;
            fetched.bytes += bytes.len() as u64;
            (bytes, validators)
        }
        _ => return Err(Error::MissingFile { path }),
    };
    let release = verify(reader, &bytes, keyring, source, now).await?;
    if let Some(seen) = history.date.filter(|seen| release.date < *seen) {
        let suite = source.suite.clone();
        return Err(Error::Rollback { suite, date: release.date, seen });
    }
    let digest = tools.depot.keep(&bytes)?;

    if history.release != Some(digest) {
        history.absent_at = None;
    }
    history.release = Some(digest);
    history.date = Some(release.date);
    history.mirror = base.to_string();
    history.validators = validators;
    Ok(SignedRelease { digest, length: bytes.len() as u64, release })
}

async fn verify(
    reader: &Reader,
    bytes: &[u8],
    keyring: &Keyring,
    source: &SourceSettings,
    now: Timestamp,
) -> Result<Release, Error> {
    let suite = source.suite.clone();
    let (reader, document, keys) = (reader.clone(), bytes.to_vec(), keyring.bytes());
    let judged =
        tokio::task::spawn_blocking(move || reader.verify_clearsigned(&document, &keys, now)).await;
    let judged = judged.map_err(|e| Error::Invariant { what: e.to_string() })?;
    let signed = judged.map_err(|source| Error::Signature { suite: suite.clone(), source })?;
    let path = format!("dists/{suite}/InRelease");
    let release = Release::parse(&signed.text).map_err(|source| Error::Format { path, source })?;
    if release.codename != suite && release.suite != suite {
        return Err(Error::WrongSuite { suite, codename: release.codename });
    }
    if release.date > now.saturating_add(AHEAD_MAX).unwrap_or(Timestamp::MAX) {
        return Err(Error::Future { suite, date: release.date });
    }
    if let Some(until) = release.valid_until.filter(|until| *until < now) {
        return Err(Error::Stale { suite, until });
    }
    Ok(release)
}
