//! Signed documents through the real, confined program, beside what gpgv says of the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sandbox::{Error, Reader};
use std::{fs, path::Path, process::Command};

const TEXT: &str = "Origin: Test\nSuite: stable\nSHA256:\n aa 1 main/binary-amd64/Packages\n- x\n";

struct Keys(tempfile::TempDir);

impl Keys {
    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let home = self.0.path().to_str().unwrap();
        let done = Command::new("gpg")
            .args(["--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback"])
            .args(["--passphrase", "", "--quiet"])
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("gpg (Debian package gnupg)");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        fs::write(keys.0.path().join("text"), TEXT).unwrap();
        for (name, expires, at) in [
            ("good", "never", "20260101T000000"),
            ("other", "never", "20260101T000000"),
            ("short", "30d", "20260101T000000"),
            ("revoked", "never", "20260101T000000"),
            ("stranger", "never", "20260101T000000"),
        ] {
            let user = format!("{name} <{name}@example.org>");
            let at = format!("{at}!");
            keys.gpg(&[
                "--faked-system-time",
                &at,
                "--quick-gen-key",
                &user,
                "ed25519",
                "sign",
                expires,
            ]);
        }
        keys
    }

    fn sign(&self, names: &[&str], more: &[&str]) -> Vec<u8> {
        let users: Vec<String> = names.iter().map(|n| format!("{n}@example.org")).collect();
        let mut arguments = vec!["--faked-system-time", "20260110T000000!", "--output", "-"];
        users.iter().for_each(|user| arguments.extend(["--local-user", user]));
        arguments.extend(more);
        arguments.extend(["--clearsign", "text"]);
        self.gpg(&arguments)
    }

    fn export(&self, names: &[&str], armour: bool) -> Vec<u8> {
        let users: Vec<String> = names.iter().map(|n| format!("{n}@example.org")).collect();
        let mut arguments = vec!["--export"];
        if armour {
            arguments.insert(0, "--armor");
        }
        arguments.extend(users.iter().map(String::as_str));
        self.gpg(&arguments)
    }

    fn revoke(&self, name: &str) {
        let home = self.0.path().join("openpgp-revocs.d");
        let listed = self.gpg(&["--with-colons", "--list-keys", &format!("{name}@example.org")]);
        let listed = String::from_utf8(listed).unwrap();
        let print =
            listed.lines().find(|l| l.starts_with("fpr")).unwrap().split(':').nth(9).unwrap();
        let path = home.join(format!("{print}.rev"));
        let text = fs::read_to_string(&path).unwrap().replace(":-----BEGIN", "-----BEGIN");
        fs::write(&path, text).unwrap();
        self.gpg(&["--import", path.to_str().unwrap()]);
    }
}

fn gpgv(folder: &Path, document: &[u8], keyring: &[u8]) -> bool {
    fs::write(folder.join("document"), document).unwrap();
    fs::write(folder.join("ring.gpg"), keyring).unwrap();
    let status = Command::new("gpgv")
        .args(["--homedir", "/nonexistent", "--keyring"])
        .arg(folder.join("ring.gpg"))
        .arg(folder.join("document"))
        .output()
        .expect("gpgv (Debian package gpgv)");
    status.status.success()
}

fn reader() -> Reader {
    Reader::at(Path::new(env!("CARGO_BIN_EXE_patchkeep-reader")))
}

fn replace(document: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(document.to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to).into_bytes()
}

#[test]
fn judges_as_gpgv_does_and_stricter_where_apt_is() {
    let keys = Keys::new();
    let good = keys.sign(&["good"], &[]);
    let both = keys.sign(&["good", "other"], &[]);
    let short = keys.sign(&["short"], &[]);
    let weak = keys.sign(&["good"], &["--digest-algo", "SHA1", "--allow-weak-digest-algos"]);
    let gone = keys.sign(&["revoked"], &[]);
    keys.revoke("revoked");
    let ring = keys.export(&["good", "other", "short", "revoked"], false);
    let only = keys.export(&["good"], false);
    let inside: jiff::Timestamp = "2026-01-20T00:00:00Z".parse().unwrap();
    let later: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    // name, document, keyring, at, does it hold, does gpgv hold it (`None`: knowingly different)
    let cases = [
        ("good", good.clone(), &ring, later, true, Some(true)),
        ("two signatures", both.clone(), &ring, later, true, Some(true)),
        // gpgv asks for every signature, apt and Patchkeep for one good one.
        ("one of two known", both, &only, later, true, None),
        (
            "altered",
            replace(&good, "Origin: Test", "Origin: Best"),
            &ring,
            later,
            false,
            Some(false),
        ),
        ("stranger", keys.sign(&["stranger"], &[]), &ring, later, false, Some(false)),
        ("before its key expired", short.clone(), &ring, inside, true, None),
        // gpgv exits 0 for an expired key and leaves the verdict to its caller.
        ("after its key expired", short, &ring, later, false, None),
        ("SHA-1", weak, &ring, later, false, None),
        ("revoked key", gone, &ring, later, false, None),
        (
            "from the future",
            good.clone(),
            &ring,
            "2026-01-05T00:00:00Z".parse().unwrap(),
            false,
            None,
        ),
    ];
    for (name, document, ring, at, holds, stock) in cases {
        let verdict = reader().verify_clearsigned(&document, ring, at);
        match &verdict {
            Ok(signed) => {
                assert!(
                    signed.text.starts_with(b"Origin: Test\n") && signed.text.ends_with(b"- x")
                );
            }
            Err(error) => {
                assert!(matches!(error, Error::NoGoodSignature { .. }), "{name}: {error}");
                assert_eq!(error.fault(), ids::Fault::Refused);
            }
        }
        assert_eq!(verdict.is_ok(), holds, "{name}: {verdict:?}");
        if let Some(stock) = stock {
            assert_eq!(gpgv(keys.0.path(), &document, ring), stock, "gpgv: {name}");
        }
    }
}

