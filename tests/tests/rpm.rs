//! A stock RPM endpoint patches itself from the appliance: real dnf, with every check on.
//!
//! The vendor is made up, because no RPM distribution is within reach here: its packages are made by rpmbuild, its
//! repository by createrepo_c, and gpg signs both. dnf runs on this machine, over an empty root of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tests::{Appliance, Network, Node, Said, Served, patchkeep, run_within, scratch};

const SOURCE: &str = "vendor-9";

/// A vendor, a publisher, and an appliance that accepted both.
struct Stage {
    folder: TempDir,
    appliance: Appliance,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: scratch(), appliance: Appliance::unfounded() };
        fs::create_dir_all(stage.path("repository")).unwrap();
        stage.make_key("vendor");
        stage.make_key("stranger");
        stage.found("vendor.asc");
        stage
    }

    /// The site's anchor is a file of keys.
    fn found(&self, keyring: &str) {
        let stage = self;
        let keys = stage.text("keys");
        patchkeep(["keys", "ceremony", "--into", &keys, "--source", SOURCE]).ok();
        let print = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
        let root = format!("{keys}/metadata/1.root.json");
        let keyring = format!("vendor={}", stage.text(keyring));
        let rest = ["--site", "test-site", "--publisher-root", &root, "--vendor-keyring", &keyring];
        let print = ["--root-fingerprint", print.as_str().unwrap()];
        stage.appliance.verb(&["init"], &[&rest[..], &print].concat()).ok();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn shell(&self, script: &str) -> Said {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path());
        run_within(Duration::from_secs(120), command.env("HOME", self.folder.path()))
    }

    /// Makes a vendor's OpenPGP key; `<name>.asc` is its public half.
    fn make_key(&self, name: &str) {
        self.shell(&format!(
            "mkdir -m 700 gpg-{name}; export GNUPGHOME=$PWD/gpg-{name}
             gpg --batch --quiet --passphrase '' --quick-gen-key '{name} <{name}@example.org>' rsa3072 sign never
             gpg --armor --export > {name}.asc
             gpgconf --kill all"
        ))
        .ok();
    }

    /// Makes a package of this name, unsigned: its path.
    fn build(&self, name: &str, version: &str) -> PathBuf {
        self.shell(&format!(
            "cat > {name}.spec <<'SPEC'
Name: {name}
Version: {version}
Release: 1.el9
Summary: Of a test
License: none
BuildArch: noarch
%description
Of a test.
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {version} > %{{buildroot}}/usr/share/{name}/version
%files
/usr/share/{name}/version
SPEC
             rpmbuild --quiet --define \"_topdir $PWD/build\" -bb {name}.spec"
        ))
        .ok();
        self.path(&format!("build/RPMS/noarch/{name}-{version}-1.el9.noarch.rpm"))
    }

    /// Puts a package into the vendor's repository, signed.
    fn package(&self, version: &str) {
        let package = self.build("hello", version).display().to_string();
        self.shell(&format!(
            "export GNUPGHOME=$PWD/gpg-vendor
             rpm --define '__gpg /usr/bin/gpg' --define '_gpg_name vendor@example.org' --addsign {package} > /dev/null
             gpgconf --kill all
             cp {package} repository/"
        ))
        .ok();
    }

    /// Indexes the repository; `signer` signs the top of it.
    fn index(&self, signer: &str) {
        self.shell(&format!(
            "cat > updateinfo.xml <<'XML'
<updates><update from=\"v\" status=\"final\" type=\"security\" version=\"1\">
<id>VSA-2026:1</id><title>hello</title><severity>Important</severity><issued date=\"2026-01-22 10:11:12\"/>
<references><reference href=\"https://example.org\" id=\"CVE-2026-12345\" type=\"cve\" title=\"x\"/></references>
<pkglist><collection><name>v</name><package name=\"hello\" version=\"2\" release=\"1.el9\" epoch=\"0\" arch=\"noarch\">
<filename>hello-2-1.el9.noarch.rpm</filename></package></collection></pkglist></update></updates>
XML
             rm -rf repository/repodata
             createrepo_c --quiet repository
             modifyrepo_c updateinfo.xml repository/repodata > /dev/null
             export GNUPGHOME=$PWD/gpg-{signer}
             gpg --batch --quiet --yes --armor --detach-sign repository/repodata/repomd.xml
             gpgconf --kill all"
        ))
        .ok();
    }

    /// Collects the vendor's repository, judged by the keys of a file.
    fn collect(&self, keyring: &str) -> Said {
        self.collect_from("repository", keyring)
    }

    fn collect_from(&self, repository: &str, keyring: &str) -> Said {
        let config = self.text("collect.toml");
        let text = format!(
            "[[source]]\nname = \"{SOURCE}\"\nvendor = \"rpm\"\narchitectures = [\"x86_64\"]\n\
             mirror = \"file://{}/\"\nkeyring = \"{}\"\n",
            self.text(repository),
            self.text(keyring)
        );
        fs::write(&config, text).unwrap();
        patchkeep(["collect", "--config", &config, "--into", &self.text("collected"), "--all"])
    }

    /// Carries what was collected to the appliance.
    fn carry(&self, bundle: &str) -> Said {
        let [keys, state, collected, bundle] =
            ["keys", "state", "collected", bundle].map(|name| self.text(name));
        let from = ["--keys", &keys, "--publisher", &state, "--collected", &collected];
        patchkeep([&["bundle", "build"], &from[..], &["--into", &bundle]].concat()).ok();
        self.appliance.verb(&["import"], &[&bundle, "--as", "oscar"])
    }

    /// Sets the endpoint's root up with what `endpoint dnf-config` writes, and nothing else.
    fn set_up(&self, served: &Served) {
        let root = self.text("root");
        let words = ["web9", "--address", &served.address(), "--write", &root];
        self.appliance.verb(&["endpoint", "dnf-config"], &words).ok();
        let path = self.path("root/etc/yum.repos.d/patchkeep.repo");
        // dnf looks for keys and certificates on the machine that it runs on, not in the root.
        let repository =
            fs::read_to_string(&path).unwrap().replace("=/etc/", &format!("={root}/etc/"));
        fs::write(&path, repository.replace("file:///etc/", &format!("file://{root}/etc/")))
            .unwrap();
    }

    fn dnf(&self, node: &Node, words: &[&str]) -> Said {
        let root = self.text("root");
        let mut command = node.command("dnf");
        command.args([
            "--assumeyes",
            "--releasever=9",
            "--disableplugin=*",
            "--installroot",
            &root,
        ]);
        command.arg(format!("--setopt=reposdir={root}/etc/yum.repos.d"));
        command.args(["--setopt=ignorearch=True", "--forcearch=x86_64"]);
        run_within(Duration::from_secs(120), command.args(words).env("HOME", self.folder.path()))
    }

    fn installed(&self) -> String {
        fs::read_to_string(self.path("root/usr/share/hello/version")).unwrap().trim().to_owned()
    }
}

