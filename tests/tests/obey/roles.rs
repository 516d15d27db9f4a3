//! Each thing that people ask is done in one role: each verb, held against the table of roles.

use crate::house::House;
use crate::security_key::{Person, chromium};
use api::{Job, JobPhase, WayBack};
use fleet::{Actor, Event, Fact, Operation, Role};
use ids::Timestamp;
use merkle::VerifierKey;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;
use tests::{Browser, Drone, Said, Swarm, patchkeep, swarm};

/// A site with one endpoint that said what it would apply, and another that asks to join.
struct Desk {
    house: House,
    doors: [String; 2],
    swarm: Swarm,
    drone: Option<Drone>,
    log: VerifierKey,
    pending: String,
    scanner: String,
    kim: Person,
    pat: Browser,
}

impl Desk {
    fn new() -> Self {
        let mut house = House::new();
        house.offer_image("0.2.0");
        let swarm = Swarm::new(&house.appliance, &house.here().people, &house.here().endpoints);
        let offered = house.offered;
        let joined = swarm.joined(["web1".to_owned()].into_iter());
        let drones = swarm.all(joined, |mut drone| async move {
            let said = api::CheckIn {
                inventory: Some(swarm::inventory(&drone.name)),
                plan: Some(swarm::plan(offered)),
                ..swarm::quiet()
            };
            drone.check_in(&said).await.map(|_| drone)
        });
        let pending = swarm.pending("web2");
        let root = house.path("next-root");
        let lee = format!("{}.pub", house.key("mallory"));
        house.appliance.verb(&["approver", "add"], &["lee", &lee, "--into", &root]).ok();
        for person in ["ann", "ben"] {
            patchkeep(["site", "sign", &root, "--key", &house.key(person), "--yes"]).ok();
        }
        // Somebody administers, before Kim has an account and chooses how she signs in.
        let account = |person: &str, role: &str| {
            let words = [person, "--name", person, "--role", role, "--as", "root", "--json"];
            house.appliance.verb(&["account", "set"], &words).ok().json()
        };
        account("root", "administrator");
        let code = account("kim", "approver")["code"].as_str().unwrap().to_owned();
        let browser = Browser::open(&house.appliance, house.here(), "kim");
        let mut kim = Person { name: "kim", browser: browser.by_name("localhost") };
        kim.browser.begin("kim", &code, None);
        let code = account("pat", "operator")["code"].as_str().unwrap().to_owned();
        let mut pat = Browser::open(&house.appliance, house.here(), "pat").by_name("localhost");
        pat.begin("pat", &code, None);
        let doors = house.stop();
        let scanner = house.path("clamd.sock");
        let log = drones[0].log().unwrap().clone();
        let drone = drones.into_iter().next();
        Self { log, house, doors, swarm, drone, pending, scanner, kim, pat }
    }

    /// The endpoint says that its job failed while it was at work.
    fn fails(&mut self) {
        let report = self.verb(&["run", "report"], &["broad", "--json"]).json();
        let approval = report["statement"].as_str().unwrap().parse().unwrap();
        self.house.serve(&self.doors, &[]);
        let drone = self.drone.take().unwrap();
        drop(self.swarm.all(vec![drone], |mut drone| async move {
            let (phase, way_back) = (JobPhase::AwaitingDecision, Some(WayBack::Own));
            let job = Job { approval, phase, at: Timestamp::now(), way_back, end: None };
            drone.check_in(&swarm::report(job)).await.map(|_| drone)
        }));
        self.house.stop();
    }

    /// At the console, which alone can: a browser has the key.
    fn does_with_security_keys(&mut self, operation: Operation) -> Said {
        self.house.serve(&self.doors, &[]);
        self.kim.browser.sign_in("kim");
        if operation == Operation::AddSecurityKey {
            chromium(&self.house, &self.kim, "register", "");
        } else {
            let page = self.kim.browser.get("/account").ok();
            let key = page.between("name=\"key\" value=\"", "\"");
            let gone = self.kim.browser.send("/account", "/account/keys/remove", &[("key", &key)]);
            assert_eq!(gone.status, 303, "{}", gone.text);
        }
        self.house.stop();
        self.verb(&["account", "list"], &[])
    }

    /// Only where the appliance runs from an image can another one be handed over.
    fn hands_over(&mut self) -> Said {
        let updates = self.house.path("updates");
        std::fs::create_dir_all(format!("{updates}/in")).unwrap();
        let image = ["--image-version", "0.1.0", "--image-updates", &updates];
        self.house.serve(&self.doors, &image);
        let said = self.verb(&["image", "start"], &["0.2.0", "--as", "ann"]);
        self.house.stop();
        said
    }

