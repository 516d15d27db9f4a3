//! The parent's side: start a child, feed it, bound it, hold it to its word.

use crate::{
    Error, cleartext,
    wire::{
        Answer, Ask, BODY, CertificateClaim, Compression, FILE, HEAD, HEAD_BYTES_MAX,
        NAME_BYTES_MAX, Operation, PIECE_BYTES_MAX, SignatureClaim, read_bytes, read_u32,
    },
};
use ids::Timestamp;
use std::{
    env, fmt,
    io::{self, Read, Write},
    ops::ControlFlow,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Longest signed document: Debian's largest is 150 kB.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;
/// Most bytes of a signature in a file of its own.
const SIGNATURE_BYTES_MAX: u64 = 256 << 10;
/// Longest changelog that is taken; what is beyond it is old.
const CHANGELOG_BYTES_MAX: u64 = 8 << 20;
/// Most bytes of a package's files together: what is above it is a bomb.
const FILES_BYTES_MAX: u64 = 64 << 30;
/// How much of a child's complaint is kept.
const STDERR_BYTES_MAX: u64 = 4096;

/// The text of a signed document, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearsigned {
    /// The signed text, as [`cleartext`] shows it.
    pub text: Vec<u8>,
    /// Every signature; at least one is good.
    pub signatures: Vec<SignatureClaim>,
}

/// What a Debian binary package says of itself. Claims: only its digest makes them true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebFacts {
    /// The control file.
    pub control: String,
    /// The newest part of the Debian changelog, where the package carries one.
    pub changelog: Option<String>,
}

/// Starts a confined child for every request. Cheap to clone; calls block.
#[derive(Debug, Clone)]
pub struct Reader {
    program: PathBuf,
    seconds_max: Option<u64>,
}

