//! A mirror on the loopback with faults on request, real files to serve from it, and a small
//! repository signed by a throw-away key.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use catalogue::Catalogue;
use collect::{
    Collection, Error, Machine, Quiet, Request, Selection, Settings, collect, payload_path,
};
use ids::{Digest, Timestamp};
use sandbox::Reader;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// What the mirror does wrong.
#[derive(Default)]
pub(crate) struct Faults {
    /// Paths that answer 404.
    pub(crate) missing: HashSet<String>,
    /// Paths that answer with another status, so many times.
    pub(crate) status: HashMap<String, (u16, usize)>,
    /// Paths whose answer breaks off after so many bytes, so many times.
    pub(crate) cut: HashMap<String, (usize, usize)>,
    /// Paths that answer with other bytes.
    pub(crate) replaced: HashMap<String, Vec<u8>>,
    /// Paths that send the asker to another address.
    pub(crate) moved: HashMap<String, String>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<HashMap<String, Vec<u8>>>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<(String, u16)>>,
    seen: Mutex<Vec<String>>,
    peers: Mutex<HashSet<IpAddr>>,
    stop: AtomicBool,
}

/// Stops by itself when it is dropped.
pub(crate) struct Mirror {
    shared: Arc<Shared>,
    host: &'static str,
    port: u16,
}

impl Mirror {
    pub(crate) fn serve(files: HashMap<String, Vec<u8>>) -> Self {
        Self::serve_at("127.0.0.1", files)
    }

    /// Another address of the loopback is another host.
    pub(crate) fn serve_at(host: &'static str, files: HashMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { files: Mutex::new(files), ..Shared::default() });
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if server.stop.load(Ordering::SeqCst) {
                    return;
                }
                let server = server.clone();
                thread::spawn(move || while answer(&server, &stream).is_some() {});
            }
        });
        Self { shared, host, port }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}:{}/debian", self.host, self.port)
    }

    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.faults.lock().unwrap());
    }

    pub(crate) fn put(&self, files: HashMap<String, Vec<u8>>) {
        *self.shared.files.lock().unwrap() = files;
    }

    /// What was asked since the last look: path and status.
    pub(crate) fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.shared.log.lock().unwrap())
    }

    /// Headers with credentials that came, meant for a mirror or for a proxy.
    pub(crate) fn authorised(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Addresses from which it was asked.
    pub(crate) fn peers(&self) -> HashSet<IpAddr> {
        self.shared.peers.lock().unwrap().clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((self.host, self.port));
    }
}

