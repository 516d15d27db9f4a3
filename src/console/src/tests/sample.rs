//! A small site with something of everything: two rings, machines that lack updates, a run under way, an
//! exception, a bundle that was kept out. Its events are real, its vendor and its endpoints are made up.

use crate::{Setup, routes};
use axum::Router;
use catalogue::{
    Advice, Catalogue, CveAdvice, File, FileKind, ReleaseBasis, Update, UpdatePayload, Vendor,
};
use durable::{Disk, MemDisk, RealDisk};
use fleet::{
    Actor, Command, Commit, Custody, Door, EndpointCommand, ImportedSource, Job, JobEnd, JobPhase,
    PolicyCommand, Role, RunCommand, SourceFacts, Verdict, Window, WindowCommand,
};
use ids::{Digest, EndpointName, PersonId, RecordId, RingName, SourceId, Timestamp};
use jiff::SignedDuration;
use serde_json::json;
use site::{
    Clock, Describe, ExceptionWish, Folder, Founding, Ground, RootDraft, Site, Wish, found_on,
};
use std::{fs, path::Path, process, sync::Arc};
use tempfile::TempDir;
use trust::{
    APPROVAL, Administrator, Administrators, Approver, Decision, Envelope, Purpose, SITE_ROOT,
    SitePolicy,
};

