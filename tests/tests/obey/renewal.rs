//! The agent's own package: signed by its builder, carried, served and approved as any vendor's, and installed
//! by the very agent that it replaces.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tests::{Appliance, Debian, Here, Said, agent_package, patchkeep, run, run_within, scratch};

/// The project's top folder.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const SOURCE: &str = "patchkeep-agent";

/// A builder, a publisher, and a site with one machine.
struct Stage {
    folder: TempDir,
    appliance: Appliance,
    machine: Debian,
}

impl Stage {
    /// A machine has the agent's package, and a newer one is in its builder's repository.
    fn new() -> Self {
        let stage =
            Self { folder: scratch(), appliance: Appliance::unfounded(), machine: Debian::fresh() };
        let folder = stage.folder.path().join("packages");
        let [old, new] = ["", "+1"].map(|more| agent_package(&folder, more));
        let mut install = Command::new("dpkg");
        install.arg("--root").arg(stage.machine.root()).args(["--force-confold", "--install"]);
        run(install.arg(&old)).ok();
        stage.repository(&[&old, &new]);
        let keys = stage.path("keys");
        patchkeep(["keys", "ceremony", "--into", &keys, "--source", SOURCE]).ok();
        let print = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
        let root = format!("{keys}/metadata/1.root.json");
        let keyring = format!("{SOURCE}={TOP}/keys/patchkeep-agent.gpg");
        let rest = ["--site", "test-site", "--publisher-root", &root, "--vendor-keyring", &keyring];
        let print = ["--root-fingerprint", print.as_str().unwrap()];
        stage.appliance.verb(&["init"], &[&rest[..], &print].concat()).ok();
        stage.appliance.give_people(stage.folder.path(), &[]);
        stage
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Has the builder make the repository, as `just agents-repository` does.
    fn repository(&self, packages: &[&Path]) {
        let mut make = Command::new(format!("{TOP}/src/agent/package/repository.sh"));
        make.arg(format!("{TOP}/keys/DEVELOPMENT-ONLY.secret.asc")).arg(self.path("repository"));
        run(make.args(packages)).ok().says("2 packages for amd64");
    }

    /// Collects everything from the repository's folder.
    fn collect(&self) -> Said {
        let config = self.path("collect.toml");
        let text = format!(
            "[[source]]\nname = \"{SOURCE}\"\nvendor = \"debian\"\nsuite = \"stable\"\n\
             architectures = [\"amd64\"]\nmirror = \"file://{}\"\n\
             keyring = \"{TOP}/keys/patchkeep-agent.gpg\"\n",
            self.path("repository")
        );
        fs::write(&config, text).unwrap();
        patchkeep(["collect", "--config", &config, "--into", &self.path("collected"), "--all"])
    }

    /// Carries what was collected to the appliance.
    fn carry(&self) {
        let [keys, state, collected, bundle] =
            ["keys", "state", "collected", "bundle"].map(|name| self.path(name));
        let from = ["--keys", &keys, "--publisher", &state, "--collected", &collected];
        patchkeep([&["bundle", "build"], &from[..], &["--into", &bundle]].concat()).ok();
        self.appliance.verb(&["import"], &[&bundle, "--as", "oscar"]).ok();
    }

    /// Runs the machine's own agent, as its package has installed it, inside of it.
    fn agent(&self, words: &[&str]) -> Said {
        let root = self.machine.root();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child"]);
        command.arg(format!("--mount-proc={}", root.join("proc").display()));
        command.arg("chroot").arg(&root).args(["env", "-i", "LC_ALL=C", "PATH=/usr/sbin:/usr/bin"]);
        command.arg("/usr/bin/patchkeep-agent").args(words);
        run_within(Duration::from_secs(300), &mut command)
    }

    fn endpoint(&self) -> serde_json::Value {
        self.appliance.verb(&["endpoint", "list"], &["--json"]).ok().json()[0].clone()
    }

    fn join(&self, here: &Here) {
        let token = ["web1", "--as", "ann", "--json"];
        let token = self.appliance.verb(&["endpoint", "token"], &token).ok().json();
        let text = |field: &str| token[field].as_str().unwrap().to_owned();
        let (people, endpoints) =
            (format!("https://{}", here.people), format!("https://{}", here.endpoints));
        let (once, ca, pin) = (text("token"), text("ca_fingerprint"), text("site_root"));
        let address = ["--address", &people, "--endpoints", &endpoints, "--name", "web1"];
        let rest = ["--token", &once, "--ca-fingerprint", &ca, "--site-root", &pin, "--wait", "0"];
        let words = [&["enrol"], &address[..], &rest].concat();
        self.agent(&words).exits(6);
        let key = self.endpoint()["key"].as_str().unwrap().to_owned();
        let confirm = ["web1", "--key", &key, "--as", "ann"];
        self.appliance.verb(&["endpoint", "confirm"], &confirm).ok();
        self.agent(&words).ok();
    }
}

#[test]
fn an_agent_replaces_itself_by_what_its_builder_signed_and_people_approved() {
    let stage = Stage::new();
    let version = || stage.machine.version(SOURCE).unwrap();
    let old = version();
    let new = format!("{old}+1");
    stage.collect().ok().says(SOURCE);
    stage.carry();
    let here = Here::serve(&stage.appliance);
    stage.join(&here);
    stage.agent(&["run", "--once"]).ok().says("no approval");
    let updates = stage.appliance.verb(&["update", "list"], &["--json"]).ok().json();
    assert_eq!(updates["updates"][0]["package"], SOURCE, "{updates:#}");
    assert_eq!(updates["updates"][0]["version"], new.as_str());
    // A newer agent is nothing special: without an approval it is not installed.
    stage.agent(&["run", "--once"]).ok();
    assert_eq!(version(), old);
    let kim = stage.path("kim-key");
    let approve = ["--as", "kim", "--key", &kim, "--yes"];
    stage.appliance.verb(&["approve"], &approve).ok();
    let program = stage.machine.path("/usr/bin/patchkeep-agent");
    let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&program).unwrap());
    let before = inode();
    stage.agent(&["run", "--once"]).ok();
    assert_eq!(version(), new);
    assert_ne!(inode(), before, "the program is another file");
    let vouches = || stage.endpoint()["vouches"]["size"].as_u64().unwrap();
    let seen = vouches();
    // The new one goes on where the old one was, and remembers its job and the log.
    stage.agent(&["run", "--once"]).ok();
    let endpoint = stage.endpoint();
    assert_eq!(endpoint["job"]["end"], "effective", "{endpoint:#}");
    // A checkpoint over all of it stands at the latest when the appliance stops.
    let doors = [here.endpoints.clone(), here.people.clone()];
    drop(here);
    let _here = Here::serve_with(&stage.appliance, &doors[0], &doors[1], &[]);
    // It is fetched at one check-in, and shown at the next.
    stage.agent(&["run", "--once"]).ok();
    stage.agent(&["run", "--once"]).ok();
    assert!(vouches() > seen, "{seen}, then {}", vouches());
    let mut verify = Command::new("dpkg");
    verify.arg("--root").arg(stage.machine.root()).args(["--verify", SOURCE]);
    let said = run(&mut verify).ok();
    assert!(said.out.lines().all(|line| line.ends_with("/etc/patchkeep/conduct.toml")), "{said}");
}

