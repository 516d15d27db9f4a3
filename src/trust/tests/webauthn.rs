//! Approvals that were signed in a browser: what stock `ssh-keygen` takes, and every way in which one is not taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ids::{Digest, Timestamp};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};
use trust::{
    APPROVAL, Approval, Assertion, Decision, Denial, Denied, Envelope, SITE_ROOT, SiteRoot,
    Verified, WAIVER, browser_did, is_relying_party, relying_party, security_key,
};

const PARTY: &str = "patch.lab.example";

/// A security key, as a browser drives it.
struct Key {
    secret: SigningKey,
    line: String,
}

impl Key {
    fn new(seed: u8, party: &str) -> Self {
        let secret = SigningKey::from_slice(&[seed; 32]).unwrap();
        let point = secret.verifying_key().to_encoded_point(false);
        let line = security_key(point.x().unwrap(), point.y().unwrap(), party).unwrap();
        Self { secret, line }
    }

    /// What a browser gives, with something changed before the key signs it.
    fn answer(&self, challenge: &[u8], change: impl FnOnce(&mut Answer)) -> Assertion {
        let mut answer = Answer::to(challenge);
        change(&mut answer);
        let Answer { party, flags, counter, extensions, .. } = &answer;
        let digest = sha256(party.as_bytes());
        let data = [&digest, &[*flags][..], &counter.to_be_bytes(), extensions].concat();
        let client_data = answer.client_data();
        let signed = [&data[..], &sha256(client_data.as_bytes())].concat();
        let signature: Signature = self.secret.sign(&signed);
        Assertion {
            authenticator_data: data,
            client_data: client_data.into_bytes(),
            signature: der(&signature),
        }
    }
}

struct Answer {
    kind: &'static str,
    challenge: String,
    origin: String,
    rest: &'static str,
    party: String,
    flags: u8,
    counter: u32,
    extensions: Vec<u8>,
}

impl Answer {
    fn to(challenge: &[u8]) -> Self {
        Self {
            kind: "webauthn.get",
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            origin: format!("https://{PARTY}"),
            rest: ",\"crossOrigin\":false}",
            party: PARTY.to_owned(),
            flags: 0x05,
            counter: 7,
            extensions: Vec::new(),
        }
    }