/// The one source.
pub(super) const SOURCE: &str = "debian-bookworm-security";
/// A package: name, installed and fixed version, days since release, CVE ids.
type Package = (&'static str, &'static str, &'static str, i64, Option<&'static [&'static str]>);

const PACKAGES: [Package; 6] = [
    ("openssl", "3.0.11-1", "3.0.17-1~deb12u3", 40, Some(&["CVE-2026-1001", "CVE-2026-1002"])),
    ("libc6", "2.36-9", "2.36-9+deb12u13", 11, Some(&["CVE-2026-2001"])),
    ("curl", "7.88.1-10", "7.88.1-10+deb12u14", 6, None),
    ("nginx", "1.22.1-9", "1.22.1-9+deb12u3", 2, Some(&[])),
    (
        "linux-image-amd64",
        "6.1.140-1",
        "6.1.158-1",
        1,
        Some(&[
            "CVE-2026-3001",
            "CVE-2026-3002",
            "CVE-2026-3003",
            "CVE-2026-3004",
            "CVE-2026-3005",
        ]),
    ),
    ("tzdata", "2026a-0", "2026b-0+deb12u1", 20, Some(&[])),
];

pub(super) struct Sample {
    pub(super) site: Arc<Site>,
    pub(super) run: RecordId,
    folder: TempDir,
}

pub(super) fn person(name: &str, role: Role) -> Actor {
    Actor::Person { person: name.parse().unwrap(), role, door: Door::CommandLine }
}

fn id(number: u32) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ69G{number:04}").parse().unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    site::now().checked_sub(SignedDuration::from_hours(days * 24)).unwrap()
}

fn hours_ahead(hours: i64) -> Timestamp {
    site::now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

/// An update that nobody has.
fn made_up(number: u32) -> catalogue::Update {
    let (name, path) = (format!("made-up-{number}"), format!("pool/{number}.deb"));
    let sha256 = Digest::of(path.as_bytes());
    let cves = Some(vec![format!("CVE-2026-{number}")]);
    update(&name, "1.0-1", days_ago(i64::from(number % 700)), cves, &path, sha256)
}

impl Sample {
    /// A site in which nothing has happened yet.
    pub(super) fn founded() -> Self {
        Self::founded_on(RealDisk)
    }

    fn founded_on(disk: impl Disk + 'static) -> Self {
        let ground = Ground { disk: Arc::new(disk), clock: Clock::system() };
        let folder = TempDir::new().unwrap();
        let data = Folder::at(&folder.path().join("data"));
        fs::create_dir_all(data.path()).unwrap();
        let root = br#"{"signed":{"expires":"2027-11-01T00:00:00Z"},"signatures":[]}"#.to_vec();
        let founding = Founding {
            site: "lab".parse().unwrap(),
            root_fingerprint: Digest::of(&root),
            publisher_root: root,
            vendor_keyrings: Vec::new(),
            ring: "broad".parse().unwrap(),
        };
        ground.disk.create_dir_all(data.path()).unwrap();
        let ann = person("ann", Role::Administrator);
        found_on(&data, &founding, ann, ground.clone()).unwrap();
        let site = Arc::new(Site::open_on(&data, None, ground).unwrap());
        Self { site, run: id(9_999), folder }
    }

    pub(super) fn full() -> Self {
        Self::with_updates(0)
    }

    /// The same, whose vendor has so many updates more.
    pub(super) fn with_updates(more: u32) -> Self {
        let mut sample = Self::founded();
        sample.rules();
        sample.root();
        sample.imports(more);
        let names = ["web1", "web2", "db1", "desk-17", "files.example", "print1", "edge1"];
        for (number, name) in (0..).zip(names) {
            sample.endpoint(number, name);
        }
        sample.decisions();
        sample.medium();
        sample.register();
        sample.network();
        sample.plugged();
        sample
    }

    /// A large site on a disk in memory, whose endpoints each lack forty updates.
    pub(super) fn large(updates: u32, endpoints: u32) -> Self {
        let mut sample = Self::founded_on(MemDisk::new());
        sample.rules();
        sample.root();
        sample.imports(updates);
        let halves = [0..endpoints / 2, endpoints / 2..endpoints];
        std::thread::scope(|scope| {
            for half in halves {
                scope.spawn(|| half.for_each(|number| sample.member(number, updates)));
            }
        });
        sample.run = id(9_999);
        sample
    }

    /// One of many endpoints.
    fn member(&self, number: u32, updates: u32) {
        let name = format!("m-{number:05}");
        let commitment = self.commit(json!({ "endpoint": name }));
        let endpoint: RecordId = format!("01ARZ3NDEKTSV4RRFFQ8{number:06}").parse().unwrap();
        let (token, key) =
            (Digest::of(name.as_bytes()), Digest::of(format!("key {name}").as_bytes()));
        let ring: RingName =
            if number.is_multiple_of(10) { "pilot" } else { "broad" }.parse().unwrap();
        let (not_after, request) = (hours_ahead(12), Digest::of(b"request"));
        let admin = person("ann", Role::Administrator);
        let own = Actor::Endpoint { endpoint: endpoint.clone() };
        let certificate = Digest::of(format!("certificate of {name}").as_bytes());
        let status: String = (0..40)
            .map(|place| (number.wrapping_mul(7) + place * 1_201) % updates)
            .map(|package| {
                format!(
                    "Package: made-up-{package}\nStatus: install ok installed\nArchitecture: amd64\n\
                     Version: 0.9-1\n\n"
                )
            })
            .collect();
        let inventory = self.commit(json!({
            "schema": 1, "kind": "apt", "host": name, "taken_at": days_ago(0),
            "architectures": ["amd64"], "preferences": [],
            "status": format!("Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n{status}"),
        }));
        let id = || endpoint.clone();
        for (actor, command) in [
            (&admin, EndpointCommand::IssueToken { token, name: commitment, ring, not_after }),
            (&own, EndpointCommand::Ask { endpoint: id(), token, name: commitment, key, request }),
            (&admin, EndpointCommand::Confirm { endpoint: id(), certificate, not_after }),
            (&own, EndpointCommand::TakeInventory { endpoint: id(), inventory, packages: 41 }),
        ] {
            self.ask(actor.clone(), Command::Endpoint(command));
        }
    }

    pub(super) fn console(&self) -> Router {
        routes(Setup {
            site: Arc::downgrade(&self.site),
            name: "lab".parse().unwrap(),
            refusals: Arc::default(),
            fingerprints: vec![("Site CA (SHA-256)".to_owned(), "0a1b".repeat(16))],
            root_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            server_until: hours_ahead(9_000),
        })
    }

    fn ask(&self, actor: Actor, command: Command) {
        self.site.heart().ask(actor, command).unwrap();
    }

    fn commit(&self, value: serde_json::Value) -> Digest {
        self.site.evidence().put(value, [7; 32]).unwrap()
    }

    fn rules(&self) {
        let operator = || person("oscar", Role::Operator);
        let calendar = fleet::Calendar { zone: "Europe/London".into(), ..Default::default() };
        self.site.set_calendar(person("ann", Role::Administrator), calendar).unwrap();
        self.site.create_ring(operator(), "pilot".parse().unwrap(), true).unwrap();
        let place = fleet::RingPlace { after: "pilot".parse().unwrap(), soak_hours: 72 };
        self.site.place_ring(operator(), "broad".parse().unwrap(), Some(place)).unwrap();
        for (name, ring, rule, start) in [
            ("nights", "broad", "FREQ=WEEKLY;BYDAY=SA", "2026-11-07T22:00"),
            ("pilot-evenings", "pilot", "FREQ=DAILY", "2026-11-01T18:30"),
        ] {
            let window = Window {
                ring: ring.parse().unwrap(),
                rule: rule.into(),
                start: start.parse().unwrap(),
                zone: "Europe/London".into(),
                minutes: 240,
            };
            let set = WindowCommand::Set { name: name.parse().unwrap(), window };
            self.ask(operator(), Command::Window(set));
        }
        for policy in fleet::built_in().unwrap().into_iter().take(2) {
            let set = Command::Policy(PolicyCommand::Set { policy });
            self.ask(person("ann", Role::Administrator), set);
        }
    }

    /// A key of a person's, and its public half.
    fn key(&self, name: &str) -> String {
        let file = self.folder.path().join(name);
        let mut keygen = process::Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&file);
        assert!(keygen.status().unwrap().success());
        fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_owned()
    }

    fn sign(&self, envelope: &mut Envelope, purpose: Purpose, name: &str) {
        let file = self.folder.path().join("message");
        fs::write(&file, envelope.message(purpose).unwrap()).unwrap();
        drop(fs::remove_file(file.with_extension("sig")));
        let mut keygen = process::Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", purpose.namespace, "-f"]);
        keygen.arg(self.folder.path().join(name)).arg(&file);
        assert!(keygen.output().unwrap().status.success());
        envelope.add(purpose, &fs::read_to_string(file.with_extension("sig")).unwrap()).unwrap();
    }

    /// Ann and Ben administer, Kim approves.
    fn root(&self) {
        let own = |name: &str| (name.parse::<PersonId>().unwrap(), self.key(name));
        let keys = ["ann", "ben"].map(own).map(|(person, key)| Administrator { person, key });
        let (person, key) = own("kim");
        let draft = RootDraft {
            administrators: Administrators { threshold: 2, keys: keys.into() },
            approvers: vec![Approver { person, key, not_after: None }],
            policy: SitePolicy { four_eyes: true, attested_approvals: false },
            not_after: hours_ahead(20 * 24),
        };
        let mut envelope = self.site.draft_site_root(draft).unwrap();
        let print = trust::SiteRoot::fingerprint(&envelope).unwrap();
        self.sign(&mut envelope, SITE_ROOT, "ann");
        self.sign(&mut envelope, SITE_ROOT, "ben");
        let actor = super::sample::person("ann", Role::Administrator);
        self.site.accept_site_root(actor, &envelope, Some(print), &[]).unwrap();
    }

    /// Two bundles that were imported and one that was refused.
    fn imports(&self, more: u32) {
        let catalogue = self.catalogue(more);
        let encoded = self.site.keep(&bundle::encode_catalogue(&catalogue).unwrap()).unwrap();
        self.import_bundle(13, id(3), &catalogue, encoded);
        self.import_bundle(14, id(1), &catalogue, encoded);
        let (custody, record) = (id(2), self.commit(json!(Custody::default())));
        let operator = person("oscar", Role::Operator);
        self.ask(operator.clone(), Command::OpenCustody { custody: custody.clone(), record });
        let message =
            "the medium's snapshot is older than the one that is trusted; nothing was kept";
        let (reason, message) = ("rollback-snapshot".to_owned(), message.to_owned());
        self.ask(operator, Command::RefuseBundle { custody, reason, message, bundle: None });
        self.site.fill_shelf().unwrap();
    }

    fn import_bundle(
        &self,
        sequence: u64,
        custody: RecordId,
        catalogue: &Catalogue,
        encoded: Digest,
    ) {
        let record = self.commit(json!(Custody {
            media_asset_tag: Some(format!("STICK-{sequence}")),
            carrier_person_id: Some("cora".parse().unwrap()),
            handed_over_at: Some(days_ago(1)),
            custody_id: Some(custody.clone()),
            capacity_bytes: Some(32_000_000_000),
            ..Custody::default()
        }));
        let operator = || person("oscar", Role::Operator);
        let bundle = Digest::of(format!("bundle {sequence}").as_bytes());
        self.ask(operator(), Command::OpenCustody { custody: custody.clone(), record });
        self.ask(operator(), Command::StartImport { custody: custody.clone(), bundle, sequence });
        let is_release = |file: &&File| file.kind == FileKind::Release;
        let release = catalogue.files.iter().find(is_release).unwrap().sha256;
        let root = br#"{"signed":{"expires":"2027-11-01T00:00:00Z"},"signatures":[]}"#;
        let publisher = trust::Publisher {
            roots: [(1, self.site.keep(root).unwrap())].into(),
            timestamp: Some(trust::Seen { version: sequence, sha256: bundle }),
            snapshot: None,
            latest_signed_at: Some(days_ago(1)),
        };
        let source = ImportedSource {
            source: SOURCE.parse().unwrap(),
            catalogue: encoded,
            vendor: SourceFacts {
                release,
                release_date: days_ago(1),
                valid_until: Some(hours_ahead(6 * 24)),
                signature: None,
                signed_by: vec!["A7236886F3CCCAAD148A27F80E98404D386FA1D9".into()],
                anchor: "debian".into(),
            },
            files: catalogue.files.len() as u64,
            updates: catalogue.updates.len() as u64,
            cves: 8,
            missing: 0,
        };
        let commit = Commit {
            custody: custody.clone(),
            bundle,
            sequence,
            metadata: Digest::of(b"metadata"),
            publisher,
            sources: vec![source],
            payloads_new: 6,
            bytes_new: 123_456_789,
            signed_time: days_ago(1),
            previous: Some(sequence - 1),
            held_back: Vec::new(),
        };
        self.ask(operator(), Command::CommitImport(Box::new(commit)));
        let verdict = Verdict::Accepted;
        self.ask(operator(), Command::CloseCustody { custody, record, verdict });
    }

    /// A register that knows of more machines than have an agent.
    fn register(&self) {
        let text = "Hostname,Type,Owner\nWEB1.lab.example,server,IT\ndesk-17,laptop,IT\nPLC-7,controller,Plant\nplc-8,,\n";
        self.site.register_assets(person("ann", Role::Administrator), text).unwrap();
    }

    /// The word of an appliance's first program: a change of its network is on trial.
    fn network(&self) {
        let folder = self.folder.path().join("network");
        fs::create_dir_all(folder.join("in")).unwrap();
        let fixed = |address: &str| serde_json::json!({ "address": address, "names": ["patchkeep.example"] });
        let trial = serde_json::json!({
            "change": id(700), "settings": fixed("192.0.2.20/24"), "until": "2026-11-27T10:10:00Z",
        });
        let status = serde_json::json!({
            "settings": { "address": "dhcp" }, "address": "192.0.2.15/24", "interface": "eth0",
            "interfaces": ["eth0", "eth1"], "trouble": null, "trial": trial,
        });
        fs::write(folder.join("status.json"), status.to_string()).unwrap();
        let outcome = serde_json::json!({
            "became": "put-back", "settings": fixed("192.0.2.30/24"), "settled": "2026-11-26T10:10:00Z",
            "why": "nobody confirmed it within 10 min",
        });
        fs::write(folder.join("outcome.json"), outcome.to_string()).unwrap();
        self.site.network_in(folder);
        self.site.see_to_network().unwrap();
    }

    /// The word of an appliance's first program: a stick is plugged in, and the last file was not written.
    fn plugged(&self) {
        let (folder, stick) =
            (self.folder.path().join("writes"), self.folder.path().join("media/empty"));
        fs::create_dir_all(folder.join("in")).unwrap();
        fs::create_dir_all(&stick).unwrap();
        let plugged = serde_json::json!([{
            "device": "/dev/sdb1", "at": stick, "label": "evidence", "holds": "FAT", "is_writable": true, "wrong": null,
        }]);
        let file = self.folder.path().join("media.json");
        fs::write(&file, plugged.to_string()).unwrap();
        self.site.media_plugged_in(file);
        self.site.media_are_written_in(folder.clone());
        let oscar = person("oscar", Role::Operator);
        self.site.write_receipt(&oscar, &stick).unwrap();
        self.has_written(Some("no space is left on it"));
    }

    /// The word of what became of the last file.
    pub(super) fn has_written(&self, why: Option<&str>) {
        let folder = self.folder.path().join("writes");
        let order = fs::read(folder.join("in/order.json")).unwrap();
        let order: serde_json::Value = serde_json::from_slice(&order).unwrap();
        let written = serde_json::json!({
            "custody": order["custody"], "at": "2026-11-26T10:10:00Z", "why": why,
        });
        fs::write(folder.join("written.json"), written.to_string()).unwrap();
        fs::remove_file(folder.join("in/order.json")).unwrap();
        self.site.see_to_medium_write().unwrap();
    }

    /// What lies where files to be written are handed over.
    pub(super) fn handed_over(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("writes/in/file")).unwrap()
    }

    /// The same, after the trial has ended.
    pub(super) fn ends_trial(&self) {
        let file = self.folder.path().join("network/status.json");
        let mut status: serde_json::Value =
            serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        status["trial"] = serde_json::Value::Null;
        fs::write(file, status.to_string()).unwrap();
    }

    /// A stick with the next bundle, where media are looked for.
    fn medium(&self) {
        let stick = self.folder.path().join("media/stick");
        for part in ["metadata", "targets"] {
            fs::create_dir_all(stick.join(part)).unwrap();
        }
        fs::write(stick.join("metadata/timestamp.json"), r#"{"signed":{"version":15}}"#).unwrap();
        self.site.look_for_media_in(vec![self.folder.path().join("media")]);
    }

    /// What the vendor has, with `more` made-up updates beside it.
    fn catalogue(&self, more: u32) -> Catalogue {
        let (mut index, mut updates, mut files) = (String::new(), Vec::new(), Vec::new());
        for (name, _, version, days, cves) in PACKAGES {
            let bytes = format!("{name} {version}").into_bytes();
            let sha256 = self.site.keep(&bytes).unwrap();
            let path = format!("pool/main/{name}_{}_amd64.deb", version.replace('~', "_"));
            index.push_str(&format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {path}\nSize: {}\n\
                 SHA256: {sha256}\nDescription: made for a test\n\n",
                bytes.len()
            ));
            let cves = cves.map(|cves| cves.iter().map(|&cve| cve.to_owned()).collect());
            updates.push(update(name, version, days_ago(days), cves, &path, sha256));
            let (length, kind) = (bytes.len() as u64, FileKind::Payload);
            files.push(File { path, sha256, length, kind });
        }
        for number in 0..more {
            let update = made_up(number);
            let payload = &update.payloads[0];
            index.push_str(&format!(
                "Package: {}\nVersion: {}\nArchitecture: amd64\nFilename: {}\nSize: 1\nSHA256: {}\n\n",
                payload.package, payload.version, payload.path, payload.sha256
            ));
            let (path, sha256) = (payload.path.clone(), payload.sha256);
            files.push(File { path, sha256, length: 1, kind: FileKind::Payload });
            updates.push(update);
        }
        let signed = release(&index);
        let mut all = Vec::new();
        for (path, bytes, kind) in [
            ("dists/stable-security/InRelease", signed.into_bytes(), FileKind::Release),
            (
                "dists/stable-security/main/binary-amd64/Packages",
                index.into_bytes(),
                FileKind::Index,
            ),
        ] {
            let (sha256, length) = (self.site.keep(&bytes).unwrap(), bytes.len() as u64);
            all.push(File { path: path.into(), sha256, length, kind });
        }
        all.extend(files);
        all.sort_by(|a, b| a.path.cmp(&b.path));
        updates.sort_by(|a, b| a.id.cmp(&b.id));
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap();
        Catalogue {
            schema: catalogue::SCHEMA,
            advice: Some(advice()),
            source: SOURCE.parse::<SourceId>().unwrap(),
            vendor: Vendor::Apt {
                origin: "Debian".into(),
                suite: "stable-security".into(),
                codename: "bookworm".into(),
                components: vec!["main".into()],
                architectures: vec!["amd64".into()],
            },
            collected_at: whole(days_ago(1)),
            release_date: whole(days_ago(1)),
            valid_until: None,
            files: all,
            updates,
            notes: Vec::new(),
        }
    }

    /// An endpoint; the last two have not joined, and were put out.
    fn endpoint(&self, number: u32, name: &str) {
        let commitment = self.commit(json!({ "endpoint": name }));
        let (endpoint, token) = (id(100 + number), Digest::of(name.as_bytes()));
        let ring: RingName = if number < 2 { "pilot" } else { "broad" }.parse().unwrap();
        let not_after = hours_ahead(12);
        let (key, request) =
            (Digest::of(format!("key of {name}").as_bytes()), Digest::of(b"request"));
        let admin = || person("ann", Role::Administrator);
        let own = || Actor::Endpoint { endpoint: endpoint.clone() };
        let as_admin = |command| self.ask(admin(), Command::Endpoint(command));
        let as_itself = |command| self.ask(own(), Command::Endpoint(command));
        as_admin(EndpointCommand::IssueToken { token, name: commitment, ring, not_after });
        let ask = EndpointCommand::Ask {
            endpoint: endpoint.clone(),
            token,
            name: commitment,
            key,
            request,
        };
        as_itself(ask);
        if name == "edge1" {
            return;
        }
        let certificate = Digest::of(format!("certificate of {name}").as_bytes());
        let not_after = hours_ahead(24 * (10 + i64::from(number) * 9));
        let confirm =
            EndpointCommand::Confirm { endpoint: endpoint.clone(), certificate, not_after };
        as_admin(confirm);
        if name == "print1" {
            let reason = "sold".to_owned();
            as_admin(EndpointCommand::Retire { endpoint: endpoint.clone(), reason });
            return;
        }
        let status = |held: usize| {
            let native = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21.22\n\n";
            let lines = PACKAGES.iter().take(PACKAGES.len() - held).map(|(package, version, ..)| {
                format!(
                    "Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
                )
            });
            native.to_owned() + &lines.collect::<String>()
        };
        let inventory = self.commit(json!({
            "schema": 1, "kind": "apt", "host": name, "taken_at": days_ago(0),
            "architectures": ["amd64"], "preferences": [],
            "status": status(number as usize),
        }));
        let packages = 7 - u64::from(number);
        let take =
            EndpointCommand::TakeInventory { endpoint: endpoint.clone(), inventory, packages };
        as_itself(take);
        let mut planned: Vec<_> = PACKAGES[..PACKAGES.len() - number as usize]
            .iter()
            .map(|(package, installed, version, ..)| {
                let sha256 = Digest::of(format!("{package} {version}").as_bytes());
                json!({ "package": package, "architecture": "amd64", "version": version,
                    "sha256": sha256, "replaces": installed })
            })
            .collect();
        planned.sort_by_key(|package| package["package"].to_string());
        let plan = self.commit(json!({ "packages": planned }));
        let packages = planned.len() as u64;
        let endpoint_id = endpoint.clone();
        let take =
            EndpointCommand::TakePlan { endpoint: endpoint_id, plan, packages, kept_back: 0 };
        as_itself(take);
    }

    fn decisions(&mut self) {
        let operator = || person("oscar", Role::Operator);
        let pilot: RingName = "pilot".parse().unwrap();
        let wish = |ring: &RingName, days: i64| Wish {
            ring: ring.clone(),
            approver: "kim".parse().unwrap(),
            decision: Decision::Approve,
            not_after: hours_ahead(24 * days),
            windows: Vec::new(),
            named: Vec::new(),
            any_time: true,
            endpoints: Vec::new(),
            packages: Vec::new(),
            reason: None,
        };
        let never = fleet::Brake { failures: 0, per_cent: 0 };
        let planned = self.site.plan_run(operator(), wish(&pilot, 7), never).unwrap();
        let mut envelope = planned.draft;
        self.sign(&mut envelope, APPROVAL, "kim");
        self.site.accept_statement(person("kim", Role::Approver), &envelope, false).unwrap();
        self.site.start_run(operator(), &planned.run, false).unwrap();
        let approval = Digest::of(&envelope.unverified_payload(APPROVAL).unwrap());
        self.report(100, approval, JobPhase::Ended, Some(JobEnd::Effective), "All is as approved.");
        let said = "nginx.service did not come up again; 12 MB were written since.";
        self.report(101, approval, JobPhase::AwaitingDecision, None, said);
        self.run = planned.run;
        let broad: RingName = "broad".parse().unwrap();
        self.site.plan_run(operator(), wish(&broad, 14), Default::default()).unwrap();
        let exception = ExceptionWish {
            ring: broad,
            endpoint: Some("db1".parse().unwrap()),
            package: "openssl".into(),
            version: "3.0.17-1~deb12u3".into(),
            owner: "Head of laboratory".into(),
            reason: "The instrument's vendor has not released it".into(),
            control: "The port is closed at the switch".into(),
            not_after: hours_ahead(24 * 30),
        };
        let requested_by = "oscar".parse().unwrap();
        self.site.request_exception(operator(), requested_by, exception).unwrap();
        let described = Describe {
            kind: Some(fleet::EndpointKind::Server),
            exposure: Some(fleet::Exposure::Internal),
            owner: site::Change::To("Laboratory IT".into()),
            ..Describe::default()
        };
        let name: EndpointName = "web1".parse().unwrap();
        self.site.describe_endpoint(person("ann", Role::Administrator), &name, described).unwrap();
    }

    fn report(
        &self,
        number: u32,
        approval: Digest,
        phase: JobPhase,
        end: Option<JobEnd>,
        said: &str,
    ) {
        let (endpoint, record) = (id(number), self.commit(json!({ "message": said })));
        let way_back = Some(fleet::WayBack::Own);
        let job = Job { approval, phase, at: days_ago(0), way_back, end };
        let actor = Actor::Endpoint { endpoint: endpoint.clone() };
        let report = EndpointCommand::TakeReport { endpoint, job, record };
        self.ask(actor, Command::Endpoint(report));
    }

    /// A folder in which nothing is.
    pub(super) fn empty(&self) -> &Path {
        self.folder.path()
    }

    /// Ends a run, so that there is one of the past.
    pub(super) fn cancel(&self, run: RecordId) {
        self.ask(person("oscar", Role::Operator), Command::Run(RunCommand::Cancel { run }));
    }
}

