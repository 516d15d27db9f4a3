//! Requests about endpoints and about what people decide.

use crate::{failure::Failure, person::doing};
use fleet::{Finding, RingStatement};
use ids::{EndpointName, PersonId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use site::{
    Describe, EndpointMissing, EndpointStatus, IssuedToken, RingUpdate, RingUpdates, Site, Wish,
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
