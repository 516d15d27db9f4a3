//! Simulated agents, many in one process: each has its own key, its certificate, and the checkpoint that it
//! holds. They say what real agents say, and judge the log as those do; they apply nothing.

use crate::Appliance;
use api::{
    CHECK_IN_PATH, CheckIn, ENROL_PATH, Enrol, Enrolled, Job, Orders, Plan, PlannedPackage, Report,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ids::{Digest, Timestamp};
use merkle::{Checkpoint, Note, VerifierKey, verify_consistency};
use rcgen::{CertificateParams, DnType, KeyPair};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use std::future::Future;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use trust::{ApprovedPackage, SiteRoot};
use vendor_apt::Inventory;

/// Threads that do the work, and threads that wait for the appliance's socket.
const THREADS: usize = 2;
/// Agents that are at work at the same time.
const AT_ONCE: usize = 24;
/// Longest time for one answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Why an agent was not answered.
#[derive(Debug)]
pub enum Unanswered {
    /// The appliance could not be reached, or went away: worth another try.
    Gone(String),
    /// It said no, or what it said does not hold.
    Wrong(String),
}

/// What the socket in an appliance's data folder answers: what an administrator's verbs would get.
#[derive(Debug, Clone)]
pub struct Console(PathBuf);

/// A site's doors, and threads for its agents.
#[derive(Debug)]
pub struct Swarm {
    runtime: Runtime,
    console: Console,
    doors: Arc<Doors>,
}

#[derive(Debug)]
struct Doors {
    root: Certificate,
    people: String,
    endpoints: String,
}

/// One simulated agent.
#[derive(Debug)]
pub struct Drone {
    /// Its name.
    pub name: String,
    /// Consistency proofs that it verified, those of an unchanged log aside.
    pub proofs: u32,
    key: KeyPair,
    doors: Arc<Doors>,
    certificate: Option<String>,
    client: Option<Client>,
    log: Option<VerifierKey>,
    held: Option<String>,
}

impl Console {
    /// The socket of an appliance that serves.
    #[must_use]
    pub fn of(appliance: &Appliance) -> Self {
        Self(appliance.data().join("control.sock"))
    }

    /// Asks one question; the reply without its wrapping.
    ///
    /// # Errors
    /// What the appliance says, or that it is not there.
    pub fn ask(&self, question: &Value) -> Result<Value, String> {
        let mut stream = UnixStream::connect(&self.0).map_err(|e| e.to_string())?;
        stream.write_all(format!("{question}\n").as_bytes()).map_err(|e| e.to_string())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).map_err(|e| e.to_string())?;
        let answer: Value = serde_json::from_str(&line).map_err(|e| e.to_string())?;
        let is = &answer["reply"]["with"]["is"];
        if is.is_null() { Err(answer.to_string()) } else { Ok(is.clone()) }
    }
}

impl Swarm {
    /// For an appliance that serves at these doors (`address:port`).
    #[must_use]
    pub fn new(appliance: &Appliance, people: &str, endpoints: &str) -> Self {
        // Another part of the program may have chosen already; both choose the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(THREADS).max_blocking_threads(AT_ONCE).enable_all();
        let runtime = threads.build().unwrap();
        let (people, endpoints) = (format!("https://{people}"), format!("https://{endpoints}"));
        let unbelieving = builder().tls_danger_accept_invalid_certs(true).build().unwrap();
        let asked = unbelieving.get(format!("{people}/ca.pem"));
        let pem =
            runtime.block_on(async { asked.send().await.unwrap().bytes().await.unwrap().to_vec() });
        let root = Certificate::from_pem(&pem).unwrap();
        let doors = Arc::new(Doors { root, people, endpoints });
        Self { runtime, console: Console::of(appliance), doors }
    }

    /// Agents of these names that belong to the site: each enrolled with a token, and its key compared.
    #[track_caller]
    #[must_use]
    pub fn joined(&self, names: impl Iterator<Item = String>) -> Vec<Drone> {
        let console = self.console.clone();
        self.all(names.map(|name| self.drone(name)).collect(), move |mut drone| {
            let console = console.clone();
            async move {
                drone.join(console).await?;
                Ok(drone)
            }
        })
    }

    /// Has an agent of this name ask to join; gives its key's fingerprint.
    #[track_caller]
    #[must_use]
    pub fn pending(&self, name: &str) -> String {
        let drone = self.drone(name.to_owned());
        let asked = self.runtime.block_on(drone.ask_to_join(&self.console));
        asked.unwrap_or_else(|error| panic!("{error:?}")).1
    }

