//! A small site with a server on free ports, and clients for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

use catalogue::{Catalogue, File, FileKind, SCHEMA, Vendor};
use durable::RealDisk;
use ids::{Digest, EndpointName, RingName, SourceId, Timestamp};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use server::{Clients, Config, Identity, Limits, People, Reason, Refusal, Revoked, Serving, Tls};
use site::{Shelf, ShelfHandle, SiteCa, SourceView};
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
};
use store::Store;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub const INDEX: &str = "dists/b/main/Packages.xz";
pub const LARGE: &str = "pool/large++_1~2.deb";

pub struct Site {
    pub dir: TempDir,
    pub ca: SiteCa,
    pub store: Store,
    pub shelf: ShelfHandle,
    pub runtime: Runtime,
    pub serving: Option<Serving>,
    pub refusals: Arc<Mutex<Vec<Refusal>>>,
    pub revoked: Revoked,
}

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_second(since.as_secs() as i64).unwrap()
}

pub fn index(sequence: u64) -> Vec<u8> {
    format!("index {sequence} ").repeat(2000).into_bytes()
}

pub fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i % 253) as u8).collect()
}

fn catalogue(sequence: u64, store: &Store) -> Catalogue {
    let record = format!("01ARZ3NDEKTSV4RRFFQ69G5F0{sequence}").parse().unwrap();
    let incoming = store.begin(&record, 0).unwrap();
    let file = |path: &str, bytes: Vec<u8>, kind| {
        let (sha256, length) = (Digest::of(&bytes), bytes.len() as u64);
        incoming.write(&sha256, length, &mut bytes.as_slice()).unwrap();
        File { path: path.into(), sha256, length, kind }
    };
    let files = vec![
        file("dists/b/InRelease", format!("r{sequence}").into_bytes(), FileKind::Release),
        file(INDEX, index(sequence), FileKind::Index),
        file("pool/empty", vec![], FileKind::Payload),
        file(LARGE, large(), FileKind::Payload),
        file(&format!("pool/only{sequence}.deb"), vec![sequence as u8; 100], FileKind::Payload),
    ];
    incoming.promote().unwrap();
    let date: Timestamp = format!("2026-0{sequence}-11T09:58:37Z").parse().unwrap();
    Catalogue {
        schema: SCHEMA,
        source: "debian".parse().unwrap(),
        vendor: Vendor::Apt {
            origin: "Debian".into(),
            suite: "b".into(),
            codename: "b".into(),
            components: vec![],
            architectures: vec![],
        },
        collected_at: date,
        release_date: date,
        valid_until: None,
        files,
        updates: vec![],
        notes: vec![],
        advice: None,
    }
}

impl Site {
    pub fn open(limits: Limits) -> Self {
        Self::open_with(limits, false)
    }

