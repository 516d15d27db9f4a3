//! The attacks that TUF names, each by name, and what else couriers do to bundles.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Files, LATE, NOW, PAST, Press, Site, at, key_id, metafile, signed, source};
use ids::Digest;
use serde_json::Value;
use trust::{Attack, Offered, Outcome, Publisher};

/// A site that has imported bundle 5.
fn site() -> Site {
    let mut site = Site::new();
    assert_eq!(site.import(&Press::new(5).files()), Ok("newer"));
    site
}

fn refused_as(site: &Site, files: &Files, code: &str, attack: Option<Attack>) {
    assert_eq!(site.refuses(files), code);
    assert_eq!(site.judge(files).unwrap_err().attack(), attack);
}

/// Changes what a file says without signing it again.
fn forge(files: &mut Files, name: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&files[name]).unwrap();
    change(&mut value["signed"]);
    files.insert(name.into(), trust::canonical_json(&value).unwrap());
}

#[test]
fn attack_1_arbitrary_installation() {
    let site = site();
    // Signed by the attacker's own keys.
    let mut press = Press::new(6);
    press.signers.insert("timestamp", vec![99]);
    let arbitrary = Some(Attack::ArbitraryInstallation);
    refused_as(&site, &press.files(), "signature-invalid", arbitrary);
    // Another publisher altogether, root and all.
    let mut press = Press::new(6);
    press.roots[0].root = vec![91, 92, 93];
    refused_as(&site, &press.files(), "root-chain", arbitrary);
    // A first root that is not the one on paper.
    let root = press.root_file(0);
    let refusal = Publisher::anchor(&root, Digest::of(b"paper")).unwrap_err();
    assert_eq!(refusal.code(), "root-fingerprint");
}

#[test]
fn attack_2_endless_data() {
    let site = site();
    for name in ["timestamp.json", "6.snapshot.json", "6.debian.json", "2.root.json"] {
        let mut files = Press::new(6).files();
        files.insert(name.into(), vec![b' '; 6_000_000]);
        refused_as(&site, &files, "oversized", Some(Attack::EndlessData));
    }
}

#[test]
fn attack_3_extraneous_dependencies() {
    let site = site();
    // A source's own key names another source's target.
    let mut press = Press::new(6);
    let foreign = "debian.pack-00009".to_owned();
    press.sources.get_mut("firmware").unwrap().targets.push(foreign);
    let extraneous = Some(Attack::ExtraneousDependencies);
    refused_as(&site, &press.files(), "delegation", extraneous);
    // Even the targets key may not delegate more than a source's own names.
    for paths in [vec!["*".to_owned()], vec!["debian.*".into(), "firmware.*".into()], vec![]] {
        let mut press = Press::new(6);
        press.sources.get_mut("debian").unwrap().paths = paths;
        refused_as(&site, &press.files(), "delegation", extraneous);
    }
    let mut press = Press::new(6);
    press.sources.insert("bundle".into(), source("bundle", 23, 6));
    refused_as(&site, &press.files(), "delegation", extraneous);
}

#[test]
fn attack_4_fast_forward_and_recovery() {
    let mut site = site();
    // Whoever holds the three online keys can push the versions up ...
    let far = u64::from(u32::MAX);
    assert_eq!(site.import(&Press::new(far).files()), Ok("newer"));
    assert_eq!(site.import(&Press::new(6).files()), Ok("carrier"));
    // ... until the root threshold replaces timestamp and snapshot keys: then 7 is newer.
    let mut press = Press::new(7);
    press.rotate(|root| (root.timestamp, root.snapshot) = (31, 32));
    assert_eq!(site.import(&press.files()), Ok("newer"));
    assert_eq!(site.publisher.sequence(), Some(7));
    // The old keys are worth nothing now, and going back is rollback again.
    assert_eq!(site.import(&Press::new(far).files()), Ok("carrier"));
    press.sequence = 6;
    assert_eq!(site.import(&press.files()), Ok("carrier"));
    // A change of other keys forgets nothing.
    let mut press = Press::new(3);
    press.rotate(|root| (root.timestamp, root.snapshot) = (31, 32));
    press.rotate(|root| root.targets = 33);
    assert_eq!(site.judge(&press.files()).unwrap_err().code(), "rollback-timestamp");
}

