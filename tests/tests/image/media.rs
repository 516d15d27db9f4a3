//! Sticks: seen when they are plugged in, read outside the kernel, imported from, pulled out at any moment; and what is no stick.

use crate::guest::{Guest, Hardware, image};
use crate::minimal::Minimal;
use crate::slots::WITHIN;
use crate::update::{moved, until_it_answers};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Appliance, Browser, Workshop, run};

/// What takes seconds, on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(90);

/// A machine with a site that has imported nothing, with what its publisher's workshop builds.
struct Place {
    workshop: Workshop,
    machine: Hardware,
    code: String,
}

impl Place {
    fn new(image: &Path) -> Self {
        let workshop = Workshop::new();
        let appliance = workshop.appliance();
        let code = code_of_oscar(&appliance);
        let mut machine = moved(image, &appliance);
        machine.has_firmware = false;
        machine.words = "patchkeep.address=10.0.2.15/24";
        Self { workshop, machine, code }
    }

    /// Switches it on, and signs Oscar in.
    fn open(&self) -> (Guest, Browser) {
        let mut guest = self.machine.boot();
        until_it_answers(&mut guest, &self.workshop.path("ca.pem"));
        let door = guest.address().replace("https://", "");
        let mut oscar = Browser::at(&door, &self.workshop.path(""), "oscar");
        oscar.begin("oscar", &self.code, None);
        (guest, oscar)
    }
}

/// Gives Oscar an account to import with; his one-time code.
fn code_of_oscar(appliance: &Appliance) -> String {
    for (person, role) in [("ann", "administrator"), ("oscar", "operator")] {
        let words = [person, "--name", person, "--role", role, "--as", "root"];
        appliance.verb(&["account", "set"], &words).ok();
    }
    let reset = appliance.verb(&["account", "reset"], &["oscar", "--as", "root", "--json"]).ok();
    reset.json()["code"].as_str().unwrap().to_owned()
}

/// A FAT stick of this many MiB with a folder on it.
pub(crate) fn fat(file: &Path, label: &str, mib: u64, folder: &Path) -> PathBuf {
    fs::File::create(file).unwrap().set_len(mib << 20).unwrap();
    run(Command::new("mkfs.vfat").args(["-F", "32", "-n", label]).arg(file)).ok();
    run(Command::new("mcopy").args(["-s", "-i"]).arg(file).arg(folder).arg("::bundle")).ok();
    file.to_owned()
}

/// The list of what is at hand, once it says this.
pub(crate) fn until_at_hand(oscar: &Browser, words: &str) -> (Duration, String) {
    until_page(oscar, "/imports/new", words)
}

/// A page, once it says this, and how long that took.
pub(crate) fn until_page(oscar: &Browser, path: &str, words: &str) -> (Duration, String) {
    until_page_has(oscar, path, words, |page| page.contains(words))
}

/// The list of what is at hand, once it says all of this: a medium is listed before it was looked into, and before it said its name.
fn until_all_at_hand(oscar: &Browser, words: &[&str]) -> (Duration, String) {
    let says_all = |page: &str| words.iter().all(|words| page.contains(words));
    until_page_has(oscar, "/imports/new", &words.join(", "), says_all)
}

