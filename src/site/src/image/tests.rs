//! Handing over and settling, on a site whose imports are made up.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::sample::{founded, person};
use catalogue::{Catalogue, File, FileKind, SCHEMA};
use fleet::{Commit, Custody, ImportedSource, Role, SourceFacts};
use ids::{Fault, RecordId};
use serde_json::json;
use std::fs;
use tempfile::TempDir;

struct Desk {
    site: Site,
    folder: TempDir,
    bundles: u64,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("updates/in")).unwrap();
        let site = founded(folder.path());
        Self { site, folder, bundles: 0 }
    }

    fn updates(&self) -> PathBuf {
        self.folder.path().join("updates")
    }

    fn runs(&self, version: &str) {
        self.site.runs_from_image(version.parse().unwrap(), self.updates());
    }

    /// An import of an image, as the log has it after one.
    fn import(&mut self, version: &str, image: &[u8]) {
        self.bundles += 1;
        let sequence = self.bundles;
        let release = json!({
            "schema": 1, "image": "patchkeep", "version": version, "released": "2026-11-20T00:00:00Z",
            "file": format!("patchkeep-{version}.efi"), "bytes": image.len(), "sha256": Digest::of(image),
        });
        let document = serde_json::to_vec(&release).unwrap();
        let release = vendor_image::Release::parse(&document).unwrap();
        let file = |path: &str, bytes: &[u8], kind| {
            let (sha256, length) = (self.site.keep(bytes).unwrap(), bytes.len() as u64);
            File { path: path.to_owned(), sha256, length, kind }
        };
        let files = vec![
            file(&release.file, image, FileKind::Payload),
            file(vendor_image::RELEASE, &document, FileKind::Release),
            file(vendor_image::RELEASE_SIGNATURE, b"signature", FileKind::Signature),
        ];
        let source: SourceId = "patchkeep-image".parse().unwrap();
        let facts = SourceFacts {
            release: files[1].sha256,
            signature: Some(files[2].sha256),
            release_date: release.released,
            valid_until: None,
            signed_by: Vec::new(),
            anchor: "patchkeep".into(),
        };
        let catalogue = Catalogue {
            schema: SCHEMA,
            source: source.clone(),
            vendor: Vendor::Image,
            collected_at: release.released,
            release_date: release.released,
            valid_until: None,
            files,
            updates: vec![vendor_image::update(&release)],
            notes: Vec::new(),
            advice: None,
        };
        vendor_image::vouch(&document, &catalogue).unwrap();
        let encoded = self.site.keep(&bundle::encode_catalogue(&catalogue).unwrap()).unwrap();
        let imported = ImportedSource {
            source,
            catalogue: encoded,
            vendor: facts,
            files: 3,
            updates: 1,
            cves: 0,
            missing: 0,
        };
        self.commit(sequence, imported);
        self.site.fill_shelf().unwrap();
    }

    fn commit(&self, sequence: u64, source: ImportedSource) {
        let custody: RecordId = format!("01ARZ3NDEKTSV4RRFFQ69G{sequence:04}").parse().unwrap();
        let record = self.site.commit(json!(Custody::default())).unwrap();
        let bundle = Digest::of(&sequence.to_be_bytes());
        let publisher = trust::Publisher {
            roots: [(1, bundle)].into(),
            timestamp: Some(trust::Seen { version: sequence, sha256: bundle }),
            snapshot: None,
            latest_signed_at: None,
        };
        let commit = Commit {
            custody: custody.clone(),
            bundle,
            sequence,
            metadata: bundle,
            publisher,
            signed_time: source.vendor.release_date,
            sources: vec![source],
            payloads_new: 1,
            bytes_new: 1,
            previous: None,
            held_back: Vec::new(),
        };
        for command in [
            Command::OpenCustody { custody: custody.clone(), record },
            Command::StartImport { custody, bundle, sequence },
            Command::CommitImport(Box::new(commit)),
        ] {
            self.site.heart().ask(person("oscar", Role::Operator), command).unwrap();
        }
    }

    fn start(&self, who: &str, version: &str) -> Result<StartedImage, Error> {
        self.site.start_image(person(who, Role::Administrator), version)
    }

    fn hand_over(&self, version: &str) -> Result<HeldImage, Error> {
        self.start("ann", version).map(|started| started.image)
    }

    fn refuses(&self, version: &str, says: &str) {
        let entries = self.site.state().entries;
        let error = self.hand_over(version).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(matches!(error.fault(), Fault::Refused | Fault::Input), "{error:?}");
        assert_eq!(self.site.state().entries, entries, "nothing is in the log");
        assert!(!self.updates().join("in/request.json").exists(), "nothing was asked for");
    }

    /// What the log says in events of a kind, the newest first.
    fn told(&self, kind: &str) -> Vec<String> {
        let page = self
            .site
            .log_page(crate::LogFilter { kind: Some(kind), endpoint: None }, None, 100)
            .unwrap();
        page.lines.into_iter().map(|line| line.sentence).collect()
    }

    /// PID 1's word, read `times` times; what the log says of outcomes then, the newest first.
    fn settles(&self, outcome: &Outcome, times: usize) -> Vec<String> {
        let text = serde_json::to_vec(outcome).unwrap();
        fs::write(self.updates().join("outcome.json"), text).unwrap();
        for _ in 0..times {
            self.site.see_to_image().unwrap();
        }
        self.told("image-settled")
    }
}

