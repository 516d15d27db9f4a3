//! The demo's steps, each a line with figures.

use super::{Appliance, endpoint};
use crate::{
    bundle,
    collect::collect_now,
    control,
    failure::Failure,
    person::actor,
    screen::{Screen, bytes},
    serve::{Open, Opening},
};
use collect::{
    Build, Ceremony, Collection, Held, Machine, Network, Request, Selection, Settings,
    SourceSettings,
};
use fleet::{Custody, Role};
use ids::{Digest, Fault, PersonId};
use server::Port;
use site::{Folder, Founding, ImportOrder, ImportOutcome, PackageManager, Site, audit::Scope};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// The demo as far as it has come.
pub(super) struct Story<'a> {
    folder: PathBuf,
    screen: &'a Screen,
    step: u32,
    security: Option<SourceSettings>,
    fingerprint: Option<Digest>,
    collection: Option<Collection>,
    before: BTreeMap<String, String>,
    told: Vec<String>,
}

impl<'a> Story<'a> {
    pub(super) fn new(folder: &Path, screen: &'a Screen) -> Self {
        Self {
            folder: folder.to_owned(),
            screen,
            step: 0,
            security: None,
            fingerprint: None,
            collection: None,
            before: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// The packages of the fresh root, with their versions.
    pub(super) fn before_list(&self) -> Vec<(String, String)> {
        self.before.iter().map(|(name, version)| (name.clone(), version.clone())).collect()
    }

    pub(super) fn say(&self, line: &str) {
        self.screen.say(line);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// One step, timed, as one line.
    pub(super) fn step(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let told = work(self)?;
        self.step += 1;
        let (n, seconds) = (self.step, begun.elapsed().as_secs_f64());
        self.screen.say(format!("{n:>2}. {name:<10} {told} [{seconds:.1} s]"));
        Ok(())
    }

    /// A fresh Debian root from the release suite: it lacks every security update since.
    pub(super) fn machine(&mut self) -> Result<(), Failure> {
        self.step("endpoint", |story| {
            let settings = Settings::of_this_machine(&Machine::default())?;
            let mut sources = settings.sources.into_iter();
            let security = sources.find(|source| source.suite.ends_with("-security"));
            let security = security.ok_or_else(|| {
                let message = "this machine's apt names no security suite; add one to its sources";
                Failure::say(Fault::Input, message)
            })?;
            let suite = security.suite.trim_end_matches("-security").to_owned();
            let base = SourceSettings { suite: suite.clone(), ..security.clone() };
            let root = story.path("endpoint");
            endpoint::build(&root, &base)?;
            story.before = endpoint::versions(&root)?.into_iter().collect();
            story.security = Some(security);
            story.copy_endpoint()?;
            Ok(format!("two fresh Debian {suite} roots with {} packages each", story.before.len()))
        })
    }

    /// Throw-away keys.
    pub(super) fn ceremony(&mut self) -> Result<(), Failure> {
        self.step("ceremony", |story| {
            let sources = story.security.iter().map(|s| format!("debian-{}", s.suite).parse());
            let sources = sources.collect::<Result<_, _>>().map_err(words)?;
            let ceremony = Ceremony { sources, ..Ceremony::default() };
            let held = ceremony.hold(&story.path("publisher-keys"), site::now())?;
            story.fingerprint = Some(held.fingerprint);
            let short = held.fingerprint.short();
            Ok(format!("3 root keys, 2 must sign; root fingerprint begins {short}"))
        })
    }

    /// What the endpoint lacks, from the machine's own mirror.
    pub(super) fn collect(&mut self) -> Result<(), Failure> {
        self.step("collect", |story| {
            let sources = story.security.clone().into_iter().collect();
            let machines = vec![story.path("endpoint/var/lib/dpkg/status")];
            let request = Request {
                folder: story.path("collected"),
                settings: Settings { sources, network: Network::default() },
                machine: Machine::default(),
                keyrings: None,
                selection: Selection { machines, ..Selection::default() },
                receipt: None,
                lists: collect::Lists::default(),
                now: site::now(),
            };
            let collection = collect_now(&request, story.screen)?;
            let s = &collection.summary;
            if s.payloads == 0 {
                let message = "the mirror offers no security update that the fresh root lacks";
                return Err(Failure::say(Fault::Unavailable, message));
            }
            let told = format!(
                "{} updates naming {} CVEs, {} packages ({}); {} fetched, vendor signature verified",
                s.updates,
                s.cves,
                s.payloads,
                bytes(s.payload_bytes),
                bytes(s.fetched_bytes)
            );
            story.collection = Some(collection);
            Ok(told)
        })
    }

    /// The signed bundle, and a look at it as volumes would have it.
    pub(super) fn build(&mut self) -> Result<(), Failure> {
        self.step("bundle", |story| {
            let collected = story.path("collected");
            let catalogues = bundle::read_catalogues(&collected)?;
            let (keys, state) = (story.path("publisher-keys"), story.path("publisher-state"));
            let build = Build {
                keys: &keys,
                state: &state,
                out: &story.path("bundle"),
                publisher: "Patchkeep demo, throw-away keys",
                site: None,
                catalogues: &catalogues,
                remove: &[],
                held: Held::Nothing,
                timestamp_days: 45,
                now: site::now(),
            };
            let built = bundle::build_now(&build, &collected, story.screen)?;
            Ok(format!(
                "bundle {} with {} files ({}), good until {}",
                built.sequence,
                built.payloads,
                bytes(built.payload_bytes),
                built.expires
            ))
        })
    }

    /// The site, with its anchors.
    pub(super) fn found(&mut self) -> Result<(), Failure> {
        self.step("site", |story| {
            let root = story.path("publisher-keys/metadata/1.root.json");
            let publisher_root = fs::read(&root).map_err(|e| Failure::file("read", &root, &e))?;
            let keyring = story.path("endpoint/usr/share/keyrings/debian-archive-keyring.gpg");
            let certificates =
                fs::read(&keyring).map_err(|e| Failure::file("read", &keyring, &e))?;
            let fingerprint = story.fingerprint.unwrap_or_else(|| Digest::of(b""));
            let founding = Founding {
                site: "demo".parse().map_err(words)?,
                publisher_root,
                root_fingerprint: fingerprint,
                vendor_keyrings: vec![("debian-archive".to_owned(), certificates)],
                ring: "broad".parse().map_err(words)?,
            };
            let folder = Folder::at(&story.path("appliance"));
            let administrator = actor(&person("demo-administrator")?, Role::Administrator);
            site::found(&folder, &founding, administrator)?;
            Ok("founded; publisher and Debian's archive keys are its anchors".to_owned())
        })
    }

    /// The doors.
    pub(super) async fn serve(
        &mut self,
        endpoints: SocketAddr,
        people: SocketAddr,
    ) -> Result<Appliance, Failure> {
        let check_in_seconds = site::CHECK_IN_SECONDS;
        let (names, bytes_per_second) = (Vec::new(), None);
        let (endpoints, people, redirect) = (Port::take(endpoints)?, Port::take(people)?, None);
        let opening =
            Opening { endpoints, people, redirect, names, bytes_per_second, check_in_seconds };
        let begun = Instant::now();
        let site = control::open(&Folder::at(&self.path("appliance")))?;
        let open = Open::start(site, opening).await?;
        self.step += 1;
        self.screen.say(format!(
            "{:>2}. {:<10} endpoints at https://{}, people at https://{} [{:.1} s]",
            self.step,
            "serve",
            open.endpoints(),
            open.people(),
            begun.elapsed().as_secs_f64()
        ));
        Ok(open)
    }

    /// The import.
    pub(super) fn import(&mut self, site: &Site) -> Result<(), Failure> {
        self.step("import", |story| {
            let outcome = story.import_from(site, "bundle")?;
            if let Some(fault) = outcome.fault() {
                return Err(Failure::say(fault, outcome.message()));
            }
            let updates: u64 = outcome.sources.iter().map(|s| s.updates).sum();
            let cves: u64 = outcome.sources.iter().map(|s| s.cves).sum();
            let figures = &outcome.figures;
            Ok(format!(
                "{} files ({}), {updates} updates, {cves} CVEs: publisher's and vendor's \
                 signatures hold",
                figures.payloads_new,
                bytes(figures.bytes_new)
            ))
        })
    }

    fn import_from(&self, site: &Site, name: &str) -> Result<ImportOutcome, Failure> {
        let person = person("demo-operator")?;
        let purpose = Some("patchkeep demo".to_owned());
        let order = ImportOrder {
            paths: vec![self.path(name)],
            custody: Custody { purpose, ..Custody::default() },
            actor: actor(&person, Role::Operator),
            person,
        };
        Ok(site.import(&order, &mut |progress| self.screen.progress(&progress))?)
    }

    /// The endpoint's apt settings.
    pub(super) fn enrol(&mut self, open: &Appliance) -> Result<(), Failure> {
        self.step("apt-config", |story| {
            let address = format!("https://{}", open.endpoints());
            let name = "demo-endpoint".parse().map_err(words)?;
            let ring = "broad".parse().map_err(words)?;
            let operator = actor(&person("demo-operator")?, Role::Operator);
            let config =
                open.site.client_config(operator, PackageManager::Apt, &name, &ring, &address)?;
            crate::endpoint::write(&story.path("endpoint"), &config)?;
            Ok(format!(
                "{} files for the endpoint, client certificate included",
                config.files.len()
            ))
        })
    }

    /// The endpoint patches itself with its own apt.
    pub(super) fn upgrade(&mut self) -> Result<(), Failure> {
        self.step("update", |story| {
            let root = story.path("endpoint");
            endpoint::apt_get(&root, &["update"])?;
            Ok("stock apt verified Debian's own signature end to end".to_owned())
        })?;
        self.step("upgrade", |story| {
            let root = story.path("endpoint");
            let words = ["-y", "--with-new-pkgs", "upgrade"];
            endpoint::apt_get(&root, &words)?;
            let after = endpoint::versions(&root)?;
            let mut changed = Vec::new();
            for (name, version) in after {
                match story.before.get(&name) {
                    Some(before) if *before == version => {}
                    Some(before) => changed.push(format!("{name} {before} -> {version}")),
                    None => changed.push(format!("{name} {version} (new)")),
                }
            }
            if changed.is_empty() {
                return Err(Failure::say(Fault::Broken, "apt-get upgrade changed nothing"));
            }
            let told =
                format!("{} packages upgraded by stock apt from the appliance", changed.len());
            story.told = changed;
            Ok(told)
        })
    }

    /// An altered bundle is refused, and nothing changes.
    pub(super) fn refuse(&mut self, site: &Site) -> Result<(), Failure> {
        self.step("refusal", |story| {
            let altered = story.path("bundle-altered");
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(story.path("bundle")).arg(&altered);
            endpoint::run(copy, "copying the bundle")?;
            let metadata = altered.join("metadata");
            let file = metadata.join("timestamp.json");
            let text = fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
            let text = text.replacen("\"version\":1", "\"version\":2", 1);
            fs::write(&file, text).map_err(|e| Failure::file("write", &file, &e))?;
            let before = site.state().newest;
            let outcome = story.import_from(site, "bundle-altered")?;
            if outcome.fault().is_none() || site.state().newest != before {
                return Err(Failure::say(Fault::Broken, "an altered bundle was not refused"));
            }
            Ok(format!("an altered bundle was refused ({}), state is as before", outcome.code()))
        })
    }

    /// The evidence, checked with stock tools alone.
    pub(super) fn prove(&mut self, site: &Site) -> Result<(), Failure> {
        let zip = self.path("audit-bundle.zip");
        self.step("export", |story| {
            let assessor = actor(&person("demo-assessor")?, Role::Assessor);
            let exported =
                site.export_audit(assessor, Scope::Full, &story.path("audit-bundle.zip"))?;
            Ok(format!(
                "audit-bundle.zip: {} files ({}), {} events",
                exported.files,
                bytes(exported.bytes),
                exported.entries
            ))
        })?;
        self.step("verify", |story| {
            let out = story.path("audit-bundle");
            let mut unzip = Command::new("unzip");
            unzip.arg("-q").arg(&zip).arg("-d").arg(&out);
            endpoint::run(unzip, "unpacking the audit bundle")?;
            let key = site.audit_fingerprint()?;
            let mut script = Command::new("sh");
            script.arg("verify.sh").arg(key).current_dir(&out);
            let said = endpoint::run(script, "verify.sh with stock tools")?;
            let checks = said.lines().filter(|line| !line.trim().is_empty()).count();
            Ok(format!("verify.sh: {checks} checks with stock tools hold"))
        })
    }

    /// What was shown.
    pub(super) fn summary(&self, took: Duration, open: &Appliance) {
        self.say(&format!("\nDone in {:.0} s. The endpoint's packages:", took.as_secs_f64()));
        for line in &self.told {
            self.say(&format!("  {line}"));
        }
        self.say(&format!(
            "Evidence: {}\nBundle:   {}\nAppliance: https://{} (people), https://{} (endpoints)",
            self.path("audit-bundle.zip").display(),
            self.path("bundle").display(),
            open.people(),
            open.endpoints()
        ));
        let value = serde_json::json!({
            "seconds": took.as_secs(), "upgraded": self.told,
            "audit_bundle": self.path("audit-bundle.zip"), "bundle": self.path("bundle"),
            "endpoints": open.endpoints(), "people": open.people(),
        });
        if self.screen.is_json() {
            self.screen.result(&value, "");
        }
    }
}

pub(super) fn person(name: &str) -> Result<PersonId, Failure> {
    name.parse().map_err(words)
}

#[allow(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
pub(super) fn words(error: ids::NameError) -> Failure {
    Failure::say(Fault::Broken, error.to_string())
}
