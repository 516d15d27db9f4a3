//! The collector's settings: a small TOML file, or what the machine's own apt says.

use crate::{Error, machine::Machine};
use ids::SourceId;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What to collect, and how to reach it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The sources, in the order in which they are asked.
    #[serde(rename = "source", default)]
    pub sources: Vec<SourceSettings>,
    /// How to reach mirrors.
    #[serde(default)]
    pub network: Network,
}

/// One vendor stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Its name; `debian-<suite>` unless given. An RPM repository must have one, and a source of images.
    pub name: Option<SourceId>,
    /// Its vendor.
    pub vendor: VendorKind,
    /// The suite as endpoints name it, e.g. `bookworm-security`; an RPM repository has none.
    #[serde(default)]
    pub suite: String,
    /// Components; `main` unless given. An RPM repository has none.
    #[serde(default)]
    pub components: Vec<String>,
    /// Base address of the mirror (`https:`, `http:`, or `file:` for a folder here); without it, the machine's own apt is asked.
    /// Of an RPM repository, what `repodata/` lies in; of images, what `release.json` lies in.
    pub mirror: Option<String>,
    /// Architectures whose payloads are selected, in the vendor's words; this machine's unless given.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// A keyring file, or a folder of them; without it, the machine's own.
    pub keyring: Option<PathBuf>,
    /// Only helps to solve dependencies; nothing of it is taken.
    #[serde(default)]
    pub solve_only: bool,
}

/// Vendors whose format is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VendorKind {
    /// Debian, and whoever publishes in its format.
    Debian,
    /// An RPM repository (rpm-md) whose `repomd.xml` is signed.
    Rpm,
    /// Releases of the appliance's own images (`release.json`).
    Image,
}

impl VendorKind {
    /// Whether no solver chooses from it.
    const fn is_taken_whole(self) -> bool {
        matches!(self, Self::Rpm | Self::Image)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Debian => "a Debian suite",
            Self::Rpm => "an RPM repository",
            Self::Image => "a source of images",
        }
    }
}

/// How to reach mirrors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// A proxy for everything; without it, the environment's `http_proxy` and `https_proxy` count.
    pub proxy: Option<String>,
    /// A netrc-like file: `machine HOST login NAME password SECRET`.
    pub credentials: Option<PathBuf>,
    /// Most bytes a second, all connections together.
    pub bytes_per_second: Option<u64>,
    /// Most connections at once, 1 to 16.
    pub connections: usize,
    /// How often a file is tried again, 0 to 20.
    pub retries: u32,
}

impl Default for Network {
    fn default() -> Self {
        Self { proxy: None, credentials: None, bytes_per_second: None, connections: 4, retries: 5 }
    }
}

/// The vendor's name of this program's architecture.
fn native_architecture(vendor: VendorKind) -> String {
    match (vendor, std::env::consts::ARCH) {
        (VendorKind::Debian, "x86_64") => "amd64",
        (VendorKind::Debian, "aarch64") => "arm64",
        (VendorKind::Debian, "x86") => "i386",
        (VendorKind::Rpm, "x86") => "i686",
        (_, other) => other,
    }
    .to_owned()
}

impl Settings {
    /// Reads settings from a file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
        Self::parse(&text).map_err(|reason| Error::Settings { path: path.to_owned(), reason })
    }

    /// Parses settings.
    ///
    /// # Errors
    /// What is wrong with them, in one phrase.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut settings: Self = toml::from_str(text).map_err(|error| told(text, &error))?;
        settings.sources.iter_mut().for_each(SourceSettings::fill_in);
        settings.check()?;
        Ok(settings)
    }

    /// The binary sources of this machine's own apt, one a suite.
    ///
    /// # Errors
    /// [`Error::Unconfigured`] where there are none.
    pub fn of_this_machine(machine: &Machine) -> Result<Self, Error> {
        let mut sources: Vec<SourceSettings> = Vec::new();
        for source in machine.sources()? {
            for suite in source.suites.iter().filter(|suite| !suite.ends_with('/')) {
                if sources.iter().any(|known| known.suite == *suite) {
                    continue;
                }
                sources.push(SourceSettings {
                    name: None,
                    vendor: VendorKind::Debian,
                    suite: suite.clone(),
                    components: source.components.clone(),
                    mirror: None,
                    architectures: vec![native_architecture(VendorKind::Debian)],
                    keyring: None,
                    solve_only: false,
                });
            }
        }
        if sources.is_empty() {
            return Err(Error::Unconfigured);
        }
        let path = machine.folder().to_owned();
        let settings = Self { sources, network: Network::default() };
        settings.check().map_err(|reason| Error::Settings { path, reason })?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if self.sources.is_empty() {
            return Err("it names no [[source]]".into());
        }
        let mut names = Vec::new();
        for source in &self.sources {
            let words = source.components.iter().chain(&source.architectures);
            let plain = |word: &String| catalogue::is_safe_path(word);
            let whole = source.vendor.is_taken_whole();
            if whole {
                source.check_whole()?;
            }
            if !(whole || plain(&source.suite))
                || !words.clone().all(plain)
                || words.clone().count() > 64
            {
                return Err("suite, components or architectures are no names".into());
            }
            let name = source.id()?;
            if (source.components.is_empty() && !whole) || source.architectures.is_empty() {
                return Err(format!("{name}: components and architectures may not be empty"));
            }
            if names.contains(&name) {
                return Err(format!("{name} appears twice"));
            }
            names.push(name);
        }
        let network = &self.network;
        if !(1..=16).contains(&network.connections) || network.retries > 20 {
            return Err("connections must be 1 to 16, and retries at most 20".into());
        }
        if network.bytes_per_second.is_some_and(|rate| rate < 1024) {
            return Err("bytes_per_second must be at least 1024".into());
        }
        Ok(())
    }
}