#[test]
fn an_image_is_handed_over_whole_and_the_log_says_by_whom() {
    let mut desk = Desk::new();
    desk.runs("0.2.0");
    desk.import("0.1.0", b"the old one");
    desk.import("0.10.0", b"the new one");
    desk.import("0.2.0", b"the one that runs");
    let status = desk.site.images().unwrap();
    assert_eq!((status.running.as_deref(), status.waits), (Some("0.2.0"), false));
    let versions: Vec<&str> = status.held.iter().map(|image| image.version.as_str()).collect();
    assert_eq!(versions, ["0.10.0", "0.2.0", "0.1.0"]);
    assert_eq!(status.held[0].anchor, "patchkeep");
    assert!(status.held[0].imported.is_some());

    desk.refuses("0.3.0", "no image of version 0.3.0 is held");
    desk.refuses("newest", "is no version");
    let image = desk.hand_over("0.10.0").unwrap();
    assert_eq!(fs::read(desk.updates().join("in/image.efi")).unwrap(), b"the new one");
    let request = fs::read(desk.updates().join("in/request.json")).unwrap();
    let request: Request = serde_json::from_slice(&request).unwrap();
    assert_eq!(request, Request { bytes: 11, sha256: Digest::of(b"the new one") });
    assert_eq!(image.sha256, request.sha256);
    let [said] = &desk.told("image-handed-over")[..] else { panic!("not one event") };
    assert!(said.contains("ann (administrator") && said.contains("image 0.10.0"), "{said}");
    assert!(said.contains(&image.sha256.short()), "{said}");

    // PID 1 has not taken it yet.
    assert!(desk.site.images().unwrap().waits);
    let error = desk.hand_over("0.2.0").unwrap_err().to_string();
    assert!(error.contains("was not taken yet"), "{error}");
    fs::remove_file(desk.updates().join("in/request.json")).unwrap();
    desk.hand_over("0.2.0").unwrap();
}