/// A release file that names one index, as it would be signed in the clear.
fn release(index: &str) -> String {
    let plain = Digest::of(index.as_bytes());
    let release = format!(
        "Origin: Debian\nSuite: stable-security\nCodename: bookworm\nDate: {}\nArchitectures: amd64\n\
         Components: main\nSHA256:\n {plain} {} main/binary-amd64/Packages\n",
        days_ago(1).strftime("%a, %d %b %Y %H:%M:%S UTC"),
        index.len()
    );
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{release}\
         -----BEGIN PGP SIGNATURE-----\n\nbm9uZQ==\n-----END PGP SIGNATURE-----\n"
    )
}

/// What public lists say of some of the vulnerabilities.
fn advice() -> Advice {
    let said = |kev, cvss_tenths| CveAdvice { kev, cvss_tenths, ..CveAdvice::default() };
    let named = PACKAGES.iter().filter_map(|(.., cves)| cves.as_ref()).flat_map(|cves| cves.iter());
    let ratings = [said(true, Some(98)), said(false, Some(75)), said(false, Some(53))];
    let cves = named.zip(ratings.into_iter().cycle()).map(|(cve, said)| ((*cve).to_owned(), said));
    Advice { kev_as_of: Some(days_ago(3)), ssvc_as_of: Some(days_ago(3)), cves: cves.collect() }
}

fn update(
    name: &str,
    version: &str,
    released_at: Timestamp,
    cves: Option<Vec<String>>,
    path: &str,
    sha256: Digest,
) -> Update {
    Update {
        id: format!("{name}_{version}"),
        source_package: name.to_owned(),
        fixed_version: version.to_owned(),
        released_at: Timestamp::from_second(released_at.as_second()).unwrap(),
        released_by: ReleaseBasis::SignedRelease,
        changelog_at: None,
        urgency: Some("high".to_owned()),
        severity: None,
        cves,
        payloads: vec![UpdatePayload {
            package: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            path: path.to_owned(),
            sha256,
        }],
    }
}