    fn drone(&self, name: String) -> Drone {
        Drone {
            name,
            proofs: 0,
            key: KeyPair::generate().unwrap(),
            doors: Arc::clone(&self.doors),
            certificate: None,
            client: None,
            log: None,
            held: None,
        }
    }

    /// Has every agent do its work, some at a time; ends the test when one cannot.
    #[track_caller]
    #[must_use]
    pub fn all<W>(&self, drones: Vec<Drone>, work: impl Fn(Drone) -> W) -> Vec<Drone>
    where
        W: Future<Output = Result<Drone, Unanswered>> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        self.runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for drone in drones {
                let (work, places) = (work(drone), Arc::clone(&places));
                under_way.spawn(async move {
                    let _place = places.acquire().await.unwrap();
                    work.await.map(Drone::left)
                });
            }
            let mut done = Vec::new();
            while let Some(drone) = under_way.join_next().await {
                done.push(drone.unwrap().unwrap_or_else(|error| panic!("{error:?}")));
            }
            done
        })
    }
}

impl Drone {
    /// Asks to join, with a token; gives what is to be asked again once a person has looked, and the key's
    /// fingerprint as the appliance has it.
    async fn ask_to_join(&self, console: &Console) -> Result<(Enrol, String), Unanswered> {
        let token = json!({
            "ask": "people", "about": "issue-token", "endpoint": self.name, "ring": "broad",
            "hours": 1, "person": "ann",
        });
        let token = asked(console, token).await?["token"].as_str().unwrap_or_default().to_owned();
        let request = request(&self.name, &self.key);
        let ask = Enrol { token, endpoint: self.name.parse().unwrap(), request };
        match self.enrol(&ask).await? {
            Enrolled::Pending { fingerprint } => Ok((ask, fingerprint)),
            Enrolled::Certified { .. } => Err(wrong("it joined, and nobody had looked")),
        }
    }

    async fn enrol(&self, ask: &Enrol) -> Result<Enrolled, Unanswered> {
        let address = format!("{}{ENROL_PATH}", self.doors.people);
        post(&self.doors.client(None), &address, ask).await
    }

    async fn join(&mut self, console: Console) -> Result<(), Unanswered> {
        let (ask, fingerprint) = self.ask_to_join(&console).await?;
        let confirm = json!({
            "ask": "people", "about": "confirm", "endpoint": self.name, "key": fingerprint,
            "person": "ann",
        });
        asked(&console, confirm).await?;
        let Enrolled::Certified { certificate, roots, .. } = self.enrol(&ask).await? else {
            return Err(wrong("it was confirmed, and waits"));
        };
        let root = roots.last().ok_or_else(|| wrong("the site has no root"))?;
        let root = SiteRoot::unverified(root).map_err(wrong)?;
        self.log = Some(VerifierKey::parse(&root.log.key).map_err(wrong)?);
        self.certificate = Some(certificate);
        Ok(())
    }

    /// Checks in, on the connection of the last time if there is one, and holds what it is handed.
    ///
    /// # Errors
    /// [`Unanswered::Wrong`] also for a log that does not continue what is held.
    pub async fn check_in(&mut self, said: &CheckIn) -> Result<Orders, Unanswered> {
        let said = CheckIn { held: self.held.clone(), ..said.clone() };
        let address = format!("{}{CHECK_IN_PATH}", self.doors.endpoints);
        let client = self.client.take().unwrap_or_else(|| self.client());
        let orders: Orders = post(&client, &address, &said).await?;
        self.client = Some(client);
        self.witness(&orders)?;
        Ok(orders)
    }

