//! An approver's security key in a real browser: made known, listed by administrators offline, and then a signature
//! that the appliance, stock `ssh-keygen` and `audit verify` judge as they judge the others.

use crate::house::House;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::{Browser, Page, patchkeep, run, run_within};

/// A person at a browser of their own.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) browser: Browser,
}

/// Has a person's Chromium do something; gives what it printed.
#[track_caller]
pub(crate) fn chromium(house: &House, person: &Person, act: &str, path: &str) -> Value {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let port = house.here().people.rsplit(':').next().unwrap();
    let keys = house.path(&format!("{}-browser-keys", person.name));
    let mut node = Command::new("node");
    node.arg(top.join("browser/security-key.mjs")).arg(format!("https://localhost:{port}"));
    node.args([&person.browser.session(), &keys, act, path]);
    let said = run_within(Duration::from_secs(120), &mut node).ok();
    serde_json::from_str(said.out.trim()).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// A site with one endpoint, whose console is opened by a name.
struct Desk {
    house: House,
}

impl Desk {
    fn new() -> Self {
        let house = House::new();
        drop(house.scanned("web1"));
        Self { house }
    }

    fn approver(&self, name: &'static str, door: &str) -> Person {
        // The first account of a site is an administrator's.
        let set = |name: &str, role: &str| {
            let words = [name, "--name", name, "--role", role, "--as", "root", "--json"];
            self.house.appliance.verb(&["account", "set"], &words).ok().json()
        };
        if self.house.told("account-set").is_empty() {
            set("root", "administrator");
        }
        let issued = set(name, "approver");
        let browser = Browser::open(&self.house.appliance, self.house.here(), name);
        let mut browser = browser.by_name(door);
        browser.begin(name, issued["code"].as_str().unwrap(), None);
        Person { name, browser }
    }

    /// Makes a key of a person's browser known; gives its OpenSSH public key line, as their page shows it.
    fn register(&self, person: &Person) -> String {
        let page = chromium(&self.house, person, "register", "");
        assert!(page["text"].as_str().unwrap().contains("The security key is known."), "{page}");
        let page = person.browser.get("/account").ok().says("approves nothing yet");
        let line = page.between("tabindex=\"0\">sk-ecdsa", "<");
        // Without the comment, which is her name.
        let (line, comment) = line.rsplit_once(' ').unwrap();
        assert_eq!(comment, person.name);
        format!("sk-ecdsa{line}")
    }

    /// Has the administrators list a person's key, as the page says.
    fn list(&self, person: &Person, line: &str) {
        let (key, root) = (self.house.path("browser.pub"), self.house.path("next-root"));
        fs::write(&key, format!("{line}\n")).unwrap();
        let words = [person.name, &key, "--into", &root];
        self.house.appliance.verb(&["approver", "add"], &words).ok();
        for administrator in ["ann", "ben"] {
            let key = self.house.key(administrator);
            patchkeep(["site", "sign", &root, "--key", &key, "--yes"]).ok();
        }
        self.house.appliance.verb(&["site", "accept"], &[&root, "--as", "ann"]).ok();
        fs::remove_file(&root).unwrap();
    }

    /// A planned run that waits for Kim; gives the path of its page.
    fn planned(&self) -> String {
        let words =
            ["--ring", "broad", "--approver", "kim", "--any-time", "--as", "oscar", "--json"];
        let planned = self.house.appliance.verb(&["run", "plan"], &words).ok().json();
        format!("/runs/{}", planned["run"].as_str().unwrap())
    }

    fn refused(&self) -> Vec<String> {
        self.house.told("statement-refused")
    }
}

/// Sends a form that a browser's script filled, with something changed.
fn send(person: &Person, path: &str, form: &Value, change: &[(&str, &str)]) -> Page {
    let own = person.browser.get("/account").field("token");
    let field = |name: &str| {
        let changed = change.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        changed.unwrap_or_else(|| form[name].as_str().unwrap()).to_owned()
    };
    let names = ["credential", "authenticator_data", "client_data", "signature"];
    let fields = names.map(|name| (name, field(name)));
    let mut fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("token", &own));
    person.browser.post(path, &fields)
}

