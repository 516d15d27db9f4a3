//! Whom a site obeys: roots that follow each other, approvals, and every way in which they are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ids::{Digest, Timestamp};
use jiff::SignedDuration;
use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};
use trust::{
    APPROVAL, Administrator, Administrators, Approval, ApprovedPackage, Approver, Asked, Decision,
    Denied, Envelope, Interval, LogIdentity, Purpose, SITE_ROOT, SitePolicy, SiteRoot, Verified,
    WAIVER, Waiver,
};

/// Keys made by the stock program, and signatures made with it.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new(names: &[&str]) -> Self {
        let keys = Self { folder: tempfile::tempdir().unwrap() };
        for name in names {
            let kind = if name.starts_with("ecdsa") { "ecdsa" } else { "ed25519" };
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]).arg(keys.path(name));
            assert!(command.status().unwrap().success());
        }
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
    }

    fn pem(&self, name: &str, namespace: &str, message: &[u8]) -> String {
        let file = self.path("message");
        fs::write(&file, message).unwrap();
        let _ = fs::remove_file(self.path("message.sig"));
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.path(name)).arg(&file);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read_to_string(self.path("message.sig")).unwrap()
    }

    fn sign(&self, purpose: Purpose, payload: &[u8], names: &[&str]) -> Envelope {
        let mut envelope = Envelope::unsigned(purpose, payload);
        let message = envelope.message(purpose).unwrap();
        for name in names {
            envelope.add(purpose, &self.pem(name, purpose.namespace, &message)).unwrap();
        }
        Envelope::parse(&envelope.to_bytes()).unwrap()
    }

    fn root(&self, root: &SiteRoot, names: &[&str]) -> Envelope {
        self.sign(SITE_ROOT, &root.to_payload().unwrap(), names)
    }

    fn approval(&self, approval: &Approval, names: &[&str]) -> Envelope {
        self.sign(APPROVAL, &approval.to_payload().unwrap(), names)
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-24T10:00:00Z")
}

fn first(keys: &Keys) -> SiteRoot {
    let administrator =
        |name: &str| Administrator { person: name.parse().unwrap(), key: keys.public(name) };
    let approver = |name: &str| Approver {
        person: name.parse().unwrap(),
        key: keys.public(name),
        not_after: None,
    };
    SiteRoot {
        schema: 1,
        site: "lab".parse().unwrap(),
        generation: 1,
        issued_at: now(),
        not_after: now().saturating_add(SignedDuration::from_hours(24 * 365)).unwrap(),
        administrators: Administrators {
            threshold: 2,
            keys: ["ann", "ben", "eve"].map(administrator).into(),
        },
        approvers: ["kim", "ecdsa-lee"].map(approver).into(),
        policy: SitePolicy { four_eyes: true, attested_approvals: false },
        log: LogIdentity { epoch: 1, key: "patchkeep.invalid/lab/epoch-1+1+A".into() },
    }
}

const PEOPLE: &[&str] = &["ann", "ben", "eve", "kim", "ecdsa-lee", "new", "mallory"];

fn found(keys: &Keys) -> Verified<SiteRoot> {
    let envelope = keys.root(&first(keys), &["ann", "eve"]);
    SiteRoot::found(&envelope, SiteRoot::fingerprint(&envelope).unwrap()).unwrap()
}

fn package(name: &str, version: &str) -> ApprovedPackage {
    ApprovedPackage {
        package: name.into(),
        architecture: "amd64".into(),
        version: version.into(),
        sha256: Digest::of(format!("{name} {version}").as_bytes()),
    }
}

fn approval() -> Approval {
    Approval {
        schema: 1,
        decision: Decision::Approve,
        site: "lab".parse().unwrap(),
        ring: "pilot".parse().unwrap(),
        generation: 4,
        approver: "kim".parse().unwrap(),
        issued_at: now(),
        not_after: at("2026-12-24T10:00:00Z"),
        plan: Digest::of(b"plan"),
        endpoints: vec!["db1".parse().unwrap(), "web1".parse().unwrap()],
        provided: vec!["db1".parse().unwrap()],
        windows: vec![
            Interval { opens: at("2026-11-24T20:00:00Z"), closes: at("2026-11-25T04:00:00Z") },
            Interval { opens: at("2026-12-01T20:00:00Z"), closes: at("2026-12-02T04:00:00Z") },
        ],
        packages: vec![package("libssl3", "3.0.22"), package("openssl", "3.0.22")],
        cves: vec!["CVE-2026-1".into()],
        reason: None,
    }
}