#[test]
fn takes_keyrings_in_every_shape_and_refuses_what_is_no_document() {
    let keys = Keys::new();
    let good = keys.sign(&["good"], &[]);
    let at: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let binary = keys.export(&["other", "good"], false);
    let armoured = keys.export(&["good"], true);
    let two = [keys.export(&["other"], true), armoured.clone()].concat();
    let mixed = [keys.export(&["other"], false), armoured.clone()].concat();
    for (name, ring) in [("binary", binary), ("armoured", armoured), ("two", two), ("mixed", mixed)]
    {
        assert!(reader().verify_clearsigned(&good, &ring, at).is_ok(), "{name}");
    }
    let ring = keys.export(&["good"], false);
    let detached = keys.gpg(&["--output", "-", "--armor", "--detach-sign", "text"]);
    let wrapped = keys.gpg(&["--output", "-", "--armor", "--sign", "text"]);
    let cases: [(&str, Vec<u8>, &[u8]); 7] = [
        ("empty", Vec::new(), &ring),
        ("text before", [b"x\n", &good[..]].concat(), &ring),
        ("text behind", [&good[..], b"Origin: Evil\n"].concat(), &ring),
        ("cut", good[..good.len() - 60].to_vec(), &ring),
        ("detached", detached, &ring),
        ("wrapped", wrapped, &ring),
        ("no certificate", good.clone(), b"rubbish"),
    ];
    for (name, document, ring) in cases {
        let error = reader().verify_clearsigned(&document, ring, at).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{name}: {error}");
    }
}

#[test]
fn a_signature_in_a_file_of_its_own_is_judged_as_gpgv_does() {
    let keys = Keys::new();
    let sign = |name: &str| {
        let user = format!("{name}@example.org");
        let at = ["--faked-system-time", "20260110T000000!", "--output", "-", "--armor"];
        keys.gpg(&[&at[..], &["--local-user", &user, "--detach-sign", "text"]].concat())
    };
    let (good, stranger, gone) = (sign("good"), sign("stranger"), sign("revoked"));
    keys.revoke("revoked");
    let ring = keys.export(&["good", "revoked"], false);
    let at: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let text = TEXT.as_bytes();
    let two = [good.clone(), stranger.clone()].concat();
    let altered = &b"Origin: Best\n"[..];
    // name, document, signature, does it hold, does gpgv hold it (`None`: knowingly different)
    let cases = [
        ("good", text, &good, true, Some(true)),
        ("altered", altered, &good, false, Some(false)),
        ("stranger", text, &stranger, false, Some(false)),
        ("revoked", text, &gone, false, None),
        ("a stranger's behind it", text, &two, true, None),
    ];
    for (name, document, signature, holds, stock) in cases {
        let verdict = reader().verify_detached(document, signature, &ring, at);
        assert_eq!(verdict.is_ok(), holds, "{name}: {verdict:?}");
        let Some(stock) = stock else { continue };
        fs::write(keys.0.path().join("signature"), signature).unwrap();
        fs::write(keys.0.path().join("document"), document).unwrap();
        fs::write(keys.0.path().join("ring.gpg"), &ring).unwrap();
        let gpgv = Command::new("gpgv")
            .args(["--homedir", "/nonexistent", "--keyring", "./ring.gpg", "signature", "document"])
            .current_dir(keys.0.path())
            .output()
            .expect("gpgv (Debian package gpgv)");
        assert_eq!(gpgv.status.success(), stock, "gpgv: {name}");
    }
    let clear = keys.sign(&["good"], &[]);
    for (name, signature) in [("empty", &b""[..]), ("no armour", b"\xff\xfe"), ("clear", &clear)] {
        assert!(reader().verify_detached(text, signature, &ring, at).is_err(), "{name}");
    }
}