fn until_page_has(
    oscar: &Browser,
    path: &str,
    what: &str,
    has: impl Fn(&str) -> bool,
) -> (Duration, String) {
    let begun = Instant::now();
    loop {
        let page = oscar.get(path).ok().text;
        if has(&page) {
            return (begun.elapsed(), page);
        }
        assert!(begun.elapsed() < SOON, "{path} does not say {what}:\n{page}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The page of imports, once the one that runs has come to this.
pub(crate) fn until_ended(oscar: &Browser, words: &str) -> String {
    let begun = Instant::now();
    loop {
        let page = oscar.get("/imports").ok().text;
        if page.contains("came to") && !page.contains("Being imported") {
            assert!(page.contains(words), "it did not end so: {words}\n{page}");
            return page;
        }
        assert!(begun.elapsed() < SOON, "the import does not end:\n{page}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Where the medium lies of which the list says this.
pub(crate) fn offered(page: &str, words: &str) -> String {
    let mut media = page.split("name=\"medium\" value=\"").skip(1);
    let medium = media.find(|medium| medium.contains(words)).unwrap();
    medium.split('"').next().unwrap().to_owned()
}

/// The fields of the form for an import, besides its medium.
const FIELDS: &str = "paths media_type media_asset_tag tamper_seal_no_out tamper_seal_no_in registered_owner_org hw_encryption \
                      protective_marking source_site source_station_id purpose authorisation_ref written_by written_at carrier \
                      handed_over_at received_by received_at witness";

pub(crate) fn import(oscar: &Browser, medium: &str) {
    let empty = FIELDS.split_whitespace().map(|field| (field, ""));
    let fields: Vec<(&str, &str)> = empty.chain([("medium", medium)]).collect();
    let begun = oscar.send("/imports/new", "/imports", &fields);
    assert_eq!(begun.status, 303, "{}", begun.text);
}

#[test]
fn a_stick_that_is_plugged_in_is_seen_and_imported_from_and_a_keyboard_is_refused() {
    let Some(image) = image() else { return };
    let place = Place::new(&image);
    let bundle = place.workshop.bundle("bundle", 1, &[(1, 2)]);
    let stick = fat(&place.workshop.path("stick"), "PATCHES", 64, &bundle);
    let ext = place.workshop.path("ext");
    fs::File::create(&ext).unwrap().set_len(64 << 20).unwrap();
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-L", "workshop", "-d"]).arg(&bundle);
    run(make.arg(&ext)).ok();

    let (mut guest, oscar) = place.open();
    let page = oscar.get("/imports/new").ok();
    page.says("Plug the medium in: it appears here by itself.");
    guest.plug(&stick, "KX-17", None);
    let words = [
        "Bundle 1, as it says itself",
        "PATCHES, at",
        "USB",
        "serial KX-17",
        "fat",
        "67.1 MB",
        "read-only",
    ];
    let (took, page) = until_all_at_hand(&oscar, &words);
    eprintln!("a stick is at hand {:.1} s after it was plugged in", took.as_secs_f64());
    import(&oscar, &offered(&page, "Bundle 1"));
    let page = until_ended(&oscar, "The import came to a good end");
    assert!(page.contains("sda"), "{page}");

    guest.pull("KX-17");
    until_at_hand(&oscar, "No bundle is at hand");
    guest.plug(&ext, "EX-4", None);
    let words = ["serial EX-4", "workshop, at", "the newest that is trusted"];
    let (took, _) = until_all_at_hand(&oscar, &words);
    eprintln!("ext4 is at hand {:.1} s after it was plugged in", took.as_secs_f64());

    // What turns up in the first 15 seconds counts as having been there.
    std::thread::sleep(Duration::from_secs(15));
    guest.plug_other("usb-kbd", "keys");
    let said = "USB: a keyboard or a pointer was plugged in";
    let took = guest.until_it_says(said, WITHIN);
    eprintln!("a keyboard is refused; {:.1} s since the start", took.as_secs_f64());
    guest.press_power_button();
}

#[test]
fn a_stick_pulled_out_while_it_is_imported_harms_nothing_and_the_import_goes_on_with_it() {
    let Some(image) = image() else { return };
    let place = Place::new(&image);
    let bundle = place.workshop.bundle("bundle", 1, &[(1, 24 << 20)]);
    let stick = fat(&place.workshop.path("stick"), "PATCHES", 64, &bundle);

    let (guest, oscar) = place.open();
    guest.plug(&stick, "KX-17", Some(1 << 20));
    let (_, page) = until_at_hand(&oscar, "Bundle 1, as it says itself");
    import(&oscar, &offered(&page, "Bundle 1"));
    // It takes some 25 seconds at this pace.
    std::thread::sleep(Duration::from_secs(5));
    oscar.get("/imports").ok().says("Being imported");
    guest.pull("KX-17");
    let page = until_ended(&oscar, "The import came to no good end");
    eprintln!("pulled out while it was read; the import said so");
    assert!(page.contains("was begun and is not finished") || page.contains("nsert"), "{page}");
    until_at_hand(&oscar, "No bundle is at hand");

    guest.forget("KX-17", true);
    guest.plug(&stick, "KX-17", None);
    let (_, page) = until_at_hand(&oscar, "Bundle 1, as it says itself");
    import(&oscar, &offered(&page, "Bundle 1"));
    until_ended(&oscar, "The import came to a good end");
    guest.press_power_button();
}

#[test]
fn a_stick_with_exfat_as_larger_ones_have_it_is_imported_from() {
    let Some(image) = image() else { return };
    let place = Place::new(&image);
    let bundle = place.workshop.bundle("bundle", 1, &[(1, 300_000), (2, 1000)]);
    let stick = place.workshop.path("exfat");
    Minimal::new().make_exfat(&stick, &bundle);

    let (guest, oscar) = place.open();
    guest.plug(&stick, "X-1", None);
    let words = ["Bundle 1, as it says itself", "serial X-1", "exfat"];
    let (took, page) = until_all_at_hand(&oscar, &words);
    eprintln!("exFAT is at hand {:.1} s after it was plugged in", took.as_secs_f64());
    import(&oscar, &offered(&page, "Bundle 1"));
    until_ended(&oscar, "The import came to a good end");
    guest.pull("X-1");
    until_at_hand(&oscar, "No bundle is at hand");
    guest.press_power_button();
}

#[test]
fn a_disc_and_a_volume_without_a_file_system_are_imported_from() {
    let Some(image) = image() else { return };
    let mut place = Place::new(&image);
    place.machine.has_drive = true;
    let first = place.workshop.bundle("first", 1, &[(1, 1000)]);
    place.workshop.collect(&place.workshop.draft(2, &[(2, 1000)]));
    place.workshop.build("second", &["--volume-size", "1G"]);
    let own = |name: &str| place.workshop.path(name);
    for (file, words) in [("iso", &["-r"][..]), ("udf", &["-udf"])] {
        let mut make = Command::new("genisoimage");
        make.args(["-quiet", "-V", "PATCHES", "-o"]).arg(own(file)).args(words).arg(&first);
        run(&mut make).ok();
    }
    let volumes = fs::read_dir(own("second.volumes")).unwrap();
    let volumes: Vec<PathBuf> = volumes.map(|volume| volume.unwrap().path()).collect();
    let [volume] = &volumes[..] else { panic!("{volumes:?}") };
    // A device has whole sectors.
    let whole = fs::metadata(volume).unwrap().len().next_multiple_of(512);
    fs::File::options().write(true).open(volume).unwrap().set_len(whole).unwrap();

    let (guest, oscar) = place.open();
    until_at_hand(&oscar, "No bundle is at hand");
    guest.insert(&own("iso"));
    let words = ["Bundle 1, as it says itself", "PATCHES, at", "iso9660"];
    let (took, page) = until_all_at_hand(&oscar, &words);
    eprintln!("a disc is at hand {:.1} s after it was put in", took.as_secs_f64());
    import(&oscar, &offered(&page, "Bundle 1"));
    until_ended(&oscar, "The import came to a good end");
    guest.plug(&own("udf"), "D-2", None);
    let both = |page: &str| page.matches("Bundle 1,").count() == 2 && page.contains("serial D-2");
    let (took, page) = until_page_has(&oscar, "/imports/new", "both, and serial D-2", both);
    eprintln!("UDF is at hand {:.1} s after it was plugged in", took.as_secs_f64());
    assert!(page.contains("udf"), "{page}");
    guest.pull("D-2");
    guest.plug(volume, "V-1", None);
    let (_, page) = until_at_hand(&oscar, "Bundle 2, as it says itself");
    import(&oscar, &offered(&page, "Bundle 2"));
    until_ended(&oscar, "The import came to a good end");
    guest.press_power_button();
}