#[test]
fn a_site_root_needs_its_fingerprint_and_its_threshold() {
    let keys = Keys::new(PEOPLE);
    let root = first(&keys);
    let good = keys.root(&root, &["ann", "ben"]);
    let print = SiteRoot::fingerprint(&good).unwrap();
    assert_eq!(SiteRoot::found(&good, print).unwrap().generation, 1);
    let denied =
        |names: &[&str]| SiteRoot::found(&keys.root(&root, names), print).unwrap_err().reason();
    assert_eq!(denied(&["ann"]), Denied::SignatureThreshold);
    assert_eq!(denied(&["ann", "ben", "mallory"]), Denied::UnknownKey);
    assert_eq!(denied(&["ann", "kim"]), Denied::UnknownKey, "approvers are no administrators");
    let other = SiteRoot::found(&good, Digest::of(b"other")).unwrap_err();
    assert_eq!(other.reason(), Denied::Fingerprint);
    // The same signature twice, under its own name.
    let mut value: serde_json::Value = serde_json::from_slice(&good.to_bytes()).unwrap();
    let again = value["signatures"][0].clone();
    value["signatures"][1] = again;
    let twice = Envelope::parse(value.to_string().as_bytes()).unwrap();
    let error = SiteRoot::found(&twice, print).unwrap_err();
    assert_eq!(error.reason(), Denied::SignatureRepeated);
}

#[test]
fn a_lost_key_is_replaced_by_the_others_and_the_chain_is_followed() {
    let keys = Keys::new(PEOPLE);
    let one = found(&keys);
    // Ben has lost his key and leaves; a new administrator comes.
    let mut two = first(&keys);
    two.generation = 2;
    two.administrators.keys[1] =
        Administrator { person: "new".parse().unwrap(), key: keys.public("new") };
    let two_signed = keys.root(&two, &["ann", "eve"]);
    let second = one.followed_by(&two_signed).unwrap();
    let mut three = two.clone();
    three.generation = 3;
    three.approvers.remove(1);
    // Whoever left has no say any more; whoever came has.
    let error = second.followed_by(&keys.root(&three, &["ann", "ben"])).unwrap_err();
    assert_eq!(error.reason(), Denied::UnknownKey);
    let third = second.followed_by(&keys.root(&three, &["ann", "new"])).unwrap();
    assert_eq!(third.approvers.len(), 1);
    // No root is skipped, repeated, or of another site.
    let chain = |root: &Verified<SiteRoot>, envelope: &Envelope| {
        root.followed_by(envelope).unwrap_err().reason()
    };
    assert_eq!(chain(&one, &keys.root(&three, &["ann", "new"])), Denied::RootChain);
    assert_eq!(chain(&second, &two_signed), Denied::RootChain);
    let mut other = two.clone();
    other.site = "elsewhere".parse().unwrap();
    assert_eq!(chain(&one, &keys.root(&other, &["ann", "eve"])), Denied::RootChain);
    // The new threshold must be met by the new ones too.
    let mut grabbed = two.clone();
    grabbed.administrators.keys = ["new", "mallory"]
        .map(|name| Administrator { person: name.parse().unwrap(), key: keys.public(name) })
        .into();
    let error = one.followed_by(&keys.root(&grabbed, &["new", "mallory"])).unwrap_err();
    assert_eq!(error.reason(), Denied::SignatureThreshold);
}

