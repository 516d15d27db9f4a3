//! What approvers say: drafts of statements and waivers, the linter's comments, and taking in what was signed. Nothing
//! is signed here: an approver's key is at the approver's own machine.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{
        At, DecisionWord, Endpoint, Envelope, Of, Person, Ring, Sentence, Sha256, Text, WindowWord,
        Words, at_most, choices, text_of, words,
    },
};
use fleet::Operation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

choices! {
    /// How grave a finding is.
    Gravity of fleet::Severity { Note, Warning, Stop, }
}

words! {
    /// The newest statement about a ring.
    RingStatement of fleet::RingStatement {
        /// Which one in the ring's order.
        generation: u64,
        /// What it says.
        decision: DecisionWord,
        /// SHA-256 of the statement.
        statement: Sha256,
        /// SHA-256 of its envelope.
        envelope: Sha256,
        /// Who signed it.
        approver: Person,
        /// SHA-256 of what the ring's endpoints would apply.
        plan: Sha256,
        /// Until when it counts.
        not_after: At,
        /// Whether only this appliance vouches for it.
        attested: bool,
    }
}

/// What the linter says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Finding {
    /// Its code.
    code: String,
    severity: Gravity,
    /// Which endpoint it is about.
    endpoint: Option<Endpoint>,
    sentence: String,
}

impl Of<fleet::Finding> for Finding {
    fn of(from: fleet::Finding) -> Self {
        Self {
            code: text_of(&from.code),
            severity: Of::of(from.severity),
            endpoint: Of::of(from.endpoint),
            sentence: from.sentence,
        }
    }
}

/// A span of time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Span {
    opens: At,
    closes: At,
}

/// What is to be drawn up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    ring: Ring,
    /// Who will sign it; the token's person unless given.
    approver: Option<Person>,
    #[serde(default = "approves")]
    decision: DecisionWord,
    /// Until when it is to count.
    not_after: At,
    /// Only in these spans.
    #[serde(default)]
    #[schema(max_items = 100)]
    windows: Vec<Span>,
    /// Only in these windows; all of the ring's unless something is said.
    #[serde(default)]
    #[schema(max_items = 100)]
    named: Vec<WindowWord>,
    /// At any time.
    #[serde(default)]
    any_time: bool,
    /// Only for these endpoints.
    #[serde(default)]
    #[schema(max_items = 5000)]
    endpoints: Vec<Endpoint>,
    /// Only of these packages.
    #[serde(default)]
    #[schema(max_items = 5000)]
    packages: Vec<Words>,
    reason: Option<Sentence>,
}

const fn approves() -> DecisionWord {
    DecisionWord::Approve
}

impl Wish {
    /// What it is in the appliance.
    pub(crate) fn own(self, asking: &Asking) -> Result<site::Wish, Problem> {
        let span = |span: Span| trust::Interval { opens: span.opens.0, closes: span.closes.0 };
        let approver = self.approver.map(|Person(person)| person);
        Ok(site::Wish {
            ring: asking.ring(self.ring)?,
            approver: approver.unwrap_or_else(|| asking.bearer().person.clone()),
            decision: self.decision.own(),
            not_after: self.not_after.0,
            windows: at_most(self.windows, 100)?.into_iter().map(span).collect(),
            named: at_most(self.named, 100)?.into_iter().map(|WindowWord(name)| name).collect(),
            any_time: self.any_time,
            endpoints: at_most(self.endpoints, 5000)?
                .into_iter()
                .map(|Endpoint(name)| name)
                .collect(),
            packages: at_most(self.packages, 5000)?.into_iter().map(|Text(name)| name).collect(),
            reason: self.reason.map(|Text(reason)| reason),
        })
    }
}

/// A waiver to draw up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WaiverWish {
    #[schema(min_items = 1, max_items = 5000)]
    endpoints: Vec<Endpoint>,
    reason: Sentence,
    /// Who will sign it; the token's person unless given.
    approver: Option<Person>,
    not_after: At,
}

fn lint(
    asking: &Asking,
    _: No,
    _: No,
    Json(wish): Json<Wish>,
) -> Result<Json<Vec<Finding>>, Problem> {
    let wish = wish.own(asking)?;
    Ok(Json(Of::of(asking.site().lint(&wish)?)))
}

fn draft(asking: &Asking, _: No, _: No, Json(wish): Json<Wish>) -> Result<Json<Envelope>, Problem> {
    let wish = wish.own(asking)?;
    Ok(Json(Envelope::out(&asking.site().draft_statement(wish)?)?))
}

fn submit(
    asking: &Asking,
    _: No,
    _: No,
    Json(envelope): Json<Envelope>,
) -> Result<Json<RingStatement>, Problem> {
    let envelope = envelope.own()?;
    Ok(Json(Of::of(asking.site().accept_statement(asking.actor(), &envelope, false)?)))
}

fn draft_waiver(
    asking: &Asking,
    _: No,
    _: No,
    Json(wish): Json<WaiverWish>,
) -> Result<Json<Envelope>, Problem> {
    let endpoints = at_most(wish.endpoints, 5000)?.into_iter().map(|Endpoint(name)| name).collect();
    let approver = wish.approver.map(|Person(person)| person);
    let approver = approver.unwrap_or_else(|| asking.bearer().person.clone());
    let drawn = asking.site().draft_waiver(endpoints, wish.reason.0, approver, wish.not_after.0)?;
    Ok(Json(Envelope::out(&drawn)?))
}

fn submit_waiver(
    asking: &Asking,
    _: No,
    _: No,
    Json(envelope): Json<Envelope>,
) -> Result<(), Problem> {
    let envelope = envelope.own()?;
    Ok(asking.site().accept_waiver(asking.actor(), &envelope)?)
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("POST", "/statements/lint"), O::Lint, "What the linter says of an approval", lint);
    table.add(("POST", "/statements/draft"), O::DraftStatement, "Draw a statement up", draft);
    table.add(("POST", "/statements"), O::SubmitStatement, "Take in a signed statement", submit);
    table.add(("POST", "/waivers/draft"), O::DraftWaiver, "Draw a waiver up", draft_waiver);
    table.add(("POST", "/waivers"), O::SubmitWaiver, "Take in a signed waiver", submit_waiver);
}
