//! `patchkeep audit verify`: what it finds, and that it names the first bad thing.

use crate::made_up::{MadeUp, genuine, unsigned};
use fleet::Fact;
use ids::Digest;
use site::audit::{Checks, Filter, Findings, Holds, Limits, Scope, open_zip, show, verify};
use std::{collections::BTreeMap, io::Cursor};

const CHECKS: Checks<'static> = Checks { fingerprint: None, reader: None, patchkeep: "0.1.0" };

fn opened(made_up: &MadeUp, scope: Scope) -> BTreeMap<String, Vec<u8>> {
    open_zip(Cursor::new(made_up.export(scope).0), Limits::default()).unwrap()
}

fn bad(findings: &Findings) -> (&'static str, &str) {
    findings.first_bad().map_or(("", ""), |finding| (finding.check, &finding.sentence))
}

#[test]
fn equal_input_gives_equal_bytes() {
    let made_up = MadeUp::new(unsigned(), 8, 1);
    let (first, exported) = made_up.export(Scope::Full);
    assert_eq!(first, made_up.export(Scope::Full).0);
    let files = open_zip(Cursor::new(first), Limits::default()).unwrap();
    assert_eq!(exported.manifest, Digest::of(&files["manifest.json"]));
    assert_eq!(exported.files, files.len() as u64);
}

#[test]
fn a_good_bundle_holds_and_says_what_a_log_cannot_prove() {
    for (scope, looks) in [(Scope::Full, 1), (Scope::Full, 600), (Scope::Summary, 1)] {
        let made_up = MadeUp::new(unsigned(), 8, looks);
        let files = opened(&made_up, scope);
        let reader = None;
        let print = made_up.export(scope).1.key;
        let checks = Checks { fingerprint: Some(&print), reader, ..CHECKS };
        let findings = verify(&files, &checks);
        assert!(findings.hold(), "{findings}");
        assert!(findings.fault().is_none());
        for check in [
            "key",
            "signature",
            "files",
            "checkpoint",
            "tiles",
            "proofs",
            "replay",
            "reports",
            "key-in-log",
            "catalogues",
        ] {
            let held = |f: &&site::audit::Finding| f.check == check && f.verdict == Holds::Holds;
            assert!(findings.all().iter().any(|f| held(&f)), "{check}: {findings}");
        }
        let omission = findings.all().iter().find(|f| f.check == "omission").unwrap();
        assert_eq!(omission.verdict, Holds::CannotBeChecked);
        let names = files.keys().any(|name| name.starts_with("custody/"));
        assert_eq!(names, scope == Scope::Full);
    }
}