fn answer(server: &Shared, mut stream: &TcpStream) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut lines = BufReader::new(stream.take(16 << 10)).lines();
    let target = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    for line in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    server.peers.lock().unwrap().insert(stream.peer_addr().ok()?.ip());
    for name in ["authorization", "proxy-authorization"] {
        server.seen.lock().unwrap().extend(headers.get(name).cloned());
    }
    let path = target.strip_prefix("/debian/").unwrap_or(&target).to_owned();
    let (bytes, fault, cut, moved) = {
        let mut faults = server.faults.lock().unwrap();
        let replaced = faults.replaced.get(&path).cloned();
        let held = server.files.lock().unwrap().get(&path).cloned();
        let bytes = replaced.or(held).filter(|_| !faults.missing.contains(&path));
        let fault = faults.status.get_mut(&path).filter(|(_, left)| *left > 0).map(|fault| {
            fault.1 -= 1;
            fault.0
        });
        let cut = faults.cut.get_mut(&path).filter(|(_, left)| *left > 0).map(|cut| {
            cut.1 -= 1;
            cut.0
        });
        (bytes, fault, cut, faults.moved.get(&path).cloned())
    };
    let tag = format!("\"{}\"", Digest::of(bytes.as_deref().unwrap_or_default()).short());
    let unchanged = headers.get("if-none-match") == Some(&tag);
    let range = headers.get("range").filter(|_| headers.get("if-range") == Some(&tag));
    let start = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (status, body) = match (fault, bytes, start) {
        (Some(status), ..) => (status, Vec::new()),
        _ if moved.is_some() => (302, Vec::new()),
        (_, None, _) => (404, Vec::new()),
        (_, Some(_), _) if unchanged => (304, Vec::new()),
        (_, Some(bytes), Some(start)) => (206, bytes.get(start..).unwrap_or_default().to_vec()),
        (_, Some(bytes), None) => (200, bytes),
    };
    server.log.lock().unwrap().push((path, status));
    let start: usize = start.unwrap_or(0);
    let more = match status {
        206 => {
            let whole = start + body.len();
            format!("Content-Range: bytes {start}-{}/{whole}\r\n", whole - 1)
        }
        302 => format!("Location: {}\r\n", moved.unwrap_or_default()),
        _ => String::new(),
    };
    // tinyproxy asks for one answer, waits for its end, and ends the collector's connection with it.
    // Of what says so it hands on only the version.
    let last = headers.get("connection").is_some_and(|value| value == "close");
    let version = if last { "1.0" } else { "1.1" };
    let length = body.len();
    let head = format!(
        "HTTP/{version} {status} X\r\nETag: {tag}\r\n{more}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    match cut {
        Some(most) if most < body.len() => {
            stream.write_all(&body[..most]).ok()?;
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return None;
        }
        _ => stream.write_all(&body).ok()?,
    }
    (!last).then_some(())
}

/// The reader that was built beside the tests.
pub(crate) fn reader() -> Reader {
    Reader::beside_this_program().expect("build it first: cargo build --release -p reader")
}

/// Collects, blocking.
pub(crate) fn run(request: &Request) -> Result<Collection, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(collect(request, &reader(), Arc::new(Quiet)))
}

/// A request for one suite of a mirror.
pub(crate) fn request(mirror: &str, suite: &str, folder: &Path, now: Timestamp) -> Request {
    let text = format!(
        "[[source]]\nvendor = \"debian\"\nsuite = \"{suite}\"\nmirror = \"{mirror}\"\n\
         architectures = [\"amd64\"]\n[network]\nretries = 1\n"
    );
    Request {
        folder: folder.to_owned(),
        settings: Settings::parse(&text).unwrap(),
        machine: Machine::at(Path::new("/nonexistent")),
        keyrings: None,
        selection: Selection::default(),
        receipt: None,
        lists: collect::Lists::default(),
        now,
    }
}

/// Genuine files of bookworm-security for two small updates, fetched once from the mirror that
/// this machine's apt names.
pub(crate) struct Real {
    pub(crate) files: HashMap<String, Vec<u8>>,
    pub(crate) catalogue: Catalogue,
    pub(crate) status: PathBuf,
    /// A moment at which they are valid.
    pub(crate) now: Timestamp,
}

const STATUS: &str = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\n\
    Version: 2.99-1\n\nPackage: dpkg\nStatus: install ok installed\nArchitecture: amd64\n\
    Version: 1.99\n\nPackage: liblzma5\nStatus: install ok installed\nArchitecture: amd64\n\
    Source: xz-utils\nVersion: 5.4.1-1\n\nPackage: libpcre2-8-0\nStatus: install ok installed\n\
    Architecture: amd64\nSource: pcre2\nVersion: 10.42-1\n";

