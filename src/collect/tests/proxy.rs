//! Collecting through a real proxy (tinyproxy) that wants a name and a password, from mirrors that want
//! others, send elsewhere, or send in circles.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use collect::{Error, Request};
use ids::Fault;
use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use support::{Mirror, Own, run, told};

const TOP: &str = "dists/own/InRelease";
const INDEX: &str = "dists/own/main/binary-amd64/Packages";
/// What the proxy wants, and the address from which it asks mirrors.
const PROXY_SECRET: &str = "proxy-secret";
const PROXY_ADDRESS: &str = "127.0.0.9";
/// What the mirror wants.
const MIRROR_SECRET: &str = "mirror-secret";
const MIRROR_HEADER: &str = "Basic bWlycm9yLXVzZXI6bWlycm9yLXNlY3JldA==";

/// tinyproxy on the loopback. Dropping it stops it.
struct Proxy {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Proxy {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = folder.path().join("tinyproxy.conf");
        let log = folder.path().join("log");
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nBind {PROXY_ADDRESS}\nTimeout 30\nMaxClients 20\n\
             Allow 127.0.0.1\nBasicAuth proxy-user {PROXY_SECRET}\nLogLevel Connect\n\
             LogFile \"{}\"\n",
            log.display()
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(settings).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("tinyproxy (Debian package tinyproxy)");
        let mut proxy = Self { child, folder, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = proxy.child.try_wait().unwrap();
            let late = begun.elapsed() > Duration::from_secs(10);
            assert!(ended.is_none() && !late, "{ended:?}, late: {late}\n{}", proxy.log());
            thread::sleep(Duration::from_millis(10));
        }
        proxy
    }

    fn address(&self, secret: &str) -> String {
        format!("http://proxy-user:{secret}@127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A repository on one host, a proxy before it, and a folder to collect into.
struct Stage {
    own: Own,
    mirror: Mirror,
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Stage {
    fn set() -> Self {
        let own = Own::new();
        let mirror = Mirror::serve(own.files());
        Self { own, mirror, proxy: Proxy::start(), folder: tempfile::tempdir().unwrap() }
    }

    /// A collection through the proxy, by somebody whom the mirror knows.
    fn request(&self) -> Request {
        let mut request = self.own.request(&self.mirror, self.folder.path());
        request.settings.network.proxy = Some(self.proxy.address(PROXY_SECRET));
        request.settings.network.credentials = Some(self.credentials());
        request
    }

    fn credentials(&self) -> PathBuf {
        let path = self.folder.path().join("netrc");
        let text = format!("machine 127.0.0.1 login mirror-user password {MIRROR_SECRET}\n");
        fs::write(&path, text).unwrap();
        path
    }

    /// Sends whoever asks for `path` to `address`.
    fn moves(&self, path: &str, address: &str) {
        self.mirror.faults(|faults| {
            faults.moved.insert(path.into(), format!("{address}/{path}"));
        });
    }
}

/// The one sentence of a failure, which gives no secret away.
#[track_caller]
fn sentence(error: &Error) -> String {
    let said = told(error);
    assert!(!said.contains("secret") && !said.contains('\n'), "{said}");
    // Neither in the clear nor as it travels.
    assert!(!said.contains("Basic") && !said.contains("user"), "{said}");
    said
}

fn from_the_proxy() -> HashSet<IpAddr> {
    HashSet::from([PROXY_ADDRESS.parse().unwrap()])
}

#[test]
fn everything_goes_through_the_proxy_and_each_gets_its_own_credentials() {
    let stage = Stage::set();
    run(&stage.request()).unwrap();
    assert_eq!(stage.mirror.peers(), from_the_proxy());
    let asked = stage.mirror.asked();
    assert!(
        asked.contains(&(TOP.into(), 200)) && asked.contains(&(INDEX.into(), 200)),
        "{asked:?}"
    );
    let log = stage.proxy.log();
    assert!(log.contains(TOP) && log.contains(INDEX), "{log}");
    let authorised: HashSet<String> = stage.mirror.authorised().into_iter().collect();
    assert_eq!(authorised, HashSet::from([MIRROR_HEADER.to_owned()]));
}

#[test]
fn a_wrong_password_for_the_proxy_is_told_in_one_sentence_without_it() {
    let stage = Stage::set();
    let mut request = stage.request();
    for address in [stage.proxy.address("wrong-secret"), stage.proxy.address("")] {
        request.settings.network.proxy = Some(address);
        let error = run(&request).unwrap_err();
        let said = sentence(&error);
        assert!(said.contains("proxy refuses dists/own/InRelease"), "{said}");
        assert!(
            said.ends_with("name and password in the settings are wrong, or missing"),
            "{said}"
        );
        assert_eq!(error.fault(), Fault::Refused);
    }
    assert_eq!(stage.mirror.asked(), []);
}

#[test]
fn a_proxy_that_is_away_is_not_gone_round() {
    let stage = Stage::set();
    let mut request = stage.request();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    request.settings.network.proxy = Some(format!("http://proxy-user:{PROXY_SECRET}@{nobody}"));
    let error = run(&request).unwrap_err();
    assert!(sentence(&error).contains("after 2 attempts"), "{error}");
    assert_eq!(error.fault(), Fault::Unavailable);
    assert_eq!(stage.mirror.asked(), []);
}

#[test]
fn a_redirect_to_another_host_takes_no_credentials_along() {
    let stage = Stage::set();
    let other = Mirror::serve_at("127.0.0.2", stage.own.files());
    for path in [TOP, INDEX] {
        stage.moves(path, &other.address());
    }
    for proxied in [true, false] {
        let mut request = stage.request();
        request.folder = stage.folder.path().join(format!("{proxied}"));
        if !proxied {
            request.settings.network.proxy = None;
        }
        run(&request).unwrap();
        let asked = other.asked();
        assert_eq!(asked, [(TOP.into(), 200), (INDEX.into(), 200)], "proxied: {proxied}");
        assert_eq!(other.authorised(), [""; 0], "proxied: {proxied}");
        assert!(!proxied || other.peers() == from_the_proxy());
    }
    let authorised: HashSet<String> = stage.mirror.authorised().into_iter().collect();
    assert_eq!(authorised, HashSet::from([MIRROR_HEADER.to_owned()]));
}

#[test]
fn a_redirect_in_a_circle_ends_in_one_sentence() {
    let stage = Stage::set();
    let other = Mirror::serve_at("127.0.0.2", stage.own.files());
    let request = stage.request();
    for back in [stage.mirror.address(), other.address()] {
        stage.moves(TOP, &back);
        other.faults(|faults| {
            faults.moved.insert(TOP.into(), format!("{}/{TOP}", stage.mirror.address()));
        });
        let error = run(&request).unwrap_err();
        assert!(sentence(&error).contains("too many redirects"), "{error}");
        assert_eq!(error.fault(), Fault::Unavailable);
        let asked = stage.mirror.asked().len() + other.asked().len();
        assert!(asked <= 12, "asked {asked} times");
    }
}