#[test]
fn any_changed_file_is_named() {
    let made_up = MadeUp::new(unsigned(), 2, 1);
    let files = opened(&made_up, Scope::Full);
    for name in files.keys() {
        let mut altered = files.clone();
        let bytes = altered.get_mut(name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let findings = verify(&altered, &CHECKS);
        assert!(!findings.hold(), "{name}: {findings}");
        let named = findings.all().iter().any(|f| {
            f.verdict == Holds::DoesNotHold
                && (f.sentence.contains(name) || name.starts_with("manifest"))
        });
        assert!(named || name.ends_with(".pem"), "{name}: {findings}");
        let mut without = files.clone();
        without.remove(name);
        assert!(!verify(&without, &CHECKS).hold(), "{name} was missing");
    }
    let mut more = files.clone();
    more.insert("extra".into(), vec![1]);
    assert_eq!(bad(&verify(&more, &CHECKS)), ("files", "extra is not listed in the manifest"));
}

#[test]
fn whoever_signs_a_false_log_is_found_out_by_the_replay() {
    type Lie = fn(&mut MadeUp);
    let lies: [(Lie, &str); 4] = [
        (
            |m| m.say(Fact::StateSnapshot { entries: m.state.entries, sha256: Digest::of(b"") }),
            "the state played again is not the one that was recorded",
        ),
        (
            |m| {
                let (ring, source) =
                    ("broad".parse().unwrap(), "debian-bookworm-security".parse().unwrap());
                m.say(Fact::RingPointed { ring, source, sequence: 1, generation: 7 });
            },
            "generation 7 of ring broad does not follow",
        ),
        (
            |m| {
                let custody = "01ARZ3NDEKTSV4RRFFQ69G5ZZZ".parse().unwrap();
                let (reason, message) = ("x".into(), "x".into());
                m.say(Fact::BundleRefused { custody, reason, message, bundle: None });
            },
            "was not open",
        ),
        (
            |m| {
                m.at -= jiff::SignedDuration::from_hours(9);
                m.say(Fact::FormatRaised { format: 1 });
            },
            "it is earlier than the entry before it",
        ),
    ];
    for (lie, says) in lies {
        let mut made_up = MadeUp::new(unsigned(), 2, 1);
        lie(&mut made_up);
        let findings = verify(&opened(&made_up, Scope::Full), &CHECKS);
        let (check, sentence) = bad(&findings);
        let last = format!("entry {}", made_up.entries.len() - 1);
        assert!(
            check == "replay" && sentence.contains(says) && sentence.contains(&last),
            "{findings}"
        );
    }
}

#[test]
fn endpoints_vouch_for_this_history_or_show_another() {
    let mut made_up = MadeUp::new(unsigned(), 2, 1);
    let entries = made_up.entries.len() as u64;
    for size in [entries, 1, 5, 5] {
        made_up.vouch(size, None);
    }
    let findings = verify(&opened(&made_up, Scope::Full), &CHECKS);
    let said = |f: &&site::audit::Finding| f.check == "witnesses";
    let found = findings.all().iter().find(said).unwrap();
    assert_eq!(found.verdict, Holds::Holds, "{findings}");
    assert!(found.sentence.contains("4 endpoints"), "{findings}");
    made_up.vouch(5, Some(b"another history"));
    let findings = verify(&opened(&made_up, Scope::Full), &CHECKS);
    let (check, sentence) = bad(&findings);
    assert!(check == "witnesses" && sentence.contains("another history of 5"), "{findings}");
    made_up.witnesses.pop();
    made_up.witnesses[0].size += 1;
    let findings = verify(&opened(&made_up, Scope::Full), &CHECKS);
    assert_eq!(bad(&findings).0, "witnesses");
}

#[test]
fn somebody_elses_key_is_found_out() {
    let mut made_up = MadeUp::new(unsigned(), 2, 1);
    let print = made_up.export(Scope::Full).1.key;
    made_up.audit = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let files = opened(&made_up, Scope::Full);
    assert_eq!(bad(&verify(&files, &CHECKS)).0, "key-in-log");
    let named = Checks { fingerprint: Some(&print), ..CHECKS };
    assert_eq!(bad(&verify(&files, &named)).0, "key");
}

#[test]
fn vendors_signatures_are_checked_as_of_the_import() {
    let Ok(reader) = sandbox::Reader::beside_this_program() else { return };
    let Some(signed) = genuine(&reader) else { return };
    let checks = Checks { reader: Some(&reader), ..CHECKS };
    let findings = verify(&opened(&MadeUp::new(signed, 2, 1), Scope::Full), &checks);
    let held = findings.all().iter().any(|f| f.check == "vendors" && f.verdict == Holds::Holds);
    assert!(findings.hold() && held, "{findings}");
    let findings = verify(&opened(&MadeUp::new(unsigned(), 2, 1), Scope::Full), &checks);
    assert_eq!(bad(&findings).0, "vendors", "{findings}");
}

#[test]
fn the_log_is_shown_in_words() {
    let made_up = MadeUp::new(unsigned(), 4, 3);
    let all = show(0, &made_up.entries, &Filter::default()).unwrap();
    assert_eq!(all.len(), made_up.entries.len());
    assert_eq!(
        all[0].sentence,
        "The appliance founded site plant-7; its log is patchkeep.invalid/plant-7/epoch-1, epoch 1."
    );
    let filter = Filter { types: vec!["bundle-imported".into()], limit: Some(1), since: None };
    let newest = show(0, &made_up.entries, &filter).unwrap();
    assert_eq!(newest.len(), 1);
    assert_eq!(
        newest[0].sentence,
        "Person operator-1 (operator, at the command line) imported bundle 2: 1 source, 4 updates, 12 payloads new (96.4 MB)."
    );
}