impl SourceSettings {
    fn fill_in(&mut self) {
        if self.architectures.is_empty() {
            self.architectures.push(native_architecture(self.vendor));
        }
        if self.components.is_empty() && self.vendor == VendorKind::Debian {
            self.components.push("main".into());
        }
    }

    /// Nothing of this machine's says anything of RPM repositories and images, so all of it must be said.
    fn check_whole(&self) -> Result<(), String> {
        let what = self.vendor.words();
        let Some(name) = &self.name else {
            return Err(format!("{what} must have a name"));
        };
        if self.mirror.is_none() || self.keyring.is_none() {
            return Err(format!("{name}: {what} must have a mirror and a keyring"));
        }
        if !self.suite.is_empty() || !self.components.is_empty() || self.solve_only {
            return Err(format!(
                "{name}: {what} has no suite and no components, and solves nothing"
            ));
        }
        Ok(())
    }

    /// What people know it by: its suite, or its name.
    pub(crate) fn label(&self) -> String {
        let name = || self.name.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.suite.is_empty() { name() } else { self.suite.clone() }
    }

    pub(crate) fn id(&self) -> Result<SourceId, String> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => {
                let name = format!("debian-{}", self.suite.replace('/', "-"));
                name.parse().map_err(|e: ids::NameError| format!("{e}: give the source a name"))
            }
        }
    }
}

/// What is wrong, and in which line: in one line, without the file's own, which may hold a password.
fn told(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message: Vec<&str> = error.message().lines().collect();
    format!("line {}: {}", before.matches('\n').count() + 1, message.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_small_file_is_enough() {
        let text = "[[source]]\nvendor = \"debian\"\nsuite = \"bookworm-security\"\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.sources[0].id().unwrap().as_str(), "debian-bookworm-security");
        assert_eq!(settings.sources[0].components, ["main"]);
        assert_eq!(settings.network.connections, 4);
    }

    #[test]
    fn mistakes_are_told() {
        let source = "[[source]]\nvendor = \"debian\"\nsuite = \"bookworm\"\n";
        let cases = [
            ("", "names no [[source]]".to_owned()),
            ("unknown field", format!("{source}mirorr = \"x\"\n")),
            ("unknown variant", source.replace("debian", "acme")),
            ("twice", format!("{source}{source}")),
            ("connections", format!("{source}[network]\nconnections = 0\n")),
            ("no names", source.replace("bookworm", "../bookworm")),
            ("must have a name", "[[source]]\nvendor = \"rpm\"\n".to_owned()),
            (
                "a source of images must have a mirror and a keyring",
                "[[source]]\nname = \"own\"\nvendor = \"image\"\nmirror = \"file:///x\"\n"
                    .to_owned(),
            ),
            (
                "a mirror and a keyring",
                "[[source]]\nname = \"alma\"\nvendor = \"rpm\"\nmirror = \"file:///x\"\n"
                    .to_owned(),
            ),
        ];
        for (why, text) in cases {
            let text = if why.is_empty() { String::new() } else { text };
            let error = Settings::parse(&text).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn a_mistake_beside_a_password_does_not_show_it() {
        let source = "[[source]]\nvendor = \"debian\"\nsuite = \"bookworm\"\n[network]\n";
        for line in ["proxxy = \"http://u:secret@h:1\"", "proxy = \"http://u:secret@h:1", "secret"]
        {
            let error = Settings::parse(&format!("{source}{line}\n")).unwrap_err();
            assert!(error.starts_with("line 5: "), "{error}");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
    }
}
