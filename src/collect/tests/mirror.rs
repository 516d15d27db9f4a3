//! Collecting from a mirror on the loopback: genuine Debian security updates, and every way in which
//! a mirror can be wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use catalogue::FileKind;
use collect::{Error, Lists, Receipt, payload_path};
use ids::Fault;
use sandbox::Compression;
use std::{fs, io::Write, process::Command};
use support::{Mirror, Own, Real, reader, run, told};
use vendor_apt::{Inventory, Release, Vouching};

const TOP: &str = "dists/bookworm-security/InRelease";

#[test]
fn collects_genuine_updates_and_asks_for_nothing_twice() {
    let real = Real::load();
    let mirror = Mirror::serve(real.files.clone());
    let folder = tempfile::tempdir().unwrap();
    let request = real.request(&mirror, folder.path());
    let first = run(&request).unwrap();
    let catalogue = &first.sources[0].catalogue;
    let ids: Vec<&str> = catalogue.updates.iter().map(|u| u.source_package.as_str()).collect();
    assert_eq!(ids, ["pcre2", "xz-utils"]);
    assert_eq!(first.summary.payloads, 2, "{:?}", first.summary.notes);
    for update in &catalogue.updates {
        assert!(update.cves.as_ref().is_some_and(|cves| !cves.is_empty()), "{update:?}");
        assert!(update.urgency.is_some() && update.changelog_at.is_some());
        assert_eq!(update.released_at, catalogue.release_date);
    }
    for file in &catalogue.files {
        let bytes = fs::read(payload_path(folder.path(), &file.sha256)).unwrap();
        assert_eq!((ids::Digest::of(&bytes), bytes.len() as u64), (file.sha256, file.length));
    }
    mirror.asked();
    let second = run(&request).unwrap();
    assert_eq!(mirror.asked(), [(TOP.to_owned(), 304)]);
    assert!(!second.sources[0].changed, "{:?}", second.summary);
    assert_eq!(second.summary.fetched_files, 0);
}

#[test]
fn public_lists_ride_in_the_catalogue() {
    let real = Real::load();
    let mirror = Mirror::serve(real.files.clone());
    let folder = tempfile::tempdir().unwrap();
    let mut request = real.request(&mirror, folder.path());
    let plain = run(&request).unwrap();
    let known = plain.sources[0].catalogue.updates[0].cves.clone().unwrap();
    let path = |name: &str| folder.path().join(name);
    let list = |date: &str| {
        let text = format!(
            r#"{{"dateReleased": "{date}", "count": 2, "vulnerabilities":
            [{{"cveID": "{}", "dueDate": "2026-12-01"}}, {{"cveID": "CVE-1999-0001"}}]}}"#,
            known[0]
        );
        fs::write(path("kev.json"), text).unwrap();
        Lists::read(Some(&path("kev.json")), None).unwrap()
    };
    request.lists = list("2026-11-20T15:00:00Z");
    let listed = run(&request).unwrap();
    let advice = listed.sources[0].catalogue.advice.clone().unwrap();
    assert!(listed.sources[0].changed, "it says more than before");
    assert_eq!(advice.kev_as_of.unwrap().to_string(), "2026-11-20T15:00:00Z");
    let named: Vec<&String> = advice.cves.keys().collect();
    assert_eq!(named, [&known[0]], "of the list, only what an update names");
    assert!(advice.cves[&known[0]].kev && advice.ssvc_as_of.is_none());
    assert!(!run(&request).unwrap().sources[0].changed);
    request.lists = list("2026-11-21T15:00:00Z");
    assert!(run(&request).unwrap().sources[0].changed, "a newer list is news");
    let error = Lists::read(None, Some(&path("kev.json"))).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert!(told(&error).contains("kev.json cannot be used"), "{}", told(&error));
}

#[test]
fn an_inventory_brings_its_holds_and_pins_along() {
    let real = Real::load();
    let mirror = Mirror::serve(real.files.clone());
    let status = fs::read_to_string(&real.status).unwrap();
    let held = status.replace(
        "Package: libpcre2-8-0\nStatus: install ok",
        "Package: libpcre2-8-0\nStatus: hold ok",
    );
    assert_ne!(held, status);
    let pin = "Package: liblzma5\nPin: release *\nPin-Priority: -1\n".to_owned();
    let cases = [
        (&status, vec![], vec!["pcre2", "xz-utils"]),
        (&held, vec![], vec!["xz-utils"]),
        (&status, vec![pin], vec!["pcre2"]),
    ];
    for (status, pins, wanted) in cases {
        let folder = tempfile::tempdir().unwrap();
        let mut request = real.request(&mirror, folder.path());
        let inventory =
            Inventory::take("m".into(), real.now, status.as_bytes(), &[], pins).unwrap();
        let path = folder.path().join("m.inventory.json");
        fs::write(&path, serde_json::to_vec(&inventory).unwrap()).unwrap();
        request.selection.machines = vec![path];
        let done = run(&request).unwrap();
        let updates = done.sources[0].catalogue.updates.iter();
        let ids: Vec<&str> = updates.map(|u| u.source_package.as_str()).collect();
        assert_eq!(ids, wanted, "{:?}", done.summary.notes);
    }
}

