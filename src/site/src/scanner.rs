//! The malware scanner that a site may have: clamd, asked over its socket before an import is believed.
//!
//! Signatures decide what is trusted; a scan is a second look, and a hit blocks. clamd does not look
//! inside `.deb` files, so the confined reader unpacks them and each file is handed over by itself.
//! Offline, the scanner's own signatures age: their date stands in every record.

use crate::{Error, Report, Site, progress::Progress, vendor::chain};
use clamav_client::TransportProtocol;
use fleet::{Actor, AvEngine, Command, ScanResult};
use ids::{Digest, Timestamp};
use sandbox::Part;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    io::{self, Read},
    ops::ControlFlow,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use store::Incoming;

/// Largest file that is handed over, in bytes: clamd's own limit is 100 MB unless it is raised.
const FILE_BYTES_MAX: usize = 128 << 20;
/// Bytes handed over at once.
const PIECE_BYTES: usize = 1 << 18;
/// How long clamd may be silent over one file.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// How long it may be silent when it is only asked who it is.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// How many payloads are looked at at the same time.
const WORKERS: usize = 2;
/// How many names a record keeps of what was found or could not be looked at.
const NAMES_MAX: usize = 100;

/// The scanner as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannerStatus {
    /// clamd's socket; `None` where imports are not scanned.
    pub socket: Option<String>,
    /// What it says of itself, or why it does not answer.
    pub says: String,
    /// Whether it answers.
    pub answers: bool,
}

impl Site {
    /// Names the scanner that imports ask, or none. A scanner that does not answer is not taken.
    ///
    /// # Errors
    /// [`Error::Input`] when it does not answer; [`Error::Ledger`].
    pub fn set_scanner(
        &self,
        actor: Actor,
        socket: Option<String>,
    ) -> Result<ScannerStatus, Error> {
        if let Some(socket) = &socket {
            Scanner::find(socket).map_err(|why| {
                Error::Input(format!(
                    "no scanner answers at {socket} ({why}); the setting was left as it was"
                ))
            })?;
        }
        self.heart().ask(actor, Command::SetScanner { socket })?;
        Ok(self.scanner())
    }

    /// The scanner as it stands.
    #[must_use]
    pub fn scanner(&self) -> ScannerStatus {
        let socket = self.state().scanner.clone();
        let found = socket.as_deref().map(Scanner::find);
        let (says, answers) = match found {
            None => ("imports are not scanned for malware".to_owned(), false),
            Some(Ok(scanner)) => (scanner.version.clone(), true),
            Some(Err(why)) => (why, false),
        };
        ScannerStatus { socket, says, answers }
    }
}

/// Why a scan came to no end.
pub(crate) enum NotScanned {
    /// The scanner does not answer.
    Away(String),
    /// The store failed.
    Store(store::Error),
}

/// Looks at everything that came in an import; `paths` names payloads for people. `None` where the
/// site has no scanner.
pub(crate) fn scan(
    site: &Site,
    incoming: &Incoming,
    paths: &HashMap<Digest, String>,
    now: Timestamp,
    report: Report<'_>,
) -> Result<Option<AvEngine>, NotScanned> {
    let Some(socket) = site.state().scanner.clone() else { return Ok(None) };
    let scanner = Scanner::find(&socket).map_err(NotScanned::Away)?;
    let come = incoming.come();
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let work = |tell: &mut dyn FnMut(u64)| -> Result<(), NotScanned> {
        while let Some(digest) = come.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = paths.get(digest).cloned().unwrap_or_else(|| digest.short());
            let looked = Look { site, scanner: &scanner, incoming, tally: &tally };
            if let Err(stopped) = looked.payload(digest, &name) {
                // Nobody begins another one.
                next.store(usize::MAX / 2, Ordering::Relaxed);
                return Err(stopped);
            }
            tell(next.load(Ordering::Relaxed).min(come.len()) as u64);
        }
        Ok(())
    };
    let total = come.len() as u64;
    thread::scope(|scope| {
        let others: Vec<_> = (1..WORKERS).map(|_| scope.spawn(|| work(&mut |_| ()))).collect();
        let mut ended = work(&mut |done| {
            report(Progress::count("scanning for malware", done, total, "payloads"));
        });
        for other in others {
            let gone = || NotScanned::Away("a thread of ours ended early".to_owned());
            ended = ended.and(other.join().unwrap_or_else(|_| Err(gone())));
        }
        ended
    })?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(tally.engine(&scanner.version, now)))
}