#[test]
fn attack_5_indefinite_freeze() {
    let site = site();
    let mut stale = Press::new(6);
    stale.timestamp_expires = PAST;
    let freeze = Some(Attack::IndefiniteFreeze);
    refused_as(&site, &stale.files(), "expired", freeze);
    assert!(site.judge(&stale.files()).unwrap_err().is_quarantine());
    let mut stale = Press::new(6);
    stale.snapshot_expires = PAST;
    refused_as(&site, &stale.files(), "expired", freeze);
    let mut stale = Press::new(6);
    stale.targets_expires = PAST;
    refused_as(&site, &stale.files(), "expired", freeze);
    let mut stale = Press::new(6);
    stale.sources.get_mut("debian").unwrap().expires = PAST;
    refused_as(&site, &stale.files(), "expired", freeze);
    let mut stale = Press::new(6);
    stale.rotate(|root| root.expires = PAST);
    refused_as(&site, &stale.files(), "expired", freeze);
    // The very second of expiry is too late.
    let mut stale = Press::new(6);
    stale.timestamp_expires = NOW;
    refused_as(&site, &stale.files(), "expired", freeze);
    // Two people may let it through; that waives nothing else.
    let offered = Offered::new(stale.files()).unwrap();
    let waived = trust::unsafe_follow_expired(&site.publisher, &site.root, &offered, at(NOW));
    assert!(matches!(waived, Ok(Outcome::Newer { .. })));
    stale.signers.insert("snapshot", vec![99]);
    let offered = Offered::new(stale.files()).unwrap();
    let refused = trust::unsafe_follow_expired(&site.publisher, &site.root, &offered, at(NOW));
    assert_eq!(refused.unwrap_err().code(), "signature-invalid");
}

#[test]
fn attack_6_malicious_mirror() {
    let site = site();
    for name in
        ["timestamp.json", "6.snapshot.json", "6.targets.json", "6.firmware.json", "1.root.json"]
    {
        let mut files = Press::new(6).files();
        files.remove(name).unwrap();
        refused_as(&site, &files, "missing-file", Some(Attack::MaliciousMirror));
    }
}

#[test]
fn attack_7_mix_and_match() {
    let site = site();
    let six = Press::new(6).files();
    let mut other = Press::new(6);
    other.sources.get_mut("debian").unwrap().targets.pop();
    let other = other.files();
    for name in ["6.snapshot.json", "6.targets.json", "6.debian.json"] {
        let mut files = six.clone();
        if files.insert(name.into(), other[name].clone()) != Some(other[name].clone()) {
            refused_as(&site, &files, "mix-and-match", Some(Attack::MixAndMatch));
        }
    }
    // Two different bundles with one number.
    let mut twin = site.clone();
    twin.import(&six).unwrap();
    assert_eq!(twin.judge(&other).unwrap_err().code(), "equivocation");
    // A file under another version's name.
    let mut press = Press::new(6);
    press.snapshot = 8;
    let mut files = press.files();
    let snapshot = files.remove("8.snapshot.json").unwrap();
    let timestamp = serde_json::json!({"_type": "timestamp", "spec_version": "1.0.0",
        "version": 6, "expires": LATE, trust::SIGNED_AT: "2026-11-20T00:00:00Z",
        "meta": {"snapshot.json": metafile(7, &snapshot)}});
    files.insert("7.snapshot.json".into(), snapshot);
    files.insert("timestamp.json".into(), signed(&timestamp, &[11]));
    refused_as(&site, &files, "mix-and-match", Some(Attack::MixAndMatch));
}

#[test]
fn attack_8_rollback() {
    let site = site();
    // A whole older bundle: its payloads may be carried in, its word counts for nothing.
    let mut before = site.clone();
    assert_eq!(before.import(&Press::new(4).files()), Ok("carrier"));
    assert_eq!(before.publisher, site.publisher);
    // Older parts under a newer timestamp.
    let rollback = Some(Attack::Rollback);
    let mut press = Press::new(6);
    press.snapshot = 4;
    refused_as(&site, &press.files(), "rollback-snapshot", rollback);
    let mut press = Press::new(6);
    press.targets = 4;
    refused_as(&site, &press.files(), "rollback-targets", rollback);
    let mut press = Press::new(6);
    press.sources.get_mut("debian").unwrap().version = 4;
    refused_as(&site, &press.files(), "rollback-targets", rollback);
    // A source that is gone rather than empty.
    let mut press = Press::new(6);
    press.sources.remove("firmware");
    refused_as(&site, &press.files(), "rollback-targets", rollback);
    // An older root in the place of the trusted one.
    let mut rotated = site.clone();
    let mut press = Press::new(6);
    press.rotate(|root| root.targets = 33);
    rotated.import(&press.files()).unwrap();
    assert_eq!(rotated.import(&Press::new(9).files()), Ok("carrier"));
}