#[test]
fn a_repository_in_a_folder_is_believed_no_more_than_a_mirror() {
    let stage = Stage::new();
    let repository = stage.folder.path().join("repository");
    let index = repository.join("dists/stable/main/binary-amd64");
    let packages = fs::read(index.join("Packages")).unwrap();
    let newest = tests::find(&repository.join("pool/main/p/patchkeep-agent"), |n| n.contains("+1"));
    let package = fs::read(&newest).unwrap();
    let mut other = package.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&newest, &other).unwrap();
    stage.collect().exits(4).says("is not what the vendor signed");
    fs::remove_file(&newest).unwrap();
    stage.collect().exits(6).says("does not have pool/main/p/patchkeep-agent/");
    // A link that leads to the same bytes is as good; a folder in its place is nothing.
    let aside = stage.folder.path().join("aside.deb");
    fs::write(&aside, &package).unwrap();
    std::os::unix::fs::symlink(&aside, &newest).unwrap();
    stage.collect().ok();
    for form in ["Packages", "Packages.gz"] {
        fs::write(index.join(form), &packages[1..]).unwrap();
    }
    fs::remove_dir_all(stage.folder.path().join("collected")).unwrap();
    stage.collect().fails();
    let release = repository.join("dists/stable/InRelease");
    let signed = fs::read_to_string(&release).unwrap();
    fs::write(&release, signed.replace("Origin: Patchkeep", "Origin: Somebody")).unwrap();
    stage.collect().exits(4).says("the release file of stable is refused");
}
