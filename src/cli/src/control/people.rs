//! Requests about endpoints and about what people decide.

use super::api::elsewhere;
use crate::{failure::Failure, person::doing, remote::Remote};
use fleet::{Finding, RingStatement};
use ids::{EndpointName, PersonId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use site::{
    Change, Describe, EndpointMissing, EndpointStatus, IssuedToken, RingUpdate, RingUpdates, Site,
    Wish,
};
use trust::Envelope;
use vendor_apt::Inventory;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum PeopleRequest {
    IssueToken {
        endpoint: EndpointName,
        ring: RingName,
        hours: u32,
        person: PersonId,
    },
    Endpoints,
    Confirm {
        endpoint: EndpointName,
        key: String,
        person: PersonId,
    },
    Retire {
        endpoint: EndpointName,
        reason: String,
        person: PersonId,
    },
    Describe {
        endpoint: EndpointName,
        said: Box<Describe>,
        person: PersonId,
    },
    RegisterAssets {
        text: String,
        person: PersonId,
    },
    Elect {
        endpoint: EndpointName,
        elected: bool,
        reason: Option<String>,
        person: PersonId,
    },
    Lint {
        wish: Box<Wish>,
    },
    Missing {
        endpoint: EndpointName,
    },
    MissingIn {
        ring: RingName,
    },
    Inventory {
        endpoint: EndpointName,
    },
    Updates {
        ring: RingName,
    },
    DraftStatement {
        wish: Box<Wish>,
    },
    SubmitStatement {
        envelope: Envelope,
        attested: bool,
        person: PersonId,
    },
    Decline {
        ring: RingName,
        package: String,
        reason: String,
        not_after: Timestamp,
        person: PersonId,
    },
    DraftWaiver {
        endpoints: Vec<EndpointName>,
        reason: String,
        approver: PersonId,
        not_after: Timestamp,
    },
    SubmitWaiver {
        envelope: Envelope,
        person: PersonId,
    },
}

impl PeopleRequest {
    /// Whether it is nothing for an appliance that only reads.
    pub(super) const fn writes(&self) -> bool {
        !matches!(
            self,
            Self::Endpoints
                | Self::Updates { .. }
                | Self::Lint { .. }
                | Self::Missing { .. }
                | Self::MissingIn { .. }
                | Self::Inventory { .. }
        )
    }
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", content = "is", rename_all = "kebab-case")]
pub(crate) enum PeopleReply {
    Token(Box<IssuedToken>),
    Endpoint(Box<EndpointStatus>),
    Endpoints(Vec<EndpointStatus>),
    Missing(Vec<EndpointMissing>),
    Inventory(Box<Inventory>),
    Updates(Box<RingUpdates>),
    Registered(u64),
    Findings(Vec<Finding>),
    Draft(Envelope),
    Statement(Box<RingStatement>),
    Declined(Vec<RingUpdate>),
    Waived,
}

/// Calls the use case.
pub(crate) fn perform(site: &Site, request: PeopleRequest) -> Result<PeopleReply, Failure> {
    use PeopleReply as A;
    use PeopleRequest as Q;
    let operation = request.operation();
    let by = |person: &PersonId| doing(person, operation);
    Ok(match request {
        Q::IssueToken { endpoint, ring, hours, person } => {
            let issued = site.issue_token(by(&person)?, endpoint, ring, hours)?;
            A::Token(Box::new(issued))
        }
        Q::Endpoints => A::Endpoints(site.endpoints()?),
        Q::Confirm { endpoint, key, person } => {
            let confirmed = site.confirm_endpoint(by(&person)?, &endpoint, &key)?;
            A::Endpoint(Box::new(confirmed))
        }
        Q::Retire { endpoint, reason, person } => {
            let retired = site.retire_endpoint(by(&person)?, &endpoint, reason)?;
            A::Endpoint(Box::new(retired))
        }
        Q::Describe { endpoint, said, person } => {
            let described = site.describe_endpoint(by(&person)?, &endpoint, *said)?;
            A::Endpoint(Box::new(described))
        }
        Q::RegisterAssets { text, person } => {
            A::Registered(site.register_assets(by(&person)?, &text)?)
        }
        Q::Elect { endpoint, elected, reason, person } => {
            let actor = by(&person)?;
            let elected = site.elect_endpoint(actor, &endpoint, elected, reason.as_deref())?;
            A::Endpoint(Box::new(elected))
        }
        Q::Lint { wish } => A::Findings(site.lint(&wish)?),
        Q::Missing { endpoint } => A::Missing(vec![site.missing_at(&endpoint)?]),
        Q::MissingIn { ring } => A::Missing(site.missing_in(&ring)?),
        Q::Inventory { endpoint } => A::Inventory(Box::new(site.endpoint_inventory(&endpoint)?)),
        Q::Updates { ring } => A::Updates(Box::new(site.ring_updates(&ring)?)),
        Q::DraftStatement { wish } => A::Draft(site.draft_statement(*wish)?),
        Q::SubmitStatement { envelope, attested, person } => {
            let taken = site.accept_statement(by(&person)?, &envelope, attested)?;
            A::Statement(Box::new(taken))
        }
        Q::Decline { ring, package, reason, not_after, person } => {
            let actor = by(&person)?;
            A::Declined(site.decline(actor, ring, &package, &reason, not_after)?)
        }
        Q::DraftWaiver { endpoints, reason, approver, not_after } => {
            A::Draft(site.draft_waiver(endpoints, reason, approver, not_after)?)
        }
        Q::SubmitWaiver { envelope, person } => {
            site.accept_waiver(by(&person)?, &envelope)?;
            A::Waived
        }
    })
}

/// Asks for the same over the API.
pub(super) fn over_api(remote: &Remote, request: PeopleRequest) -> Result<PeopleReply, Failure> {
    use PeopleReply as A;
    use PeopleRequest as Q;
    Ok(match request {
        Q::IssueToken { endpoint, ring, hours, .. } => {
            let join = json!({ "endpoint": endpoint, "ring": ring, "hours": hours });
            A::Token(remote.post(&["endpoint-tokens"], &join)?)
        }
        Q::Endpoints => A::Endpoints(remote.all(&["endpoints"])?),
        Q::Confirm { endpoint, key, .. } => {
            let path = ["endpoints", endpoint.as_str(), "confirm"];
            A::Endpoint(remote.post(&path, &json!({ "key": key }))?)
        }
        Q::Retire { endpoint, reason, .. } => {
            let path = ["endpoints", endpoint.as_str(), "retire"];
            A::Endpoint(remote.post(&path, &json!({ "reason": reason }))?)
        }
        Q::Describe { endpoint, said, .. } => {
            let path = ["endpoints", endpoint.as_str(), "description"];
            A::Endpoint(remote.put(&path, &description(*said)?)?)
        }
        Q::RegisterAssets { .. } => {
            let why = "people look over what it changes before it counts";
            return Err(elsewhere("taking in a register of machines", why));
        }
        Q::Elect { endpoint, elected, reason, .. } => {
            let path = ["endpoints", endpoint.as_str(), "election"];
            let elect = json!({ "elected": elected, "reason": reason });
            A::Endpoint(remote.put(&path, &elect)?)
        }
        Q::Lint { wish } => A::Findings(remote.post(&["statements", "lint"], &json!(wish))?),
        Q::Missing { endpoint } => {
            A::Missing(vec![remote.get(&["endpoints", endpoint.as_str(), "missing"])?])
        }
        Q::MissingIn { ring } => A::Missing(remote.all(&["rings", ring.as_str(), "missing"])?),
        Q::Inventory { endpoint } => {
            A::Inventory(remote.get(&["endpoints", endpoint.as_str(), "inventory"])?)
        }
        Q::Updates { ring } => A::Updates(remote.get(&["rings", ring.as_str(), "updates"])?),
        Q::DraftStatement { wish } => {
            A::Draft(remote.post(&["statements", "draft"], &json!(wish))?)
        }
        Q::SubmitStatement { attested: true, .. } => {
            let why = "nobody signs it, so it is taken only from where the appliance is";
            return Err(elsewhere("approving without a signature", why));
        }
        Q::SubmitStatement { envelope, .. } => {
            A::Statement(remote.post(&["statements"], &json!(envelope))?)
        }
        Q::Decline { ring, package, reason, not_after, .. } => {
            let said = json!({ "package": package, "reason": reason, "not_after": not_after });
            A::Declined(remote.post(&["rings", ring.as_str(), "decline"], &said)?)
        }
        Q::DraftWaiver { endpoints, reason, approver, not_after } => {
            let wish = json!({
                "endpoints": endpoints, "reason": reason, "approver": approver, "not_after": not_after,
            });
            A::Draft(remote.post(&["waivers", "draft"], &wish)?)
        }
        Q::SubmitWaiver { envelope, .. } => {
            remote.post::<()>(&["waivers"], &json!(envelope))?;
            A::Waived
        }
    })
}

/// What is said of an endpoint, in the API's words.
fn description(said: Describe) -> Result<Value, Failure> {
    fn change<T: Serialize>(change: Change<T>) -> (Value, bool) {
        match change {
            Change::Keep => (Value::Null, false),
            Change::Clear => (Value::Null, true),
            Change::To(value) => (json!(value), false),
        }
    }
    let Describe { kind, stateless, exposure, never_back, owner, provider } = said;
    if provider != Change::Keep {
        let why = "it says how machines are reached, and stays there and at the console";
        return Err(elsewhere("setting what snapshots an endpoint", why));
    }
    let ((never_back, clear_never_back), (owner, clear_owner)) =
        (change(never_back), change(owner));
    Ok(json!({
        "kind": kind, "stateless": stateless, "exposure": exposure,
        "never_back": never_back, "clear_never_back": clear_never_back,
        "owner": owner, "clear_owner": clear_owner,
    }))
}
