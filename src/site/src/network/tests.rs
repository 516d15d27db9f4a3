//! Asking, confirming and settling, with PID 1's words made up.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::sample::{founded, person};
use ::network::Became;
use fleet::Role;
use ids::Fault;
use std::fs;
use tempfile::TempDir;

struct Desk {
    site: Site,
    folder: TempDir,
}

fn ann() -> Actor {
    person("ann", Role::Administrator)
}

fn settings(address: &str) -> Settings {
    Settings::new(address.parse().unwrap(), None, None, None, Vec::new()).unwrap()
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("network/in")).unwrap();
        let site = founded(folder.path());
        site.network_in(folder.path().join("network"));
        Self { site, folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("network").join(file)
    }

    /// What PID 1 would say.
    fn says(&self, file: &str, word: &impl Serialize) {
        fs::write(self.path(file), serde_json::to_vec(word).unwrap()).unwrap();
    }

    fn takes<T: serde::de::DeserializeOwned>(&self, file: &str) -> T {
        let word = serde_json::from_slice(&fs::read(self.path(file)).unwrap()).unwrap();
        fs::remove_file(self.path(file)).unwrap();
        word
    }

    fn entries(&self) -> u64 {
        self.site.state().entries
    }
}

#[test]
fn a_change_is_asked_for_confirmed_and_settled_once() {
    let desk = Desk::new();
    desk.says(files::STATUS, &Status::default());
    let wanted = settings("192.0.2.10/24");
    let asked = desk.site.ask_network_change(ann(), wanted.clone()).unwrap();
    assert!(desk.site.network().unwrap().waits);
    let again = desk.site.ask_network_change(ann(), settings("192.0.2.11/24")).unwrap_err();
    assert!(again.to_string().contains("not taken yet") && again.fault() == Fault::Refused);

    let taken: Request = desk.takes(files::REQUEST);
    assert_eq!(taken, asked);
    let until = "2030-01-01T00:00:00Z".parse().unwrap();
    let trial = Trial { change: taken.change.clone(), settings: wanted.clone(), until };
    desk.says(files::STATUS, &Status { trial: Some(trial.clone()), ..Status::default() });
    let another = desk.site.ask_network_change(ann(), settings("192.0.2.11/24")).unwrap_err();
    assert!(another.to_string().contains("another change is on trial"), "{another}");
    let other = "01ARZ3NDEKTSV4RRFFQ69G5FF0".parse().unwrap();
    let wrong = desk.site.confirm_network_change(ann(), &other).unwrap_err();
    assert!(wrong.to_string().contains("not on trial") && !desk.path(files::CONFIRMATION).exists());
    assert_eq!(desk.site.confirm_network_change(ann(), &trial.change).unwrap(), trial);
    assert_eq!(desk.takes::<Confirmation>(files::CONFIRMATION).change, trial.change);

    let outcome = Outcome {
        change: Some(trial.change),
        became: Became::Kept,
        settings: wanted.clone(),
        why: None,
        settled: "2026-11-29T10:00:00Z".parse().unwrap(),
    };
    desk.says(files::OUTCOME, &outcome);
    let before = desk.entries();
    for _ in 0..3 {
        desk.site.see_to_network().unwrap();
    }
    assert_eq!(desk.entries(), before + 1);
    assert_eq!(desk.site.network().unwrap().last, Some(outcome));
    desk.says(files::STATUS, &Status { settings: wanted.clone(), ..Status::default() });
    let same = desk.site.ask_network_change(ann(), wanted).unwrap_err();
    assert!(same.to_string().contains("already"), "{same}");
}

#[test]
fn a_word_that_cannot_be_read_changes_nothing_and_is_said() {
    let desk = Desk::new();
    desk.site.see_to_network().unwrap();
    fs::write(desk.path(files::OUTCOME), "{").unwrap();
    let said = desk.site.see_to_network().unwrap_err().to_string();
    assert!(said.contains("outcome.json cannot be read"), "{said}");
    fs::write(desk.path(files::STATUS), vec![b' '; 1 << 20]).unwrap();
    assert!(matches!(desk.site.network(), Err(Error::Folder { .. })));
    assert!(desk.site.ask_network_change(ann(), settings("192.0.2.10/24")).is_err());
    assert!(!desk.path(files::REQUEST).exists());
}

#[test]
fn an_appliance_on_another_system_has_no_network_of_its_own() {
    let desk = Desk::new();
    *desk.site.shared_folder().held() = None;
    let status = desk.site.network().unwrap();
    assert_eq!((status.now, status.waits), (None, false));
    let refused = desk.site.ask_network_change(ann(), settings("dhcp")).unwrap_err();
    assert!(refused.to_string().contains("another system"), "{refused}");
}