#[test]
fn an_approval_is_obeyed_only_from_a_listed_approver() {
    let keys = Keys::new(PEOPLE);
    let root = found(&keys);
    let good = keys.approval(&approval(), &["kim"]);
    let verified = Approval::verify(&root, &good, now()).unwrap();
    assert_eq!(*verified, approval());
    let denied = |change: &dyn Fn(&mut Approval), names: &[&str], when: Timestamp| {
        let mut changed = approval();
        change(&mut changed);
        Approval::verify(&root, &keys.approval(&changed, names), when).unwrap_err().reason()
    };
    let same = |_: &mut Approval| {};
    assert_eq!(denied(&same, &["mallory"], now()), Denied::UnknownKey);
    assert_eq!(denied(&same, &["ann"], now()), Denied::UnknownKey);
    assert_eq!(denied(&same, &[], now()), Denied::SignatureThreshold);
    assert_eq!(denied(&same, &["ecdsa-lee"], now()), Denied::UnknownKey, "kim is named");
    let lee = |a: &mut Approval| a.approver = "ecdsa-lee".parse().unwrap();
    let mut by_lee = approval();
    lee(&mut by_lee);
    Approval::verify(&root, &keys.approval(&by_lee, &["ecdsa-lee"]), now()).unwrap();
    let elsewhere = |a: &mut Approval| a.site = "elsewhere".parse().unwrap();
    assert_eq!(denied(&elsewhere, &["kim"], now()), Denied::OtherSite);
    let years_later = at("2028-01-01T00:00:00Z");
    assert_eq!(denied(&same, &["kim"], years_later), Denied::RootExpired);
    assert_eq!(denied(&same, &["kim"], at("2026-11-01T00:00:00Z")), Denied::FromTheFuture);
}

#[test]
fn a_signature_for_one_purpose_or_payload_counts_for_no_other() {
    let keys = Keys::new(PEOPLE);
    let payload = approval().to_payload().unwrap();
    let mut envelope = Envelope::unsigned(APPROVAL, &payload);
    let message = envelope.message(APPROVAL).unwrap();
    for (namespace, text) in [
        ("file", message.clone()),
        ("site-root@patchkeep", message.clone()),
        ("approval@patchkeep", payload.clone()),
    ] {
        let error = envelope.add(APPROVAL, &keys.pem("kim", namespace, &text)).unwrap_err();
        assert_eq!(error.reason(), Denied::SignatureInvalid);
    }
    assert_eq!(envelope.add(APPROVAL, "rubbish").unwrap_err().reason(), Denied::SignatureInvalid);
    // One byte of the payload, or of the signature, is another.
    let root = found(&keys);
    let good = keys.approval(&approval(), &["kim"]).to_bytes();
    let text = String::from_utf8(good).unwrap();
    let mut refused = BTreeMap::new();
    for field in ["\"payload\":\"", "\"sig\":\"", "\"keyid\":\"SHA256:"] {
        let begin = text.find(field).unwrap() + field.len();
        for at in (begin..begin + 40).step_by(7) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let denied = Envelope::parse(&bytes)
                .and_then(|envelope| Approval::verify(&root, &envelope, now()));
            *refused.entry(denied.unwrap_err().code()).or_insert(0) += 1;
        }
    }
    assert_eq!(refused.values().sum::<i32>(), 18, "{refused:?}");
}

#[test]
fn an_agent_applies_what_is_approved_here_and_now_and_nothing_else() {
    let keys = Keys::new(PEOPLE);
    let root = found(&keys);
    let verified = Approval::verify(&root, &keys.approval(&approval(), &["kim"]), now()).unwrap();
    let (web1, pilot) = ("web1".parse().unwrap(), "pilot".parse().unwrap());
    let inside = at("2026-11-24T21:00:00Z");
    let ours = [package("openssl", "3.0.22")];
    let asked = Asked { endpoint: &web1, ring: &pilot, seen: 4 };
    verified.permits(asked, &ours, inside).unwrap();
    let denied = |asked: Asked<'_>, packages: &[ApprovedPackage], when: &str| {
        verified.permits(asked, packages, at(when)).unwrap_err().reason()
    };
    let open = "2026-11-24T21:00:00Z";
    let other = "web2".parse().unwrap();
    assert_eq!(denied(Asked { endpoint: &other, ..asked }, &ours, open), Denied::OtherHost);
    let broad = "broad".parse().unwrap();
    assert_eq!(denied(Asked { ring: &broad, ..asked }, &ours, open), Denied::OtherRing);
    assert_eq!(denied(Asked { seen: 5, ..asked }, &ours, open), Denied::OldGeneration);
    assert_eq!(denied(asked, &ours, "2026-11-24T19:59:59Z"), Denied::WindowClosed);
    assert_eq!(denied(asked, &ours, "2026-11-25T04:00:00Z"), Denied::WindowClosed);
    assert_eq!(denied(asked, &ours, "2027-01-01T00:00:00Z"), Denied::Expired);
    assert_eq!(denied(asked, &[package("openssl", "3.0.23")], open), Denied::Unapproved);
    assert_eq!(denied(asked, &[package("bash", "5")], open), Denied::Unapproved);
    let mut bytes = package("openssl", "3.0.22");
    bytes.sha256 = Digest::of(b"other bytes");
    assert_eq!(denied(asked, &[bytes], open), Denied::Unapproved);
}