    /// The same, until there is an answer: for when the appliance is away for a while.
    ///
    /// # Errors
    /// As [`Drone::check_in`], for anything else than that.
    pub async fn insist(&mut self, said: &CheckIn) -> Result<Orders, Unanswered> {
        for _ in 0..300 {
            match self.check_in(said).await {
                Err(Unanswered::Gone(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
                answered => return answered,
            }
        }
        Err(Unanswered::Wrong(format!("{} was never answered", self.name)))
    }

    fn client(&self) -> Client {
        self.doors.client(Some(&self.pair()))
    }

    /// Its certificate and its key, PEM.
    #[must_use]
    pub fn pair(&self) -> String {
        let certificate = self.certificate.as_deref().unwrap_or_default();
        format!("{certificate}\n{}", self.key.serialize_pem())
    }

    /// A check-in that says nothing but what it holds.
    #[must_use]
    pub fn quiet(&self) -> CheckIn {
        CheckIn { held: self.held.clone(), ..quiet() }
    }

    /// The log's key, as the site root names it, once it has joined.
    #[must_use]
    pub fn log(&self) -> Option<&VerifierKey> {
        self.log.as_ref()
    }

    /// Ends its connections.
    fn left(mut self) -> Self {
        self.client = None;
        self
    }

    fn witness(&mut self, orders: &Orders) -> Result<(), Unanswered> {
        let key = self.log.as_ref().ok_or_else(|| wrong("it has not joined"))?;
        let new = Checkpoint::open(orders.checkpoint.as_bytes(), key).map_err(wrong)?;
        if let Some(held) = &self.held {
            let old = Note::parse(held.as_bytes()).and_then(|note| Checkpoint::parse(note.text()));
            let old = old.map_err(wrong)?;
            let hash = |text: &String| {
                Some(Digest::from_bytes(STANDARD.decode(text).ok()?.try_into().ok()?))
            };
            let proof: Option<Vec<Digest>> = orders.proof.iter().map(hash).collect();
            let proof = proof.ok_or_else(|| wrong("a proof without hashes"))?;
            verify_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(wrong)?;
            self.proofs += u32::from(new.size > old.size);
        }
        self.held = Some(orders.checkpoint.clone());
        Ok(())
    }
}

impl Doors {
    fn client(&self, pair: Option<&str>) -> Client {
        let mut builder = builder().tls_certs_only([self.root.clone()]);
        if let Some(pair) = pair {
            builder = builder.identity(Identity::from_pem(pair.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }
}

/// A certificate request of an endpoint of this name, PEM.
#[must_use]
pub fn request(name: &str, key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serialize_request(key).unwrap().pem().unwrap()
}

/// A check-in that says nothing.
#[must_use]
pub fn quiet() -> CheckIn {
    CheckIn {
        agent: "simulated".into(),
        root_generation: 1,
        held: None,
        alarm: None,
        inventory: None,
        plan: None,
        report: None,
        renewal: None,
    }
}

/// What a small machine of this name has installed.
#[must_use]
pub fn inventory(name: &str) -> Inventory {
    let stanza = |name: &str, version: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        )
    };
    let status = [stanza("dpkg", "1.21.22"), stanza("package-0", "1"), stanza("package-1", "1")];
    let status = status.concat();
    Inventory::take(name.into(), Timestamp::now(), status.as_bytes(), &[], Vec::new()).unwrap()
}

/// That the second version of two packages would be applied, whose payloads these are.
#[must_use]
pub fn plan(payloads: [Digest; 2]) -> Plan {
    let planned = |(package, sha256): (&str, Digest)| PlannedPackage {
        package: ApprovedPackage {
            package: package.into(),
            architecture: "amd64".into(),
            version: "2".into(),
            sha256,
        },
        replaces: Some("1".into()),
    };
    let packages = ["package-0", "package-1"].into_iter().zip(payloads).map(planned).collect();
    Plan { packages, kept_back: Vec::new() }
}

/// A report of a job, as it was sent before when it is sent again.
#[must_use]
pub fn report(job: Job) -> CheckIn {
    CheckIn { report: Some(Report { job, message: "simulated".into() }), ..quiet() }
}

async fn asked(console: &Console, question: Value) -> Result<Value, Unanswered> {
    let console = console.clone();
    let asked = spawn_blocking(move || console.ask(&question)).await;
    asked.map_err(wrong)?.map_err(Unanswered::Wrong)
}

async fn post<A: serde::de::DeserializeOwned>(
    client: &Client,
    address: &str,
    question: &impl serde::Serialize,
) -> Result<A, Unanswered> {
    let body = serde_json::to_vec(question).unwrap();
    let gone = |error: reqwest::Error| Unanswered::Gone(format!("{error:?}"));
    let request = client.post(address).header("content-type", "application/json").body(body);
    let response = request.send().await.map_err(gone)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(gone)?;
    match status.as_u16() {
        200 => serde_json::from_slice(&bytes).map_err(wrong),
        503 => Err(Unanswered::Gone("it is stopping".into())),
        _ => Err(Unanswered::Wrong(format!("{status}: {}", String::from_utf8_lossy(&bytes)))),
    }
}

fn builder() -> reqwest::ClientBuilder {
    Client::builder().https_only(true).no_proxy().timeout(ANSWER_TIME)
}

fn wrong(error: impl std::fmt::Display) -> Unanswered {
    Unanswered::Wrong(error.to_string())
}
