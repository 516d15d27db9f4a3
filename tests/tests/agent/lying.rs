//! A lying appliance: two HTTPS doors, the endpoints' API, a repository; it says what the test wants.

use crate::log::Log;
use api::{CHECK_IN_PATH, CheckIn, ENROL_PATH, Enrol, Enrolled, Job, Orders, Problem, RunOrders};
use ids::{Digest, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde::{Serialize, de::DeserializeOwned};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use trust::{APPROVAL, Envelope};

const DAY: u64 = 24 * 60 * 60;

/// What it says, and what it has heard.
pub(crate) struct Says {
    pub(crate) log: Log,
    pub(crate) roots: Vec<Envelope>,
    pub(crate) approval: Option<Envelope>,
    /// The run of the approval that it hands out; its `approval` is filled in. None: it was not started.
    pub(crate) run: Option<RunOrders>,
    /// Another approval that the run is about.
    pub(crate) run_of: Option<Envelope>,
    pub(crate) waivers: Vec<Envelope>,
    pub(crate) sources: String,
    pub(crate) repository: PathBuf,
    /// How often an enrolment is answered with "pending" first.
    pub(crate) pending: u32,
    /// Another fingerprint than the key's own.
    pub(crate) fingerprint: Option<String>,
    /// Certificates are old when they are issued.
    pub(crate) aged: bool,
    /// Instead of any order.
    pub(crate) problem: Option<Problem>,
    /// Every check-in since the test last asked.
    pub(crate) heard: Vec<CheckIn>,
    /// The job as it was reported last.
    pub(crate) job: Option<Job>,
    /// Reports that cannot have happened, by the fleet's own rules.
    pub(crate) impossible: Vec<String>,
    /// Whether it answers nothing to such a report but that it refuses it.
    pub(crate) strict: bool,
}

impl Says {
    /// A run that lets every job begin.
    pub(crate) fn go() -> RunOrders {
        RunOrders {
            run: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            approval: Digest::of(b""),
            go: true,
            why: String::new(),
            provided: false,
            proven: false,
            stateless: false,
            resolution: None,
            over: None,
        }
    }

    /// What a strict appliance says to a report that cannot have happened. One that can, and one that a lax
    /// one lets pass, is kept.
    fn disbelieves(&mut self, said: &CheckIn) -> Option<String> {
        let job = &said.report.as_ref()?.job;
        if let Err(why) = job.follows(self.job.as_ref()) {
            let sentence = format!("{why}: {job:?} after {:?}", self.job);
            if self.strict {
                return Some(sentence);
            }
            self.impossible.push(sentence);
        }
        self.job = Some(job.clone());
        None
    }

    fn run_orders(&self) -> Option<RunOrders> {
        let payload =
            self.run_of.as_ref().or(self.approval.as_ref())?.unverified_payload(APPROVAL).ok()?;
        self.run.clone().map(|run| RunOrders { approval: Digest::of(&payload), ..run })
    }
}

/// A lying appliance on loopback.
pub(crate) struct Lying {
    says: Arc<Mutex<Says>>,
    pub(crate) ca_fingerprint: String,
    pub(crate) people: String,
    pub(crate) endpoints: String,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "lying CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (der, pem) = (certificate.der().to_vec(), certificate.pem());
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).unwrap();
        Self { issuer, der, pem }
    }

    fn server(&self) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().to_vec(), key.serialize_der())
    }

    fn endpoint(&self, request: &str, aged: bool) -> (String, String) {
        let request = CertificateSigningRequestParams::from_pem(request).unwrap();
        let key = request.public_key;
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if aged {
            let now = u64::try_from(Timestamp::now().as_second()).unwrap();
            let day = |day: u64| {
                rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now - 80 * DAY + day * DAY)
            };
            (params.not_before, params.not_after) = (day(0), day(90));
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let digest = Digest::of(&key.subject_public_key_info());
        let print =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest.as_bytes());
        (certificate.pem(), format!("SHA256:{print}"))
    }
}

