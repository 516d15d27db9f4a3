//! The demo's people and its second endpoint: throw-away keys, an agent that joins, and an approval
//! without which it applies nothing.

use super::{
    Appliance, endpoint,
    steps::{Story, person, words},
};
use crate::{failure::Failure, person::actor, ssh};
use fleet::{JobEnd, Role};
use ids::{EndpointName, Fault, RingName};
use jiff::SignedDuration;
use site::{RingUpdates, RootDraft, Site, Wish};
use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use trust::{
    APPROVAL, Administrator, Administrators, Approval, Approver, Decision, Envelope, SITE_ROOT,
    SitePolicy, SiteRoot,
};

const ENDPOINT: &str = "demo-agent";

/// The agent, which is built beside this program.
pub(super) fn agent_program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name("patchkeep-agent");
    beside.exists().then_some(beside)
}

impl Story<'_> {
    /// A second machine, as it was before anything was applied, for the agent.
    pub(super) fn copy_endpoint(&self) -> Result<(), Failure> {
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"]);
        copy.arg(self.path("endpoint")).arg(self.path("endpoint-agent"));
        endpoint::run(copy, "copying the endpoint").map(drop)
    }

    /// Throw-away keys of people, and the site root that lists them.
    pub(super) fn people(&mut self, site: &Site) -> Result<(), Failure> {
        self.step("people", |story| {
            for name in ["ann", "ben", "kim"] {
                let mut keygen = Command::new("ssh-keygen");
                keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
                keygen.arg(story.path(&format!("{name}-key")));
                endpoint::run(keygen, "making an SSH key")?;
            }
            let key = |name: &str| ssh::public_key(&story.path(&format!("{name}-key.pub")));
            let administrator = |name: &str| {
                Ok::<_, Failure>(Administrator { person: person(name)?, key: key(name)? })
            };
            let keys = vec![administrator("ann")?, administrator("ben")?];
            let not_after = site::now().saturating_add(SignedDuration::from_hours(24 * 30));
            let draft = RootDraft {
                administrators: Administrators { threshold: 2, keys },
                approvers: vec![Approver {
                    person: person("kim")?,
                    key: key("kim")?,
                    not_after: None,
                }],
                policy: SitePolicy { four_eyes: true, attested_approvals: false },
                not_after: not_after.map_err(|e| Failure::say(Fault::Broken, e.to_string()))?,
            };
            let mut envelope = site.draft_site_root(draft)?;
            for name in ["ann", "ben"] {
                ssh::sign(&mut envelope, SITE_ROOT, &story.path(&format!("{name}-key")))?;
            }
            let pinned = SiteRoot::fingerprint(&envelope)?;
            let ann = actor(&person("ann")?, Role::Administrator);
            site.accept_site_root(ann, &envelope, Some(pinned), &[])?;
            Ok("two administrators signed the site root: kim approves, four eyes are on".to_owned())
        })
    }

    /// The agent joins: a token, and a person who compares its key on both sides.
    pub(super) fn join(&mut self, open: &Appliance) -> Result<(), Failure> {
        self.step("agent", |story| {
            let (name, ring): (EndpointName, RingName) =
                (ENDPOINT.parse().map_err(words)?, "broad".parse().map_err(words)?);
            let ann = actor(&person("ann")?, Role::Administrator);
            let issued = open.site.issue_token(ann.clone(), name.clone(), ring, 1)?;
            let (address, endpoints) =
                (format!("https://{}", open.people()), format!("https://{}", open.endpoints()));
            let root = issued.site_root.to_string();
            let enrol = [
                "enrol",
                "--address",
                &address,
                "--endpoints",
                &endpoints,
                "--name",
                ENDPOINT,
                "--token",
                &issued.token,
                "--ca-fingerprint",
                &issued.ca_fingerprint,
                "--site-root",
                &root,
            ];
            let asked = story.agent(&enrol)?;
            let endpoint = open.site.endpoints()?.into_iter().find(|e| e.name == name);
            let key = endpoint.map(|endpoint| endpoint.key).unwrap_or_default();
            if key.is_empty() || !String::from_utf8_lossy(&asked.stderr).contains(&key) {
                return Err(failed("the agent's request to join", &asked));
            }
            open.site.confirm_endpoint(ann, &name, &key)?;
            succeeded("enrolling the agent", story.agent(&enrol)?)?;
            // Nothing runs in this root that would have to settle after a change.
            let conduct = story.path("endpoint-agent").join("etc/patchkeep/conduct.toml");
            std::fs::write(&conduct, "[health]\nsettle_seconds = 0\n")
                .map_err(|e| Failure::file("write", &conduct, &e))?;
            succeeded("the agent's first check-in", story.agent(&["run", "--once"])?)?;
            let planned = story.updates(&open.site)?.updates.len();
            Ok(format!(
                "joined by token, key compared; its own solver would apply {planned} packages"
            ))
        })
    }

    /// What kim did not approve is not applied, although the vendor signed it.
    pub(super) fn refuse_unapproved(&mut self, site: &Site) -> Result<(), Failure> {
        self.step("unapproved", |story| {
            let updates = story.updates(site)?.updates;
            let mut names: Vec<String> = updates.into_iter().map(|u| u.package.package).collect();
            names.dedup();
            let Some(withheld) = names.pop().filter(|_| !names.is_empty()) else {
                return Ok("left out: only one package applies, so none can be withheld".to_owned());
            };
            story.approve_these(site, names)?;
            // Its exit says how the check-in went; what counts is the job's end.
            let said = story.agent(&["run", "--once"])?;
            let end = story.job(site)?;
            if end != Some(JobEnd::Refused) || story.agent_versions()? != story.before_list() {
                return Err(failed("an unapproved package was not refused: the agent", &said));
            }
            Ok(format!("kim left {withheld} out of the approval; the agent applied nothing"))
        })
    }

    /// kim approves everything; the agent proves a way back, applies and confirms.
    pub(super) fn approve(&mut self, site: &Site) -> Result<(), Failure> {
        self.step("approve", |story| {
            let approval = story.approve_these(site, Vec::new())?;
            Ok(format!(
                "kim's own key signed statement {} for {} packages, {} CVEs",
                approval.generation,
                approval.packages.len(),
                approval.cves.len()
            ))
        })?;
        self.step("apply", |story| {
            let said = story.agent(&["run", "--once"])?;
            if story.job(site)? != Some(JobEnd::Effective) {
                return Err(failed("the agent's job did not end well: the agent", &said));
            }
            let before = story.before_list();
            let changed =
                story.agent_versions()?.iter().filter(|own| !before.contains(own)).count();
            let proven = site.state().endpoints.len();
            Ok(format!(
                "way back proven, {changed} packages applied and confirmed on {proven} endpoint"
            ))
        })
    }

    fn approve_these(&self, site: &Site, packages: Vec<String>) -> Result<Approval, Failure> {
        let not_after = site::now().saturating_add(SignedDuration::from_hours(24));
        let wish = Wish {
            ring: "broad".parse().map_err(words)?,
            approver: person("kim")?,
            decision: Decision::Approve,
            not_after: not_after.map_err(|e| Failure::say(Fault::Broken, e.to_string()))?,
            windows: Vec::new(),
            named: Vec::new(),
            any_time: false,
            endpoints: Vec::new(),
            packages,
            reason: None,
        };
        let mut envelope: Envelope = site.draft_statement(wish)?;
        ssh::sign(&mut envelope, APPROVAL, &self.path("kim-key"))?;
        site.accept_statement(actor(&person("kim")?, Role::Approver), &envelope, false)?;
        Ok(Approval::unverified(&envelope)?)
    }

    fn updates(&self, site: &Site) -> Result<RingUpdates, Failure> {
        Ok(site.ring_updates(&"broad".parse().map_err(words)?)?)
    }

    fn job(&self, site: &Site) -> Result<Option<JobEnd>, Failure> {
        let endpoint = site.endpoints()?.into_iter().find(|e| e.name.as_str() == ENDPOINT);
        Ok(endpoint.and_then(|endpoint| endpoint.job?.end))
    }

    fn agent_versions(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut versions = endpoint::versions(&self.path("endpoint-agent"))?;
        versions.sort();
        Ok(versions)
    }

    /// Runs the agent on its machine.
    fn agent(&self, verb: &[&str]) -> Result<Output, Failure> {
        let lacks = || Failure::say(Fault::Unavailable, "patchkeep-agent is not beside patchkeep");
        let mut command = Command::new(agent_program().ok_or_else(lacks)?);
        command.arg("--root").arg(self.path("endpoint-agent")).args(verb).stdin(Stdio::null());
        command.output().map_err(|e| Failure::say(Fault::Unavailable, format!("the agent: {e}")))
    }
}

fn succeeded(what: &str, output: Output) -> Result<(), Failure> {
    if output.status.success() { Ok(()) } else { Err(failed(what, &output)) }
}

fn failed(what: &str, output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " | ");
    Failure::say(Fault::Broken, format!("{what} ({}): {said}", output.status))
}