    /// At the console, which alone can, and only where a first program writes to media: its words are made up here.
    fn writes_receipt(&mut self) -> Said {
        let folder = self.house.path("writes");
        let (stick, plugged) = (self.house.path("stick"), self.house.path("media.json"));
        std::fs::create_dir_all(format!("{folder}/in")).unwrap();
        std::fs::create_dir_all(&stick).unwrap();
        let stick_plugged = serde_json::json!([{
            "device": "/dev/sdb1", "at": stick, "label": "evidence", "holds": "FAT", "is_writable": true, "wrong": null,
        }]);
        std::fs::write(&plugged, stick_plugged.to_string()).unwrap();
        let words = ["--plugged-in", &plugged, "--media-writes", &folder];
        self.house.serve(&self.doors, &words);
        self.pat.sign_in("pat");
        let fields = [("what", "receipt"), ("medium", &*stick)];
        let sent = self.pat.send("/media", "/media", &fields);
        assert_eq!(sent.status, 303, "{}", sent.text);
        self.house.stop();
        self.verb(&["account", "list"], &[])
    }

    /// Only where a first program keeps the network can it be changed: its words are made up here.
    fn reaches(&mut self, operation: Operation) -> Said {
        let folder = self.house.path("network");
        std::fs::create_dir_all(format!("{folder}/in")).unwrap();
        let change = "01ARZ3NDEKTSV4RRFFQ69G5FF0";
        let settings = serde_json::json!({ "address": "192.0.2.10/24" });
        let trial = serde_json::json!({ "change": change, "settings": settings, "until": "2030-01-01T00:00:00Z" });
        let is_trial = operation == Operation::ConfirmNetworkChange;
        let status = serde_json::json!({
            "settings": { "address": "dhcp" }, "address": null, "interface": null, "interfaces": ["eth0"],
            "trouble": null, "trial": is_trial.then_some(trial),
        });
        std::fs::write(format!("{folder}/status.json"), status.to_string()).unwrap();
        self.house.serve(&self.doors, &["--network", &folder]);
        let said = match operation {
            Operation::AskNetworkChange => {
                self.verb(&["network", "set"], &["192.0.2.10/24", "--as", "ann"])
            }
            _ => self.verb(&["network", "confirm"], &[change, "--as", "ann"]),
        };
        self.house.stop();
        said
    }

    /// Runs, from the plan to the decision about a machine that failed.
    fn does_with_runs(&mut self, operation: Operation) -> Said {
        use Operation as O;
        let run = |verb: &str, rest: &[&str]| {
            self.verb(&["run", verb], &[rest, &["--as", "oscar"]].concat())
        };
        match operation {
            O::AddSecurityKey | O::RemoveSecurityKey => self.does_with_security_keys(operation),
            O::StartImage => self.hands_over(),
            O::WriteReceipt => self.writes_receipt(),
            O::AskNetworkChange | O::ConfirmNetworkChange => self.reaches(operation),
            O::SetFloor => {
                let words = ["broad", "other-package", "2", "--as", "oscar"];
                self.verb(&["ring", "floor"], &words)
            }
            O::PlaceRing => {
                self.verb(&["ring", "place"], &["other", "--after", "broad", "--as", "oscar"])
            }
            O::PlanRun => run("plan", &["--approver", "kim"]),
            O::SubmitStatement => {
                let kim = self.house.key("kim");
                let words = ["broad", "--as", "kim", "--key", &kim, "--yes"];
                self.verb(&["run", "approve"], &words)
            }
            O::StartRun => run("start", &["broad"]),
            O::PauseRun => run("pause", &["broad"]),
            O::ResumeRun => run("resume", &["broad"]),
            O::CancelRun => run("cancel", &["broad"]),
            O::ResolveJob => {
                self.fails();
                self.verb(&["run", "keep"], &["web1", "--as", "oscar"])
            }
            O::Runs => self.verb(&["run", "list"], &[]),
            O::RunReport => self.verb(&["run", "report"], &["broad"]),
            O::RunDraft => {
                let into = self.house.path("planned");
                self.verb(&["run", "draft"], &["broad", "--into", &into])
            }
            other => self.does_with_endpoints(other),
        }
    }

    fn verb(&self, verb: &[&str], rest: &[&str]) -> Said {
        self.house.appliance.verb(verb, rest).ok()
    }

