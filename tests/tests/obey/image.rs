//! The appliance's next image on its way: signed by its builder, carried, vouched for, handed over, and told in the log.
//!
//! What PID 1 does with it is in `tests/tests/image`; here its word is written by hand.

use ids::Digest;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Appliance, Here, Said, Workshop, patchkeep, run};

struct Stage {
    workshop: Workshop,
    appliance: Appliance,
}

impl Stage {
    fn new() -> Self {
        let workshop = Workshop::new();
        workshop.offer_images();
        let appliance = workshop.appliance();
        fs::create_dir_all(appliance.beside("updates/in")).unwrap();
        Self { workshop, appliance }
    }

    fn carry(&self, name: &str) -> Said {
        let bundle = self.workshop.build(name, &[]);
        self.verb(&["import"], &[bundle.to_str().unwrap(), "--as", "oscar"])
    }

    fn verb(&self, verb: &[&str], rest: &[&str]) -> Said {
        self.appliance.verb(verb, rest)
    }

    fn updates(&self, name: &str) -> PathBuf {
        self.appliance.beside("updates").join(name)
    }

    /// Serves as PID 1 of an image of this version has it served.
    fn serve(&self, version: &str) -> Here {
        let updates = self.updates("").display().to_string();
        let words = ["--image-version", version, "--image-updates", &updates];
        Here::serve_with(&self.appliance, "127.0.0.1:0", "127.0.0.1:0", &words)
    }

    /// Leaves PID 1's word of what became of an image.
    fn ends(&self, image: &[u8], became: &str, why: Option<&str>, at: &str) {
        let said = json!({
            "became": became, "from": "0.1.0", "to": "0.2.0", "slot": "b", "sha256": Digest::of(image),
            "why": why, "at": at,
        });
        fs::write(self.updates("outcome.json"), said.to_string()).unwrap();
    }

    fn images(&self) -> Value {
        self.verb(&["image", "list"], &["--json"]).ok().json()
    }

