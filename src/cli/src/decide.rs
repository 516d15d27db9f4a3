//! `patchkeep approve`, `withdraw`, `decline`, `waive` and `statement`: what approvers decide.
//!
//! What is shown is what is signed: the appliance draws a statement up, and its text is printed from the
//! very bytes that the key then signs. With `--into` the draft is a file, to be signed on the approver's
//! own machine (`statement sign`, which needs no appliance) and brought back (`statement submit`).

use crate::{
    appliance::Appliance,
    control::{PeopleReply, PeopleRequest, ask_people, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
    signed_file::{SignWords, must_be_new, read, write},
    site_root::days_from_now,
    ssh,
    update::{RingWords, findings, lint_text},
};
use clap::{Args, Subcommand};
use ids::{EndpointName, Timestamp, WindowName};
use site::Wish;
use std::path::PathBuf;
use trust::{APPROVAL, Approval, Decision, Envelope, Interval, Purpose, WAIVER, Waiver};

/// What is drawn up for approval.
#[derive(Args)]
pub(crate) struct WishWords {
    #[command(flatten)]
    pub(crate) ring: RingWords,
    /// When endpoints may apply it: a window of the ring, or a span as `OPENS/CLOSES` (RFC 3339); may be
    /// repeated. In all of the ring's windows unless given; where it has none, from now on until the
    /// approval ends.
    #[arg(long = "window", value_name = "NAME|OPENS/CLOSES")]
    windows: Vec<When>,
    /// From now on until the approval ends, although the ring has windows.
    #[arg(long, conflicts_with = "windows")]
    any_time: bool,
    /// Only for this endpoint; may be repeated. For all whose plans are known unless given.
    #[arg(long = "endpoint", value_name = "NAME")]
    endpoints: Vec<EndpointName>,
    /// Only this package; may be repeated. All that were not declined unless given.
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Why, in your words.
    #[arg(long)]
    reason: Option<String>,
    /// How many days it lasts.
    #[arg(long, default_value_t = 14)]
    days: u32,
}

#[derive(Args)]
pub(crate) struct ApproveWords {
    #[command(flatten)]
    wish: WishWords,
    /// Sign nothing: let the appliance attest to it. Only where the site root allows it; no agent
    /// obeys it, and every report says so.
    #[arg(long, conflicts_with_all = ["key", "into"])]
    attested: bool,
    #[command(flatten)]
    signing: Signing,
}

#[derive(Args)]
pub(crate) struct WithdrawWords {
    #[command(flatten)]
    ring: RingWords,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    signing: Signing,
}

#[derive(Args)]
pub(crate) struct DeclineWords {
    /// The package, in the version that endpoints would apply now.
    package: String,
    #[command(flatten)]
    ring: RingWords,
    /// Why.
    #[arg(long)]
    reason: String,
    /// For how many days.
    #[arg(long, default_value_t = 30)]
    days: u32,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct WaiveWords {
    /// The endpoints that may be changed without a proven way back.
    #[arg(required = true)]
    endpoints: Vec<EndpointName>,
    #[command(flatten)]
    appliance: Appliance,
    /// Why.
    #[arg(long)]
    reason: String,
    /// How many days it lasts.
    #[arg(long, default_value_t = 7)]
    days: u32,
    #[command(flatten)]
    signing: Signing,
}

#[derive(Args)]
pub(crate) struct Signing {
    /// Your private key, or the public half of one that is in ssh-agent or a security key.
    #[arg(long, required_unless_present_any = ["into", "attested"])]
    key: Option<PathBuf>,
    /// Write the unsigned draft to this file instead; it must not be there yet.
    #[arg(long, conflicts_with = "key")]
    into: Option<PathBuf>,
    /// Sign without being asked; what is signed is still printed.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    person: Person,
}

#[derive(Subcommand)]
pub(crate) enum StatementVerb {
    /// Show what a draft or a signed statement says. Needs no appliance.
    Show {
        /// The file.
        file: PathBuf,
    },
    /// Sign a draft with your key. Needs no appliance.
    Sign(SignWords),
    /// Hand a signed statement to the appliance.
    Submit {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        appliance: Appliance,
        #[command(flatten)]
        person: Person,
    },
}

/// A window by its name, or a span of time: `2026-11-28T20:00:00Z/2026-11-29T04:00:00Z`.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Window(WindowName),
    Span(Interval),
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((opens, closes)) = text.split_once('/') else {
            return text.parse().map(Self::Window).map_err(|e: ids::NameError| e.to_string());
        };
        let at = |text: &str| text.parse::<Timestamp>().map_err(|e| e.to_string());
        let (opens, closes) = (at(opens)?, at(closes)?);
        if closes <= opens {
            return Err("it closes before it opens".to_owned());
        }
        Ok(Self::Span(Interval { opens, closes }))
    }
}

impl WishWords {
    /// The wish of whoever will sign.
    pub(crate) fn of(self, approver: ids::PersonId) -> Result<Wish, Failure> {
        let (mut windows, mut named) = (Vec::new(), Vec::new());
        for when in self.windows {
            match when {
                When::Window(name) => named.push(name),
                When::Span(span) => windows.push(span),
            }
        }
        windows.sort();
        Ok(Wish {
            ring: self.ring.ring,
            approver,
            decision: Decision::Approve,
            not_after: days_from_now(self.days)?,
            windows,
            named,
            any_time: self.any_time,
            endpoints: self.endpoints,
            packages: self.packages,
            reason: self.reason,
        })
    }
}

impl ApproveWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { wish, attested, signing } = self;
        let appliance = wish.ring.appliance.clone();
        let wish = wish.of(signing.person.id(&appliance)?)?;
        decide(&appliance, wish, attested, &signing, screen)
    }
}

