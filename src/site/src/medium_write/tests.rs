//! Asking and settling, with PID 1's words made up.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::sample::{founded, person};
use fleet::Role;
use ids::Fault;
use std::fs;
use tempfile::TempDir;

struct Desk {
    site: Site,
    folder: TempDir,
}

fn oscar() -> Actor {
    person("oscar", Role::Operator)
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for made in ["writes/in", "stick", "disc"] {
            fs::create_dir_all(folder.path().join(made)).unwrap();
        }
        let site = founded(folder.path());
        Self { site, folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A stick that can be written to and a disc that cannot.
    fn plug(&self) {
        let medium = |at: &str, is_writable: bool| {
            json!({
                "device": "/dev/none", "at": self.path(at), "label": at, "holds": "FAT",
                "is_writable": is_writable, "wrong": null,
            })
        };
        let plugged = json!([medium("stick", true), medium("disc", false)]);
        fs::write(self.path("media.json"), plugged.to_string()).unwrap();
        self.site.media_plugged_in(self.path("media.json"));
        self.site.media_are_written_in(self.path("writes"));
    }

    fn refuses(&self, at: &str, says: &str) {
        let entries = self.site.state().entries;
        let error = self.site.write_receipt(&oscar(), &self.path(at)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.fault(), Fault::Refused);
        assert_eq!(self.site.state().entries, entries, "it is in the log");
    }

    /// What PID 1 would take.
    fn takes(&self) -> Order {
        let order = fs::read(self.path("writes").join(files::ORDER)).unwrap();
        serde_json::from_slice(&order).unwrap()
    }

    /// What PID 1 would say.
    fn says(&self, written: &Written) {
        let word = serde_json::to_vec(written).unwrap();
        fs::write(self.path("writes").join(files::WRITTEN), word).unwrap();
        fs::remove_file(self.path("writes").join(files::ORDER)).unwrap();
    }

    /// Why the last file is not there, as the log says.
    fn settled(&self) -> Option<SettledWrite> {
        self.site.see_to_medium_write().unwrap();
        self.site.medium_write().unwrap().settled
    }
}

#[test]
fn a_receipt_is_handed_over_with_a_custody_record_and_settled_once() {
    let desk = Desk::new();
    assert!(desk.site.writable_media().is_none());
    desk.refuses("stick", "runs on another system");
    desk.site.see_to_medium_write().unwrap();
    desk.plug();
    let labels: Vec<String> =
        desk.site.writable_media().unwrap().into_iter().map(|medium| medium.label).collect();
    assert_eq!(labels, ["stick"]);
    desk.refuses("disc", "cannot be written to");

    let custody = desk.site.write_receipt(&oscar(), &desk.path("stick")).unwrap();
    let order = desk.takes();
    let file = fs::read(desk.path("writes").join(files::FILE)).unwrap();
    assert_eq!(order.sha256, Digest::of(&file));
    assert!(order.custody == custody && order.at == desk.path("stick"), "{order:?}");
    assert!(media::is_name(&order.name) && order.name.starts_with("receipt-"), "{order:?}");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&file).unwrap()["site"], "lab");
    let record = desk.site.custody(&custody).unwrap().record.unwrap();
    assert_eq!(record.direction, "export");
    assert_eq!(record.written_by_person_id.unwrap().as_str(), "oscar");
    desk.refuses("stick", "still being written");
    assert_eq!(desk.settled(), None);

    let why = Some("it was\u{1b}[2J pulled out".to_owned());
    desk.says(&Written { custody, at: desk.site.now(), why });
    assert_eq!(desk.settled().unwrap().why.unwrap(), "it was[2J pulled out");
    let entries = desk.site.state().entries;
    desk.settled();
    assert_eq!(desk.site.state().entries, entries, "it is settled twice");
    // The word of the one before does not settle the next.
    desk.site.write_receipt(&oscar(), &desk.path("stick")).unwrap();
    assert_eq!(desk.settled(), None);
    // It was asked for in the log, and the power went before PID 1 was.
    fs::remove_file(desk.path("writes").join(files::ORDER)).unwrap();
    assert!(desk.settled().unwrap().why.unwrap().contains("interrupted"));
}