impl Lying {
    /// Opens its doors; they close when the test's process ends.
    pub(crate) fn new(says: Says) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = Arc::new(Authority::new());
        let says = Arc::new(Mutex::new(says));
        let people = open(&authority, &says, false);
        let endpoints = open(&authority, &says, true);
        let pairs: Vec<_> =
            Digest::of(&authority.der).as_bytes().iter().map(|b| format!("{b:02X}")).collect();
        Self {
            says,
            ca_fingerprint: pairs.join(":"),
            people: format!("https://{people}"),
            endpoints: format!("https://{endpoints}"),
        }
    }

    /// What it says from now on.
    pub(crate) fn says(&self) -> MutexGuard<'_, Says> {
        self.says.lock().unwrap()
    }

    /// All that was said to it at the endpoints' door since the last asking.
    pub(crate) fn heard(&self) -> Vec<CheckIn> {
        std::mem::take(&mut self.says().heard)
    }
}

fn open(authority: &Arc<Authority>, says: &Arc<Mutex<Says>>, checked: bool) -> SocketAddr {
    let (certificate, key) = authority.server();
    let builder = ServerConfig::builder();
    let builder = if checked {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.der.clone())).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
    let config = builder.with_single_cert(vec![CertificateDer::from(certificate)], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (authority, says) = (Arc::clone(authority), Arc::clone(says));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (authority, says, config) = (authority.clone(), says.clone(), config.clone());
            thread::spawn(move || drop(serve(stream, config, &authority, &says, checked)));
        }
    });
    address
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    authority: &Authority,
    says: &Mutex<Says>,
    checked: bool,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            if let Some(text) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let (status, bytes) = answer(&path, &body, authority, says, checked);
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", bytes.len());
        let whole = [head.as_bytes(), &bytes].concat();
        stream.get_mut().write_all(&whole)?;
        stream.get_mut().flush()?;
    }
}

fn answer(
    path: &str,
    body: &[u8],
    authority: &Authority,
    says: &Mutex<Says>,
    checked: bool,
) -> (u16, Vec<u8>) {
    let mut says = says.lock().unwrap();
    match path {
        "/ca.pem" if !checked => (200, authority.pem.clone().into_bytes()),
        ENROL_PATH if !checked => {
            let asked: Enrol = read(body);
            let (certificate, own) = authority.endpoint(&asked.request, says.aged);
            if says.pending > 0 {
                says.pending -= 1;
                let fingerprint = says.fingerprint.clone().unwrap_or(own);
                return (200, write(&Enrolled::Pending { fingerprint }));
            }
            let (site, ring) = ("lab".parse().unwrap(), "broad".parse().unwrap());
            let roots = says.roots.clone();
            (200, write(&Enrolled::Certified { certificate, site, ring, roots }))
        }
        CHECK_IN_PATH if checked => {
            let said: CheckIn = read(body);
            let proof = says.log.proof(said.held.as_deref());
            let generation = usize::try_from(said.root_generation).unwrap();
            let renewal = said.renewal.as_deref();
            let certificate = renewal.map(|request| authority.endpoint(request, false).0);
            if let Some(message) = says.disbelieves(&said) {
                says.heard.push(said);
                return (409, write(&Problem { code: "impossible-report".into(), message }));
            }
            says.heard.push(said);
            if let Some(problem) = &says.problem {
                return (403, write(problem));
            }
            let orders = Orders {
                now: Timestamp::now(),
                ring: "broad".parse().unwrap(),
                roots: says.roots.iter().skip(generation).cloned().collect(),
                approval: says.approval.clone(),
                run: says.run_orders(),
                waivers: says.waivers.clone(),
                checkpoint: says.log.checkpoint(),
                proof,
                sources: says.sources.clone(),
                wants_inventory: false,
                certificate,
                again_in_seconds: 900,
            };
            (200, write(&orders))
        }
        _ if checked => match path.strip_prefix("/ring/broad/vendor/") {
            Some(path) if !path.contains("..") => {
                let path = path.replace("%7e", "~").replace("%2b", "+").replace("%3a", ":");
                let file = fs::read(says.repository.join(path));
                file.map_or((404, Vec::new()), |bytes| (200, bytes))
            }
            _ => (404, Vec::new()),
        },
        _ => (404, Vec::new()),
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap()
}

fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}
