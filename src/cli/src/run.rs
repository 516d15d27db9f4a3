//! `patchkeep run`: a run from its plan to its report.
//!
//! An operator plans it, which draws up the approval; the approver signs that; the operator starts it, watches
//! it, pauses it and lets it go on. Where a job failed, a person decides about the machine here.

mod watch;

use crate::{
    appliance::Appliance,
    control::{Reply, Request, RunReply, RunRequest, ask, unexpected},
    decide::{WishWords, submit_statement},
    failure::Failure,
    person::Person,
    screen::Screen,
    signed_file::{must_be_new, write},
    ssh,
    update::lint_text,
};
use clap::{Args, Subcommand};
use fleet::{Brake, JobEnd, Resolution};
use ids::{EndpointName, PersonId};
use site::{RunEndpoint, RunReport, RunStatus};
use std::{fmt::Write as _, path::PathBuf};
use trust::{APPROVAL, Approval, Envelope};

#[derive(Subcommand)]
pub(crate) enum RunVerb {
    /// Plan a run of a ring: what, where, when. It draws up the approval that its approver signs.
    Plan(PlanWords),
    /// Write a planned run's approval to a file, to be signed on the approver's own machine.
    Draft(DraftWords),
    /// Approve a planned run with your own signature: of exactly what was planned.
    Approve(ApproveRunWords),
    /// Let the endpoints of an approved run begin.
    Start(StartWords),
    /// Runs, the newest first.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Follow a run until it ends.
    Watch(watch::WatchWords),
    /// A run, endpoint by endpoint.
    Report(RunWords),
    /// Let no endpoint begin any more; what has begun comes to its end.
    Pause(ActWords),
    /// Let a paused run go on.
    Resume(ActWords),
    /// End a run: what has not begun never does.
    Cancel(ActWords),
    /// Put an endpoint whose job failed back as it was before.
    Restore(DecideWords),
    /// Leave an endpoint whose job failed as it is.
    Keep(DecideWords),
}

#[derive(Args)]
pub(crate) struct PlanWords {
    #[command(flatten)]
    wish: WishWords,
    /// Who will approve it.
    #[arg(long, value_name = "PERSON")]
    approver: PersonId,
    /// Pause by itself after so many endpoints have failed; 0 never.
    #[arg(long, value_name = "COUNT", default_value_t = Brake::default().failures)]
    brake_failures: u64,
    /// Pause by itself after so many per cent of its endpoints have failed; 0 never.
    #[arg(long, value_name = "PER CENT", default_value_t = Brake::default().per_cent,
        value_parser = clap::value_parser!(u8).range(0..=100))]
    brake_per_cent: u8,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct DraftWords {
    #[command(flatten)]
    run: RunWords,
    /// The file; it must not be there yet.
    #[arg(long)]
    into: PathBuf,
}

#[derive(Args)]
pub(crate) struct RunWords {
    /// The run: its id, or its ring for the newest one there.
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) appliance: Appliance,
}

#[derive(Args)]
pub(crate) struct ApproveRunWords {
    #[command(flatten)]
    run: RunWords,
    /// Your private key, or the public half of one that is in ssh-agent or a security key.
    #[arg(long)]
    key: PathBuf,
    /// Sign without being asked; what is signed is still printed.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct StartWords {
    #[command(flatten)]
    run: RunWords,
    /// Do not wait until the ring before has soaked; reports say so.
    #[arg(long)]
    without_soak: bool,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct ActWords {
    #[command(flatten)]
    run: RunWords,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct DecideWords {
    /// The endpoint.
    endpoint: EndpointName,
    #[command(flatten)]
    appliance: Appliance,
    #[command(flatten)]
    person: Person,
}

impl RunVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Plan(words) => words.run(screen),
            Self::Draft(words) => words.run(screen),
            Self::Approve(words) => words.run(screen),
            Self::Start(StartWords { run, without_soak, person }) => {
                let (person, unsoaked) = (person.id(&run.appliance)?, without_soak);
                let request = RunRequest::Start { run: run.run, unsoaked, person };
                done(
                    &run.appliance,
                    request,
                    "Its endpoints may begin, as the approval permits",
                    screen,
                )
            }
            Self::List { appliance } => {
                let RunReply::Runs(runs) = ask_runs(&appliance, RunRequest::Runs, screen)? else {
                    return Err(unexpected());
                };
                let lines: Vec<String> = runs.iter().map(glance).collect();
                let text = if lines.is_empty() {
                    "No run was planned yet.".into()
                } else {
                    lines.join("\n")
                };
                screen.result(&runs, text);
                Ok(())
            }
            Self::Watch(words) => words.run(screen),
            Self::Report(words) => {
                let report = report(&words, screen)?;
                screen.result(&report, text(&report));
                Ok(())
            }
            Self::Pause(ActWords { run, person }) => {
                let request =
                    RunRequest::Pause { person: person.id(&run.appliance)?, run: run.run };
                done(&run.appliance, request, "No endpoint begins until it is resumed", screen)
            }
            Self::Resume(ActWords { run, person }) => {
                let request =
                    RunRequest::Resume { person: person.id(&run.appliance)?, run: run.run };
                done(&run.appliance, request, "It goes on", screen)
            }
            Self::Cancel(ActWords { run, person }) => {
                let request =
                    RunRequest::Cancel { person: person.id(&run.appliance)?, run: run.run };
                done(&run.appliance, request, "It is over: what had not begun never does", screen)
            }
            Self::Restore(words) => words.run(Resolution::Restore, screen),
            Self::Keep(words) => words.run(Resolution::Keep, screen),
        }
    }
}