/// Has stock tools check a statement of an unpacked bundle as its `PROCEDURE.txt` says, word for word.
fn stock_tools_take_it(bundle: &Path, line: &str) {
    let procedure = fs::read_to_string(bundle.join("PROCEDURE.txt")).unwrap();
    let step = procedure.split("7. What people signed").nth(1).unwrap();
    let step = step.split("8. What stays open").next().unwrap();
    let commands: Vec<&str> = step.lines().filter(|line| line.starts_with("     ")).collect();
    fs::write(bundle.join("FILE"), format!("PERSON {line}\n")).unwrap();
    let own = bundle.display().to_string();
    let commands = commands.join("\n").replace("statement-RING-N", "statement-broad-1");
    let commands = commands.replace("root-M", "root-2").replace("/tmp/", &format!("{own}/"));
    let said = run(Command::new("bash").args(["-e", "-c", &commands]).current_dir(bundle)).ok();
    let said = said.says("Good \"approval@patchkeep\" signature for PERSON");
    // The root that the step shows lists this very key, and what was signed is a browser's.
    assert!(said.has(line), "{said}");
    let signature = fs::read_to_string(bundle.join("sig")).unwrap();
    let signature = STANDARD.decode(signature.lines().nth(1).unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&signature).contains("webauthn.get"));
}

#[test]
fn an_approver_signs_in_the_browser_and_everybody_can_check_it() {
    let desk = Desk::new();
    let kim = desk.approver("kim", "localhost");
    let path = desk.planned();
    // The key alone gives no say, and the page says so.
    let line = desk.register(&kim);
    kim.browser.get(&path).ok().says("The site root does not list your browser");
    desk.list(&kim, &line);
    kim.browser.get("/account").ok().says("The site root lists it.");
    assert!(desk.house.told("security-key-added")[0].contains("SHA256:"));

    let signed = chromium(&desk.house, &kim, "sign", &path);
    let text = signed["text"].as_str().unwrap();
    assert!(text.contains("It is approved with your signature."), "{text}");
    let statement = desk.house.told("statement-accepted");
    assert!(statement[0].contains("Kim approved 2 packages"), "{statement:?}");

    // Whoever has the bundle checks it with Patchkeep, and with what a desk has.
    let bundle = desk.house.path("audit.zip");
    let words = ["--into", &bundle, "--scope", "full", "--as", "eva"];
    desk.house.appliance.verb(&["audit", "export"], &words).ok();
    patchkeep(["audit", "verify", &bundle]).ok();
    let folder = desk.house.folder_beside("bundle");
    let mut unzip = Command::new("unzip");
    run(unzip.args(["-q", &bundle, "-d"]).arg(&folder)).ok();
    stock_tools_take_it(&folder, &line);

    // What was approved is taken back in the same way, from the page that draws the withdrawal up.
    kim.browser.get(&path).ok().says("/rings/broad/withdraw");
    let signed = chromium(&desk.house, &kim, "withdraw", "/rings/broad/withdraw");
    let text = signed["text"].as_str().unwrap();
    assert!(text.contains("is withdrawn with your signature."), "{text}");
    let statements = desk.house.told("statement-accepted");
    assert_eq!(statements.len(), 2, "{statements:?}");
}