impl Real {
    pub(crate) fn load() -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-cache/collect");
        fs::create_dir_all(&folder).unwrap();
        let lock = fs::File::create(folder.join("test.lock")).unwrap();
        lock.lock().unwrap();
        let status = folder.join("status");
        fs::write(&status, STATUS).unwrap();
        let path = folder.join("debian-bookworm-security.catalogue.json");
        if !path.exists() {
            let text = "[[source]]\nvendor = \"debian\"\nsuite = \"bookworm-security\"\n\
                architectures = [\"amd64\"]\n";
            run(&Request {
                folder: folder.clone(),
                settings: Settings::parse(text).unwrap(),
                machine: Machine::default(),
                keyrings: None,
                selection: Selection { machines: vec![status.clone()], ..Selection::default() },
                receipt: None,
                lists: collect::Lists::default(),
                now: Timestamp::now(),
            })
            .expect("the machine's own mirror is needed once");
        }
        let catalogue: Catalogue = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let mut files = HashMap::new();
        for file in &catalogue.files {
            let bytes = fs::read(payload_path(&folder, &file.sha256)).unwrap();
            if let (true, Some((parent, _))) =
                (file.path.starts_with("dists/"), file.path.rsplit_once('/'))
            {
                files.insert(format!("{parent}/by-hash/SHA256/{}", file.sha256), bytes.clone());
            }
            files.insert(file.path.clone(), bytes);
        }
        let now =
            catalogue.release_date.saturating_add(jiff::SignedDuration::from_hours(1)).unwrap();
        Self { files, catalogue, status, now }
    }

    pub(crate) fn request(&self, mirror: &Mirror, folder: &Path) -> Request {
        let mut request = request(&mirror.address(), "bookworm-security", folder, self.now);
        request.selection.machines = vec![self.status.clone()];
        request
    }
}

/// A repository of our own, so that every part of it can be bent.
pub(crate) struct Own {
    home: tempfile::TempDir,
    /// Release fields before the digests.
    pub(crate) fields: String,
    /// Index files below the suite's folder, by path.
    pub(crate) indexes: BTreeMap<String, Vec<u8>>,
    /// Further files, by path.
    pub(crate) pool: HashMap<String, Vec<u8>>,
    /// More arguments for gpg.
    pub(crate) gpg: Vec<&'static str>,
}

impl Own {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let fields = "Origin: Own\nSuite: stable\nCodename: own\nDate: Tue, 06 Jan 2026 10:00:00 UTC\n\
            Architectures: amd64\nComponents: main\n";
        let own = Self {
            home,
            fields: fields.into(),
            indexes: BTreeMap::from([("main/binary-amd64/Packages".into(), Vec::new())]),
            pool: HashMap::new(),
            gpg: Vec::new(),
        };
        let at = "20260101T000000!";
        own.gpg(&[
            "--faked-system-time",
            at,
            "--quick-gen-key",
            "own@example.org",
            "ed25519",
            "sign",
            "never",
        ]);
        own
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let done = Command::new("gpg")
            .args(["--homedir", self.home.path().to_str().unwrap(), "--batch", "--yes", "--quiet"])
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .output()
            .expect("gpg (Debian package gnupg)");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        let path = self.home.path().join("own.gpg");
        fs::write(&path, self.gpg(&["--export"])).unwrap();
        path
    }

    pub(crate) fn files(&self) -> HashMap<String, Vec<u8>> {
        let mut text = format!("{}SHA256:\n", self.fields);
        for (path, bytes) in &self.indexes {
            text.push_str(&format!(" {} {} {path}\n", Digest::of(bytes), bytes.len()));
        }
        let plain = self.home.path().join("Release");
        fs::write(&plain, text).unwrap();
        let mut arguments = vec!["--faked-system-time", "20260106T100000!", "--output", "-"];
        arguments.extend(&self.gpg);
        arguments.extend(["--clearsign", plain.to_str().unwrap()]);
        let mut files = self.pool.clone();
        files.insert("dists/own/InRelease".into(), self.gpg(&arguments));
        for (path, bytes) in &self.indexes {
            files.insert(format!("dists/own/{path}"), bytes.clone());
        }
        files
    }

    pub(crate) fn request(&self, mirror: &Mirror, folder: &Path) -> Request {
        let now = "2026-01-06T12:00:00Z".parse().unwrap();
        let mut request = request(&mirror.address(), "own", folder, now);
        request.settings.sources[0].keyring = Some(self.keyring());
        request.selection.all = true;
        request
    }
}

/// The chain of an error's sentences.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
