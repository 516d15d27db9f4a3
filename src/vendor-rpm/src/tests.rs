//! What real tools write is read, and what would harm is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::{Error, Repomd, Vouching, parse_primary, parse_updateinfo};
use catalogue::{
    Catalogue, File, FileKind, ReleaseBasis, SCHEMA, Update, UpdatePayload, Vendor, VendorSeverity,
};
use ids::Digest;

fn hash(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn primary(kind: &str, href: &str) -> String {
    let sha256 = hash("the package");
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm">
  <name>openssl-libs</name>
  <arch>x86_64</arch>
  <version epoch="1" ver="3.0.7" rel="2.el9"/>
  <checksum type="{kind}" pkgid="YES">{sha256}</checksum>
  <summary>Libraries &amp; more</summary>
  <size package="11" installed="2" archive="3"/>
  <location href="{href}"/>
  <format>
    <rpm:license>Apache</rpm:license>
    <rpm:sourcerpm>openssl-3.0.7-2.el9.src.rpm</rpm:sourcerpm>
    <rpm:provides><rpm:entry name="openssl-libs" flags="EQ" epoch="1" ver="3.0.7" rel="2.el9"/></rpm:provides>
  </format>
</package>
</metadata>
"#
    )
}

fn repomd(list: &str) -> String {
    let (packed, plain) = (hash("packed"), hash(list));
    let length = list.len();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo">
  <revision>1700000000</revision>
  <data type="primary">
    <checksum type="sha256">{packed}</checksum>
    <open-checksum type="sha256">{plain}</open-checksum>
    <location href="repodata/{packed}-primary.xml.gz"/>
    <timestamp>1700000000.5</timestamp><size>6</size><open-size>{length}</open-size>
  </data>
  <data type="filelists">
    <checksum type="sha256">{packed}</checksum>
    <location href="repodata/{packed}-filelists.xml.gz"/>
    <timestamp>1700000100</timestamp><size>6</size>
  </data>
</repomd>
"#
    )
}

const HREF: &str = "Packages/o/openssl-libs-3.0.7-2.el9.x86_64.rpm";

#[test]
fn a_package_is_read_with_its_epoch_and_its_source() {
    let packages = parse_primary(primary("sha256", HREF).as_bytes()).unwrap();
    let [package] = packages.as_slice() else { panic!("{packages:?}") };
    assert_eq!(package.version, "1:3.0.7-2.el9");
    assert_eq!(package.source, ("openssl".to_owned(), "3.0.7-2.el9".to_owned()));
    assert_eq!((package.path.as_str(), package.length), (HREF, 11));
    assert_eq!(package.sha256, hash("the package"));
}

#[test]
fn the_top_names_its_lists_and_is_as_new_as_the_newest() {
    let read = Repomd::parse(repomd("x").as_bytes()).unwrap();
    assert_eq!(read.date.as_second(), 1_700_000_100);
    assert_eq!(read.primary().unwrap().plain, Some((hash("x"), 1)));
    assert_eq!(read.updateinfo(), None);
}

#[test]
fn weak_hashes_and_paths_that_leave_the_repository_are_refused() {
    let refused = |kind, href| parse_primary(primary(kind, href).as_bytes()).unwrap_err();
    assert!(matches!(refused("sha", HREF), Error::WeakHash { .. }));
    assert!(matches!(refused("md5", HREF), Error::WeakHash { .. }));
    assert!(matches!(refused("sha256", "../up.rpm"), Error::UnsafePath { .. }));
    assert!(matches!(refused("sha256", "https://elsewhere/x.rpm"), Error::UnsafePath { .. }));
    let elsewhere = primary("sha256", HREF).replace("<location ", "<location xml:base=\"x\" ");
    assert!(matches!(parse_primary(elsewhere.as_bytes()), Err(Error::Malformed { .. })));
}

#[test]
fn xml_that_expands_nests_or_ends_too_early_is_refused() {
    let whole = primary("sha256", HREF);
    let bomb =
        whole.replacen("<metadata", "<!DOCTYPE metadata [<!ENTITY a \"aaaa\">]><metadata", 1);
    let nested = format!("<metadata>{}", "<a>".repeat(100_000));
    let entity = whole.replace("Libraries &amp;", "Libraries &lol;");
    for bad in [&bomb, &nested, &entity, &whole[..whole.len() - 20], "", "no xml"] {
        let read = parse_primary(bad.as_bytes());
        // Nothing at all is a document without packages, which names nothing.
        assert!(read.is_err() || read.is_ok_and(|packages| packages.is_empty()), "{bad:.80}");
    }
    for bad in [&bomb, &nested, &entity] {
        assert!(parse_primary(bad.as_bytes()).is_err(), "{bad:.80}");
    }
    assert!(Repomd::parse(b"<repomd/>").is_err());
}

