//! Checking all of an audit bundle: what holds, what does not, what cannot be checked.

mod log;
mod origins;
mod people;
mod witnesses;

use super::{
    Manifest,
    archive::Files,
    keys,
    manifest::{MANIFEST, RAW_SIGNATURE, SSH_SIGNATURE, UNLISTED},
};
use ed25519_dalek::VerifyingKey;
use ids::{Digest, Fault};
use serde::Serialize;
use std::fmt;

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It was checked and it is so.
    Holds,
    /// It was checked and it is not so.
    DoesNotHold,
    /// It could not be checked here, or never can be.
    CannotBeChecked,
}

/// One check and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Short name of the check, the same in every version.
    pub check: &'static str,
    /// What became of it.
    pub verdict: Holds,
    /// One plain sentence.
    pub sentence: String,
}

/// All findings, in the order of the checks. Displayed as lines, ending with the sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The findings.
    #[must_use]
    pub fn all(&self) -> &[Finding] {
        &self.0
    }

    /// Whether everything that could be checked holds, and a signature was among it.
    #[must_use]
    pub fn hold(&self) -> bool {
        let signed = |f: &Finding| f.check == "signature" && f.verdict == Holds::Holds;
        self.first_bad().is_none() && self.0.iter().any(signed)
    }

    /// The first check that does not hold.
    #[must_use]
    pub fn first_bad(&self) -> Option<&Finding> {
        self.0.iter().find(|finding| finding.verdict == Holds::DoesNotHold)
    }

    /// `None` where everything holds, else [`Fault::Refused`].
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        (!self.hold()).then_some(Fault::Refused)
    }

    fn holds(&mut self, check: &'static str, sentence: impl Into<String>) {
        self.push(check, Holds::Holds, sentence.into());
    }

    fn fails(&mut self, check: &'static str, sentence: impl Into<String>) {
        self.push(check, Holds::DoesNotHold, sentence.into());
    }

    fn cannot(&mut self, check: &'static str, sentence: impl Into<String>) {
        self.push(check, Holds::CannotBeChecked, sentence.into());
    }

    /// Holds with one sentence, or fails with the other.
    pub(super) fn is(&mut self, check: &'static str, verdict: Result<String, String>) -> bool {
        let held = verdict.is_ok();
        match verdict {
            Ok(sentence) => self.holds(check, sentence),
            Err(sentence) => self.fails(check, sentence),
        }
        held
    }

    fn push(&mut self, check: &'static str, verdict: Holds, sentence: String) {
        self.0.push(Finding { check, verdict, sentence });
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            let verdict = match finding.verdict {
                Holds::Holds => "holds         ",
                Holds::DoesNotHold => "DOES NOT HOLD ",
                Holds::CannotBeChecked => "not checked   ",
            };
            let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
            let sentence: String = finding.sentence.chars().map(plain).collect();
            writeln!(f, "{verdict} {sentence}")?;
        }
        match self.first_bad() {
            None if self.hold() => writeln!(f, "Everything that could be checked holds."),
            None => writeln!(f, "Do not rely on this bundle: no signature could be checked."),
            Some(bad) => {
                writeln!(
                    f,
                    "Do not rely on this bundle. First of what does not hold: {}",
                    bad.check
                )
            }
        }
    }
}

/// What the checks may use.
#[derive(Debug, Default, Clone, Copy)]
pub struct Checks<'a> {
    /// The key's fingerprint, as it came apart from the bundle: `SHA256:...`.
    pub fingerprint: Option<&'a str>,
    /// The confined reader for vendors' signatures.
    pub reader: Option<&'a sandbox::Reader>,
    /// Version of this program: reports are compared byte for byte only with its own.
    pub patchkeep: &'a str,
}

/// Checks a bundle that [`super::open`] has opened. Never fails: what is wrong is a finding.
#[must_use]
pub fn verify(files: &Files, checks: &Checks<'_>) -> Findings {
    let mut findings = Findings::default();
    let Some(manifest) = manifest(files, checks, &mut findings) else { return findings };
    listed(files, &manifest, &mut findings);
    if let Some(told) = log::check(files, &manifest, &mut findings) {
        origins::check(files, &manifest, &told, checks, &mut findings);
    }
    findings
        .cannot("omission", "that nothing happened which was never logged: no log can prove it");
    findings.cannot(
        "freshness",
        "that this is the newest log: compare it with a later bundle, which must continue it",
    );
    findings
}