    fn client_data(&self) -> String {
        let Self { kind, challenge, origin, rest, .. } = self;
        format!("{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"{rest}")
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    hex(&Digest::of(bytes).to_hex())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn der(signature: &Signature) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let mut bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        [&[2, u8::try_from(bytes.len()).unwrap()], &bytes[..]].concat()
    };
    let (r, s) = signature.split_bytes();
    let both = [integer(&r), integer(&s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}

fn now() -> Timestamp {
    "2026-11-28T10:00:00Z".parse().unwrap()
}

fn approval() -> Approval {
    Approval {
        schema: 1,
        decision: Decision::Withdraw,
        site: "lab".parse().unwrap(),
        ring: "pilot".parse().unwrap(),
        generation: 4,
        approver: "kim".parse().unwrap(),
        issued_at: now(),
        not_after: "2026-12-24T10:00:00Z".parse().unwrap(),
        plan: Digest::of(b"plan"),
        endpoints: Vec::new(),
        provided: Vec::new(),
        windows: Vec::new(),
        packages: Vec::new(),
        cves: Vec::new(),
        reason: Some("a bad update".into()),
    }
}

fn unsigned() -> Envelope {
    Envelope::unsigned(APPROVAL, &approval().to_payload().unwrap())
}

/// A root that an administrator signed with a key of stock `ssh-keygen`.
fn root(folder: &Path, approvers: &[(&str, &Key)]) -> Verified<SiteRoot> {
    let run = |command: &mut Command| assert!(command.status().unwrap().success());
    let key = folder.join("ann");
    if !key.exists() {
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    }
    let public = fs::read_to_string(folder.join("ann.pub")).unwrap();
    let approvers: Vec<Value> =
        approvers.iter().map(|(who, key)| json!({ "person": who, "key": key.line })).collect();
    let root: SiteRoot = serde_json::from_value(json!({
        "schema": 1, "site": "lab", "generation": 1,
        "issued_at": now(), "not_after": "2027-11-28T10:00:00Z",
        "administrators": {"threshold": 1, "keys": [{"person": "ann", "key": public.trim()}]},
        "approvers": approvers,
        "policy": {"four_eyes": true, "attested_approvals": false},
        "log": {"epoch": 1, "key": "patchkeep.invalid/lab/epoch-1+1+A"},
    }))
    .unwrap();
    let mut envelope = Envelope::unsigned(SITE_ROOT, &root.to_payload().unwrap());
    let message = folder.join("root");
    fs::write(&message, envelope.message(SITE_ROOT).unwrap()).unwrap();
    let _ = fs::remove_file(folder.join("root.sig"));
    let mut sign = Command::new("ssh-keygen");
    run(sign.args(["-q", "-Y", "sign", "-n", SITE_ROOT.namespace, "-f"]).arg(&key).arg(&message));
    envelope.add(SITE_ROOT, &fs::read_to_string(folder.join("root.sig")).unwrap()).unwrap();
    SiteRoot::found(&envelope, SiteRoot::fingerprint(&envelope).unwrap()).unwrap()
}

fn signed(key: &Key) -> Envelope {
    let mut envelope = unsigned();
    let given = key.answer(&envelope.challenge(APPROVAL).unwrap(), |_| {});
    envelope.add_assertion(APPROVAL, &key.line, &given).unwrap();
    Envelope::parse(&envelope.to_bytes()).unwrap()
}

fn sig_of(envelope: &Envelope) -> Vec<u8> {
    let value: Value = serde_json::from_slice(&envelope.to_bytes()).unwrap();
    STANDARD.decode(value["signatures"][0]["sig"].as_str().unwrap()).unwrap()
}

fn with_sig(envelope: &Envelope, sig: &[u8]) -> Envelope {
    let mut value: Value = serde_json::from_slice(&envelope.to_bytes()).unwrap();
    value["signatures"][0]["sig"] = STANDARD.encode(sig).into();
    Envelope::parse(value.to_string().as_bytes()).unwrap()
}

/// Whether stock `ssh-keygen` takes a signature over a message as kim's.
fn keygen_takes(folder: &Path, key: &Key, sig: &[u8], message: &[u8], namespace: &str) -> bool {
    let allowed = format!("kim namespaces=\"{}\" {}\n", APPROVAL.namespace, key.line);
    fs::write(folder.join("allowed"), allowed).unwrap();
    let base64 = STANDARD.encode(sig);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = lines.join("\n");
    let pem = format!("-----BEGIN SSH SIGNATURE-----\n{pem}\n-----END SSH SIGNATURE-----\n");
    fs::write(folder.join("sig"), pem).unwrap();
    fs::write(folder.join("message"), message).unwrap();
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-Y", "verify", "-I", "kim", "-n", namespace, "-f"]).arg(folder.join("allowed"));
    verify.arg("-s").arg(folder.join("sig")).stdin(fs::File::open(folder.join("message")).unwrap());
    verify.output().unwrap().status.success()
}

#[test]
fn a_browsers_approval_holds_and_stock_ssh_keygen_says_so_too() {
    let folder = tempfile::tempdir().unwrap();
    let kim = Key::new(7, PARTY);
    assert!(kim.line.starts_with("sk-ecdsa-sha2-nistp256@openssh.com "), "{}", kim.line);
    assert_eq!(relying_party(&kim.line).unwrap().as_deref(), Some(PARTY));
    let root = root(folder.path(), &[("kim", &kim)]);
    for change in [
        (|_| {}) as fn(&mut Answer),
        |a| a.origin = format!("https://{PARTY}:8443"),
        |a| a.origin = format!("https://console.{PARTY}"),
        |a| a.rest = "}",
        |a| a.rest = ",\"other_keys_can_be_added_here\":\"do not compare\"}",
        // Touched, and no more; one that counts nothing; one that has a word of its own to say.
        |a| a.flags = 0x01,
        |a| a.counter = 0,
        |a| (a.flags, a.extensions) = (0x9d, vec![0xa0]),
    ] {
        let mut envelope = unsigned();
        let given = kim.answer(&envelope.challenge(APPROVAL).unwrap(), change);
        envelope.add_assertion(APPROVAL, &kim.line, &given).unwrap();
        let envelope = Envelope::parse(&envelope.to_bytes()).unwrap();
        assert_eq!(*Approval::verify(&root, &envelope, now()).unwrap(), approval());
        let (sig, message) = (sig_of(&envelope), envelope.message(APPROVAL).unwrap());
        let takes = |message: &[u8], namespace: &str| {
            keygen_takes(folder.path(), &kim, &sig, message, namespace)
        };
        assert!(takes(&message, APPROVAL.namespace));
        assert!(!takes(b"something else", APPROVAL.namespace));
        assert!(!takes(&message, WAIVER.namespace));
    }
}

#[test]
fn whatever_is_changed_before_the_key_signs_is_refused() {
    let kim = Key::new(7, PARTY);
    let refused = |change: &dyn Fn(&mut Answer)| {
        let mut envelope = unsigned();
        let given = kim.answer(&envelope.challenge(APPROVAL).unwrap(), change);
        let denial = envelope.add_assertion(APPROVAL, &kim.line, &given).unwrap_err();
        assert_eq!(denial.reason(), Denied::SignatureInvalid);
        denial.to_string()
    };
    let says = |change: &dyn Fn(&mut Answer), words: &str| {
        let said = refused(change);
        assert!(said.contains(words), "{said:?} without {words:?}");
    };
    says(&|a| a.kind = "webauthn.create", "not webauthn.get");
    says(&|a| a.kind = "payment.get", "not webauthn.get");
    says(&|a| a.challenge = URL_SAFE_NO_PAD.encode(b"another"), "another challenge");
    says(&|a| a.challenge.push('='), "another challenge");
    for origin in [
        format!("http://{PARTY}"),
        format!("https://{PARTY}.evil.example"),
        format!("https://evil{PARTY}"),
        format!("https://evil.example#{PARTY}"),
        format!("https://kim@{PARTY}"),
        format!("https://{PARTY}/"),
        format!("https://{PARTY}:"),
        format!("https://{PARTY}:1:2"),
        format!("https://{PARTY}:+1"),
        format!("https://.{PARTY}"),
        "https://lab.example".to_owned(),
        "null".to_owned(),
        String::new(),
    ] {
        says(&|a| a.origin.clone_from(&origin), "no page of patch.lab.example");
    }
    says(&|a| a.rest = ",\"crossOrigin\":true}", "a frame of another page");
    says(&|a| a.rest = ",\"topOrigin\":\"https://evil.example\"}", "a frame of another page");
    says(&|a| a.rest = ",\"origin\":\"https://evil.example\"}", "cannot be read");
    says(&|a| a.rest = "", "cannot be read");
    says(&|a| a.party = "evil.example".into(), "another relying party");
    says(&|a| a.flags = 0x04, "without a touch");
    says(&|a| a.flags = 0x41, "do not fit together");
    says(&|a| a.flags = 0x81, "do not fit together");
    says(&|a| a.extensions = vec![0xa0], "do not fit together");
}

#[test]
fn whatever_is_changed_after_the_key_signed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (kim, lee) = (Key::new(7, PARTY), Key::new(8, PARTY));
    let root = root(folder.path(), &[("kim", &kim), ("lee", &lee)]);
    let good = signed(&kim);
    let reason = |envelope: &Envelope| {
        Approval::verify(&root, envelope, now()).map_err(|denial: Denial| denial.reason())
    };
    assert!(reason(&good).is_ok());
    let sig = sig_of(&good);
    for at in 0..sig.len() {
        let mut changed = sig.clone();
        changed[at] ^= 1;
        assert_eq!(reason(&with_sig(&good, &changed)), Err(Denied::SignatureInvalid), "byte {at}");
        assert!(reason(&with_sig(&good, &sig[..at])).is_err(), "cut at {at}");
    }
    assert!(reason(&with_sig(&good, &[&sig[..], &[0]].concat())).is_err());
    // Somebody else's key, under its own name and under kim's.
    let mut by_lee = unsigned();
    let given = lee.answer(&by_lee.challenge(APPROVAL).unwrap(), |_| {});
    assert!(by_lee.clone().add_assertion(APPROVAL, &kim.line, &given).is_err());
    by_lee.add_assertion(APPROVAL, &lee.line, &given).unwrap();
    assert_eq!(reason(&by_lee), Err(Denied::UnknownKey), "kim is named");
    assert_eq!(reason(&with_sig(&good, &sig_of(&by_lee))), Err(Denied::SignatureInvalid));
    // What was signed for one statement, or one purpose, counts for no other.
    let mut other = approval();
    other.generation += 1;
    let mut other = Envelope::unsigned(APPROVAL, &other.to_payload().unwrap());
    let given = kim.answer(&unsigned().challenge(APPROVAL).unwrap(), |_| {});
    assert!(other.add_assertion(APPROVAL, &kim.line, &given).is_err());
    let mut waiver = Envelope::unsigned(WAIVER, &approval().to_payload().unwrap());
    assert!(waiver.add_assertion(WAIVER, &kim.line, &given).is_err());
}

#[test]
fn only_a_browsers_security_key_signs_in_browsers() {
    let kim = Key::new(7, PARTY);
    let given = kim.answer(&unsigned().challenge(APPROVAL).unwrap(), |_| {});
    let plain = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJiwcLW3cjvm3wYXQYVMWbfZ8ZMQ2gvjgo6uSTK/fzd0";
    let denial = unsigned().add_assertion(APPROVAL, plain, &given).unwrap_err();
    assert!(denial.to_string().contains("does not sign in browsers"), "{denial}");
    assert_eq!(relying_party(plain).unwrap(), None);
    for der in [&given.signature[1..], &[], &[0x30, 0x80], &[&given.signature[..], &[0]].concat()] {
        let given = Assertion { signature: der.to_vec(), ..given.clone() };
        assert!(unsigned().add_assertion(APPROVAL, &kim.line, &given).is_err());
    }
    let short = Assertion { authenticator_data: vec![0; 36], ..given };
    assert!(unsigned().add_assertion(APPROVAL, &kim.line, &short).is_err());
    assert!(security_key(&[1; 32], &[1; 32], PARTY).is_err(), "no point on the curve");
    assert!(security_key(&[1; 31], &[1; 32], PARTY).is_err());
}

#[test]
fn a_relying_party_is_a_dns_name() {
    for good in ["localhost", "patch.lab.example", "a-1.b2", "xn--bcher-kva.example"] {
        assert!(is_relying_party(good), "{good}");
    }
    let long = format!("{}.example", "x".repeat(64));
    for bad in ["", "ssh:", "192.0.2.1", "[::1]", "Lab.example", "a..b", "-a.b", "a b", "a.", &long]
    {
        assert!(!is_relying_party(bad), "{bad}");
    }
    let said = br#"{"type":"webauthn.create","challenge":"AQID","origin":"https://lab:8444"}"#;
    let origin = browser_did(said, "webauthn.create", &[1, 2, 3], "lab").unwrap();
    assert_eq!(origin, "https://lab:8444");
    assert!(browser_did(said, "webauthn.create", &[1, 2], "lab").is_err());
    assert!(browser_did(said, "webauthn.get", &[1, 2, 3], "lab").is_err());
    assert!(browser_did(said, "webauthn.create", &[1, 2, 3], "elsewhere").is_err());
    let huge = format!("{}{}", String::from_utf8_lossy(said), " ".repeat(20_000));
    assert!(browser_did(huge.as_bytes(), "webauthn.create", &[1, 2, 3], "lab").is_err());
}