#[test]
fn the_vendor_vouches_for_what_was_collected_and_for_nothing_else() {
    let real = Real::load();
    let document = &real.files[TOP];
    let keys = fs::read("/usr/share/keyrings/debian-archive-keyring.gpg").unwrap();
    let signed = reader().verify_clearsigned(document, &keys, real.now).unwrap();
    let release = Release::parse(&signed.text).unwrap();
    let vouch = |catalogue: &catalogue::Catalogue| {
        let mut vouching = Vouching::begin(document, &release, catalogue)?;
        for index in vouching.wanted() {
            let bytes = &real.files[&index.file.path];
            let plain = reader().decompress(bytes, Compression::Xz, index.length).unwrap();
            vouching.index(&index.plain, &plain)?;
        }
        vouching.finish()
    };
    assert_eq!(vouch(&real.catalogue).unwrap().files, real.catalogue.files.len());
    let other = ids::Digest::of(b"other");
    for kind in [FileKind::Release, FileKind::Index, FileKind::Payload] {
        let at = real.catalogue.files.iter().rposition(|file| file.kind == kind).unwrap();
        let mut changed = real.catalogue.clone();
        changed.files[at].sha256 = other;
        assert_eq!(vouch(&changed).unwrap_err().fault(), Fault::Refused, "{kind:?} digest");
        let mut changed = real.catalogue.clone();
        changed.files[at].length += 1;
        assert_eq!(vouch(&changed).unwrap_err().fault(), Fault::Refused, "{kind:?} length");
        let mut changed = real.catalogue.clone();
        changed.files[at].path.push('x');
        let error = vouch(&changed).unwrap_err().to_string();
        assert!(kind == FileKind::Release || error.contains(&changed.files[at].path), "{error}");
    }
    let mut changed = real.catalogue.clone();
    changed.updates[0].payloads[0].version = "99".into();
    assert!(vouch(&changed).unwrap_err().to_string().contains("otherwise than the index"));
    let mut changed = real.catalogue.clone();
    changed.valid_until = None;
    assert!(vouch(&changed).unwrap_err().to_string().contains("differ in valid until"));
}

/// The genuine document, its stock verdict beside ours.
#[test]
fn agrees_with_gpgv_on_the_genuine_document() {
    let real = Real::load();
    let folder = tempfile::tempdir().unwrap();
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let keys = fs::read(keyring).unwrap();
    let genuine = real.files[TOP].clone();
    let text = String::from_utf8(genuine.clone()).unwrap();
    let altered = text.replacen("Origin: Debian", "Origin: Debiam", 1).into_bytes();
    for (document, good) in [(genuine, true), (altered, false)] {
        let path = folder.path().join("InRelease");
        fs::write(&path, &document).unwrap();
        let stock = Command::new("gpgv").args(["--keyring", keyring]).arg(&path).output().unwrap();
        assert_eq!(stock.status.success(), good);
        let ours = reader().verify_clearsigned(&document, &keys, real.now);
        assert_eq!(ours.is_ok(), good, "{ours:?}");
    }
}