#[test]
fn stock_dnf_upgrades_from_the_appliance_with_every_check_on() {
    let stage = Stage::new();
    stage.package("1");
    stage.index("vendor");
    stage.collect("vendor.asc").ok();
    stage.carry("first").ok();
    let network = Network::new();
    let (door, endpoint) = (network.node(), network.node());
    let served = stage.appliance.serve(&door);
    stage.set_up(&served);
    stage.dnf(&endpoint, &["install", "hello"]).ok();
    assert_eq!(stage.installed(), "1");

    stage.package("2");
    stage.index("vendor");
    stage.collect("vendor.asc").ok();
    stage.carry("second").ok();
    let listed = stage.dnf(&endpoint, &["--refresh", "updateinfo", "list", "--security"]).ok();
    listed.says("VSA-2026:1").says("hello-2-1.el9");
    stage.dnf(&endpoint, &["--refresh", "check-update"]).exits(100);
    stage.dnf(&endpoint, &["--refresh", "upgrade"]).ok();
    assert_eq!(stage.installed(), "2");

    // Without the certificate nothing is answered, and dnf says so instead of passing it over.
    fs::remove_file(stage.path("root/etc/patchkeep/endpoint.key")).unwrap();
    stage.dnf(&endpoint, &["--refresh", "check-update"]).exits(1);

    // What was carried is in the log, with its dates and CVEs, and an assessor finds the signature that was judged.
    let updates = stage.appliance.verb(&["report", "levels"], &["--json"]).ok().json();
    assert_eq!(updates["rows"][0]["status"], "met", "{updates:#}");
    let audit = stage.text("audit.zip");
    stage.appliance.verb(&["audit", "export"], &["--into", &audit, "--as", "iris"]).ok();
    patchkeep(["audit", "verify", &audit]).ok().says("2 vendors' signatures hold");
    stage
        .shell("unzip -q audit.zip -d audit; grep -q CVE-2026-12345 audit/reports/updates.csv")
        .ok();
    stage
        .shell(
            "cd audit/vendor/vendor-9/2; gpg --dearmor < ../../../../vendor.asc > ../../ring.gpg
             gpgv --homedir /nonexistent --keyring ../../ring.gpg repomd.xml.asc repomd.xml",
        )
        .ok();
}