/// The manifest, its signatures, and whose they are.
fn manifest(files: &Files, checks: &Checks<'_>, findings: &mut Findings) -> Option<Manifest> {
    let Some(bytes) = files.get(MANIFEST) else {
        findings.fails("manifest", "the bundle has no manifest.json");
        return None;
    };
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(why) => {
            findings.fails("manifest", format!("manifest.json cannot be read: {why}"));
            return None;
        }
    };
    let Some(key) = files.get("key.pub.pem").and_then(|pem| keys::from_pem(pem)) else {
        findings.fails("key", "key.pub.pem does not hold an Ed25519 key");
        return Some(manifest);
    };
    whose(&key, &manifest, files, checks, findings);
    let ssh = files.get(SSH_SIGNATURE).is_some_and(|s| keys::ssh_holds(&key, bytes, s));
    let raw = files.get(RAW_SIGNATURE).is_some_and(|s| keys::raw_holds(&key, bytes, s));
    for (form, held) in [("SSH", ssh), ("Ed25519", raw)] {
        let says = if held { "holds" } else { "does not hold" };
        let sentence = format!("the key's {form} signature over manifest.json {says}");
        findings.is("signature", if held { Ok(sentence) } else { Err(sentence) });
    }
    Some(manifest)
}

fn whose(
    key: &VerifyingKey,
    manifest: &Manifest,
    files: &Files,
    checks: &Checks<'_>,
    findings: &mut Findings,
) {
    let print = keys::fingerprint(key);
    let bare = |text: &str| text.strip_prefix("SHA256:").unwrap_or(text).to_owned();
    match checks.fingerprint {
        None => findings.cannot(
            "key",
            format!(
                "whose key this is: no fingerprint was given; compare it with the appliance's \
                     screen or paper: {print}"
            ),
        ),
        Some(named) if bare(named) == bare(&print) => {
            findings.holds("key", format!("the key is the one that you named: {print}"));
        }
        Some(named) => {
            let sentence = format!("the key is {print}, not the one that you named: {named}");
            findings.fails("key", sentence);
        }
    }
    let signers = keys::allowed_signers(key).ok();
    let same = signers.is_some_and(|line| files.get("allowed_signers") == Some(&line.into_bytes()));
    findings.is(
        "key-forms",
        if same && manifest.key == print {
            Ok("key.pub.pem, allowed_signers and the manifest name the same key".into())
        } else {
            Err("key.pub.pem, allowed_signers and the manifest do not name the same key".into())
        },
    );
}

/// Every listed file as listed, and no other.
fn listed(files: &Files, manifest: &Manifest, findings: &mut Findings) {
    let mut bad = Vec::new();
    let mut known: Vec<&str> = UNLISTED.to_vec();
    for file in &manifest.files {
        known.push(&file.path);
        match files.get(&file.path) {
            None => bad.push(format!("{} is missing", file.path)),
            Some(bytes) if Digest::of(bytes) != file.sha256 || bytes.len() as u64 != file.bytes => {
                bad.push(format!("{} has been changed", file.path));
            }
            Some(_) => {}
        }
    }
    known.sort_unstable();
    let strange = files.keys().filter(|name| known.binary_search(&name.as_str()).is_err());
    bad.extend(strange.map(|name| format!("{name} is not listed in the manifest")));
    for name in UNLISTED.into_iter().filter(|name| !files.contains_key(*name)) {
        bad.push(format!("{name} is missing"));
    }
    let sums: String = (manifest.files.iter().filter(|file| file.path != "SHA256SUMS"))
        .map(|file| format!("{}  {}\n", file.sha256, file.path))
        .collect();
    findings.is(
        "files",
        match bad.as_slice() {
            [] => Ok(format!("all {} files are as the manifest lists them", manifest.files.len())),
            [one] => Err(one.clone()),
            [first, rest @ ..] => Err(format!("{first}, and {} more files are wrong", rest.len())),
        },
    );
    let same = files.get("SHA256SUMS").is_some_and(|bytes| *bytes == sums.as_bytes());
    findings.is(
        "sums",
        if same {
            Ok("SHA256SUMS says what the manifest says".into())
        } else {
            Err("SHA256SUMS does not say what the manifest says".into())
        },
    );
}