#[test]
fn release_files_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::new();
    let mirror = Mirror::serve(own.files());
    let request = own.request(&mirror, folder.path());
    run(&request).unwrap();
    let stranger = Own::new();
    let bent = |change: &dyn Fn(&mut Own)| {
        let mut bent = Own::new();
        change(&mut bent);
        (bent.files(), Some(bent))
    };
    let field = |from: &'static str, to: &'static str| {
        bent(&move |own: &mut Own| own.fields = own.fields.replace(from, to))
    };
    let text = String::from_utf8(own.files()["dists/own/InRelease"].clone()).unwrap();
    let replaced = |text: String| {
        let mut files = own.files();
        files.insert("dists/own/InRelease".into(), text.into_bytes());
        (files, None)
    };
    let date = "Date: Tue, 06 Jan 2026 10:00:00 UTC";
    let cases = [
        ("no good signature", replaced(text.replace("Origin: Own", "Origin: Owm"))),
        ("not exactly one inline-signed", replaced(text[..text.len() / 2].to_owned())),
        ("not exactly one inline-signed", replaced("<html>captive portal</html>".to_owned())),
        ("unknown key", (stranger.files(), None)),
        (
            "no good signature",
            bent(&|own: &mut Own| {
                own.gpg = vec!["--digest-algo", "SHA1", "--allow-weak-digest-algos"]
            }),
        ),
        ("older than the one", field(date, "Date: Mon, 05 Jan 2026 10:00:00 UTC")),
        ("ahead of this clock", field(date, "Date: Fri, 06 Feb 2026 10:00:00 UTC")),
        ("was valid until", field("Origin", "Valid-Until: Tue, 06 Jan 2026 11:00:00 UTC\nOrigin")),
        ("release file of other", field("Codename: own", "Codename: other")),
        ("has no main", field("Components: main", "Components: contrib")),
        ("SHA256 is missing", bent(&|own: &mut Own| own.fields.push_str("SHA1:\n x\n\nX: y\n"))),
    ];
    for (why, (files, bent)) in cases {
        mirror.put(files);
        let mut request = request.clone();
        if let Some(bent) = &bent {
            request.settings.sources[0].keyring = Some(bent.keyring());
        }
        let before = fs::read(folder.path().join("state/debian-own.json")).unwrap();
        let error = run(&request).unwrap_err();
        let said = told(&error);
        assert!(said.contains(why) || said.contains("more than one stanza"), "{why}: {said}");
        let after = fs::read(folder.path().join("state/debian-own.json")).unwrap();
        assert_eq!(before, after, "{why}: nothing is remembered of it");
    }
    mirror.put(own.files());
    run(&request).expect("the next good run works");
}

#[test]
fn indexes_that_lie_are_refused_and_missing_forms_are_passed_over() {
    let packages = b"Package: x\nVersion: 1\nArchitecture: all\nFilename: pool/x.deb\nSize: 3\n\
        SHA256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(packages).unwrap();
    let mut own = Own::new();
    let plain = "main/binary-amd64/Packages";
    own.indexes.insert(plain.into(), packages.to_vec());
    own.indexes.insert(format!("{plain}.gz"), gzip.finish().unwrap());
    own.indexes.insert(format!("{plain}.xz"), b"never served".to_vec());
    own.indexes.insert("main/i18n/Translation-de".into(), b"never served either".to_vec());
    own.indexes.insert("main/Contents-amd64".into(), b"not wanted".to_vec());
    let mirror = Mirror::serve(own.files());
    let gone = |mirror: &Mirror, paths: &[&str]| {
        let paths = paths.iter().map(|path| format!("dists/own/{path}")).collect();
        mirror.faults(|faults| faults.missing = paths);
    };
    let translation = "main/i18n/Translation-de";
    let (xz, gz) = (format!("{plain}.xz"), format!("{plain}.gz"));
    gone(&mirror, &[&xz, translation]);
    let folder = tempfile::tempdir().unwrap();
    let error = run(&own.request(&mirror, folder.path())).unwrap_err();
    assert!(matches!(error, Error::MissingFile { ref path } if path == "pool/x.deb"), "{error}");
    let asked: Vec<String> = mirror.asked().into_iter().map(|(path, _)| path).collect();
    assert!(!asked.contains(&"dists/own/main/Contents-amd64".into()));

    gone(&mirror, &[&xz, &gz, plain, translation]);
    let folder = tempfile::tempdir().unwrap();
    let error = run(&own.request(&mirror, folder.path())).unwrap_err();
    assert!(told(&error).contains("does not have dists/own/main/binary-amd64/Packages"), "{error}");

    gone(&mirror, &[&xz, plain, translation]);
    let path = format!("dists/own/{gz}");
    for bytes in [b"short".to_vec(), vec![0; own.indexes[&gz].len()], vec![0; 10_000]] {
        mirror.faults(|faults| {
            faults.replaced.insert(path.clone(), bytes);
        });
        let folder = tempfile::tempdir().unwrap();
        let error = run(&own.request(&mirror, folder.path())).unwrap_err();
        assert!(told(&error).contains("is not what the vendor signed"), "{error}");
        assert_eq!(error.fault(), Fault::Refused);
    }
}