/// What was seen so far.
#[derive(Default)]
struct Tally {
    files: u64,
    bytes: u64,
    hits: Vec<String>,
    unscanned: Vec<String>,
}

impl Tally {
    fn engine(mut self, version: &str, now: Timestamp) -> AvEngine {
        let result = match (self.hits.is_empty(), self.unscanned.is_empty()) {
            (false, _) => ScanResult::Found,
            (true, false) => ScanResult::Incomplete,
            (true, true) => ScanResult::Clean,
        };
        for names in [&mut self.hits, &mut self.unscanned] {
            names.sort_unstable();
            let more = names.len().saturating_sub(NAMES_MAX);
            if more > 0 {
                names.truncate(NAMES_MAX);
                names.push(format!("and {more} more"));
            }
        }
        let said = Version::parse(version);
        let made = said
            .db_date
            .as_deref()
            .and_then(|date| jiff::civil::DateTime::strptime("%a %b %d %H:%M:%S %Y", date).ok());
        let made = made.and_then(|made| made.to_zoned(jiff::tz::TimeZone::UTC).ok());
        AvEngine {
            name: said.name,
            version: said.version,
            db_version: said.db_version,
            db_age_days: made.map(|m| now.duration_since(m.timestamp()).as_hours().div_euclid(24)),
            db_date: said.db_date,
            result,
            files: self.files,
            bytes: self.bytes,
            hits: self.hits,
            unscanned: self.unscanned,
        }
    }
}

/// clamd's answer to VERSION: `ClamAV 1.4.6/27817/Mon Nov 23 09:00:00 2026`.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    name: String,
    version: String,
    db_version: String,
    db_date: Option<String>,
}

impl Version {
    fn parse(said: &str) -> Self {
        let mut parts = said.splitn(3, '/').map(str::trim);
        let engine = parts.next().unwrap_or_default();
        let (name, version) = engine.split_once(' ').unwrap_or((engine, ""));
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            db_version: parts.next().unwrap_or_default().to_owned(),
            db_date: parts.next().map(|date| date.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
}

/// One worker's look at payloads.
struct Look<'a> {
    site: &'a Site,
    scanner: &'a Scanner,
    incoming: &'a Incoming,
    tally: &'a Mutex<Tally>,
}

impl Look<'_> {
    fn payload(&self, digest: &Digest, name: &str) -> Result<(), NotScanned> {
        let open = || self.incoming.open_come(digest).map_err(NotScanned::Store);
        let (mut file, length) = open()?;
        let mut magic = [0; 8];
        if file.read_exact(&mut magic).is_ok() && &magic == b"!<arch>\n" {
            return self.package(open()?.0, name);
        }
        if length > FILE_BYTES_MAX as u64 {
            self.skip(format!("{name}: {length} bytes are too many"));
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let read = open()?.0.read_to_end(&mut bytes);
        if let Err(error) = read {
            self.skip(format!("{name}: {error}"));
            return Ok(());
        }
        self.bytes(&bytes, name)
    }

    /// Every file of a package, one by one.
    fn package(&self, file: std::fs::File, name: &str) -> Result<(), NotScanned> {
        let mut held: Option<(String, Vec<u8>, bool)> = None;
        let mut stopped = None;
        let taken = self.site.reader().deb_files(file, &mut |part| {
            match part {
                Part::File(inner) => {
                    let next = (format!("{name}: {inner}"), Vec::new(), false);
                    if let Some(whole) = held.replace(next) {
                        stopped = self.inner(whole).err();
                    }
                }
                Part::Bytes(bytes) => {
                    if let Some((_, held, long)) = &mut held {
                        *long |= held.len() + bytes.len() > FILE_BYTES_MAX;
                        if !*long {
                            held.extend_from_slice(bytes);
                        }
                    }
                }
            }
            if stopped.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        if let Some(last) = held {
            self.inner(last)?;
        }
        if let Err(error) = taken {
            self.skip(format!("{name}: {}", chain(&error)));
        }
        Ok(())
    }

    fn inner(&self, (name, bytes, long): (String, Vec<u8>, bool)) -> Result<(), NotScanned> {
        if long {
            self.skip(format!("{name}: more than {FILE_BYTES_MAX} bytes"));
            return Ok(());
        }
        self.bytes(&bytes, &name)
    }

    fn bytes(&self, bytes: &[u8], name: &str) -> Result<(), NotScanned> {
        if bytes.is_empty() {
            return Ok(());
        }
        let verdict = self.scanner.look(bytes).map_err(NotScanned::Away)?;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        match verdict {
            Verdict::Unable(why) => {
                tally.unscanned.push(format!("{name}: {why}"));
                return Ok(());
            }
            Verdict::Found(signature) => tally.hits.push(format!("{name}: {signature}")),
            Verdict::Clean => {}
        }
        tally.files += 1;
        tally.bytes += bytes.len() as u64;
        Ok(())
    }

    fn skip(&self, what: String) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).unscanned.push(what);
    }
}

/// A clamd that answered.
struct Scanner {
    socket: Socket,
    version: String,
}

/// What clamd says of some bytes.
enum Verdict {
    Clean,
    Found(String),
    Unable(String),
}

impl Scanner {
    /// The scanner at `socket`, or why there is none.
    fn find(socket: &str) -> Result<Self, String> {
        let path = PathBuf::from(socket);
        let hello = Socket { path: path.clone(), silence_max: HELLO_MAX };
        let said = clamav_client::get_version(&hello).map_err(|e| e.to_string())?;
        let version = plain(&said);
        if version.is_empty() {
            return Err("it says nothing of itself".to_owned());
        }
        Ok(Self { socket: Socket { path, silence_max: SILENCE_MAX }, version })
    }