impl PlanWords {
    fn run(self, screen: &Screen) -> Result<(), Failure> {
        let appliance = self.wish.ring.appliance.clone();
        let wish = self.wish.of(self.approver)?;
        let brake = Brake { failures: self.brake_failures, per_cent: self.brake_per_cent };
        let request =
            RunRequest::Plan { wish: Box::new(wish), brake, person: self.person.id(&appliance)? };
        let RunReply::Planned(planned) = ask_runs(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        let approval = Approval::unverified(&planned.draft)?;
        if !planned.findings.is_empty() {
            screen.say(lint_text(&planned.findings));
        }
        let (run, approver) = (&planned.run, &approval.approver);
        let said = format!(
            "{}\nRun {run} is planned. {approver} approves it: patchkeep run approve {run} --key KEY; then \
             an operator starts it: patchkeep run start {run}",
            approval.text()
        );
        screen.result(&planned, said);
        Ok(())
    }
}

impl DraftWords {
    fn run(self, screen: &Screen) -> Result<(), Failure> {
        must_be_new(&self.into)?;
        let (envelope, file) = (self.run.draft(screen)?, self.into.display());
        write(&self.into, &envelope)?;
        let said = format!(
            "{}\nWritten to {file}, unsigned. Its approver signs it: patchkeep statement sign {file} --key \
             KEY; then: patchkeep statement submit {file} {}",
            Approval::unverified(&envelope)?.text(),
            self.run.appliance
        );
        screen.result(&self.into, said);
        Ok(())
    }
}

impl RunWords {
    /// The approval of a planned run, unsigned.
    fn draft(&self, screen: &Screen) -> Result<Envelope, Failure> {
        let request = RunRequest::Draft { run: self.run.clone() };
        match ask_runs(&self.appliance, request, screen)? {
            RunReply::Draft(envelope) => Ok(envelope),
            _ => Err(unexpected()),
        }
    }
}

impl ApproveRunWords {
    fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (mut envelope, appliance) = (self.run.draft(screen)?, self.run.appliance);
        ssh::agree(&Approval::unverified(&envelope)?.text(), self.yes)?;
        ssh::sign(&mut envelope, APPROVAL, &self.key)?;
        submit_statement(&appliance, envelope, false, self.person.id(&appliance)?, screen)
    }
}

impl DecideWords {
    fn run(self, resolution: Resolution, screen: &Screen) -> Result<(), Failure> {
        let Self { endpoint, appliance, person } = self;
        let said = match resolution {
            Resolution::Restore => format!("{endpoint} is put back as it was before its job."),
            Resolution::Keep => format!("{endpoint} stays as it is."),
        };
        let request = RunRequest::Resolve { endpoint, resolution, person: person.id(&appliance)? };
        ask_runs(&appliance, request, screen)?;
        screen.result(&resolution, format!("{said} It hears of it when it next checks in."));
        Ok(())
    }
}

pub(crate) fn ask_runs(
    appliance: &Appliance,
    request: RunRequest,
    screen: &Screen,
) -> Result<RunReply, Failure> {
    match ask(appliance, Request::Run(request), screen)? {
        Reply::Run(reply) => Ok(reply),
        _ => Err(unexpected()),
    }
}

fn done(
    appliance: &Appliance,
    request: RunRequest,
    said: &str,
    screen: &Screen,
) -> Result<(), Failure> {
    let RunReply::Done(run) = ask_runs(appliance, request, screen)? else {
        return Err(unexpected());
    };
    screen.result(&run, format!("Run {run}: {said}."));
    Ok(())
}

fn report(words: &RunWords, screen: &Screen) -> Result<RunReport, Failure> {
    let request = RunRequest::Report { run: words.run.clone() };
    match ask_runs(&words.appliance, request, screen)? {
        RunReply::Report(report) => Ok(*report),
        _ => Err(unexpected()),
    }
}

/// A run in a line or two.
fn glance(run: &RunStatus) -> String {
    let RunStatus { run: id, ring, stands, waits_for, tally, since, .. } = run;
    let since = since.map(|at| format!(", since {}", at.strftime("%Y-%m-%d %H:%M UTC")));
    let mut text = format!("{id}  ring {ring}: {stands}{}\n", since.unwrap_or_default());
    if tally.members > 0 {
        let failed = tally.failures;
        let _ = writeln!(
            text,
            "  {} endpoints: {} effective, {failed} failed, {} without an end",
            tally.members,
            tally.ended(JobEnd::Effective),
            tally.open()
        );
    }
    if let Some(waits_for) = waits_for {
        let _ = writeln!(text, "  It waits: {waits_for}.");
    }
    text.trim_end().to_owned()
}

/// A run, endpoint by endpoint.
fn text(report: &RunReport) -> String {
    let mut text = glance(&report.status);
    text.push('\n');
    for endpoint in &report.endpoints {
        text.push_str(&line(endpoint));
    }
    text
}

fn line(endpoint: &RunEndpoint) -> String {
    let RunEndpoint { name, stands, at, said, wants_decision, resolution, reopened, .. } = endpoint;
    let at = at.map(|at| format!(" since {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")));
    let mut text = format!("  {name}  {stands}{}\n", at.unwrap_or_default());
    if let Some(said) = said {
        let _ = writeln!(text, "      {said}");
    }
    if *reopened {
        text.push_str("      ALARM: something that it had brought is older or gone again\n");
    }
    match resolution {
        _ if *wants_decision => {
            let _ = writeln!(
                text,
                "      A person decides: patchkeep run restore {name}, or run keep {name}"
            );
        }
        Some(Resolution::Restore) => text.push_str("      A person decided to put it back\n"),
        Some(Resolution::Keep) => text.push_str("      A person decided to keep it\n"),
        None => {}
    }
    text
}
