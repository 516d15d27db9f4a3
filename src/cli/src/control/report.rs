//! Requests about what a site goes by, and how it stands: calendar, policies, exceptions, reports.

use super::api::pairs;
use crate::{
    failure::Failure,
    person::doing,
    remote::{Remote, told},
};
use fleet::{Calendar, Operation, Policy, PolicyCommand};
use ids::{PersonId, PolicyName, RecordId};
use serde::{Deserialize, Serialize};
use site::{ExceptionStatus, ExceptionWish, LevelReport, PolicyReport, Site};

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum ReportRequest {
    Calendar,
    SetCalendar { calendar: Calendar, person: PersonId },
    Policies { all: bool },
    SetPolicy { policy: Box<Policy>, person: PersonId },
    RemovePolicy { policy: PolicyName, person: PersonId },
    Exceptions,
    RequestException { wish: Box<ExceptionWish>, person: PersonId },
    ApproveException { exception: RecordId, person: PersonId },
    Levels,
    Policy { policy: PolicyName },
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", content = "is", rename_all = "kebab-case")]
pub(crate) enum ReportReply {
    Calendar(Calendar),
    Policies(Vec<Policy>),
    Exceptions(Vec<ExceptionStatus>),
    Levels(Box<LevelReport>),
    Policy(Box<PolicyReport>),
}

impl ReportRequest {
    /// Whether it is nothing for an appliance that only reads.
    pub(super) const fn writes(&self) -> bool {
        matches!(
            self,
            Self::SetCalendar { .. }
                | Self::SetPolicy { .. }
                | Self::RemovePolicy { .. }
                | Self::RequestException { .. }
                | Self::ApproveException { .. }
        )
    }

    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Calendar => Operation::Calendar,
            Self::SetCalendar { .. } => Operation::SetCalendar,
            Self::Policies { .. } => Operation::Policies,
            Self::SetPolicy { .. } => Operation::SetPolicy,
            Self::RemovePolicy { .. } => Operation::RemovePolicy,
            Self::Exceptions => Operation::Exceptions,
            Self::RequestException { .. } => Operation::RequestException,
            Self::ApproveException { .. } => Operation::ApproveException,
            Self::Levels => Operation::ReportLevels,
            Self::Policy { .. } => Operation::ReportPolicy,
        }
    }
}

/// Calls the use case.
pub(super) fn perform(site: &Site, request: ReportRequest) -> Result<ReportReply, Failure> {
    use ReportReply as A;
    use ReportRequest as Q;
    let operation = request.operation();
    let by = |person: &PersonId| doing(person, operation);
    Ok(match request {
        Q::Calendar => A::Calendar(site.calendar()),
        Q::SetCalendar { calendar, person } => {
            A::Calendar(site.set_calendar(by(&person)?, calendar)?)
        }
        Q::Policies { all } => A::Policies(site.policies(all)?),
        Q::SetPolicy { policy, person } => {
            let set = PolicyCommand::Set { policy: *policy };
            A::Policies(site.change_policy(by(&person)?, set)?)
        }
        Q::RemovePolicy { policy, person } => {
            let remove = PolicyCommand::Remove { policy };
            A::Policies(site.change_policy(by(&person)?, remove)?)
        }
        Q::Exceptions => A::Exceptions(site.exceptions()?),
        Q::RequestException { wish, person } => {
            let actor = by(&person)?;
            A::Exceptions(vec![site.request_exception(actor, person, *wish)?])
        }
        Q::ApproveException { exception, person } => {
            let actor = by(&person)?;
            A::Exceptions(vec![site.approve_exception(actor, person, exception)?])
        }
        Q::Levels => A::Levels(Box::new(site.level_report()?)),
        Q::Policy { policy } => A::Policy(Box::new(site.policy_report(&policy)?)),
    })
}

/// Asks for the same over the API.
pub(super) fn over_api(remote: &Remote, request: ReportRequest) -> Result<ReportReply, Failure> {
    use ReportReply as A;
    use ReportRequest as Q;
    Ok(match request {
        Q::Calendar => A::Calendar(remote.get(&["calendar"])?),
        Q::SetCalendar { calendar, .. } => {
            A::Calendar(remote.put(&["calendar"], &serde_json::to_value(calendar)?)?)
        }
        Q::Policies { all } => A::Policies(policies(remote, all)?),
        Q::SetPolicy { policy, .. } => {
            let path = ["policies", policy.name.as_str()];
            remote.put::<()>(&path, &serde_json::to_value(&policy)?)?;
            A::Policies(policies(remote, false)?)
        }
        Q::RemovePolicy { policy, .. } => {
            remote.delete(&["policies", policy.as_str()])?;
            A::Policies(policies(remote, false)?)
        }
        Q::Exceptions => A::Exceptions(remote.all(&["exceptions"])?),
        Q::RequestException { wish, .. } => {
            A::Exceptions(vec![remote.post(&["exceptions"], &serde_json::to_value(wish)?)?])
        }
        Q::ApproveException { exception, .. } => {
            let path = ["exceptions", exception.as_str(), "approve"];
            A::Exceptions(vec![remote.post_bare(&path)?])
        }
        Q::Levels => A::Levels(told(remote.whole(&["reports", "levels"])?)?),
        Q::Policy { policy } => {
            let mut report = remote.whole(&["reports", "policies", policy.as_str()])?;
            pairs(&mut report["untold"], "endpoint", "why");
            A::Policy(told(report)?)
        }
    })
}

/// A policy as the API lists it.
#[derive(Deserialize)]
struct Listed {
    policy: Policy,
    in_force: bool,
}

fn policies(remote: &Remote, all: bool) -> Result<Vec<Policy>, Failure> {
    let listed: Vec<Listed> = remote.all(&["policies"])?;
    Ok(listed.into_iter().filter(|one| all || one.in_force).map(|one| one.policy).collect())
}
