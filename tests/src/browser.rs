//! A person at the console with a browser that runs no scripts: stock curl, with cookies and forms.

use crate::{Appliance, Here, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use totp_rs::{Algorithm, Secret, TOTP};

/// What a browser has open.
#[derive(Debug)]
pub struct Browser {
    door: String,
    root: PathBuf,
    jar: PathBuf,
    authenticator: Authenticator,
}

/// An authenticator as people carry one (RFC 6238).
#[derive(Debug, Default)]
pub struct Authenticator {
    /// The secret, once there is one, and the step that was used last.
    secret: Option<String>,
    used: u64,
}

/// A page that came.
#[derive(Debug)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Where it leads to, if elsewhere.
    pub location: Option<String>,
    /// The head as it came, in small letters.
    pub head: String,
    /// The page itself.
    pub text: String,
}

/// The password that people of tests choose.
pub const PASSWORD: &str = "correct horse battery";

impl Browser {
    /// A new one, without cookies, that trusts this appliance's root.
    #[track_caller]
    #[must_use]
    pub fn open(appliance: &Appliance, here: &Here, whose: &str) -> Self {
        Self::at(&here.people, &appliance.beside(""), whose)
    }

    /// One that opens the console at an address, trusts the root that it has there, and keeps its things in a folder.
    #[track_caller]
    #[must_use]
    pub fn at(door: &str, folder: &Path, whose: &str) -> Self {
        let root = folder.join("browser-root.pem");
        let mut fetch = Command::new("curl");
        fetch.args(["--silent", "--show-error", "--fail", "--insecure", "--max-time", "30"]);
        fetch.arg("--output").arg(&root).arg(format!("https://{door}/ca.pem"));
        run(&mut fetch).ok();
        let jar = folder.join(format!("browser-{whose}"));
        drop(fs::remove_file(&jar));
        Self { door: door.to_owned(), root, jar, authenticator: Authenticator::default() }
    }

    /// The same one, which opens the console by this name of the machine.
    #[must_use]
    pub fn by_name(mut self, name: &str) -> Self {
        let port = self.door.rsplit(':').next().unwrap_or_default().to_owned();
        self.door = format!("{name}:{port}");
        self
    }

    /// Opens a page.
    #[track_caller]
    pub fn get(&self, path: &str) -> Page {
        self.ask(path, &[])
    }

    /// Sends a form with these fields; those of a session get its token from `page`.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut words = vec!["--request".to_owned(), "POST".to_owned()];
        for (name, value) in fields {
            words.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
        }
        if fields.is_empty() {
            words.extend(["--data".to_owned(), String::new()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.ask(path, &words)
    }

    /// Sends a form from a page of the session: opens `from` and brings back what it was given.
    #[track_caller]
    pub fn send(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get(from);
        let token = page.field("token");
        self.post(path, &[&[("token", token.as_str())][..], fields].concat())
    }

    /// Asks with these words of curl besides.
    #[track_caller]
    pub fn ask(&self, path: &str, words: &[&str]) -> Page {
        let (head, body) = (self.jar.with_extension("head"), self.jar.with_extension("body"));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--cacert"]).arg(&self.root);
        curl.arg("--cookie").arg(&self.jar).arg("--cookie-jar").arg(&self.jar);
        curl.arg("--dump-header").arg(&head).arg("--output").arg(&body);
        curl.args(["--write-out", "%{http_code}"]).args(words);
        let said = run(curl.arg(format!("https://{}{path}", self.door))).ok();
        let head = fs::read_to_string(&head).unwrap();
        let is_location = |line: &&str| line.to_lowercase().starts_with("location: ");
        let location = head.lines().find(is_location).map(|line| &line["location: ".len()..]);
        Page {
            status: said.out.trim().parse().unwrap(),
            location: location.map(|path| path.trim().to_owned()),
            text: String::from_utf8_lossy(&fs::read(&body).unwrap_or_default()).into_owned(),
            head: head.to_lowercase(),
        }
    }

    /// Uses a one-time code, and chooses a password and an authenticator: signed in from here on. `name` is for
    /// the first account of a site.
    #[track_caller]
    pub fn begin(&mut self, person: &str, code: &str, name: Option<&str>) {
        let page = if name.is_some() { "/first-start" } else { "/one-time-code" };
        let mut fields = vec![("person", person), ("code", code)];
        fields.extend(name.map(|name| ("name", name)));
        let next = self.post(page, &fields);
        assert_eq!(
            (next.status, next.location.as_deref()),
            (303, Some("/choose")),
            "{}",
            next.text
        );
        let choose = self.get("/choose");
        let secret = choose.between("id=\"secret\">", "<").replace(' ', "");
        self.authenticator = Authenticator::with(secret);
        let number = self.number();
        let fields = [("password", PASSWORD), ("again", PASSWORD), ("number", number.as_str())];
        let entered = self.post("/choose", &fields);
        assert_eq!(
            (entered.status, entered.location.as_deref()),
            (303, Some("/")),
            "{}",
            entered.text
        );
    }

    /// Signs in with what was chosen.
    #[track_caller]
    pub fn sign_in(&mut self, person: &str) -> Page {
        let number = self.number();
        self.post("/sign-in", &[("person", person), ("password", PASSWORD), ("number", &number)])
    }

    /// The session's token, for a browser that runs scripts.
    #[track_caller]
    #[must_use]
    pub fn session(&self) -> String {
        let jar = fs::read_to_string(&self.jar).unwrap();
        let words = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let mut cookies = jar.lines().map(words).filter(|cookie| cookie.len() == 7);
        let session = cookies.find(|cookie| cookie[5] == "__Host-patchkeep");
        session.expect("nobody is signed in")[6].clone()
    }

    /// Gives somebody else a copy of the cookies.
    pub fn copy_cookies_to(&self, other: &mut Self) {
        fs::copy(&self.jar, &other.jar).unwrap();
    }

    /// A number of the authenticator that was not used yet; waits for one where it has to.
    #[track_caller]
    pub fn number(&mut self) -> String {
        self.authenticator.number()
    }
}

impl Authenticator {
    /// One that was given this secret, in base 32.
    #[must_use]
    pub fn with(secret: String) -> Self {
        Self { secret: Some(secret), used: 0 }
    }

    /// A number of the authenticator that was not used yet; waits for one where it has to.
    #[track_caller]
    pub fn number(&mut self) -> String {
        let bytes = Secret::Encoded(self.secret.clone().unwrap()).to_bytes().unwrap();
        let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, bytes, None, String::new()).unwrap();
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            // The appliance takes the next one too, for clocks that are a little late.
            let next = [now / 30, now / 30 + 1].into_iter().find(|step| *step > self.used);
            if let Some(step) = next {
                self.used = step;
                return totp.generate(step * 30);
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }
}

impl Page {
    /// It is a page that was shown.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }

    /// It says this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "{} without {words:?}: {}", self.status, self.text);
        self
    }

    /// What stands between two marks.
    #[track_caller]
    #[must_use]
    pub fn between(&self, before: &str, after: &str) -> String {
        let rest = self.text.split_once(before).map(|(_, rest)| rest);
        let found = rest.and_then(|rest| rest.split_once(after)).map(|(found, _)| found);
        found
            .unwrap_or_else(|| panic!("nothing after {before:?} in {}", self.text))
            .trim()
            .to_owned()
    }

    /// The value of a hidden field.
    #[track_caller]
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        self.between(&format!("name=\"{name}\" value=\""), "\"")
    }
}