#[test]
fn a_withdrawal_is_a_newer_statement_that_permits_nothing() {
    let keys = Keys::new(PEOPLE);
    let root = found(&keys);
    let withdrawal = Approval {
        decision: Decision::Withdraw,
        generation: 5,
        endpoints: vec![],
        provided: vec![],
        windows: vec![],
        packages: vec![],
        cves: vec![],
        reason: Some("libssl3 breaks the tills".into()),
        ..approval()
    };
    let signed = keys.approval(&withdrawal, &["kim"]);
    let verified = Approval::verify(&root, &signed, now()).unwrap();
    let (web1, pilot) = ("web1".parse().unwrap(), "pilot".parse().unwrap());
    let asked = Asked { endpoint: &web1, ring: &pilot, seen: 4 };
    let error = verified.permits(asked, &[], at("2026-11-24T21:00:00Z")).unwrap_err();
    assert_eq!(error.reason(), Denied::Withdrawn);
    assert!(withdrawal.text().contains("breaks the tills"));
    assert!(Approval { reason: None, ..withdrawal }.to_payload().is_err());
}

#[test]
fn what_is_shown_names_everything_that_is_signed() {
    let shown = approval().text();
    for part in [
        "ring pilot",
        "site lab",
        "by kim",
        "db1",
        "web1",
        "2026-11-24T20:00:00Z",
        "2026-12-02T04:00:00Z",
        "openssl 3.0.22 amd64",
        "libssl3 3.0.22",
        "CVE-2026-1",
        "2026-12-24T10:00:00Z",
        &Digest::of(b"plan").to_hex(),
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let mut hidden = approval();
    hidden.packages[0].version = "3.0.22\u{1b}[2K".into();
    assert_eq!(hidden.to_payload().unwrap_err().reason(), Denied::Malformed);
}

#[test]
fn a_waiver_has_a_reason_an_end_and_its_own_endpoints() {
    let keys = Keys::new(PEOPLE);
    let root = found(&keys);
    let waiver = Waiver {
        schema: 1,
        site: "lab".parse().unwrap(),
        endpoints: vec!["web1".parse().unwrap()],
        reason: "bare metal".into(),
        approver: "kim".parse().unwrap(),
        issued_at: now(),
        not_after: at("2026-12-01T00:00:00Z"),
    };
    let signed = keys.sign(WAIVER, &waiver.to_payload().unwrap(), &["kim"]);
    let good = Waiver::verify(&root, &signed, now()).unwrap();
    let (web1, web2) = ("web1".parse().unwrap(), "web2".parse().unwrap());
    good.covers(&web1, now()).unwrap();
    assert_eq!(good.covers(&web2, now()).unwrap_err().reason(), Denied::OtherHost);
    let late = good.covers(&web1, at("2026-12-01T00:00:00Z")).unwrap_err();
    assert_eq!(late.reason(), Denied::Expired);
    // What was signed as something else is no waiver.
    let other = keys.approval(&approval(), &["kim"]);
    assert!(Waiver::verify(&root, &other, now()).is_err());
    assert!(Waiver { reason: " ".into(), ..waiver }.to_payload().is_err());
}

#[test]
fn roots_that_do_not_hold_together_are_not_signed() {
    let keys = Keys::new(PEOPLE);
    type Change = fn(&Keys, &mut SiteRoot);
    let changes: [Change; 7] = [
        |_, root| root.administrators.threshold = 0,
        |_, root| root.administrators.threshold = 4,
        |keys, root| root.administrators.keys[1].key = keys.public("ann"),
        |_, root| root.administrators.keys[1].person = "ann".parse().unwrap(),
        |keys, root| root.approvers[0].key = keys.public("ann"),
        |_, root| root.not_after = root.issued_at,
        |_, root| root.approvers[0].key = "ssh-rsa AAAA".into(),
    ];
    for change in changes {
        let mut root = first(&keys);
        change(&keys, &mut root);
        assert_eq!(root.to_payload().unwrap_err().reason(), Denied::Malformed);
    }
}
