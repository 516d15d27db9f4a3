//! `patchkeep` on another machine: the same verbs over the API, with a token file and the site's certificate. What is
//! shown and what is refused is what it is beside the data folder.

use crate::scripts::Desk;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tests::{Said, patchkeep};

/// A desk elsewhere: an address, the site's root certificate, and tokens in files.
struct Far {
    desk: Desk,
    address: String,
    ca: PathBuf,
}

impl Far {
    fn new() -> Self {
        let desk = Desk::new();
        let appliance = &desk.house.appliance;
        let (ca, address) =
            (appliance.beside("browser-root.pem"), format!("https://{}", desk.house.here().people));
        let roles = ["--role", "approver", "--as", "ann"];
        appliance.verb(&["account", "set"], &[&["kim", "--name", "Kim"], &roles[..]].concat()).ok();
        let far = Self { desk, address, ca };
        for role in ["operator", "approver", "assessor", "administrator"] {
            far.keep(role, &far.desk.token(role));
        }
        let words = ["kim", "--label", "her desk", "--role", "approver", "--as", "ann", "--json"];
        let issued = far.here(&["account", "token", "issue"], &words).ok().json();
        far.keep("kim", issued["secret"].as_str().unwrap());
        far
    }

    fn file(&self, token: &str) -> String {
        self.desk.house.path(&format!("{token}.token"))
    }

    fn keep(&self, name: &str, secret: &str) {
        let file = self.file(name);
        fs::write(&file, format!("{secret}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }

    /// Asks beside the data folder.
    #[track_caller]
    fn here(&self, verb: &[&str], rest: &[&str]) -> Said {
        self.desk.house.appliance.verb(verb, rest)
    }

    /// Asks from elsewhere with one of the tokens.
    #[track_caller]
    fn there(&self, token: &str, verb: &[&str], rest: &[&str]) -> Said {
        self.with(
            &self.address,
            &self.file(token),
            self.ca.to_str().unwrap(),
            &[verb, rest].concat(),
        )
    }

    #[track_caller]
    fn with(&self, address: &str, token: &str, ca: &str, words: &[&str]) -> Said {
        let place = ["--appliance", address, "--token-file", token, "--ca", ca];
        patchkeep(place.iter().chain(words))
    }
}

/// What a verb printed, but for what passes meanwhile.
fn still(said: &Said) -> Value {
    fn without(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| {
                    !["made_at", "seen_at", "available_bytes", "used"].contains(&name.as_str())
                });
                fields.values_mut().for_each(without);
            }
            Value::Array(items) => items.iter_mut().for_each(without),
            _ => {}
        }
    }
    let mut value = said.json();
    without(&mut value);
    if let Value::Object(report) = &mut value {
        report.remove("at");
    }
    value
}

const READING: &[&[&str]] = &[
    &["status"],
    &["receipt"],
    &["ring", "list"],
    &["ring", "need"],
    &["endpoint", "list", "--all"],
    &["endpoint", "missing", "web1"],
    &["endpoint", "missing"],
    &["endpoint", "inventory-of", "web1"],
    &["update", "list"],
    &["update", "show", "package-0"],
    &["update", "lint"],
    &["window", "list"],
    &["window", "preview", "nights"],
    &["policy", "list"],
    &["policy", "list", "--all"],
    &["calendar", "show"],
    &["exception", "list"],
    &["report", "levels"],
    &["report", "policy", "cyber-essentials"],
    &["run", "list"],
    &["run", "report", "broad"],
    &["site", "show"],
    &["approver", "list"],
    &["scanner", "show"],
    &["account", "list"],
    &["account", "token", "list"],
    &["audit", "key"],
    &["audit", "show", "--type", "window-set", "--type", "policy-set", "--limit", "3"],
];

