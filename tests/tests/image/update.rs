//! The whole way of a new image: carried in a bundle, started over the API, tried, blessed, and told in the log.

use crate::guest::{Guest, Hardware, image};
use crate::slots::{Images, WITHIN, installed, outcome};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Appliance, Said, Workshop, patchkeep, run, scratch};

/// Verbs over the API, as an administrator and as an assessor.
pub(crate) struct Far<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) address: String,
}

impl Far<'_> {
    pub(crate) fn asks(&self, role: &str, words: &[&str]) -> Said {
        let own = |name: &str| self.folder.join(name).display().to_string();
        let (token, ca) = (own(&format!("{role}.token")), own("ca.pem"));
        let place = ["--appliance", &self.address, "--token-file", &token, "--ca", &ca];
        patchkeep(place.iter().chain(words))
    }

    /// The sentences of events of a kind.
    pub(crate) fn told(&self, kind: &str) -> Vec<String> {
        let lines = self.asks("assessor", &["audit", "show", "--json", "--type", kind]).ok().json();
        let sentence = |line: &Value| line["sentence"].as_str().unwrap().to_owned();
        lines.as_array().unwrap().iter().map(sentence).collect()
    }
}

/// Waits until the server of a guest answers the API.
pub(crate) fn until_it_answers(guest: &mut Guest, ca: &Path) {
    let (took, certificate) = guest.until_it_serves("/ca.pem", WITHIN);
    eprintln!("it serves after {:.1} s", took.as_secs_f64());
    fs::write(ca, certificate).unwrap();
}

/// Gives Ann an account, and her scripts tokens, in files at a desk.
pub(crate) fn give_tokens(appliance: &Appliance, desk: &Path) {
    let roles =
        ["--role", "administrator", "--role", "assessor", "--role", "operator", "--as", "root"];
    appliance.verb(&["account", "set"], &[&["ann", "--name", "Ann"], &roles[..]].concat()).ok();
    for role in ["administrator", "assessor", "operator"] {
        let words = ["ann", "--label", "a test", "--role", role, "--as", "root", "--json"];
        let issued = appliance.verb(&["account", "token", "issue"], &words).ok().json();
        let file = desk.join(format!("{role}.token"));
        fs::write(&file, issued["secret"].as_str().unwrap()).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
}

/// A machine with the site of an appliance that ran here.
pub(crate) fn moved(image: &Path, appliance: &Appliance) -> Hardware {
    moved_to(image, appliance, "address = 'dhcp'\n")
}

/// The same, with these settings of its network.
pub(crate) fn moved_to(image: &Path, appliance: &Appliance, network: &str) -> Hardware {
    let folder = scratch();
    for part in ["settings", "update/in"] {
        fs::create_dir_all(folder.path().join("data").join(part)).unwrap();
    }
    fs::write(folder.path().join("data/settings/network.toml"), network).unwrap();
    let mut copy = Command::new("cp");
    run(copy.arg("-a").arg(appliance.data()).arg(folder.path().join("data/site"))).ok();
    installed(image, folder)
}

#[test]
fn an_image_from_a_bundle_is_started_over_the_api_blessed_and_told_in_the_log() {
    let Some(image) = image() else { return };
    let desk = scratch();
    let workshop = Workshop::new();
    workshop.offer_images();
    let new = workshop.path("patchkeep-0.2.0.efi");
    fs::copy(Images::new(&image).make("0.2.0", &[], ""), &new).unwrap();
    workshop.release_image("vendor", "0.2.0", &new);
    workshop.collect_image("vendor").ok();
    let appliance = workshop.appliance();
    let bundle = workshop.build("bundle", &[]);
    appliance.verb(&["import"], &[bundle.to_str().unwrap(), "--as", "oscar"]).ok();
    give_tokens(&appliance, desk.path());
    let machine = moved(&image, &appliance);

    let mut guest = machine.boot();
    let ca = desk.path().join("ca.pem");
    until_it_answers(&mut guest, &ca);
    let far = Far { folder: desk.path(), address: guest.address() };
    let before = far.asks("administrator", &["image", "list", "--json"]).ok().json();
    assert_eq!(
        (&before["running"], &before["held"][0]["version"]),
        (&json!("0.1.0"), &json!("0.2.0"))
    );
    far.asks("administrator", &["image", "start", "0.2.0"]).ok().says("is handed over");
    let took = guest.until_it_says("slot B was started, ON TRIAL", WITHIN);
    eprintln!("from being switched on to the new image on trial: {:.1} s", took.as_secs_f64());
    let took = guest.until_it_says("version 0.2.0 answers and is blessed", WITHIN);
    eprintln!("blessed: {:.1} s", took.as_secs_f64());

    // The server looks for PID 1's word twice a minute.
    let begun = Instant::now();
    let told = loop {
        let told = far.told("image-settled");
        if !told.is_empty() {
            break told;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the log does not say what became of it"
        );
        std::thread::sleep(Duration::from_secs(2));
    };
    assert!(told.len() == 1 && told[0].contains("Image 0.2.0 answers and is blessed"), "{told:?}");
    let handed = far.told("image-handed-over");
    assert!(
        handed.len() == 1 && handed[0].contains("ann (administrator, through the API)"),
        "{handed:?}"
    );
    let after = far.asks("administrator", &["image", "list", "--json"]).ok().json();
    assert_eq!((&after["running"], &after["last"]["became"]), (&json!("0.2.0"), &json!("blessed")));
    guest.press_power_button();
    assert_eq!(outcome(&machine)["to"], "0.2.0");
}