impl WithdrawWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { ring, reason, signing } = self;
        let wish =
            Wish::withdrawal(ring.ring, signing.person.id(&ring.appliance)?, reason, site::now())?;
        decide(&ring.appliance, wish, false, &signing, screen)
    }
}

fn decide(
    appliance: &Appliance,
    wish: Wish,
    attested: bool,
    signing: &Signing,
    screen: &Screen,
) -> Result<(), Failure> {
    let person = wish.approver.clone();
    if wish.decision == Decision::Approve {
        // Before the draft: what the linter says may be why there is none.
        let findings = findings(appliance, wish.clone(), screen)?;
        if !findings.is_empty() {
            screen.say(lint_text(&findings));
        }
    }
    let draft = PeopleRequest::DraftStatement { wish: Box::new(wish) };
    let mut envelope = drafted(ask_people(appliance, draft, screen)?)?;
    if attested {
        ssh::agree(&Approval::unverified(&envelope)?.text(), signing.yes)?;
    } else if !sign_or_write(appliance, &mut envelope, APPROVAL, signing, screen)? {
        return Ok(());
    }
    submit_statement(appliance, envelope, attested, person, screen)
}

pub(crate) fn submit_statement(
    appliance: &Appliance,
    envelope: Envelope,
    attested: bool,
    person: ids::PersonId,
    screen: &Screen,
) -> Result<(), Failure> {
    let submit = PeopleRequest::SubmitStatement { envelope, attested, person };
    let PeopleReply::Statement(taken) = ask_people(appliance, submit, screen)? else {
        return Err(unexpected());
    };
    let who = if taken.attested {
        "Only the appliance attests to it: no agent obeys it."
    } else {
        "Agents hear of it when they next check in."
    };
    let said = format!(
        "Statement {} is all that counts in its ring from now on ({}). {who}",
        taken.generation,
        taken.statement.short()
    );
    screen.result(&taken, said);
    Ok(())
}

/// Signs a draft after it was shown; or writes it to a file, and says false.
fn sign_or_write(
    appliance: &Appliance,
    envelope: &mut Envelope,
    purpose: Purpose,
    signing: &Signing,
    screen: &Screen,
) -> Result<bool, Failure> {
    let text = text(envelope)?;
    if let Some(key) = &signing.key {
        ssh::agree(&text, signing.yes)?;
        ssh::sign(envelope, purpose, key)?;
        return Ok(true);
    }
    let Some(into) = &signing.into else { return Err(unexpected()) };
    must_be_new(into)?;
    write(into, envelope)?;
    let file = into.display();
    let said = format!(
        "{text}\nWritten to {file}, unsigned. Its approver signs it: patchkeep statement sign {file} \
         --key KEY; then: patchkeep statement submit {file} {appliance}"
    );
    screen.result(&into, said);
    Ok(false)
}

impl DeclineWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { package, ring, reason, days, person } = self;
        let not_after = days_from_now(days)?;
        let (person, appliance) = (person.id(&ring.appliance)?, ring.appliance);
        let ring = ring.ring;
        let said =
            format!("{package} is left out of what is drawn up for ring {ring} until {not_after}.");
        let request = PeopleRequest::Decline { ring, package, reason, not_after, person };
        let PeopleReply::Declined(declined) = ask_people(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        screen.result(&declined, said);
        Ok(())
    }
}

impl WaiveWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { endpoints, appliance, reason, days, signing } = self;
        let (person, not_after) = (signing.person.id(&appliance)?, days_from_now(days)?);
        let approver = person.clone();
        let draft = PeopleRequest::DraftWaiver { endpoints, reason, approver, not_after };
        let mut envelope = drafted(ask_people(&appliance, draft, screen)?)?;
        if !sign_or_write(&appliance, &mut envelope, WAIVER, &signing, screen)? {
            return Ok(());
        }
        submit_waiver(&appliance, envelope, person, screen)
    }
}

fn submit_waiver(
    appliance: &Appliance,
    envelope: Envelope,
    person: ids::PersonId,
    screen: &Screen,
) -> Result<(), Failure> {
    let submit = PeopleRequest::SubmitWaiver { envelope, person };
    let PeopleReply::Waived = ask_people(appliance, submit, screen)? else {
        return Err(unexpected());
    };
    screen.result(&true, "The waiver counts from now on, and every report says so.");
    Ok(())
}

impl StatementVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Show { file } => {
                let envelope = read(&file)?;
                screen.result(&envelope, text(&envelope)?);
                Ok(())
            }
            Self::Sign(words) => {
                let envelope = read(&words.file)?;
                let (purpose, text) = (purpose(&envelope), text(&envelope)?);
                let said = words.sign(envelope, purpose, &text)?;
                screen.result(&true, said);
                Ok(())
            }
            Self::Submit { file, appliance, person } => {
                let (envelope, person) = (read(&file)?, person.id(&appliance)?);
                if purpose(&envelope) == WAIVER {
                    submit_waiver(&appliance, envelope, person, screen)
                } else {
                    submit_statement(&appliance, envelope, false, person, screen)
                }
            }
        }
    }
}

fn drafted(reply: PeopleReply) -> Result<Envelope, Failure> {
    match reply {
        PeopleReply::Draft(envelope) => Ok(envelope),
        _ => Err(unexpected()),
    }
}

/// What a file is about: a waiver, or else a statement about a ring.
fn purpose(envelope: &Envelope) -> Purpose {
    if envelope.unverified_payload(WAIVER).is_ok() { WAIVER } else { APPROVAL }
}

fn text(envelope: &Envelope) -> Result<String, Failure> {
    Ok(if purpose(envelope) == WAIVER {
        Waiver::unverified(envelope)?.text()
    } else {
        Approval::unverified(envelope)?.text()
    })
}