#[test]
fn attack_9_key_compromise() {
    let site = site();
    let compromise = Some(Attack::KeyCompromise);
    // One root key of three is not enough, nor is it when it signs twice.
    for (signers, code) in [
        (vec![1], "signature-threshold"),
        (vec![1, 1], "signature-repeated"),
        (vec![], "signature-threshold"),
    ] {
        let mut press = Press::new(6);
        press.rotate(|root| root.targets = 33);
        press.roots[1].signers = Some(signers);
        refused_as(&site, &press.files(), code, compromise);
    }
    // The new root's own threshold without the old one's, and the reverse.
    let mut press = Press::new(6);
    press.rotate(|root| root.root = vec![4, 5, 6]);
    press.roots[1].signers = Some(vec![4, 5, 6, 1]);
    refused_as(&site, &press.files(), "signature-threshold", compromise);
    press.roots[1].signers = Some(vec![1, 2, 3, 4]);
    refused_as(&site, &press.files(), "signature-threshold", compromise);
    // A stranger's signature beside enough good ones.
    press.roots[1].signers = Some(vec![1, 2, 4, 5, 99]);
    assert_eq!(site.refuses(&press.files()), "signature-invalid");
    // One source's key cannot sign for another, nor for a higher role.
    let mut press = Press::new(6);
    press.sources.get_mut("debian").unwrap().signers = vec![22];
    assert_eq!(site.refuses(&press.files()), "signature-invalid");
    for role in ["timestamp", "snapshot", "targets"] {
        for key in [21, 11, 12, 13] {
            let mut press = Press::new(6);
            press.signers.insert(role, vec![key]);
            let own = matches!((role, key), ("timestamp", 11) | ("snapshot", 12) | ("targets", 13));
            assert_eq!(site.judge(&press.files()).is_ok(), own, "{role} by key {key}");
        }
    }
    // Roles without signatures.
    let mut press = Press::new(6);
    press.signers.insert("targets", vec![]);
    assert_eq!(site.refuses(&press.files()), "signature-threshold");
}

#[test]
fn attack_10_wrong_software() {
    let site = site();
    // One source's genuine role in the place of another's.
    let mut files = Press::new(6).files();
    let firmware = files["6.firmware.json"].clone();
    files.insert("6.debian.json".into(), firmware);
    assert_eq!(site.refuses(&files), "mix-and-match");
    // A target's digest exchanged for another's.
    let mut files = Press::new(6).files();
    forge(&mut files, "6.debian.json", |role| {
        let other = role["targets"]["debian.pack-00001"].clone();
        role["targets"]["debian.catalogue.json.zst"] = other;
    });
    assert_eq!(site.refuses(&files), "mix-and-match");
    // The type of a role cannot be changed either: a snapshot is no timestamp.
    let mut press = Press::new(6);
    press.roots[0].snapshot = 11;
    let root = press.root_file(0);
    let publisher = Publisher::anchor(&root, Digest::of(&root)).unwrap();
    let mut files = press.files();
    let snapshot = files["6.snapshot.json"].clone();
    files.insert("timestamp.json".into(), snapshot);
    let offered = Offered::new(files).unwrap();
    let refusal = trust::follow(&publisher, &root, &offered, at(NOW)).unwrap_err();
    assert_eq!(refusal.code(), "malformed");
}

