//! People at the console in real browsers: what they read, type and press, one act a line.

use crate::browser::{Authenticator, PASSWORD};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How people use their browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With a mouse.
    Mouse,
    /// With JavaScript off.
    Plain,
    /// With the keyboard alone.
    Keyboard,
}

/// Browsers, one a person.
#[derive(Debug)]
pub struct Walk {
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    address: RefCell<String>,
}

/// Somebody at the console.
#[derive(Debug)]
pub struct Walker<'a> {
    walk: &'a Walk,
    person: &'static str,
    authenticator: RefCell<Authenticator>,
}

/// What a browser shows.
#[derive(Debug)]
pub struct Sight {
    /// The page's path.
    pub path: String,
    /// What people read on it.
    pub text: String,
    /// The same with its marks.
    pub html: String,
}

impl Walk {
    /// Browsers for the console at this door, `address:port`.
    #[must_use]
    pub fn begin(door: &str, manner: Manner) -> Self {
        let manner = match manner {
            Manner::Mouse => "mouse",
            Manner::Plain => "plain",
            Manner::Keyboard => "keyboard",
        };
        let mut node = Command::new("node");
        node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/walk.mjs")).arg(manner);
        let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pipes = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let address = format!("https://{door}");
        Self { child, pipes: RefCell::new(pipes), address: RefCell::new(address) }
    }

    /// A browser of somebody's own.
    #[must_use]
    pub fn person(&self, person: &'static str) -> Walker<'_> {
        Walker { walk: self, person, authenticator: RefCell::default() }
    }

    #[track_caller]
    fn ask(&self, mut act: Value) -> Sight {
        act["address"] = json!(*self.address.borrow());
        let mut pipes = self.pipes.borrow_mut();
        writeln!(pipes.0, "{act}").unwrap();
        let mut line = String::new();
        pipes.1.read_line(&mut line).unwrap();
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{act}: {e}: {line}"));
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        assert!(answer["ok"] == true, "{act}: {}", text("wrong"));
        Sight { path: text("path"), text: text("text"), html: text("html") }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        // It ends by itself when nothing more is asked; after a failed test it need not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Walker<'_> {
    #[track_caller]
    fn act(&self, act: Value) -> Sight {
        let mut act = act;
        act["person"] = json!(self.person);
        self.walk.ask(act)
    }

    /// Opens a page by its path.
    #[track_caller]
    pub fn open(&self, path: &str) -> Sight {
        self.act(json!({ "act": "open", "path": path }))
    }

    /// Types into the field with this label, in the place of what is there.
    #[track_caller]
    pub fn types(&self, label: &str, text: &str) -> &Self {
        self.act(json!({ "act": "type", "label": label, "text": text }));
        self
    }

    /// Chooses from the list with this label.
    #[track_caller]
    pub fn chooses(&self, label: &str, option: &str) -> &Self {
        self.act(json!({ "act": "choose", "label": label, "option": option }));
        self
    }

    /// Has the box or button with this label marked.
    #[track_caller]
    pub fn ticks(&self, label: &str) -> &Self {
        self.act(json!({ "act": "tick", "label": label, "on": true }));
        self
    }

    /// Gives a file.
    #[track_caller]
    pub fn gives(&self, label: &str, path: &Path) -> &Self {
        self.act(json!({ "act": "file", "label": label, "path": path }));
        self
    }

    /// Opens a folded part of the page.
    #[track_caller]
    pub fn unfolds(&self, name: &str) -> &Self {
        self.act(json!({ "act": "unfold", "name": name }));
        self
    }

    /// Presses a button, or follows a link, of this name; gives the page that follows.
    #[track_caller]
    pub fn presses(&self, name: &str) -> Sight {
        self.act(json!({ "act": "press", "name": name }))
    }

    /// Presses a button from which a file comes.
    #[track_caller]
    pub fn takes(&self, name: &str, into: &Path) -> &Self {
        self.act(json!({ "act": "take", "name": name, "into": into }));
        self
    }

    /// Uses a one-time code on the page that is open, and chooses how to sign in. `name` is for a site's first account.
    #[track_caller]
    pub fn begins(&self, code: &str, name: Option<&str>) -> Sight {
        let label = match name {
            Some(_) => ["Code from the appliance’s screen", "Choose your person id"],
            None => ["One-time code", "Your person id"],
        };
        self.types(label[0], code).types(label[1], self.person);
        if let Some(name) = name {
            self.types("Your name", name);
        }
        let choose = self.presses("Continue");
        let secret = choose.between("id=\"secret\">", "<").replace(' ', "");
        *self.authenticator.borrow_mut() = Authenticator::with(secret);
        let number = self.authenticator.borrow_mut().number();
        self.types("New password", PASSWORD).types("The same password again", PASSWORD);
        self.types("Number that it shows now", &number).presses("Keep these and sign in")
    }
}

impl Sight {
    /// It says this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "{} does not say {words:?}: {}", self.path, self.text);
        self
    }

    /// What stands between two marks.
    #[track_caller]
    #[must_use]
    pub fn between(&self, before: &str, after: &str) -> String {
        let found = self.html.split_once(before).and_then(|(_, rest)| rest.split_once(after));
        let found = found.unwrap_or_else(|| panic!("nothing after {before:?}: {}", self.html)).0;
        found.trim().to_owned()
    }
}