#[test]
fn what_is_damaged_double_or_has_no_slot_is_not_handed_over() {
    let mut desk = Desk::new();
    desk.import("0.2.0", b"one");
    desk.refuses("0.2.0", "runs from no image");
    assert_eq!(desk.site.images().unwrap().running, None);
    desk.site.see_to_image().unwrap();
    desk.runs("0.1.0");
    desk.import("0.2.0", b"another");
    desk.refuses("0.2.0", "two different images of version 0.2.0");

    let mut desk = Desk::new();
    desk.runs("0.1.0");
    desk.import("0.2.0", b"as it was signed");
    let digest = Digest::of(b"as it was signed").to_hex();
    let path = desk.site.folder().store().join("payloads").join(&digest[..2]).join(&digest[2..]);
    let mut mode = fs::metadata(&path).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false, reason = "a file of this test")]
    mode.set_readonly(false);
    fs::set_permissions(&path, mode).unwrap();
    fs::write(&path, b"as the disk has it").unwrap();
    let entries = desk.site.state().entries;
    assert!(matches!(desk.hand_over("0.2.0"), Err(Error::Store(_))));
    assert_eq!(desk.site.state().entries, entries);
    assert!(!desk.updates().join("in/image.efi").exists());
}

#[test]
fn what_became_of_an_image_is_one_event_and_stays_known() {
    let desk = Desk::new();
    desk.runs("0.1.0");
    let mut outcome = Outcome {
        became: Became::FellBack,
        from: "0.1.0".parse().unwrap(),
        to: Some("0.2.0".parse().unwrap()),
        slot: Some(slots::Slot::B),
        sha256: Some(Digest::of(b"image")),
        why: Some("it\u{1b}[2J hung".into()),
        at: "2026-11-28T17:00:00Z".parse().unwrap(),
    };
    let [said] = &desk.settles(&outcome, 3)[..] else { panic!("not one event") };
    assert!(said.contains("image 0.2.0 did not stay, and 0.1.0 came back"), "{said}");
    assert!(said.contains("it[2J hung") && !said.contains('\u{1b}'), "{said}");
    let last = desk.site.images().unwrap().last.unwrap();
    assert_eq!((last.became, last.to.as_deref()), (ImageEnd::FellBack, Some("0.2.0")));

    // The same image once more, with another end.
    (outcome.became, outcome.why) = (Became::Blessed, None);
    outcome.at = "2026-11-28T18:00:00Z".parse().unwrap();
    let told = desk.settles(&outcome, 2);
    assert!(told.len() == 2 && told[0].contains("Image 0.2.0 answers and is blessed"), "{told:?}");
    (outcome.became, outcome.to) = (Became::Refused, None);
    outcome.why = Some("it is not the file that was announced".into());
    assert_eq!(desk.settles(&outcome, 2).len(), 3);

    fs::write(desk.updates().join("outcome.json"), b"{").unwrap();
    assert_eq!(desk.site.see_to_image().unwrap_err().fault(), Fault::Input);
}

#[test]
fn an_older_image_is_handed_over_once_two_people_want_it() {
    let mut desk = Desk::new();
    desk.runs("0.2.0");
    desk.import("0.1.0", b"the old one");
    let asked = desk.start("ann", "0.1.0").unwrap();
    assert!(asked.another_until.is_some());
    for file in ["in/request.json", "in/image.efi"] {
        assert!(!desk.updates().join(file).exists(), "nothing was handed over: {file}");
    }
    let [said] = &desk.told("older-image-asked")[..] else { panic!("not one event") };
    assert!(said.contains("ann") && said.contains("which is older than the one"), "{said}");
    let status = desk.site.images().unwrap();
    assert!(status.is_older(&status.held[0]));
    assert_eq!(status.asked.unwrap().version, "0.1.0");
    desk.refuses("0.1.0", "the site refuses this");

    assert_eq!(desk.start("ben", "0.1.0").unwrap().another_until, None);
    assert_eq!(fs::read(desk.updates().join("in/image.efi")).unwrap(), b"the old one");
    assert!(desk.updates().join("in/request.json").exists());
    let [said] = &desk.told("image-handed-over")[..] else { panic!("not one event") };
    assert!(said.contains("ben"), "{said}");
    assert_eq!(desk.site.images().unwrap().asked, None);
}
