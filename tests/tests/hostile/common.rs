//! What every hostile test asks after each attack: how the appliance stands, and what it wrote down.

use serde_json::Value;
use std::path::{Path, PathBuf};
use tests::{Appliance, Said, Workshop};

/// Two packages, large enough to be cut.
pub(crate) const PACKAGES: &[(u32, usize)] = &[(1, 300_000), (1, 40_000), (1, 1_000)];

/// What must not change: newest bundle, sources, where rings point.
pub(crate) fn stand(appliance: &Appliance) -> Value {
    let mut status = appliance.verb(&["status"], &["--json"]).ok().json();
    let fields = status.as_object_mut().unwrap();
    fields.retain(|name, _| ["sequence", "sources", "rings", "payloads"].contains(&name.as_str()));
    status
}

/// The sentences of the events of one type, oldest first.
pub(crate) fn told(appliance: &Appliance, kind: &str) -> Vec<String> {
    let lines = appliance.verb(&["audit", "show"], &["--json", "--type", kind]).ok().json();
    let sentence = |line: &Value| line["sentence"].as_str().unwrap().to_owned();
    lines.as_array().unwrap().iter().map(sentence).collect()
}

/// The last line of what was said is the one sentence of a failure, and nothing panicked.
#[track_caller]
pub(crate) fn one_sentence(said: &Said) {
    let lines: Vec<&str> = said.err.lines().filter(|l| l.starts_with("patchkeep: ")).collect();
    let last = said.err.lines().next_back().unwrap_or_default();
    assert!(lines == [last] && !said.has("panicked"), "not one sentence\n{said}");
}

/// An appliance that has met an attack, and how it stood before.
pub(crate) struct Attacked {
    pub(crate) appliance: Appliance,
    before: Value,
}

impl Attacked {
    /// An appliance that has imported these bundles.
    pub(crate) fn new(workshop: &Workshop, imported: &[&Path]) -> Self {
        let appliance = workshop.appliance();
        for bundle in imported {
            appliance.import(&[bundle]).ok();
        }
        Self::standing(appliance)
    }

    /// An appliance as it stands.
    pub(crate) fn standing(appliance: Appliance) -> Self {
        let before = stand(&appliance);
        Self { appliance, before }
    }

    /// The bundle is refused with this code; nothing changed; the refusal is in the ledger.
    #[track_caller]
    pub(crate) fn refuses(&self, paths: &[&Path], code: &str) -> Said {
        self.ends(paths, 4, code, "bundle-refused")
    }

    /// The bundle is refused, with one of these codes.
    #[track_caller]
    pub(crate) fn refuses_with_one_of(&self, paths: &[&Path], codes: &[&str]) {
        let said = self.refuses(paths, "");
        let sentence = said.err.lines().next_back().unwrap_or_default().to_owned();
        let fits = codes.iter().any(|code| sentence.ends_with(&format!("({code})")));
        assert!(fits, "expected one of {codes:?}\n{said}");
    }

    /// The bundle is kept out for its dates.
    #[track_caller]
    pub(crate) fn quarantines(&self, paths: &[&Path], code: &str) -> Said {
        self.ends(paths, 4, code, "bundle-quarantined")
    }

    #[track_caller]
    fn ends(&self, paths: &[&Path], exit: i32, code: &str, event: &str) -> Said {
        let events = told(&self.appliance, event).len();
        let said = self.appliance.import(paths).exits(exit).says(&format!("{code})"));
        one_sentence(&said);
        self.unchanged(&said);
        let now = told(&self.appliance, event).len();
        assert!(now == events + 1, "{now} events of {event}, {events} before\n{said}");
        said
    }

    /// Nothing that counts has changed.
    #[track_caller]
    pub(crate) fn unchanged(&self, said: &Said) {
        let now = stand(&self.appliance);
        assert!(now == self.before, "{}\nbecame\n{now}\n{said}", self.before);
    }

    /// After all of it, the next good bundle imports and the log verifies.
    #[track_caller]
    pub(crate) fn still_imports(&self, bundle: &Path) {
        self.appliance.import(&[bundle]).ok().says("imported");
        log_verifies(&self.appliance);
    }
}

/// An export of the log verifies, by replay and by every signature.
#[track_caller]
pub(crate) fn log_verifies(appliance: &Appliance) {
    let zip = (0..1_000).map(|n| appliance.beside(&format!("audit-{n}.zip")));
    let zip: PathBuf = zip.into_iter().find(|path| !path.exists()).unwrap();
    let name = zip.display().to_string();
    appliance.verb(&["audit", "export"], &["--into", &name]).ok();
    tests::patchkeep(["audit", "verify", &name]).ok();
}
