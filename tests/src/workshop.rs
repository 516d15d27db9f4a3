//! A small publisher and a small vendor of the test's own, with real keys: what an attacker with one
//! of them could make can be made here, in a second and without a network.

use crate::{Appliance, Said, patchkeep, run, scratch};
use ed25519_dalek::{Signer, SigningKey, pkcs8::DecodePrivateKey};
use ids::{Digest, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The one source that a workshop publishes.
pub const SOURCE: &str = "test-stable";
/// The source of images, for those that [`Workshop::offer_images`].
pub const IMAGES: &str = "test-images";

/// A vendor (OpenPGP), a publisher (TUF), a collection, and the bundles built of it.
#[derive(Debug)]
pub struct Workshop {
    folder: TempDir,
    begun: Timestamp,
}

/// A vendor's release as collected, before it is written down: to be tampered with.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The catalogue.
    pub catalogue: Value,
    /// Bytes of its files, by path.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Workshop {
    /// Keys for everything, and nothing collected yet.
    #[must_use]
    pub fn new() -> Self {
        let begun = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let workshop = Self { folder: scratch(), begun };
        let keys = workshop.keys().display().to_string();
        patchkeep(["keys", "ceremony", "--into", &keys, "--source", SOURCE]).ok();
        for name in ["vendor", "stranger"] {
            let home = workshop.path(name);
            fs::create_dir(&home).unwrap();
            fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .unwrap();
            let whom = format!("{name} <{name}@example.org>");
            run(workshop.gpg(name).args(["--quick-gen-key", &whom, "ed25519", "sign", "never"]))
                .ok();
            let ring = workshop.path(&format!("{name}.gpg"));
            run(workshop.gpg(name).arg("--output").arg(ring).arg("--export")).ok();
        }
        workshop
    }

    /// A path in the workshop.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The publisher's keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path("keys")
    }

    /// A new appliance that trusts this publisher and this vendor.
    #[must_use]
    pub fn appliance(&self) -> Appliance {
        let appliance = Appliance::unfounded();
        self.found(&appliance);
        appliance
    }

    /// Founds the site of an appliance whose data folder was prepared.
    #[track_caller]
    pub fn found(&self, appliance: &Appliance) {
        let keys = self.keys().display().to_string();
        let told = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
        let root = self.keys().join("metadata/1.root.json").display().to_string();
        let keyring = format!("vendor={}", self.path("vendor.gpg").display());
        let rest = ["--site", "test-site", "--publisher-root", &root, "--vendor-keyring", &keyring];
        let print = ["--root-fingerprint", told.as_str().unwrap()];
        appliance.verb(&["init"], &[&rest[..], &print[..]].concat()).ok();
    }

    /// The vendor's release number `edition`: packages by version and length in bytes. A package
    /// whose place, version and length are those of another edition has the same bytes.
    #[must_use]
    pub fn draft(&self, edition: u32, packages: &[(u32, usize)]) -> Draft {
        let packages = packages.iter().enumerate().map(|(number, (version, length))| {
            (*version, noise(number as u64 * 1_000 + u64::from(*version), *length))
        });
        self.draft_of(edition, packages.collect())
    }

    /// The vendor's release number `edition` with these packages: version and bytes of each.
    #[must_use]
    pub fn draft_of(&self, edition: u32, packages: Vec<(u32, Vec<u8>)>) -> Draft {
        let mut draft = Draft { catalogue: Value::Null, files: Vec::new() };
        let (mut index, mut updates) = (String::new(), Vec::new());
        let seconds = self.begun.as_second() - 7_200 + 60 * i64::from(edition);
        let date = Timestamp::from_second(seconds).unwrap();
        for (number, (version, bytes)) in packages.into_iter().enumerate() {
            let length = bytes.len();
            let sha256 = Digest::of(&bytes);
            let name = format!("package-{number}");
            let path = format!("pool/main/p/{name}/{name}_{version}_amd64.deb");
            index.push_str(&format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {path}\n\
                 Size: {length}\nSHA256: {sha256}\nDescription: made for a test\n\n"
            ));
            updates.push(json!({
                "id": format!("{name}_{version}"), "source_package": name,
                "fixed_version": version.to_string(), "released_at": date,
                "released_by": "signed-release", "changelog_at": null, "urgency": null, "cves": null,
                "payloads": [{"package": name, "version": version.to_string(),
                    "architecture": "amd64", "path": path, "sha256": sha256}],
            }));
            draft.files.push((path, bytes));
        }
        draft.catalogue = json!({
            "schema": 1, "source": SOURCE,
            "vendor": {"kind": "apt", "origin": "Test", "suite": "stable", "codename": "stable",
                "components": ["main"], "architectures": ["amd64"]},
            "collected_at": date, "release_date": date, "valid_until": null,
            "files": [], "updates": updates, "notes": [],
        });
        let packages = "dists/stable/main/binary-amd64/Packages";
        draft.files.push((packages.to_owned(), index.into_bytes()));
        let signed = self.sign("vendor", &draft.release(date));
        draft.files.push(("dists/stable/InRelease".to_owned(), signed));
        draft
    }

    /// A document signed in the clear by `vendor` or by a `stranger`.
    #[must_use]
    pub fn sign(&self, who: &str, text: &str) -> Vec<u8> {
        self.sign_with(who, "SHA256", text)
    }

    /// The same with a digest of the test's choice.
    #[must_use]
    pub fn sign_with(&self, who: &str, digest: &str, text: &str) -> Vec<u8> {
        let plain = self.path("plain");
        fs::write(&plain, text).unwrap();
        let mut gpg = self.gpg(who);
        gpg.args(["--yes", "--digest-algo", digest, "--output"]).arg(self.path("signed"));
        run(gpg.arg("--clearsign").arg(&plain)).ok();
        fs::read(self.path("signed")).unwrap()
    }

    /// Writes a release down as the collection, in the place of what was there.
    pub fn collect(&self, draft: &Draft) {
        let collected = self.path("collected");
        fs::create_dir_all(&collected).unwrap();
        let mut catalogue = draft.catalogue.clone();
        let mut files = Vec::new();
        let sorted: std::collections::BTreeMap<_, _> =
            draft.files.iter().map(|(path, bytes)| (path, bytes)).collect();
        for (path, bytes) in sorted {
            let sha256 = Digest::of(bytes);
            let kind = match path {
                path if path.ends_with("InRelease") => "release",
                path if path.starts_with("dists/") => "index",
                _ => "payload",
            };
            files.push(json!({
                "path": path, "sha256": sha256, "length": bytes.len(), "kind": kind,
            }));
            let hex = sha256.to_hex();
            let folder = collected.join("payloads").join(&hex[..2]);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(hex), bytes).unwrap();
        }
        catalogue["files"] = files.into();
        let text = serde_json::to_vec(&catalogue).unwrap();
        fs::write(collected.join(format!("{SOURCE}.catalogue.json")), text).unwrap();
    }

    /// Has the publisher carry images too.
    pub fn offer_images(&self) {
        let keys = self.keys().display().to_string();
        patchkeep(["keys", "add-source", IMAGES, "--keys", &keys]).ok();
    }

    /// Publishes an image of this version as its builder does, signed by `vendor` or by a `stranger`; gives its bytes.
    #[track_caller]
    pub fn release_image(&self, who: &str, version: &str, image: &Path) -> Vec<u8> {
        let secret = self.path("secret.asc");
        let mut export = self.gpg(who);
        run(export.args(["--yes", "--output"]).arg(&secret).arg("--export-secret-keys")).ok();
        let mut release = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../image/release.sh"));
        release.arg(&secret).arg(self.path("images")).arg(image).arg("Made for a test.");
        run(&mut release).ok().says(&format!("image {version}"));
        fs::read(image).unwrap()
    }

    /// A made-up file that says of itself that it is an image of this version.
    #[must_use]
    pub fn made_up_image(&self, version: &str) -> PathBuf {
        let path = self.path(&format!("patchkeep-{version}.efi"));
        fs::write(&path, format!("MZ\nVERSION_ID={version}\n")).unwrap();
        path
    }

    /// Collects the image that is published, beside what is collected, judged by the keys of `vendor` or a `stranger`.
    pub fn collect_image(&self, keyring: &str) -> Said {
        let [images, ring, config, into] =
            ["images", &format!("{keyring}.gpg"), "images.toml", "collected"]
                .map(|name| self.path(name).display().to_string());
        let text = format!(
            "[[source]]\nname = \"{IMAGES}\"\nvendor = \"image\"\nmirror = \"file://{images}/\"\n\
             keyring = \"{ring}\"\n"
        );
        fs::write(&config, text).unwrap();
        patchkeep(["collect", "--config", &config, "--into", &into, "--all"])
    }

    /// Builds the next bundle of what is collected, as the folder `name`.
    #[track_caller]
    pub fn build(&self, name: &str, more: &[&str]) -> PathBuf {
        self.build_by(patchkeep_command(), name, more)
    }

    /// The same, by a given way to run the program (for example on another day).
    #[track_caller]
    pub fn build_by(&self, mut command: Command, name: &str, more: &[&str]) -> PathBuf {
        let into = self.path(name);
        command.args(["bundle", "build", "--keys"]).arg(self.keys());
        command.arg("--publisher").arg(self.path("publisher"));
        command.arg("--collected").arg(self.path("collected"));
        run(command.arg("--into").arg(&into).args(more)).ok();
        into
    }

    /// A release of these packages, collected and built as the folder `name`.
    #[track_caller]
    pub fn bundle(&self, name: &str, edition: u32, packages: &[(u32, usize)]) -> PathBuf {
        self.collect(&self.draft(edition, packages));
        self.build(name, &[])
    }

    /// Puts other bytes in the place of a target of a bundle (the one whose name ends so), and has
    /// the publisher's own keys sign that: an attack by somebody who holds them.
    pub fn forge_target(&self, bundle: &Path, ending: &str, bytes: &[u8]) {
        let target = find(&bundle.join("targets"), |name| name.ends_with(ending));
        let name =
            target.file_name().unwrap().to_str().unwrap().split_once('.').unwrap().1.to_owned();
        fs::remove_file(&target).unwrap();
        let digest = Digest::of(bytes).to_hex();
        fs::write(bundle.join("targets").join(format!("{digest}.{name}")), bytes).unwrap();
        self.forge_claim(bundle, &name, |claim| {
            claim["length"] = bytes.len().into();
            claim["hashes"]["sha256"] = digest.into();
        });
    }

    /// Changes what the metadata claims of a target, and signs it with the publisher's own keys.
    pub fn forge_claim(&self, bundle: &Path, target: &str, change: impl FnOnce(&mut Value)) {
        let role = if target.starts_with(SOURCE) { SOURCE } else { "targets" };
        self.forge_role(bundle, role, |signed| change(&mut signed["targets"][target]));
    }

    /// Changes what a role says, and has the publisher's own keys sign it and the lists above it.
    pub fn forge_role(&self, bundle: &Path, role: &str, change: impl FnOnce(&mut Value)) {
        let metadata = bundle.join("metadata");
        let timestamp = metadata.join("timestamp.json");
        if role == "timestamp" {
            self.sign_again(&timestamp, role, change);
            return;
        }
        let key = if role == SOURCE { format!("source.{SOURCE}") } else { role.to_owned() };
        let file = find(&metadata, |name| name.ends_with(&format!(".{role}.json")));
        let mut claims = self.sign_again(&file, &key, change);
        if role != "snapshot" {
            let file = find(&metadata, |name| name.ends_with(".snapshot.json"));
            let meta = format!("{role}.json");
            claims = self.sign_again(&file, "snapshot", |signed| signed["meta"][&meta] = claims);
        }
        self.sign_again(&timestamp, "timestamp", |signed| {
            signed["meta"]["snapshot.json"] = claims;
        });
    }

    /// Lets the publisher's next bundle have the number after this one.
    pub fn set_sequence(&self, sequence: u64) {
        let path = self.path("publisher").join("state.json");
        let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        state["sequence"] = sequence.into();
        fs::write(&path, state.to_string()).unwrap();
    }

    /// Changes a metadata file and signs it again; gives what a list of files says of it.
    pub fn sign_again(&self, file: &Path, key: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut whole: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        change(&mut whole["signed"]);
        let pem = fs::read_to_string(self.keys().join(format!("{key}.1.pem"))).unwrap();
        let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
        let message = trust::canonical_json(&whole["signed"]).unwrap();
        let signature = key.sign(&message).to_bytes();
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        whole["signatures"][0]["sig"] = hex.into();
        let bytes = trust::canonical_json(&whole).unwrap();
        fs::write(file, &bytes).unwrap();
        let sha256 = Digest::of(&bytes);
        json!({
            "version": whole["signed"]["version"], "length": bytes.len(),
            "hashes": {"sha256": sha256},
        })
    }

    fn gpg(&self, who: &str) -> Command {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.path(who));
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        command
    }
}