    pub fn open_with(limits: Limits, allow_tls12: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(Arc::new(RealDisk), dir.path()).unwrap();
        let mut shelf = Shelf::default();
        let one = SourceView::new(1, &catalogue(1, &store), None);
        let two = SourceView::new(2, &catalogue(2, &store), Some(&one));
        shelf.add(Arc::new(one));
        shelf.add(Arc::new(two));
        shelf.point(&ring(), &source(), 1);
        let handle = ShelfHandle::default();
        handle.replace(shelf);
        let ca = ca(&dir, "lab");
        let tls = Tls {
            identity: identity(&ca, &dir),
            clients: Clients::Certified {
                roots: vec![ca.certificate().to_vec()],
                revoked: Revoked::default(),
            },
            allow_tls12,
        };
        let Clients::Certified { revoked, .. } = &tls.clients else { panic!() };
        let revoked = revoked.clone();
        let any = || server::Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
        let names = vec!["127.0.0.1".to_owned(), "patch.lab.example".to_owned()];
        let agents = std::sync::Weak::new();
        let routes =
            axum::Router::new().route("/", axum::routing::get(|| async { "a page" })).route(
                "/kept",
                axum::routing::get(|| async { ([("cache-control", "max-age=60")], "a picture") }),
            );
        let people = Some(People { port: any(), redirect: Some(any()), routes });
        let config = Config { endpoints: any(), people, names, limits, agents };
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&refusals);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let note = Arc::new(move |refusal| noted.lock().unwrap().push(refusal));
        let start = server::start(config, handle.clone(), store.clone(), tls, note);
        let serving = Some(runtime.block_on(start).unwrap());
        Self { dir, ca, store, shelf: handle, runtime, serving, refusals, revoked }
    }

    pub fn change(&self, change: impl FnOnce(&mut Shelf)) {
        let mut shelf = Shelf::clone(&self.shelf.current());
        change(&mut shelf);
        self.shelf.replace(shelf);
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.as_ref().unwrap().endpoints().unwrap()
    }

    pub fn people(&self) -> SocketAddr {
        self.serving.as_ref().unwrap().people().unwrap()
    }

    pub fn redirect(&self) -> SocketAddr {
        self.serving.as_ref().unwrap().redirect().unwrap()
    }

    /// The reasons, once there are `count` of them: the server tells of a refusal when it has ended
    /// the connection, which the client may notice first. Bounded; a test that gets fewer fails.
    pub fn reasons_after(&self, count: usize) -> Vec<Reason> {
        for _ in 0..500 {
            if self.reasons().len() >= count {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.reasons()
    }

    pub fn reasons(&self) -> Vec<Reason> {
        self.refusals.lock().unwrap().iter().map(|refusal| refusal.reason).collect()
    }

    /// A file with this text in the site's folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `curl` with the certificate of an endpoint: status, head and body.
    pub fn curl(&self, target: &str, more: &[&str]) -> Got {
        let (certificate, key) = self.ca.issue(&endpoint(), now()).unwrap();
        let certificate = self.file("client.pem", &certificate.certificate_pem);
        let key = self.file("client.key", &key);
        let keys = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
        let url = format!("https://{}{target}", self.address());
        self.bare_curl(&url, &[&keys, more].concat())
    }

    pub fn bare_curl(&self, url: &str, more: &[&str]) -> Got {
        let root = self.file("root.pem", &self.ca.certificate_pem());
        let (head, body) = (self.dir.path().join("head"), self.dir.path().join("body"));
        let _ = (std::fs::write(&head, ""), std::fs::write(&body, ""));
        let out = Command::new("curl")
            .args(["-sS", "--path-as-is", "--max-time", "60", "-w", "%{http_code} %{http_version}"])
            .arg("--cacert")
            .arg(root)
            .arg("-D")
            .arg(&head)
            .arg("-o")
            .arg(&body)
            .args(more)
            .arg(url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let (status, version) = said.split_once(' ').unwrap();
        Got {
            status: status.parse().unwrap(),
            version: version.to_owned(),
            head: std::fs::read_to_string(head).unwrap().to_ascii_lowercase(),
            body: std::fs::read(body).unwrap(),
        }
    }

    /// A connection of a client with this certificate and key.
    pub async fn connect(&self, pems: &(String, String)) -> io::Result<TlsStream<TcpStream>> {
        self.connect_to(self.address(), pems).await
    }

    pub async fn connect_to(
        &self,
        address: SocketAddr,
        pems: &(String, String),
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate().into()).unwrap();
        let chain = CertificateDer::pem_slice_iter(pems.0.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(pems.1.as_bytes()).unwrap();
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    pub fn client(&self) -> (String, String) {
        let (certificate, key) = self.ca.issue(&endpoint(), now()).unwrap();
        (certificate.certificate_pem, key)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            self.runtime.block_on(serving.stop());
        }
    }
}

pub struct Got {
    pub status: u16,
    pub version: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends one GET on a connection that is kept, and reads the answer: status and body.
pub async fn get(
    connection: &mut TlsStream<TcpStream>,
    target: &str,
) -> io::Result<(u16, Vec<u8>)> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    // TLS may still hold what was written; reading alone would wait for an answer for ever.
    connection.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    connection.read_exact(&mut body).await?;
    Ok((head[9..12].parse().unwrap(), body))
}

pub fn ca(dir: &TempDir, site: &str) -> SiteCa {
    let keys = dir.path().join(site);
    SiteCa::load_or_create(&RealDisk, &keys, Some(&site.parse().unwrap()), now()).unwrap()
}

pub fn identity(ca: &SiteCa, dir: &TempDir) -> Identity {
    let names = ["127.0.0.1".to_owned(), "patch.lab.example".to_owned()];
    let server = ca.server(&RealDisk, &dir.path().join("lab"), &names, now()).unwrap();
    Identity { certificates: vec![server.certificate], key: server.key }
}

pub fn endpoint() -> EndpointName {
    "web1.lab.example".parse().unwrap()
}

pub fn ring() -> RingName {
    "pilot".parse().unwrap()
}

pub fn source() -> SourceId {
    "debian".parse().unwrap()
}