#[test]
fn missed_root_rotations_are_followed() {
    let mut site = site();
    let mut press = Press::new(6);
    for step in 0..5_u8 {
        press.rotate(|root| {
            root.root = vec![40 + step, 41 + step, 42 + step];
            root.targets = 60 + step;
            // An expired root on the way is no obstacle: only the last one counts.
            root.expires = if step < 4 { PAST } else { LATE };
        });
        // Its neighbours share two keys, so that the old threshold can sign.
        if step == 0 {
            press.roots[1].root = vec![1, 2, 40];
        } else if step == 1 {
            press.roots[2].root = vec![2, 40, 41];
        }
    }
    let files = press.files();
    assert_eq!(site.import(&files), Ok("newer"));
    assert_eq!(site.publisher.trusted_root().unwrap().version, 6);
    assert_eq!(site.import(&files), Ok("same"));
    // A bundle from before the rotations, and one from the middle of them, may still carry.
    assert_eq!(site.import(&Press::new(4).files()), Ok("carrier"));
    let mut middle = press.clone();
    middle.roots.truncate(3);
    middle.sequence = 99;
    assert_eq!(site.import(&middle.files()), Ok("carrier"));
    // But not under a root that was never accepted.
    middle.roots[2].targets = 77;
    assert_eq!(site.judge(&middle.files()).unwrap_err().code(), "root-chain");
    // A gap in the chain.
    let mut gap = files;
    gap.remove("3.root.json");
    assert_eq!(site.judge(&gap).unwrap_err().code(), "missing-file");
}

#[test]
fn monthly_and_emergency_bundles_import_in_any_order() {
    for order in [[6, 7, 8], [8, 7, 6], [7, 6, 8], [8, 6, 7]] {
        let mut site = site();
        for sequence in order {
            let trusted = site.publisher.sequence().unwrap();
            let expected = if sequence > trusted { "newer" } else { "carrier" };
            assert_eq!(site.import(&Press::new(sequence).files()), Ok(expected));
        }
        assert_eq!(site.publisher.sequence(), Some(8));
        assert_eq!(site.import(&Press::new(8).files()), Ok("same"));
    }
}

#[test]
fn a_removed_source_stays_as_an_empty_role() {
    let mut site = site();
    let mut press = Press::new(6);
    press.sources.get_mut("firmware").unwrap().targets.clear();
    let files = press.files();
    let outcome = site.judge(&files).unwrap();
    let firmware = "firmware".parse().unwrap();
    assert!(outcome.repository().sources[&firmware].targets.is_empty());
    assert!(outcome.repository().target("firmware.pack-00001").is_none());
    assert!(outcome.repository().target("debian.pack-00001").is_some());
    assert_eq!(site.import(&files), Ok("newer"));
}

#[test]
fn a_lost_source_key_is_replaced_by_the_targets_role() {
    let mut site = site();
    let mut press = Press::new(6);
    let debian = press.sources.get_mut("debian").unwrap();
    (debian.key, debian.signers) = (25, vec![25]);
    assert_eq!(site.import(&press.files()), Ok("newer"));
    assert_eq!(site.judge(&Press::new(7).files()).map(|_| ()), Ok(()));
}

#[test]
fn a_bundle_from_the_far_future_is_quarantined() {
    let site = site();
    let mut press = Press::new(6);
    press.signed_at = "2026-11-23T12:00:00Z".into();
    assert!(site.judge(&press.files()).is_ok());
    press.signed_at = "2026-11-23T12:00:01Z".into();
    let refusal = site.judge(&press.files()).unwrap_err();
    assert_eq!((refusal.code(), refusal.is_quarantine()), ("far-future", true));
}

#[test]
fn a_site_that_lost_its_root_says_so_itself() {
    let site = site();
    let other = Press::new(1).rotate(|root| root.targets = 50).root_file(1);
    let offered = Offered::new(Press::new(6).files()).unwrap();
    let refusal = trust::follow(&site.publisher, &other, &offered, at(NOW)).unwrap_err();
    assert_eq!((refusal.code(), refusal.fault()), ("trusted-root", ids::Fault::Broken));
}

#[test]
fn keys_that_would_count_twice_are_refused() {
    // A role that lists one key twice, by the same id.
    let mut press = Press::new(6);
    press.roots[0].root = vec![1, 1, 2];
    let root = press.root_file(0);
    assert_eq!(Publisher::anchor(&root, Digest::of(&root)).unwrap_err().code(), "malformed");
    assert_eq!(key_id(1), key_id(1));
    // A threshold that nobody can meet, and one of zero.
    for threshold in [4, 0] {
        let mut press = Press::new(6);
        press.roots[0].threshold = threshold;
        let root = press.root_file(0);
        assert_eq!(Publisher::anchor(&root, Digest::of(&root)).unwrap_err().code(), "malformed");
    }
}

#[test]
fn what_is_remembered_survives_json() {
    let site = site();
    let text = serde_json::to_string(&site.publisher).unwrap();
    assert_eq!(serde_json::from_str::<Publisher>(&text).unwrap(), site.publisher);
}