#[test]
fn a_repository_that_its_vendor_did_not_sign_comes_nowhere() {
    let stage = Stage::new();
    stage.package("1");
    stage.index("stranger");
    stage.collect("vendor.asc").exits(4).says("the release file of vendor-9 is refused");
    // A collector that was told to trust a stranger: the appliance judges for itself.
    stage.collect("stranger.asc").ok();
    let refused = stage.carry("strange");
    refused.exits(4).says("vendor's signature does not hold under any accepted key");

    stage.index("vendor");
    // The vendor's own top, over a list that somebody changed; nothing of it was collected before.
    let change = "primary=$(echo repository/repodata/*-primary.xml.gz)
        gzip -dc $primary | sed s/hello/jello/ | gzip > changed; mv changed $primary; rm -rf collected";
    stage.shell(change).ok();
    stage.collect("vendor.asc").exits(4).says("is not what the vendor signed");
    stage.index("vendor");
    stage.shell("rm repository/repodata/repomd.xml.asc").ok();
    stage.collect("vendor.asc").exits(6).says("the mirror does not have repodata/repomd.xml.asc");
    // Nothing older is taken.
    stage.index("vendor");
    stage.shell("cp -r repository old").ok();
    stage.shell("sleep 1.1").ok();
    stage.index("vendor");
    stage.collect("vendor.asc").ok();
    stage.shell("rm -rf repository; cp -r old repository").ok();
    stage.collect("vendor.asc").exits(4).says("older than the one of");
}

/// The package stands in for what `just packages` makes, which takes minutes; the repository is the builder's own.
#[test]
fn the_builders_repository_of_the_agents_rpm_is_a_source_as_any_vendors() {
    const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let stage = Stage { folder: scratch(), appliance: Appliance::unfounded() };
    let build = |version: &str| {
        let package = stage.build("patchkeep-agent", version).display().to_string();
        let make = format!(
            "{TOP}/src/agent/package/repository.sh {TOP}/keys/DEVELOPMENT-ONLY.secret.asc repository {package}"
        );
        stage.shell(&make).ok()
    };
    build("1").says("1 packages");
    build("2").says("2 packages");
    stage.found("repository/rpm/key.asc");
    stage.collect_from("repository/rpm", "repository/rpm/key.asc").ok();
    stage.carry("bundle").ok();
    let network = Network::new();
    let (door, endpoint) = (network.node(), network.node());
    let served = stage.appliance.serve(&door);
    stage.set_up(&served);
    stage.dnf(&endpoint, &["install", "patchkeep-agent-1"]).ok();
    stage.dnf(&endpoint, &["upgrade"]).ok().says("patchkeep-agent");
    let version = fs::read_to_string(stage.path("root/usr/share/patchkeep-agent/version")).unwrap();
    assert_eq!(version.trim(), "2");
}
