//! apt on the machine, with settings of our own: what an upgrade would bring, fetching it, installing it.
//!
//! The machine's own sources, settings and hooks stay out; its pins and holds stay in force. Lists and
//! archives have folders of their own. `Acquire::ForceHash` makes `--print-uris` tell SHA-256, which it
//! does for no other asking (apt 2.6 tells MD5).

use crate::{
    Error, Machine,
    certificate::{CERTIFICATE, KEY, ROOT},
    dpkg::CHANGE_SECONDS_MAX,
    files::{make_folder, put},
    machine::Program,
    sources,
};
use api::{Plan, PlannedPackage};
use ids::{Digest, Hasher};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::PathBuf,
};
use trust::ApprovedPackage;

const FOLDER: &str = "/var/lib/patchkeep/apt";
const SETTINGS: &str = "/var/lib/patchkeep/apt/apt.conf";
/// Longest time to fetch lists, and to fetch archives.
const UPDATE_SECONDS_MAX: u64 = 30 * 60;
const DOWNLOAD_SECONDS_MAX: u64 = 6 * 60 * 60;

/// apt as the agent uses it.
pub(crate) struct Apt<'a> {
    machine: &'a Machine,
}

impl<'a> Apt<'a> {
    /// Lays out settings and sources.
    pub(crate) fn new(machine: &'a Machine, named: &str, address: &str) -> Result<Self, Error> {
        let text = sources::for_apt(named, address)?;
        let apt = Self { machine };
        for part in ["sources.list.d", "parts", "lists", "archives/partial"] {
            make_folder(&machine.path(&format!("{FOLDER}/{part}")), 0o755)?;
        }
        put(&machine.path(SETTINGS), settings().as_bytes(), 0o644, None)?;
        let path = format!("{FOLDER}/sources.list.d/patchkeep.sources");
        put(&machine.path(&path), text.as_bytes(), 0o644, None)?;
        Ok(apt)
    }

    /// Fetches the lists; the vendor's signature is apt's to check.
    pub(crate) fn update(&self) -> Result<(), Error> {
        self.get(&["update", "-eany", "-qq"]).within(UPDATE_SECONDS_MAX).run().map(drop)
    }

    /// What an upgrade would bring: holds and pins hold, nothing is removed.
    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        let simulated = self.get(&["-s", "--with-new-pkgs", "upgrade"]).within(600).run()?;
        // With a folder of archives that is empty, so that none is passed over as fetched already.
        let none = format!("Dir::Cache::Archives={FOLDER}/none");
        let words = ["--print-uris", "-qq", "--yes", "--with-new-pkgs", "-o", &none, "upgrade"];
        let payloads = self.get(&words).within(600).run()?;
        parse(&simulated, &payloads)
    }

    /// Fetches exactly these packages, and holds every archive against its digest.
    pub(crate) fn fetch(&self, packages: &[&PlannedPackage]) -> Result<(), Error> {
        // What is there already and is not the payload would stand in the way.
        let mut absent = Vec::new();
        for planned in packages {
            if !self.holds(&planned.package)? {
                absent.push(*planned);
            }
        }
        if absent.is_empty() {
            return Ok(());
        }
        let exact: Vec<String> = packages.iter().map(|p| exact(&p.package)).collect();
        let mut words = vec!["--yes", "-qq", "--no-remove", "--download-only", "install"];
        words.extend(exact.iter().map(String::as_str));
        self.get(&words).within(DOWNLOAD_SECONDS_MAX).run()?;
        for planned in absent {
            if !self.holds(&planned.package)? {
                return Err(Error::Altered { file: archive_name(&planned.package) });
            }
        }
        Ok(())
    }

    /// Installs exactly these packages from the archives, which were checked a moment ago.
    pub(crate) fn install(&self, packages: &[&PlannedPackage]) -> Result<(), Error> {
        let exact: Vec<String> = packages.iter().map(|p| exact(&p.package)).collect();
        let mut words = vec!["--yes", "-qq", "--no-remove", "--no-download", "install"];
        words.extend(exact.iter().map(String::as_str));
        self.get(&words).within(CHANGE_SECONDS_MAX).run().map(drop)
    }

    /// Throws the archives away.
    pub(crate) fn clean(&self) -> Result<(), Error> {
        self.get(&["clean"]).run().map(drop)
    }

    /// Whether a package's archive is there with its approved bytes; one with other bytes is thrown away.
    fn holds(&self, package: &ApprovedPackage) -> Result<bool, Error> {
        let path = self.archive(package);
        let failed = Error::file("read", &path);
        // Not through a link: what is hashed is what dpkg opens.
        if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
            return Ok(false);
        }
        let mut file = File::open(&path).map_err(&failed)?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).map_err(&failed)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
        if hasher.finish() == package.sha256 {
            return Ok(true);
        }
        fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        Ok(false)
    }

    fn archive(&self, package: &ApprovedPackage) -> PathBuf {
        self.machine.path(&format!("{FOLDER}/archives/{}", archive_name(package)))
    }

    fn get(&self, words: &[&str]) -> Program {
        self.machine.program("apt-get", words).with("APT_CONFIG", SETTINGS)
    }
}