    /// Waits until the log has so many outcomes, and gives their sentences.
    fn outcomes(&self, wanted: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let words = ["--type", "image-settled", "--json", "--as", "eva"];
            let lines = self.verb(&["audit", "show"], &words).ok().json();
            let lines = lines.as_array().unwrap();
            if lines.len() >= wanted {
                let sentence = |line: &Value| line["sentence"].as_str().unwrap().to_owned();
                return lines.iter().map(sentence).collect();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{lines:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn an_image_is_carried_vouched_for_and_handed_over_and_the_log_says_what_became_of_it() {
    let stage = Stage::new();
    let image = stage.workshop.made_up_image("0.2.0");
    // Somebody else's signature: the collector refuses it, and so does an appliance whose collector was deceived.
    stage.workshop.release_image("stranger", "0.2.0", &image);
    stage.workshop.collect_image("vendor").exits(4).says("is refused");
    stage.workshop.collect_image("stranger").ok();
    stage.carry("strange").exits(4).says("vendor's signature does not hold under any accepted key");

    let bytes = stage.workshop.release_image("vendor", "0.2.0", &image);
    stage.workshop.collect_image("vendor").ok();
    stage.carry("good").ok();
    let listed = stage.verb(&["image", "list"], &[]).ok();
    listed.says("runs from no image").says("0.2.0").says("vouched for by vendor");
    let start = ["0.2.0", "--as", "ann"];
    stage.verb(&["image", "start"], &start).exits(4).says("runs from no image");

    let here = stage.serve("0.1.0");
    let images = stage.images();
    assert_eq!(
        (&images["running"], &images["held"][0]["version"]),
        (&json!("0.1.0"), &json!("0.2.0"))
    );
    assert_eq!(images["held"][0]["notes"], "Made for a test.");
    assert!(!stage.updates("in/request.json").exists(), "nothing was asked for yet");
    stage.verb(&["image", "start"], &start).ok().says("Image 0.2.0 is handed over");
    assert_eq!(fs::read(stage.updates("in/image.efi")).unwrap(), bytes);
    let request = fs::read(stage.updates("in/request.json")).unwrap();
    let request: Value = serde_json::from_slice(&request).unwrap();
    assert_eq!(request, json!({ "bytes": bytes.len(), "sha256": Digest::of(&bytes) }));
    stage.verb(&["image", "start"], &start).exits(4).says("not taken yet");
    drop(here);

    // PID 1 takes it, and it does not stay.
    fs::remove_file(stage.updates("in/request.json")).unwrap();
    stage.ends(
        &bytes,
        "fell-back",
        Some("its server did not answer within 600 s"),
        "2026-11-28T10:00:00Z",
    );
    let here = stage.serve("0.1.0");
    let said = &stage.outcomes(1)[0];
    assert!(said.contains("image 0.2.0 did not stay, and 0.1.0 came back"), "{said}");
    assert!(said.contains("its server did not answer within 600 s"), "{said}");
    assert_eq!(stage.images()["last"]["became"], "fell-back");
    drop(here);

    // Once more, and it stays; what was known before is not said again.
    stage.ends(&bytes, "blessed", None, "2026-11-28T11:00:00Z");
    let here = stage.serve("0.2.0");
    let told = stage.outcomes(2);
    assert!(told.len() == 2 && told[1].contains("Image 0.2.0 answers and is blessed"), "{told:?}");
    drop(here);
    let here = stage.serve("0.2.0");
    stage.verb(&["image", "list"], &[]).ok().says("0.2.0 was blessed");
    assert_eq!(stage.outcomes(2).len(), 2);
    drop(here);

    // Whoever looks later finds both signatures, and who handed it over.
    let handed =
        stage.verb(&["audit", "show"], &["--type", "image-handed-over", "--as", "eva"]).ok();
    handed.says("Person ann (administrator, at the command line) handed over image 0.2.0");
    let audit = stage.appliance.beside("audit.zip").display().to_string();
    stage.verb(&["audit", "export"], &["--into", &audit, "--as", "eva"]).ok();
    patchkeep(["audit", "verify", &audit]).ok().says("1 vendors' signatures hold");
}

#[test]
fn an_older_image_is_handed_over_only_where_two_administrators_start_it() {
    let stage = Stage::new();
    let image = stage.workshop.made_up_image("0.2.0");
    stage.workshop.release_image("vendor", "0.2.0", &image);
    stage.workshop.collect_image("vendor").ok();
    stage.carry("good").ok();
    let here = stage.serve("0.3.0");
    let start = |who| stage.verb(&["image", "start"], &["0.2.0", "--as", who]);
    start("ann").ok().says("Another administrator has to start it too, until");
    start("ann").exits(4).says("ann has asked for image 0.2.0 already");
    stage.verb(&["image", "list"], &[]).ok().says("ann asked for 0.2.0, which is older");
    assert!(!stage.updates("in/request.json").exists(), "one person's word was enough");
    start("ben").ok().says("is handed over");
    assert!(stage.updates("in/request.json").exists());
    drop(here);
}

#[test]
fn how_the_data_partition_is_kept_stands_in_the_log_and_in_the_report() {
    let appliance = Workshop::new().appliance();
    let words = ["--data-partition", "encrypted-with-passphrase"];
    Here::serve_with(&appliance, "127.0.0.1:0", "127.0.0.1:0", &words).stop();
    let says = "encrypted (LUKS2) with a passphrase";
    appliance.verb(&["audit", "show"], &["--type", "service-started"]).ok().says(says);
    let audit = appliance.beside("audit.zip").display().to_string();
    appliance.verb(&["audit", "export"], &["--into", &audit]).ok();
    run(Command::new("unzip").args(["-p", &audit, "*report.html"])).ok().says(says);
    patchkeep(["audit", "verify", &audit]).ok();
}
