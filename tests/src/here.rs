//! An appliance that serves on this machine's loopback, and a client with a certificate of its site.

use crate::{Appliance, Said, patchkeep_command, run};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server on ports that the system chose. Dropping it asks it to stop and waits.
#[derive(Debug)]
pub struct Here {
    child: Child,
    said: PathBuf,
    /// The endpoints' door, as `address:port`.
    pub endpoints: String,
    /// The people's door.
    pub people: String,
}

impl Here {
    /// Serves an appliance; ends the test when it does not begin to.
    #[track_caller]
    #[must_use]
    pub fn serve(appliance: &Appliance) -> Self {
        Self::serve_with(appliance, "127.0.0.1:0", "127.0.0.1:0", &[])
    }

    /// Serves at these doors, e.g. those of a server that was stopped, with these words besides.
    #[track_caller]
    #[must_use]
    pub fn serve_with(
        appliance: &Appliance,
        endpoints: &str,
        people: &str,
        words: &[&str],
    ) -> Self {
        let said = appliance.beside("here.json");
        let errors = File::create(appliance.beside("here.log")).unwrap();
        let mut command = patchkeep_command();
        command.args(["--json", "serve", "--data"]).arg(appliance.data());
        command.args(["--endpoints", endpoints, "--people", people]).args(words);
        command.stdin(Stdio::null()).stdout(File::create(&said).unwrap()).stderr(errors);
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        loop {
            if let Some([endpoints, people]) = doors(&said) {
                return Self { child, said, endpoints, people };
            }
            let ended = child.try_wait().unwrap();
            let late = begun.elapsed() > Duration::from_secs(60);
            let log = || fs::read_to_string(said.with_extension("log")).unwrap_or_default();
            assert!(ended.is_none() && !late, "serve: {ended:?}, late: {late}\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the endpoints' door of an appliance whose site was founded since.
    #[track_caller]
    pub fn wait_for_endpoints(&mut self) {
        let begun = Instant::now();
        while self.endpoints.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
            if let Some([endpoints, people]) = doors(&self.said) {
                (self.endpoints, self.people) = (endpoints, people);
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said to nobody in particular.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.said.with_extension("log")).unwrap_or_default()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(self) {
        drop(self);
    }
}

/// The doors that a server said last, for endpoints and for people; before there is a site, only people's is open.
fn doors(said: &Path) -> Option<[String; 2]> {
    let text = fs::read_to_string(said).unwrap();
    let all = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let last = all.map_while(Result::ok).last()?;
    let door = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
    Some([door("endpoints"), door("people")])
}

impl Drop for Here {
    fn drop(&mut self) {
        let running = self.child.try_wait().is_ok_and(|ended| ended.is_none());
        if let Some(id) = Pid::from_raw(self.child.id().cast_signed()).filter(|_| running) {
            let _ = kill_process(id, Signal::TERM);
            let begun = Instant::now();
            while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
                if begun.elapsed() > Duration::from_secs(30) {
                    let _ = self.child.kill();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// An endpoint's certificate, and stock curl to use it.
#[derive(Debug)]
pub struct Client {
    root: PathBuf,
}

impl Client {
    /// Enrols an endpoint of this name; its ring must point somewhere.
    #[track_caller]
    #[must_use]
    pub fn enrol(appliance: &Appliance, name: &str) -> Self {
        let root = appliance.beside(name);
        // The accounts of this machine: the key is for apt's own.
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::copy("/etc/passwd", root.join("etc/passwd")).unwrap();
        let words = [name, "--address", "https://127.0.0.1:8443", "--write"];
        let written = root.display().to_string();
        appliance.verb(&["endpoint", "apt-config"], &[&words[..], &[&written]].concat()).ok();
        Self { root }
    }

    /// Fetches paths from a server, all in one go.
    #[track_caller]
    pub fn get(&self, here: &Here, paths: &[String]) -> Vec<Vec<u8>> {
        let file = |number: usize| self.root.join(format!("got-{number}"));
        let mut curl = self.curl();
        for (number, path) in paths.iter().enumerate() {
            let _ = fs::remove_file(file(number));
            curl.arg("--output").arg(file(number));
            curl.arg(format!("https://{}{path}", here.endpoints));
        }
        self.run(curl);
        (0..paths.len()).map(|number| fs::read(file(number)).unwrap()).collect()
    }

    #[track_caller]
    fn run(&self, mut curl: Command) -> Said {
        run(&mut curl).ok()
    }

    fn curl(&self) -> Command {
        let own = self.root.join("etc/patchkeep");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "60"]);
        curl.arg("--cacert").arg(own.join("ca.pem"));
        curl.arg("--cert").arg(own.join("endpoint.pem"));
        curl.arg("--key").arg(own.join("endpoint.key"));
        curl
    }
}