    /// Does it as a person would. Another operation fails until somebody does it here too.
    fn does(&mut self, operation: Operation) {
        use Operation as O;
        let kim = self.house.key("kim");
        let sign = ["--as", "kim", "--key", &kim, "--yes"];
        let why = ["--reason", "a test", "--as", "kim"];
        let path = |name: &str| self.house.path(name);
        let address = ["--address", "https://127.0.0.1:8443", "--as", "oscar"];
        drop(match operation {
            O::Found => return,
            O::Import => return self.house.offer("3"),
            O::CreateRing => self.verb(&["ring", "create"], &["other", "--as", "oscar"]),
            O::PointRing => {
                self.verb(&["ring", "point"], &["other", tests::SOURCE, "--as", "oscar"])
            }
            O::ClientConfig => {
                self.verb(&["endpoint", "apt-config"], &[&["old1"][..], &address].concat())
            }
            O::Decline => self.verb(&["decline"], &[&["package-1"][..], &why].concat()),
            O::SubmitWaiver => self.verb(&["waive"], &[&["web1"][..], &sign, &why[..2]].concat()),
            O::ExportAudit => {
                self.verb(&["audit", "export"], &["--into", &path("a.zip"), "--as", "eva"])
            }
            O::ShowLog => self.verb(&["audit", "show"], &["--as", "eva"]),
            O::AcceptSiteRoot => {
                self.verb(&["site", "accept"], &[&path("next-root"), "--as", "ann"])
            }
            O::SetScanner => {
                let listener = UnixListener::bind(&self.scanner).unwrap();
                thread::spawn(move || answer(&listener));
                self.verb(&["scanner", "set"], &[&self.scanner, "--as", "ann"])
            }
            O::Backup => {
                let recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
                let into = ["--into", &path("backup.age"), "--recipient", recipient, "--as", "ann"];
                self.verb(&["backup"], &into)
            }
            O::IssueToken => self.verb(&["endpoint", "token"], &["web3", "--as", "ann"]),
            O::Confirm => {
                let words = ["web2", "--key", &self.pending, "--as", "ann"];
                self.verb(&["endpoint", "confirm"], &words)
            }
            O::Retire => {
                let words = ["web2", "--reason", "a test", "--as", "ann"];
                self.verb(&["endpoint", "retire"], &words)
            }
            O::Rings => self.verb(&["ring", "list"], &[]),
            O::RingNeed => self.verb(&["ring", "need"], &[]),
            O::Missing => self.verb(&["endpoint", "missing"], &["web1"]),
            O::MissingIn => self.verb(&["endpoint", "missing"], &["--ring", "broad"]),
            O::InventoryOf => self.verb(&["endpoint", "inventory-of"], &["web1"]),
            O::SiteRoot => self.verb(&["site", "show"], &[]),
            O::DraftSiteRoot => {
                self.verb(&["approver", "remove"], &["kim", "--into", &path("third-root")])
            }
            O::Scanner => self.verb(&["scanner", "show"], &[]),
            O::Status => self.verb(&["status"], &[]),
            O::Receipt => self.verb(&["receipt"], &[]),
            O::AuditKey => self.verb(&["audit", "key"], &[]),
            O::Endpoints => self.verb(&["endpoint", "list"], &[]),
            O::Updates => self.verb(&["update", "list"], &[]),
            O::DraftStatement => self
                .verb(&["withdraw"], &["--into", &path("draft"), "--as", "kim", "--reason", "x"]),
            O::DraftWaiver => {
                let into = path("waiver");
                self.verb(&["waive"], &[&["web1", "--into", &into][..], &why].concat())
            }
            other => self.does_with_runs(other),
        });
    }

    /// What people say of endpoints, and what the linter says to them.
    fn does_with_endpoints(&self, operation: Operation) -> Said {
        match operation {
            Operation::Describe => {
                self.verb(&["endpoint", "set"], &["web1", "--kind", "server", "--as", "ann"])
            }
            Operation::RegisterAssets => {
                let file = self.house.path("machines.csv");
                std::fs::write(&file, "name,kind\nweb1,server\n").unwrap();
                self.verb(&["endpoint", "register"], &[&file, "--as", "ann"])
            }
            Operation::Elect => {
                let words = ["web1", "out", "--reason", "a test", "--as", "ann"];
                self.verb(&["endpoint", "elect"], &words);
                self.verb(&["endpoint", "elect"], &["web1", "in", "--as", "ann"])
            }
            Operation::Lint => self.verb(&["update", "lint"], &[]),
            other => self.does_with_rules(other),
        }
    }

