//! The people of a site: keys made and signatures given by the stock program.

use ids::Timestamp;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tests::{run, scratch};
use trust::{
    APPROVAL, Administrator, Administrators, Approval, ApprovedPackage, Approver, Decision,
    Envelope, Interval, LogIdentity, Purpose, SITE_ROOT, SitePolicy, SiteRoot, WAIVER, Waiver,
};

/// Administrators `ann` and `ben`, approver `kim`, and `mallory`, whom nobody lists.
pub(crate) struct People {
    folder: tempfile::TempDir,
}

/// So many minutes from now.
pub(crate) fn minutes(minutes: i64) -> Timestamp {
    let second = Timestamp::now().as_second() + minutes * 60;
    Timestamp::from_second(second).unwrap()
}

impl People {
    pub(crate) fn new() -> Self {
        let people = Self { folder: scratch() };
        for name in ["ann", "ben", "kim", "mallory"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
            run(command.arg(people.path(name))).ok();
        }
        people
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
    }

    /// A payload in an envelope, signed by these.
    pub(crate) fn sign(&self, purpose: Purpose, payload: &[u8], names: &[&str]) -> Envelope {
        let mut envelope = Envelope::unsigned(purpose, payload);
        let message = envelope.message(purpose).unwrap();
        for name in names {
            let file = self.path("message");
            fs::write(&file, &message).unwrap();
            let _ = fs::remove_file(self.path("message.sig"));
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-Y", "sign", "-n", purpose.namespace, "-f"]);
            run(command.arg(self.path(name)).arg(&file)).ok();
            let pem = fs::read_to_string(self.path("message.sig")).unwrap();
            envelope.add(purpose, &pem).unwrap();
        }
        envelope
    }

    /// A site root as its administrators would draw it up.
    pub(crate) fn draft_root(&self, generation: u64, epoch: u32, log: &str) -> SiteRoot {
        let person = |name: &str| name.parse().unwrap();
        let administrator = |name| Administrator { person: person(name), key: self.public(name) };
        SiteRoot {
            schema: 1,
            site: "lab".parse().unwrap(),
            generation,
            issued_at: minutes(-60),
            not_after: minutes(60 * 24 * 365),
            administrators: Administrators {
                threshold: 2,
                keys: ["ann", "ben"].map(administrator).into(),
            },
            approvers: vec![Approver {
                person: person("kim"),
                key: self.public("kim"),
                not_after: None,
            }],
            policy: SitePolicy { four_eyes: true, attested_approvals: false },
            log: LogIdentity { epoch, key: log.to_owned() },
        }
    }

    pub(crate) fn root(&self, root: &SiteRoot) -> Envelope {
        self.sign(SITE_ROOT, &root.to_payload().unwrap(), &["ann", "ben"])
    }

    pub(crate) fn approve(&self, approval: &Approval) -> Envelope {
        self.sign(APPROVAL, &approval.to_payload().unwrap(), &["kim"])
    }

    pub(crate) fn waive(&self, endpoint: &str) -> Envelope {
        let waiver = Waiver {
            schema: 1,
            site: "lab".parse().unwrap(),
            endpoints: vec![endpoint.parse().unwrap()],
            reason: "it has no room".into(),
            approver: "kim".parse().unwrap(),
            issued_at: minutes(-10),
            not_after: minutes(600),
        };
        self.sign(WAIVER, &waiver.to_payload().unwrap(), &["kim"])
    }
}

/// An approval for `web1` that is good now, of these packages.
pub(crate) fn draft(generation: u64, mut packages: Vec<ApprovedPackage>) -> Approval {
    packages.sort();
    Approval {
        schema: 1,
        decision: Decision::Approve,
        site: "lab".parse().unwrap(),
        ring: "broad".parse().unwrap(),
        generation,
        approver: "kim".parse().unwrap(),
        issued_at: minutes(-10),
        not_after: minutes(600),
        plan: ids::Digest::of(b"plan"),
        endpoints: vec!["web1".parse().unwrap()],
        provided: Vec::new(),
        windows: vec![Interval { opens: minutes(-5), closes: minutes(300) }],
        packages,
        cves: Vec::new(),
        reason: None,
    }
}

/// A withdrawal.
pub(crate) fn withdrawal(generation: u64) -> Approval {
    let (endpoints, windows) = (Vec::new(), Vec::new());
    let reason = Some("it breaks printing".to_owned());
    let decision = Decision::Withdraw;
    Approval { decision, endpoints, windows, reason, ..draft(generation, Vec::new()) }
}