impl Default for Workshop {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Workshop {
    /// gpg leaves an agent for each of its homes.
    fn drop(&mut self) {
        for who in ["vendor", "stranger"] {
            let mut command = Command::new("gpgconf");
            let _ = command.arg("--homedir").arg(self.path(who)).args(["--kill", "all"]).status();
        }
    }
}

impl Draft {
    /// Bytes of a file, by the end of its path.
    #[track_caller]
    pub fn file(&mut self, ending: &str) -> &mut Vec<u8> {
        let found = self.files.iter_mut().find(|(path, _)| path.ends_with(ending));
        &mut found.unwrap_or_else(|| panic!("the draft has no {ending}")).1
    }

    /// Leaves the payload of a package out; the vendor's index still names it.
    pub fn drop_payload(&mut self, name: &str) {
        self.files.retain(|(path, _)| !path.contains(&format!("/{name}_")));
        if let Some(updates) = self.catalogue["updates"].as_array_mut() {
            updates.retain(|update| update["source_package"] != name);
        }
    }

    /// The vendor's release file, unsigned, for the indexes of the draft.
    #[must_use]
    pub fn release(&self, date: Timestamp) -> String {
        let mut text = format!(
            "Origin: Test\nSuite: stable\nCodename: stable\nDate: {}\nArchitectures: amd64\n\
             Components: main\nSHA256:\n",
            date.strftime("%a, %d %b %Y %H:%M:%S UTC")
        );
        for (path, bytes) in &self.files {
            if let Some(path) = path.strip_prefix("dists/stable/") {
                text.push_str(&format!(" {} {} {path}\n", Digest::of(bytes), bytes.len()));
            }
        }
        text
    }
}

/// The program itself, ready for its words.
#[must_use]
pub fn patchkeep_command() -> Command {
    Command::new(crate::program("patchkeep"))
}

/// The program on another day: `+3d`, `-50d`.
#[must_use]
pub fn patchkeep_on(day: &str) -> Command {
    let mut command = Command::new("faketime");
    command.args(["-f", day]).arg(crate::program("patchkeep"));
    command
}

/// The one file of a folder whose name fits.
#[track_caller]
#[must_use]
pub fn find(folder: &Path, fits: impl Fn(&str) -> bool) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut found: Vec<PathBuf> = entries.filter(|path| fits(&name(path))).collect();
    found.sort();
    assert!(!found.is_empty(), "nothing fits in {}", folder.display());
    found.remove(0)
}

/// Copies a folder with all that is in it.
#[track_caller]
pub fn copy_tree(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to)).ok();
}

/// Bytes that do not compress and follow from `seed`.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