/// Throws the fetched lists away, so that whatever is offered next counts.
pub(crate) fn forget_lists(machine: &Machine) -> Result<(), Error> {
    let path = machine.path(&format!("{FOLDER}/lists"));
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", &path)(source))
        }
        _ => Ok(()),
    }
}

fn settings() -> String {
    format!(
        "Dir::Etc::Main \"/dev/null\";\nDir::Etc::Parts \"{FOLDER}/parts\";\n\
         Dir::Etc::SourceList \"/dev/null\";\nDir::Etc::SourceParts \"{FOLDER}/sources.list.d\";\n\
         Dir::State::Lists \"{FOLDER}/lists\";\nDir::Cache::Archives \"{FOLDER}/archives\";\n\
         Dir::Cache::PkgCache \"\";\nDir::Cache::SrcPkgCache \"\";\n\
         APT::Update::Error-Mode \"any\";\nAPT::Get::Show-User-Simulation-Note \"0\";\n\
         APT::Get::Always-Include-Phased-Updates \"1\";\nAcquire::Languages \"none\";\n\
         Acquire::ForceHash \"SHA256\";\nAcquire::https::CAInfo \"{ROOT}\";\n\
         Acquire::https::SslCert \"{CERTIFICATE}\";\nAcquire::https::SslKey \"{KEY}\";\n\
         Acquire::https::Proxy \"DIRECT\";\nAcquire::Retries \"2\";\n\
         DPkg::Lock::Timeout \"600\";\n\
         Dpkg::Options {{ \"--force-confdef\"; \"--force-confold\"; }};\n"
    )
}

/// A package as `apt-get install` takes exactly it.
fn exact(package: &ApprovedPackage) -> String {
    let ApprovedPackage { package, architecture, version, .. } = package;
    format!("{package}:{architecture}={version}")
}

/// The name under which apt keeps a package's archive.
fn archive_name(package: &ApprovedPackage) -> String {
    let quoted = package.version.replace('%', "%25").replace('_', "%5f").replace(':', "%3a");
    format!("{}_{quoted}_{}.deb", package.package, package.architecture)
}

/// Reads what `apt-get -s` and `apt-get --print-uris` say of one upgrade; they have to agree.
fn parse(simulated: &str, payloads: &str) -> Result<Plan, Error> {
    let strange = |line: &str| {
        let line = line.chars().take(200).collect::<String>();
        Error::Answer(format!("apt says what cannot be understood: {line:?}"))
    };
    let mut plan = Plan::default();
    let mut installs = BTreeMap::new();
    let mut in_kept = false;
    for line in simulated.lines() {
        if in_kept && line.starts_with(' ') {
            plan.kept_back.extend(line.split_ascii_whitespace().map(str::to_owned));
            continue;
        }
        in_kept = line.starts_with("The following packages have been kept back");
        if let Some(rest) = line.strip_prefix("Inst ") {
            let (key, replaces) = read_install(rest).ok_or_else(|| strange(line))?;
            installs.insert(key, replaces);
        } else if line.starts_with("Remv ") {
            return Err(Error::Refused(format!("the upgrade would remove something: {line}")));
        }
    }
    for line in payloads.lines().filter(|line| line.starts_with('\'')) {
        let package = read_payload(line).ok_or_else(|| strange(line))?;
        let ApprovedPackage { package: name, architecture, version, .. } = &package;
        let key = (name.clone(), architecture.clone(), version.clone());
        let replaces = installs.remove(&key).ok_or_else(|| strange(line))?;
        plan.packages.push(PlannedPackage { package, replaces });
    }
    if let Some(((name, ..), _)) = installs.first_key_value() {
        return Err(strange(&format!("no payload for {name}")));
    }
    plan.packages.sort();
    plan.kept_back.sort();
    Ok(plan)
}