    fn look(&self, bytes: &[u8]) -> Result<Verdict, String> {
        let said = match clamav_client::scan_buffer(bytes, &self.socket, Some(PIECE_BYTES)) {
            Ok(said) => plain(&said),
            // At its own limit clamd hangs up in the middle. So would one that fell over: ask.
            Err(error) if hung_up(&error) => {
                let pong = clamav_client::ping(&self.socket).map_err(|e| e.to_string())?;
                if pong != clamav_client::PONG {
                    return Err("it hung up".to_owned());
                }
                "INSTREAM size limit exceeded. ERROR".to_owned()
            }
            Err(error) => return Err(error.to_string()),
        };
        let said = said.strip_prefix("stream: ").unwrap_or(&said);
        Ok(match (said, said.strip_suffix(" FOUND"), said.strip_suffix(" ERROR")) {
            ("OK", _, _) => Verdict::Clean,
            (_, Some(signature), _) => Verdict::Found(signature.to_owned()),
            (_, _, Some(why)) => Verdict::Unable(why.to_owned()),
            _ => return Err(format!("it answered {said:?}")),
        })
    }
}

/// An answer as text: at most so much of it, without its closing zero.
fn plain(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    text.trim_matches(['\0', '\n', ' ']).chars().filter(|c| !c.is_control()).take(300).collect()
}

fn hung_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// clamd's socket, with a limit to its silence.
struct Socket {
    path: PathBuf,
    silence_max: Duration,
}

impl TransportProtocol for Socket {
    type Stream = UnixStream;

    fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(self.silence_max))?;
        stream.set_write_timeout(Some(self.silence_max))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_says_how_old_the_signatures_are() {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        let engine = Tally::default().engine("ClamAV 1.4.6/27817/Tue Nov  3 09:00:00 2026", now);
        assert_eq!((engine.name.as_str(), engine.version.as_str()), ("ClamAV", "1.4.6"));
        assert_eq!((engine.db_version.as_str(), engine.db_age_days), ("27817", Some(21)));
        assert_eq!(engine.result, ScanResult::Clean);
        let bare = Tally::default().engine("ClamAV 1.4.6", now);
        assert_eq!((bare.db_version.as_str(), bare.db_age_days), ("", None));
    }

    #[test]
    fn long_lists_are_cut_aloud() {
        let hits = (0..NAMES_MAX + 5).map(|n| format!("{n:03}")).collect();
        let tally = Tally { hits, ..Tally::default() };
        let engine = tally.engine("ClamAV 1", Timestamp::UNIX_EPOCH);
        assert_eq!(engine.hits.last().map(String::as_str), Some("and 5 more"));
        assert_eq!(engine.result, ScanResult::Found);
    }
}