#[test]
fn an_advisory_says_what_it_mends_and_since_when() {
    let text = r#"<updates><update from="x" status="final" type="security" version="2">
      <id>ALSA-2024:0310</id><title>Important: openssl</title>
      <description>For more, read the page.</description>
      <issued date="2024-01-22 10:11:12"/><severity>Important</severity>
      <references><reference href="https://x" id="CVE-2023-5363" type="cve" title="x"/>
        <reference href="https://x" id="CVE-no" type="cve"/>
        <reference href="https://x" id="1" type="bugzilla"/></references>
      <pkglist><collection short="x"><name>x</name>
        <package name="openssl-libs" version="3.0.7" release="2.el9" epoch="1" arch="x86_64" src="openssl.src.rpm">
        <filename>openssl-libs.rpm</filename></package></collection></pkglist>
      </update></updates>"#;
    let read = parse_updateinfo(text.as_bytes()).unwrap();
    let [advisory] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(advisory.issued.unwrap().to_string(), "2024-01-22T10:11:12Z");
    assert_eq!(advisory.severity, Some(VendorSeverity::High), "important is high");
    assert_eq!(
        (&*advisory.title, &*advisory.description),
        ("Important: openssl", "For more, read the page.")
    );
    assert_eq!(advisory.cves.iter().collect::<Vec<_>>(), ["CVE-2023-5363"]);
    let (name, version, _) = advisory.packages.first().unwrap();
    assert_eq!((name.as_str(), version.as_str()), ("openssl-libs", "1:3.0.7-2.el9"));
}

/// A catalogue that `repomd(primary(..))` vouches for.
fn catalogue(top: &str) -> Catalogue {
    let packed = hash("packed");
    let file = |path: &str, sha256, length: usize, kind| File {
        path: path.to_owned(),
        sha256,
        length: length as u64,
        kind,
    };
    Catalogue {
        schema: SCHEMA,
        source: "vendor-9".parse().unwrap(),
        vendor: Vendor::Rpm { architectures: vec!["x86_64".into()] },
        collected_at: "2024-02-01T00:00:00Z".parse().unwrap(),
        release_date: Repomd::parse(top.as_bytes()).unwrap().date,
        valid_until: None,
        files: vec![
            file(HREF, hash("the package"), 11, FileKind::Payload),
            file(&format!("repodata/{packed}-primary.xml.gz"), packed, 6, FileKind::Index),
            file("repodata/repomd.xml", hash(top), top.len(), FileKind::Release),
            file("repodata/repomd.xml.asc", hash("signature"), 9, FileKind::Signature),
        ],
        updates: vec![Update {
            id: "openssl_3.0.7-2.el9".into(),
            source_package: "openssl".into(),
            fixed_version: "3.0.7-2.el9".into(),
            released_at: "2024-01-22T00:00:00Z".parse().unwrap(),
            released_by: ReleaseBasis::Advisory,
            changelog_at: None,
            urgency: None,
            severity: None,
            cves: None,
            payloads: vec![UpdatePayload {
                package: "openssl-libs".into(),
                version: "1:3.0.7-2.el9".into(),
                architecture: "x86_64".into(),
                path: HREF.into(),
                sha256: hash("the package"),
            }],
        }],
        notes: Vec::new(),
        advice: None,
    }
}

fn vouch(top: &str, list: &str, catalogue: &Catalogue) -> Result<usize, Error> {
    let repomd = Repomd::parse(top.as_bytes())?;
    let mut vouching = Vouching::begin(top.as_bytes(), &repomd, catalogue)?;
    if vouching.wanted().is_some() {
        vouching.index(list.as_bytes())?;
    }
    vouching.finish().map(|vouched| vouched.files)
}

#[test]
fn the_vendor_stands_behind_every_file_or_none_is_taken() {
    let list = primary("sha256", HREF);
    let top = repomd(&list);
    let good = catalogue(&top);
    assert_eq!(vouch(&top, &list, &good), Ok(4));
    // Each file, with another digest, length or path; and left out where it must be there.
    for at in 0..good.files.len() {
        let signature = good.files[at].kind == FileKind::Signature;
        let mut bad = vec![good.clone(), good.clone(), good.clone()];
        bad[0].files[at].path.push('x');
        if !signature {
            // The reader judges what the signature is.
            bad[1].files[at].sha256 = hash("other");
            bad[2].files[at].length += 1;
        } else {
            bad.truncate(1);
        }
        for bad in bad {
            assert!(vouch(&top, &list, &bad).is_err(), "{:?}", bad.files[at]);
        }
    }
    for kind in [FileKind::Release, FileKind::Signature, FileKind::Index] {
        let mut bad = good.clone();
        bad.files.retain(|file| file.kind != kind);
        assert!(vouch(&top, &list, &bad).is_err(), "without {kind:?}");
    }
    let mut bad = good.clone();
    bad.updates[0].payloads[0].version = "1:9-9".into();
    assert!(vouch(&top, &list, &bad).is_err());
    let mut bad = good.clone();
    bad.release_date = "2030-01-01T00:00:00Z".parse().unwrap();
    assert!(vouch(&top, &list, &bad).is_err());
    let other = list.replace("x86_64", "aarch64");
    assert!(matches!(vouch(&top, &other, &good), Err(Error::WrongIndex { .. })));
}