/// Name, architecture and version.
type Key = (String, String, String);

/// `libc6:i386 [1-1] (1:1-2 Debian:12/stable [i386]) []`
fn read_install(rest: &str) -> Option<(Key, Option<String>)> {
    let (head, tail) = rest.split_once(" (")?;
    let (inner, _) = tail.split_once(')')?;
    let version = inner.split_ascii_whitespace().next()?;
    let architecture = inner.rsplit_once(" [")?.1.strip_suffix(']')?;
    let mut words = head.split_ascii_whitespace();
    let name = words.next()?.split(':').next()?;
    let replaces = words.next().and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let key = (name.to_owned(), architecture.to_owned(), version.to_owned());
    Some((key, replaces.map(str::to_owned)))
}

/// `'https://.../x.deb' name_version_architecture.deb 123 SHA256:...`
fn read_payload(line: &str) -> Option<ApprovedPackage> {
    let mut words = line.strip_prefix('\'')?.split_once("' ")?.1.split_ascii_whitespace();
    let (file, _size, digest) = (words.next()?, words.next()?, words.next()?);
    let parts: Vec<&str> = file.strip_suffix(".deb")?.split('_').collect();
    let [name, version, architecture] = parts.as_slice() else { return None };
    let version = version.replace("%3a", ":").replace("%5f", "_").replace("%25", "%");
    let sha256: Digest = digest.strip_prefix("SHA256:")?.parse().ok()?;
    let package = ApprovedPackage {
        package: (*name).to_owned(),
        architecture: (*architecture).to_owned(),
        version,
        sha256,
    };
    let plain =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.~:_".contains(&b));
    let sane = !name.starts_with('-') && plain(name) && plain(&package.version);
    (sane && plain(architecture) && archive_name(&package) == file).then_some(package)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SIMULATED: &str = "Reading package lists...\nThe following packages have been kept back:\n\
        \x20 held b\n1 upgraded\nInst gamma (1 lab [all])\n\
        Inst libc6:i386 [1-1] (1:2~x+y Debian-Security:12/stable [i386]) []\nConf gamma (1 lab [all])\n";

    fn payloads() -> String {
        let digest = "a".repeat(64);
        format!(
            "'https://a/pool/gamma_1_all.deb' gamma_1_all.deb 610 SHA256:{digest}\n\
             'https://a/p/l_1%3a2.deb' libc6_1%3a2~x+y_i386.deb 626 SHA256:{digest}\n"
        )
    }

    #[test]
    fn a_plan_is_what_both_askings_say() {
        let plan = parse(SIMULATED, &payloads()).unwrap();
        let told: Vec<_> =
            plan.packages.iter().map(|p| (exact(&p.package), p.replaces.as_deref())).collect();
        let expected = [("gamma:all=1", None), ("libc6:i386=1:2~x+y", Some("1-1"))];
        assert_eq!(told, expected.map(|(a, b)| (a.to_owned(), b)));
        assert_eq!(plan.kept_back, ["b", "held"]);
    }

    #[test]
    fn a_plan_that_does_not_hold_together_is_none() {
        let whole = payloads();
        for bad in [
            whole.lines().next().unwrap().to_owned(),
            whole.replace("SHA256", "MD5Sum"),
            whole.replace("gamma_1", "gamma_2"),
            whole.replace("gamma_1_all.deb 610", "../gamma_1_all.deb 610"),
            format!("{whole}'https://a/x.deb' delta_1_all.deb 1 SHA256:{}\n", "a".repeat(64)),
        ] {
            assert!(parse(SIMULATED, &bad).is_err(), "{bad}");
        }
        let removes = format!("{SIMULATED}Remv old [1]\n");
        assert_eq!(parse(&removes, &whole).unwrap_err().fault(), ids::Fault::Refused);
    }
}