/// What is refused in the same words, and with the same exit code.
const REFUSED: &[(&str, &[&str], i32)] = &[
    ("operator", &["update", "list", "--ring", "none"], 3),
    ("operator", &["endpoint", "missing", "web9"], 3),
    ("operator", &["window", "preview", "none"], 3),
    ("operator", &["run", "report", "none"], 3),
    ("operator", &["report", "policy", "none"], 3),
    ("operator", &["ring", "create", "broad"], 5),
    ("operator", &["ring", "point", "broad", "none"], 3),
    ("operator", &["run", "start", "broad"], 5),
    ("approver", &["exception", "approve", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 3),
    ("administrator", &["endpoint", "retire", "web9", "--reason", "gone"], 3),
];

/// What has no act in the API.
const HERE_ONLY: &[&[&str]] = &[
    &["import", "/media/stick"],
    &["account", "set", "lee", "--name", "Lee", "--role", "operator"],
    &["account", "reset", "kim"],
    &["account", "close", "kim"],
    &["scanner", "off"],
    &["endpoint", "apt-config", "web3", "--address", "https://127.0.0.1:8443"],
    &["endpoint", "set", "web1", "--no-provider"],
    &["backup", "--into", "backup.age", "--recipient", "age1"],
];

/// What changes something, by the role that it takes.
const DOING: &[(&str, &[&str])] = &[
    ("operator", &["ring", "create", "pilot"]),
    ("operator", &["ring", "place", "broad", "--after", "pilot", "--soak-hours", "1"]),
    ("operator", &["ring", "place", "broad", "--first"]),
    ("operator", &["ring", "floor", "broad", "package-9", "1"]),
    ("operator", &["run", "pause", "broad"]),
    ("operator", &["run", "resume", "broad"]),
    ("operator", &["run", "cancel", "broad"]),
    ("operator", &["window", "remove", "nights"]),
    ("administrator", &["policy", "remove", "cyber-essentials"]),
    ("administrator", &["policy", "set", "cyber-essentials"]),
    ("administrator", &["calendar", "set", "--zone", "Europe/London", "--holiday", "2026-12-25"]),
    ("administrator", &["endpoint", "set", "web1", "--kind", "server", "--owner", "finance"]),
    ("administrator", &["endpoint", "set", "web1", "--owner", "", "--exposure", "air-gapped"]),
    ("administrator", &["endpoint", "elect", "web1", "out", "--reason", "a test"]),
    ("administrator", &["endpoint", "elect", "web1", "in"]),
    ("administrator", &["endpoint", "token", "web3"]),
    ("administrator", &["account", "end", "kim"]),
    ("approver", &["decline", "package-1", "--reason", "later"]),
    ("administrator", &["endpoint", "retire", "web1", "--reason", "sold"]),
];

#[test]
fn the_command_does_elsewhere_what_it_does_at_the_appliance() {
    let far = Far::new();
    an_approver_signs_elsewhere(&far);
    for verb in READING {
        let json = [verb, &["--json"][..]].concat();
        let as_pat: &[&str] =
            if verb.contains(&"lint") || verb.contains(&"show") && verb.contains(&"audit") {
                &["--as", "pat"]
            } else {
                &[]
            };
        let there = far.there("assessor", &json, &[]).ok();
        let here = far.here(&json, as_pat).ok();
        assert_eq!(still(&there), still(&here), "{verb:?}");
    }
    for (token, verb, code) in REFUSED {
        let there = far.there(token, verb, &[]).exits(*code);
        let here = far.here(verb, &[]).exits(*code);
        assert_eq!(there.err, here.err, "{verb:?}");
    }
    for verb in HERE_ONLY {
        far.there("administrator", verb, &[]).exits(3).says("is done at the appliance itself");
    }
    for (token, verb) in DOING {
        far.there(token, verb, &["--json"]).ok();
    }
    let placed = far.desk.house.told("ring-placed");
    assert!(placed[0].contains("pat (operator, through the API)"), "{placed:?}");
    evidence_comes_out_whole(&far);
    who_may_not_is_told_so(&far);
}

/// Kim approves a run and withdraws it on a machine of her own: the drafts come, her key signs, the statements go.
fn an_approver_signs_elsewhere(far: &Far) {
    let key = far.desk.house.key("kim");
    let sign = ["--key", &key, "--yes", "--json"];
    let plan = ["--approver", "kim", "--any-time", "--brake-failures", "0", "--json"];
    let planned = far.there("operator", &["run", "plan"], &plan).ok().json();
    far.there("operator", &["run", "start", "broad"], &[]).exits(5);
    let approved = far.there("kim", &["run", "approve", "broad"], &sign).ok().json();
    assert_eq!(approved["approver"], "kim", "{approved}");
    far.there("operator", &["run", "start", planned["run"].as_str().unwrap()], &[]).ok();
    // In two steps, with a file that no appliance is needed for.
    let draft = far.desk.house.path("draft");
    let words = ["approve", "--any-time", "--package", "package-0", "--into", &draft];
    far.there("kim", &words, &[]).ok().says("statement submit").says(&far.address);
    patchkeep(["statement", "sign", &draft, "--key", &key, "--yes"]).ok();
    let submitted = far.there("kim", &["statement", "submit", &draft, "--json"], &[]).ok().json();
    assert_eq!(submitted["generation"], 2, "{submitted}");
    let waiver = ["waive", "web1", "--reason", "it has no room"];
    far.there("kim", &waiver, &sign).ok();
    far.there("kim", &["approve", "--attested"], &["--yes"]).exits(3);
    far.there("kim", &["approve", "--as", "ann"], &sign).exits(4).says("the token acts as kim");
    // Somebody else's key signs nothing for her.
    let mallory = far.desk.house.key("mallory");
    far.there("kim", &["withdraw", "--reason", "no"], &["--key", &mallory, "--yes"]).exits(4);
    let events = far.desk.house.told("statement-recorded");
    assert!(events.iter().all(|told| told.contains("kim")), "{events:?}");
}

/// An audit bundle that was fetched is as good as one that was written there.
fn evidence_comes_out_whole(far: &Far) {
    let file = far.desk.house.path("audit.zip");
    let exported = far.there("assessor", &["audit", "export", "--into", &file, "--json"], &[]).ok();
    let key = exported.json()["key"].as_str().unwrap().to_owned();
    assert!(exported.json()["entries"].as_u64().unwrap() > 10, "{exported}");
    patchkeep(["audit", "verify", &file, "--key", &key]).ok();
    far.there("assessor", &["audit", "export", "--into", &file], &[]).exits(6).says("exists");
}

fn who_may_not_is_told_so(far: &Far) {
    let ca = far.ca.to_str().unwrap();
    let status = ["status"];
    far.there("assessor", &["ring", "create", "mine"], &[]).exits(4).says("it takes the role");
    far.there("operator", &["audit", "show"], &[]).exits(4).says("it takes the role");
    // Another's certificate, and none.
    let other = far.desk.house.path("other.pem");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(&other, made.cert.pem()).unwrap();
    let token = far.file("operator");
    let strange = far.with(&far.address, &token, &other, &status).exits(4);
    strange.says("is not trusted").says("say --ca ca.pem");
    let bare = ["--appliance", &far.address, "--token-file", &token, "status"];
    patchkeep(bare).exits(4).says("is not trusted").says("your token was not sent");
    // By a name that is not the appliance's.
    let port = far.address.rsplit(':').next().unwrap();
    let named = far.with(&format!("https://127.0.0.2:{port}"), &token, ca, &status);
    assert!(matches!(named.code, Some(4 | 6)), "{named}");
    // Nobody there.
    far.with("https://127.0.0.1:9", &token, ca, &status).exits(6).says("does not answer");
    // A token that is over, one that never was, one that others read, none.
    let tokens = far.here(&["account", "token", "list"], &["--json"]).ok().json();
    let ours = tokens.as_array().unwrap().iter().find(|one| one["role"] == "assessor").unwrap();
    let revoke = ["account", "token", "revoke", ours["token"].as_str().unwrap()];
    far.there("administrator", &revoke, &[]).ok();
    far.there("assessor", &status, &[]).exits(4).says("does not take the token").says("has ended");
    far.keep("never", "pk_00");
    far.there("never", &status, &[]).exits(4).says("does not take the token");
    far.keep("odd", "a secret");
    far.there("odd", &status, &[]).exits(3).says("holds no API token");
    fs::set_permissions(&token, Permissions::from_mode(0o640)).unwrap();
    far.there("operator", &status, &[]).exits(4).says("others can read").says("chmod 600");
    patchkeep(["status", "--appliance", &far.address]).exits(2).says("--token-file");
    // Which appliance is said once, and said to verbs that ask one.
    let data = far.desk.house.appliance.data().display().to_string();
    far.there("kim", &status, &["--data", &data]).exits(2).says("say which you mean");
    far.there("kim", &["keys", "fingerprint", "--keys", "x"], &[])
        .exits(2)
        .says("asks no appliance");
    patchkeep(status).exits(2).says("say which appliance");
}