impl Reader {
    /// The `patchkeep-reader` beside the running program, or one folder up from a test program;
    /// the environment variable `PATCHKEEP_READER` names another.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn beside_this_program() -> Result<Self, Error> {
        if let Some(program) = env::var_os("PATCHKEEP_READER") {
            return Ok(Self::at(Path::new(&program)));
        }
        let this = env::current_exe().unwrap_or_default();
        let folder = this.parent().unwrap_or(Path::new("."));
        let folder =
            if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
        let program = folder.join("patchkeep-reader");
        if program.is_file() {
            Ok(Self::at(&program))
        } else {
            Err(Error::Missing { looked_in: folder.to_owned() })
        }
    }

    /// The reader at `program`.
    #[must_use]
    pub fn at(program: &Path) -> Self {
        Self { program: program.to_owned(), seconds_max: None }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The same reader with a shorter time limit for every call.
    #[must_use]
    pub fn with_seconds_max(mut self, seconds: u64) -> Self {
        self.seconds_max = Some(seconds);
        self
    }

    /// Verifies an inline-signed document against certificates (binary or armoured, any number)
    /// at a moment. Every signature is judged; one good one is enough.
    ///
    /// # Errors
    /// [`Error::NoGoodSignature`] with the reason of each, or why the document cannot be read.
    pub fn verify_clearsigned(
        &self,
        document: &[u8],
        certificates: &[u8],
        at: Timestamp,
    ) -> Result<Clearsigned, Error> {
        let what = "a signed document";
        if document.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLarge { what, bytes_max: DOCUMENT_BYTES_MAX });
        }
        let Some(text) = cleartext(document) else {
            let reason = "it is not exactly one inline-signed message".into();
            return Err(Error::Refused { what, reason });
        };
        let operation = Operation::VerifyClearsigned { at };
        let request = Request { what, seconds_max: 60, body_max: DOCUMENT_BYTES_MAX, operation };
        let (answer, body) = self.ask(request, certificates, &mut &document[..])?;
        let Answer::Signatures { claims } = answer else {
            return Err(Error::Claim { what, claim: "an answer to another question" });
        };
        if !claims.iter().any(|claim| claim.good) {
            return Err(Error::NoGoodSignature { claims });
        }
        if cut(&body) != cut(&text) {
            return Err(Error::Claim {
                what,
                claim: "the signed text is not what the document shows",
            });
        }
        Ok(Clearsigned { text, signatures: claims })
    }

    /// Verifies an armoured signature that is a file of its own against certificates (binary or armoured, any number)
    /// at a moment. Every signature in it is judged; one good one is enough.
    ///
    /// # Errors
    /// [`Error::NoGoodSignature`] with the reason of each, or why the signature cannot be read.
    pub fn verify_detached(
        &self,
        document: &[u8],
        signature: &[u8],
        certificates: &[u8],
        at: Timestamp,
    ) -> Result<Vec<SignatureClaim>, Error> {
        let what = "a signed document";
        let sizes = [
            (document.len() as u64, DOCUMENT_BYTES_MAX),
            (signature.len() as u64, SIGNATURE_BYTES_MAX),
        ];
        if let Some((_, bytes_max)) = sizes.into_iter().find(|(length, max)| length > max) {
            return Err(Error::TooLarge { what, bytes_max });
        }
        let Ok(signature) = String::from_utf8(signature.to_vec()) else {
            let reason = "its signature is not armoured".into();
            return Err(Error::Refused { what, reason });
        };
        let operation = Operation::VerifyDetached { at, signature };
        let request = Request { what, seconds_max: 60, body_max: 0, operation };
        match self.ask(request, certificates, &mut &document[..])? {
            (Answer::Signatures { claims }, _) if claims.iter().any(|claim| claim.good) => {
                Ok(claims)
            }
            (Answer::Signatures { claims }, _) => Err(Error::NoGoodSignature { claims }),
            _ => Err(Error::Claim { what, claim: "an answer to another question" }),
        }
    }

    /// Lists the certificates of a keyring (binary or armoured), so that people can compare
    /// fingerprints before they accept it.
    ///
    /// # Errors
    /// [`Error::Refused`] when it holds none.
    pub fn list_certificates(&self, keyring: &[u8]) -> Result<Vec<CertificateClaim>, Error> {
        let what = "a keyring";
        let operation = Operation::Certificates;
        let request = Request { what, seconds_max: 60, body_max: 0, operation };
        match self.ask(request, &[], &mut &keyring[..])? {
            (Answer::Certificates { certificates }, _) => Ok(certificates),
            _ => Err(Error::Claim { what, claim: "an answer to another question" }),
        }
    }

    /// Decompresses `bytes`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when more than `bytes_max` would come out.
    pub fn decompress(
        &self,
        bytes: &[u8],
        compression: Compression,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Error> {
        let what = "a compressed index";
        let operation = Operation::Decompress { compression, bytes_max };
        let request = Request { what, seconds_max: 300, body_max: bytes_max, operation };
        match self.ask(request, &[], &mut &bytes[..])? {
            (Answer::Decompressed, body) => Ok(body),
            _ => Err(Error::Claim { what, claim: "an answer to another question" }),
        }
    }

    /// Reads the control file and the changelog of a Debian binary package.
    ///
    /// # Errors
    /// Why it is not such a package.
    pub fn deb_control_and_changelog(&self, mut file: impl Read + Send) -> Result<DebFacts, Error> {
        let what = "a Debian package";
        let body_max = CHANGELOG_BYTES_MAX;
        let request = Request { what, seconds_max: 300, body_max, operation: Operation::Deb };
        match self.ask(request, &[], &mut file)? {
            (Answer::Deb { control, changelog }, body) => {
                let text = changelog.then(|| String::from_utf8_lossy(&body).into_owned());
                Ok(DebFacts { control, changelog: text })
            }
            _ => Err(Error::Claim { what, claim: "an answer to another question" }),
        }
    }

    /// Hands over every file of a Debian binary package, those of its control part too, in order.
    /// `take` gets a file's name, made harmless for messages, before its bytes come in pieces;
    /// answering with a break ends it all.
    ///
    /// # Errors
    /// Why it is not such a package; some files may have been handed over by then.
    pub fn deb_files(
        &self,
        mut file: impl Read + Send,
        take: &mut (dyn FnMut(Part<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), Error> {
        let what = "a Debian package";
        let body_max = FILES_BYTES_MAX;
        // Whoever looks at the files takes time too; the child's own time is limited by itself.
        let operation = Operation::DebFiles;
        let request = Request { what, seconds_max: 4 * 3600, body_max, operation };
        match self.ask_in_parts(request, &[], &mut file, take)? {
            None | Some(Answer::Files { .. }) => Ok(()),
            Some(_) => Err(Error::Claim { what, claim: "an answer to another question" }),
        }
    }

    /// Asks a child to try something forbidden; an `Ok` means that the sandbox does not hold.
    ///
    /// # Errors
    /// How the attempt was stopped.
    #[doc(hidden)]
    pub fn selftest(&self, attempt: &str) -> Result<(), Error> {
        let operation = Operation::Selftest { attempt: attempt.to_owned() };
        let what = "a selftest";
        let request = Request { what, seconds_max: 60, body_max: 1 << 20, operation };
        self.ask(request, &[], &mut io::empty()).map(drop)
    }

    /// One request whose whole body is kept.
    fn ask(
        &self,
        request: Request,
        first: &[u8],
        second: &mut (dyn Read + Send),
    ) -> Result<(Answer, Vec<u8>), Error> {
        let what = request.what;
        let mut body = Vec::new();
        let answer = self.ask_in_parts(request, first, second, &mut |part| {
            if let Part::Bytes(bytes) = part {
                body.extend_from_slice(bytes);
            }
            ControlFlow::Continue(())
        })?;
        let claim = "that it ended before it began";
        answer.map(|answer| (answer, body)).ok_or(Error::Claim { what, claim })
    }

    /// One request whose body goes to `sink` as it comes; `None` when that broke it off.
    fn ask_in_parts(
        &self,
        request: Request,
        first: &[u8],
        second: &mut (dyn Read + Send),
        sink: &mut (dyn FnMut(Part<'_>) -> ControlFlow<()> + Send),
    ) -> Result<Option<Answer>, Error> {
        let what = request.what;
        let seconds = self.seconds_max.map_or(request.seconds_max, |s| s.min(request.seconds_max));
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut child = self.start()?;
        let talk = |source| Error::Talk { what, source };
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(talk(io::ErrorKind::BrokenPipe.into()));
        };
        let ask = Ask { operation: request.operation, first_part: first.len() as u64 };
        let head = serde_json::to_vec(&ask).map_err(|e| talk(e.into()))?;
        let body_max = request.body_max;
        thread::scope(|scope| {
            let fed = scope.spawn(move || feed(input, &head, first, second));
            let said = scope.spawn(move || {
                let mut text = Vec::new();
                let _ = errors.take(STDERR_BYTES_MAX).read_to_end(&mut text);
                text
            });
            let (send, receive) = mpsc::channel();
            scope.spawn(move || send.send(take(output, body_max, sink)));
            let reply = receive.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            // An answer is complete with its last frame. Only a broken one makes us wait for how
            // the child died; any other child that lingers is cut short.
            let broken = matches!(reply, Ok(Err(_)));
            let status = end(&mut child, if broken { deadline } else { Instant::now() });
            let fed = fed.join().unwrap_or(Ok(()));
            let said = said.join().unwrap_or_default();
            match reply {
                Err(_) => Err(Error::TimedOut { what, seconds }),
                Ok(Ok(Reply::Whole(answer))) => fed.map_err(talk).and(Ok(Some(answer))),
                Ok(Ok(Reply::BrokenOff)) => Ok(None),
                Ok(Ok(Reply::TooLarge)) => Err(Error::TooLarge { what, bytes_max: body_max }),
                Ok(Err(_)) => match status.map_err(talk)? {
                    Some(status) => Err(Error::Crashed {
                        what,
                        how: Death(status).to_string(),
                        said: line(&said),
                    }),
                    None => Err(Error::TimedOut { what, seconds }),
                },
            }
        })
        .and_then(|answer| answer.map(|answer| sort(what, answer)).transpose())
    }

    fn start(&self) -> Result<Child, Error> {
        Command::new(&self.program)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program: self.program.clone(), source })
    }
}

struct Request {
    what: &'static str,
    seconds_max: u64,
    body_max: u64,
    operation: Operation,
}

enum Reply {
    Whole(Answer),
    BrokenOff,
    TooLarge,
}

/// A part of a body as it comes.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// Another file begins: its name, in which nothing is left that could confuse a terminal.
    File(&'a str),
    /// The next bytes.
    Bytes(&'a [u8]),
}

/// Answers that are errors become errors.
fn sort(what: &'static str, answer: Answer) -> Result<Answer, Error> {
    match answer {
        Answer::Refused { reason } => {
            Err(Error::Refused { what, reason: reason.chars().take(400).collect() })
        }
        Answer::TooLarge { bytes_max } => Err(Error::TooLarge { what, bytes_max }),
        Answer::Unconfined { reason } => Err(Error::Unconfined { reason }),
        answer => Ok(answer),
    }
}

/// Writes the request. A child that has read enough closes its end: that is no error here. Only
/// the source's own read error is one, since the child then judged cut bytes.
fn feed(
    mut input: impl Write,
    head: &[u8],
    first: &[u8],
    second: &mut (dyn Read + Send),
) -> io::Result<()> {
    let length = u32::try_from(head.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let start = [&length.to_le_bytes(), head, first].concat();
    if input.write_all(&start).is_err() {
        return Ok(());
    }
    let mut piece = vec![0; 1 << 18];
    loop {
        let length = second.read(&mut piece)?;
        if length == 0 || input.write_all(&piece[..length]).is_err() {
            return Ok(());
        }
    }
}

fn take(
    mut output: impl Read,
    body_max: u64,
    sink: &mut dyn FnMut(Part<'_>) -> ControlFlow<()>,
) -> io::Result<Reply> {
    let mut sent = 0;
    loop {
        let mut kind = [0];
        output.read_exact(&mut kind)?;
        let length = read_u32(&mut output)?;
        let flow = match kind[0] {
            BODY if sent + u64::from(length) > body_max => return Ok(Reply::TooLarge),
            BODY => {
                sent += u64::from(length);
                sink(Part::Bytes(&read_bytes(&mut output, length, PIECE_BYTES_MAX)?))
            }
            FILE => {
                let name = read_bytes(&mut output, length, NAME_BYTES_MAX)?;
                sink(Part::File(&harmless(&name)))
            }
            HEAD => {
                let head = read_bytes(&mut output, length, HEAD_BYTES_MAX)?;
                return Ok(Reply::Whole(serde_json::from_slice(&head)?));
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        if flow.is_break() {
            return Ok(Reply::BrokenOff);
        }
    }
}

/// A name as it may stand in a message.
fn harmless(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Waits until the deadline, then kills. `None`: it had to be killed.
fn end(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

struct Death(ExitStatus);

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.signal(), self.0.code()) {
            (Some(libc::SIGSYS), _) => {
                f.write_str("stopped by the sandbox: a forbidden system call")
            }
            (Some(libc::SIGXCPU), _) => {
                f.write_str("stopped by the sandbox: processor time used up")
            }
            (Some(signal), _) => write!(f, "signal {signal}"),
            (None, Some(code)) => write!(f, "exit code {code}"),
            (None, None) => f.write_str("unknown end"),
        }
    }
}

fn line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    match text.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

/// A text without the line breaks at its end, about which OpenPGP programs differ.
fn cut(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|b| *b != b'\n').map_or(0, |last| last + 1);
    &text[..end]
}