    /// What people say that a site goes by, and what they are told of how it stands.
    fn does_with_rules(&self, operation: Operation) -> Said {
        use Operation as O;
        let rule = ["--rule", "FREQ=DAILY", "--start", "2026-11-01T22:00", "--minutes", "60"];
        match operation {
            O::SetWindow => {
                let words = ["--zone", "Europe/London", "--as", "oscar"];
                self.verb(&["window", "set"], &[&["days"][..], &words, &rule].concat());
                self.verb(&["window", "set"], &[&["nights"][..], &words, &rule].concat())
            }
            O::RemoveWindow => self.verb(&["window", "remove"], &["nights", "--as", "oscar"]),
            O::PreviewWindow => self.verb(&["window", "preview"], &["days"]),
            O::Windows => self.verb(&["window", "list"], &[]),
            O::SetCalendar => {
                self.verb(&["calendar", "set"], &["--zone", "Europe/London", "--as", "ann"])
            }
            O::SetPolicy => {
                self.verb(&["policy", "set"], &["ncsc", "--as", "ann"]);
                self.verb(&["policy", "set"], &["cyber-essentials", "--as", "ann"])
            }
            O::RemovePolicy => self.verb(&["policy", "remove"], &["ncsc", "--as", "ann"]),
            O::Calendar => self.verb(&["calendar", "show"], &[]),
            O::ReportLevels => self.verb(&["report", "levels"], &[]),
            O::ReportPolicy => self.verb(&["report", "policy"], &["cyber-essentials"]),
            O::Policies => self.verb(&["policy", "list"], &[]),
            O::RequestException => {
                let about = ["package-1", "--version", "2", "--owner", "finance", "--as", "oscar"];
                let why = ["--reason", "a test", "--control", "it is unplugged"];
                self.verb(&["exception", "request"], &[&about[..], &why].concat())
            }
            O::ApproveException => {
                let all = self.verb(&["exception", "list"], &["--json"]).json();
                let id = all[0]["id"].as_str().unwrap().to_owned();
                self.verb(&["exception", "approve"], &[&id, "--as", "kim"])
            }
            O::Exceptions => self.verb(&["exception", "list"], &[]),
            other => self.does_with_accounts(other),
        }
    }

    /// What administrators do with the console's accounts.
    fn does_with_accounts(&self, operation: Operation) -> Said {
        use Operation as O;
        let set = |person: &str, role: &str| {
            let words = [person, "--name", person, "--role", role, "--as", "ann"];
            self.verb(&["account", "set"], &words)
        };
        match operation {
            O::SetAccount => {
                set("ann", "administrator");
                set("oscar", "operator")
            }
            O::ResetAccount => self.verb(&["account", "reset"], &["oscar", "--as", "ann"]),
            // Nobody is signed in here: there is no event, so that the console's own test has it.
            O::EndSessions => {
                self.verb(&["account", "end"], &["oscar", "--as", "ann"]);
                set("oscar", "approver")
            }
            O::CloseAccount => self.verb(&["account", "close"], &["oscar", "--as", "ann"]),
            O::IssueApiToken => {
                set("robin", "operator");
                let words = ["robin", "--label", "nightly", "--role", "operator", "--as", "ann"];
                self.verb(&["account", "token", "issue"], &words)
            }
            O::RevokeApiToken => {
                let all = self.verb(&["account", "token", "list"], &["--json"]).json();
                let id = all[0]["token"].as_str().unwrap().to_owned();
                self.verb(&["account", "token", "revoke"], &[&id, "--as", "ann"])
            }
            O::ApiTokens => self.verb(&["account", "token", "list"], &[]),
            O::Accounts => self.verb(&["account", "list"], &[]),
            O::Images => self.verb(&["image", "list"], &[]),
            O::Network => self.verb(&["network", "show"], &[]),
            other => panic!("nobody does {other:?} here"),
        }
    }

    fn log(&self) -> Vec<Event> {
        self.house.events(&self.log)
    }
}

/// Speaks as a clamd that is asked who it is.
fn answer(listener: &UnixListener) {
    for mut stream in listener.incoming().filter_map(Result::ok) {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"ClamAV 1.0 of a test\0");
    }
}

/// In which roles people caused these events.
fn roles(events: &[Event]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    for event in events {
        if let Actor::Person { role, .. } = event.actor
            && !roles.contains(&role)
        {
            roles.push(role);
        }
    }
    roles
}

#[test]
fn each_operation_is_recorded_in_the_role_that_the_table_gives_it() {
    let mut desk = Desk::new();
    let founded = desk.log();
    let first = |event: &&Event| matches!(event.fact, Fact::SiteCreated { .. });
    let first: Vec<Event> = founded.iter().filter(first).cloned().collect();
    let mut wrong = Vec::new();
    for operation in Operation::ALL {
        let before = desk.log().len();
        desk.does(*operation);
        let after = desk.log();
        let new = if *operation == Operation::Found { &first[..] } else { &after[before..] };
        let expected: Vec<Role> = operation.role().into_iter().collect();
        if roles(new) != expected || (expected.is_empty() && !new.is_empty()) {
            let new: Vec<_> = new.iter().map(|event| (&event.actor, event.fact.kind())).collect();
            wrong.push(format!("{operation:?} acts in {expected:?}, and the log has {new:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