#[test]
fn what_a_browser_did_not_sign_here_is_refused_with_a_sentence_and_an_event() {
    let desk = Desk::new();
    let (kim, lee) = (desk.approver("kim", "localhost"), desk.approver("lee", "127.0.0.1"));
    let path = desk.planned();
    let approve = format!("{path}/approve");
    let line = desk.register(&kim);
    desk.list(&kim, &line);
    let form = chromium(&desk.house, &kim, "take", &path);

    // Somebody else with what Kim signed, and Kim with a key that nobody knows.
    let said = send(&lee, &approve, &form, &[]);
    assert_eq!(said.says("not of this account").status, 400);
    let said = send(&kim, &approve, &form, &[("credential", "AAAA")]);
    assert_eq!(said.says("not of this account").status, 400);
    assert_eq!(desk.refused().len(), 2);
    // What the browser says, changed on its way.
    let client_data = URL_SAFE_NO_PAD.decode(form["client_data"].as_str().unwrap()).unwrap();
    let client_data = String::from_utf8(client_data).unwrap();
    for (from, to, says) in [
        ("https://localhost", "https://evil.example", "no page of localhost"),
        ("https://localhost", "http://localhost", "no page of localhost"),
        ("webauthn.get", "webauthn.create", "not webauthn.get"),
        ("\"crossOrigin\":false", "\"crossOrigin\":true", "in a frame of another page"),
    ] {
        assert!(client_data.contains(from), "{client_data}");
        let changed = URL_SAFE_NO_PAD.encode(client_data.replace(from, to));
        let said = send(&kim, &approve, &form, &[("client_data", &changed)]);
        assert_eq!(said.says(says).status, 403);
    }
    let other = URL_SAFE_NO_PAD.encode([7; 70]);
    let said = send(&kim, &approve, &form, &[("signature", &other)]);
    assert_eq!(said.status, 403);
    let said = send(&kim, &approve, &form, &[("signature", "not base64!")]);
    assert_eq!(said.says("not base64").status, 400);
    assert_eq!(desk.refused().len(), 8, "{:?}", desk.refused());
    // What was signed for one run is nothing for another, and counts once.
    let id = path.rsplit('/').next().unwrap();
    desk.house.appliance.verb(&["run", "cancel"], &["broad", "--as", "oscar"]).ok();
    let next = desk.planned();
    assert!(!next.ends_with(id));
    let said = send(&kim, &format!("{next}/approve"), &form, &[]);
    assert_eq!(said.says("another challenge").status, 403);
    let fresh = chromium(&desk.house, &kim, "take", &next);
    let next = format!("{next}/approve");
    assert_eq!(
        send(&kim, &next, &fresh, &[]).location.as_deref().map(|l| l.contains("approved")),
        Some(true)
    );
    let again = send(&kim, &next, &fresh, &[]);
    assert!(matches!(again.status, 403 | 409), "{}", again.text);

    // Forgotten: the site root lists it still, and the console asks for it no more.
    let page = kim.browser.get("/account").ok();
    let key = page.between("name=\"key\" value=\"", "\"");
    let gone = kim.browser.send("/account", "/account/keys/remove", &[("key", &key)]);
    assert_eq!(gone.location.as_deref(), Some("/account?done=key-removed"));
    assert!(desk.house.told("security-key-removed")[0].contains("forget"));
    assert!(!kim.browser.get("/account").text.contains("sk-ecdsa"));
}

#[test]
fn a_new_key_is_taken_only_as_the_answer_to_what_was_asked() {
    let desk = Desk { house: House::new() };
    let (kim, lee) = (desk.approver("kim", "localhost"), desk.approver("lee", "127.0.0.1"));
    let add = |client_data: &str| {
        let client_data = URL_SAFE_NO_PAD.encode(client_data);
        let new = [("client_data", client_data.as_str()), ("attestation", "oA")];
        kim.browser.send("/account", "/account/keys", &new)
    };
    assert_eq!(add("{}").says("asked for none in the last two minutes").status, 400);
    let ask = || {
        let asked = kim.browser.send("/account", "/account/keys/ask", &[]).ok();
        let asked: Value = serde_json::from_str(&asked.text).unwrap();
        assert_eq!(asked["party"], "localhost");
        asked["challenge"].as_str().unwrap().to_owned()
    };
    let answer = |challenge: &str, origin: &str| {
        format!(
            "{{\"type\":\"webauthn.create\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"}}"
        )
    };
    let elsewhere = answer(&ask(), "https://evil.example");
    assert_eq!(add(&elsewhere).says("no page of localhost").status, 400);
    let here = elsewhere.replace("evil.example", "localhost");
    assert_eq!(add(&here).says("asked for none").status, 400, "an answer counts once");
    let older = answer(&ask(), "https://localhost");
    drop(ask());
    assert_eq!(add(&older).says("another challenge").status, 400);
    let odd = answer(&ask(), "https://localhost");
    assert_eq!(add(&odd).says("no P-256 key").status, 400);
    assert_eq!(desk.house.told("security-key-refused").len(), 5);
    assert!(!lee.browser.get("/account").ok().text.contains("data-ask"), "opened by an address");
    let said = lee.browser.send("/account", "/account/keys/ask", &[]);
    assert_eq!(said.says("Browsers make security keys for names only").status, 400);
}
