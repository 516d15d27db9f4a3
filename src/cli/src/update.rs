//! `patchkeep update`: what a ring's endpoints would apply.

use crate::{
    appliance::Appliance,
    control::{PeopleReply, PeopleRequest, ask_people, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
    site_root::days_from_now,
};
use clap::{Args, Subcommand};
use fleet::{Finding, Severity};
use ids::{Fault, RingName};
use site::{RingUpdate, RingUpdates, Wish};
use std::fmt::Write as _;
use trust::Decision;

#[derive(Subcommand)]
pub(crate) enum UpdateVerb {
    /// What a ring's endpoints would apply, and what of it was declined.
    List(RingWords),
    /// One package: who would apply it, what it mends.
    Show {
        /// The package.
        package: String,
        #[command(flatten)]
        words: RingWords,
    },
    /// What stands in the way, were all of it approved now: windows, ways back, endpoints not seen.
    Lint(LintWords),
}

#[derive(Args)]
pub(crate) struct RingWords {
    #[command(flatten)]
    pub(crate) appliance: Appliance,
    /// The ring.
    #[arg(long, default_value = "broad")]
    pub(crate) ring: RingName,
}

#[derive(Args)]
pub(crate) struct LintWords {
    #[command(flatten)]
    ring: RingWords,
    /// How many days the approval would last.
    #[arg(long, default_value_t = 14)]
    days: u32,
    #[command(flatten)]
    person: Person,
}

impl LintWords {
    fn run(self, screen: &Screen) -> Result<(), Failure> {
        let wish = Wish {
            ring: self.ring.ring,
            approver: self.person.id(&self.ring.appliance)?,
            decision: Decision::Approve,
            not_after: days_from_now(self.days)?,
            windows: Vec::new(),
            named: Vec::new(),
            any_time: false,
            endpoints: Vec::new(),
            packages: Vec::new(),
            reason: None,
        };
        let findings = findings(&self.ring.appliance, wish, screen)?;
        let said = match findings.as_slice() {
            [] => "The linter has nothing to say.".to_owned(),
            findings => lint_text(findings),
        };
        screen.result(&findings, said);
        Ok(())
    }
}

/// What the linter says of what would be approved.
pub(crate) fn findings(
    appliance: &Appliance,
    wish: Wish,
    screen: &Screen,
) -> Result<Vec<Finding>, Failure> {
    match ask_people(appliance, PeopleRequest::Lint { wish: Box::new(wish) }, screen)? {
        PeopleReply::Findings(findings) => Ok(findings),
        _ => Err(unexpected()),
    }
}

/// Findings as lines.
pub(crate) fn lint_text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let word = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "WARNING",
            Severity::Stop => "STOP",
        };
        format!("{word}: {}", finding.sentence)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl UpdateVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Lint(words) => words.run(screen),
            Self::List(words) => {
                let updates = updates(&words, screen)?;
                screen.result(&updates, list(&updates));
                Ok(())
            }
            Self::Show { package, words } => {
                let updates = updates(&words, screen)?.updates;
                let shown: Vec<RingUpdate> =
                    updates.into_iter().filter(|u| u.package.package == package).collect();
                if shown.is_empty() {
                    let message =
                        format!("no endpoint of ring {} would apply {package}", words.ring);
                    return Err(Failure::say(Fault::Input, message));
                }
                let text: Vec<String> = shown.iter().map(show).collect();
                screen.result(&shown, text.join("\n"));
                Ok(())
            }
        }
    }
}

fn updates(words: &RingWords, screen: &Screen) -> Result<RingUpdates, Failure> {
    let request = PeopleRequest::Updates { ring: words.ring.clone() };
    match ask_people(&words.appliance, request, screen)? {
        PeopleReply::Updates(updates) => Ok(*updates),
        _ => Err(unexpected()),
    }
}

fn list(updates_of: &RingUpdates) -> String {
    let RingUpdates { ring, plan, endpoints, without_plan, updates, kept_back, statement, .. } =
        updates_of;
    let elected_out = &updates_of.elected_out;
    let mut text = format!(
        "Ring {ring}: {} endpoints would apply {} packages.\n",
        endpoints.len(),
        updates.len()
    );
    // Writing to a String cannot fail.
    for update in updates {
        let released = update.released_at.map(|at| at.strftime("%Y-%m-%d").to_string());
        let cves = match &update.cves {
            Some(cves) => format!("{} CVEs", cves.len()),
            None => "CVEs unknown".to_owned(),
        };
        let declined = match (update.offered, update.declined_until) {
            (false, _) => ", NOT OFFERED by this ring: it is in no approval".to_owned(),
            (true, Some(at)) => format!(", DECLINED until {at}"),
            (true, None) => String::new(),
        };
        let _ = writeln!(
            text,
            "  {} {} {}  {} endpoints, released {}, {cves}{}",
            update.package.package,
            update.package.version,
            update.package.architecture,
            update.endpoints.len(),
            released.unwrap_or_else(|| "unknown".to_owned()),
            declined
        );
    }
    for (name, packages) in kept_back {
        let _ = writeln!(text, "  {name} keeps back: {}", packages.join(" "));
    }
    for name in elected_out {
        let _ = writeln!(text, "  {name} is elected out: it is in no approval");
    }
    for name in without_plan {
        let _ = writeln!(text, "  {name} has not said yet what it would apply");
    }
    let _ = match statement {
        None => writeln!(text, "Nobody has decided about this ring yet."),
        Some(s) => writeln!(
            text,
            "Newest statement: {} by {}, {:?}, ends {}.",
            s.generation, s.approver, s.decision, s.not_after
        ),
    };
    let _ = write!(text, "Plan: {plan}");
    text
}

fn show(update: &RingUpdate) -> String {
    let package = &update.package;
    let cves = match &update.cves {
        None => "unknown (its changelog is not at hand)".to_owned(),
        Some(cves) if cves.is_empty() => "none named".to_owned(),
        Some(cves) => cves.join(" "),
    };
    let names: Vec<&str> = update.endpoints.iter().map(|name| name.as_str()).collect();
    let released = update.released_at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    format!(
        "{} {} {}\n  released   {released}\n  CVEs       {cves}\n  endpoints  {}\n  SHA-256    {}",
        package.package,
        package.version,
        package.architecture,
        names.join(" "),
        package.sha256
    )
}