#[test]
fn hostile_indexes_are_refused_though_signed() {
    let good = "Package: x\nVersion: 1\nArchitecture: all\nFilename: pool/x.deb\nSize: 3\n\
        SHA256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    let cases = [
        ("unsafe path", good.replace("pool/", "../../etc/")),
        ("unsafe path", good.replace("pool/", "/etc/")),
        ("weak hashes only", good.replace("SHA256", "MD5sum")),
        ("twice", format!("{good}Size: 4\n")),
        ("no usable Size", good.replace("Size: 3", "Size: 18446744073709551616")),
    ];
    for (why, text) in cases {
        let mut own = Own::new();
        own.indexes.insert("main/binary-amd64/Packages".into(), text.into_bytes());
        let mirror = Mirror::serve(own.files());
        let folder = tempfile::tempdir().unwrap();
        let error = run(&own.request(&mirror, folder.path())).unwrap_err();
        assert!(told(&error).contains(why), "{why}: {}", told(&error));
        assert_eq!(error.fault(), Fault::Input);
    }
}

#[test]
fn a_broken_download_goes_on_where_it_was() {
    let real = Real::load();
    let mirror = Mirror::serve(real.files.clone());
    let folder = tempfile::tempdir().unwrap();
    let mut request = real.request(&mirror, folder.path());
    request.settings.network.retries = 0;
    let payload = &real.catalogue.updates[0].payloads[0];
    mirror.faults(|faults| {
        faults.cut.insert(payload.path.clone(), (100_000, 1));
    });
    let error = run(&request).unwrap_err();
    assert!(told(&error).contains("what was fetched is kept, run again"), "{error}");
    assert_eq!(error.fault(), Fault::Unavailable);
    mirror.asked();
    let done = run(&request).unwrap();
    assert_eq!(done.summary.payloads, 2);
    let asked = mirror.asked();
    assert!(asked.contains(&(payload.path.clone(), 206)), "{asked:?}");

    // Whatever a killed run left behind is verified before it counts.
    let folder = tempfile::tempdir().unwrap();
    let request = real.request(&mirror, folder.path());
    fs::create_dir_all(folder.path().join("incoming")).unwrap();
    let length = real.catalogue.files.iter().find(|f| f.path == payload.path).unwrap().length;
    let junk = folder.path().join("incoming").join(payload.sha256.to_hex());
    fs::write(&junk, vec![7; usize::try_from(length).unwrap()]).unwrap();
    let done = run(&request).unwrap();
    assert_eq!(done.summary.payloads, 2);
    assert!(!junk.exists());
}

#[test]
fn what_the_site_holds_is_not_fetched() {
    let real = Real::load();
    let mirror = Mirror::serve(real.files.clone());
    let folder = tempfile::tempdir().unwrap();
    let mut request = real.request(&mirror, folder.path());
    let held = real.catalogue.updates[0].payloads[0].clone();
    request.receipt = Some(Receipt { payloads: [held.sha256].into() });
    let done = run(&request).unwrap();
    assert!(done.sources[0].held_by_site.contains(&held.sha256));
    assert!(!payload_path(folder.path(), &held.sha256).exists());
    assert!(!mirror.asked().iter().any(|(path, _)| *path == held.path));
    assert_eq!(done.sources[0].catalogue.updates[0].cves, None, "unknown, not none");
}

#[test]
fn servers_in_trouble_are_asked_again_and_refusals_are_told() {
    let own = Own::new();
    let mirror = Mirror::serve(own.files());
    let folder = tempfile::tempdir().unwrap();
    let mut request = own.request(&mirror, folder.path());
    let path = "dists/own/InRelease".to_owned();
    mirror.faults(|faults| {
        faults.status.insert(path.clone(), (503, 1));
    });
    run(&request).expect("a second attempt");
    mirror.faults(|faults| {
        faults.status.insert(path.clone(), (503, 9));
    });
    let error = run(&request).unwrap_err();
    assert!(error.to_string().contains("after 2 attempts: status 503"), "{error}");
    mirror.faults(|faults| {
        faults.status.insert(path.clone(), (401, 9));
    });
    let error = run(&request).unwrap_err();
    assert!(error.to_string().contains("refuses dists/own/InRelease (status 401)"), "{error}");
    mirror.faults(|faults| faults.status.clear());
    let secret = folder.path().join("netrc");
    fs::write(&secret, "machine 127.0.0.1 login u password p\n").unwrap();
    request.settings.network.credentials = Some(secret);
    run(&request).unwrap();
    assert_eq!(mirror.authorised().last().map(String::as_str), Some("Basic dTpw"));
}
