//! What people say of an endpoint: its kind, whether it holds state, who owns it, what can snapshot it; and
//! whether it is elected in.
//!
//! An endpoint that is elected in is patched and counts in the service levels. One that is confirmed is
//! elected in at once, unless it was elected out before.

use crate::{Endpoint, EndpointCommand, Exposure, Fact, Refused, Standing, State};
use ids::{Digest, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

/// What people say of an endpoint. Names and settings are behind commitments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What it is; `None` where nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EndpointKind>,
    /// Whether it holds nothing that a snapshot would take back with it: then it is put back without
    /// asking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stateless: bool,
    /// Why it is never put back by itself, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_back: Option<NeverBack>,
    /// How it can be reached; `None` where nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Commitment to who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Digest>,
    /// Commitment to how the appliance's provider snapshots it; `None` where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Digest>,
}

/// What an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// It serves others.
    Server,
    /// Somebody sits at it.
    Workstation,
}

/// What must not be put back by itself, since others hold a newer copy of what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NeverBack {
    /// A domain controller.
    DomainController,
    /// A member of a cluster.
    ClusterMember,
    /// Something else that people know of.
    Other,
}

/// Whether an endpoint is elected in, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Election {
    /// In or out.
    pub elected: bool,
    /// Since when.
    pub since: Timestamp,
}

impl Description {
    /// Whether nobody has said anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl EndpointKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Workstation => "workstation",
        }
    }
}

impl NeverBack {
    /// The words for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DomainController => "domain controller",
            Self::ClusterMember => "cluster member",
            Self::Other => "not to be put back by itself",
        }
    }
}

impl Endpoint {
    /// Whether it has joined and is elected in. One that joined before elections were recorded is.
    #[must_use]
    pub fn is_elected(&self) -> bool {
        self.standing == Standing::Active && self.election.is_none_or(|election| election.elected)
    }
}

/// What follows from a command about what people say of an endpoint.
pub(crate) fn decide(state: &State, command: EndpointCommand) -> Result<Vec<Fact>, Refused> {
    let known = |endpoint| {
        let known = state.endpoints.get(endpoint).ok_or(Refused::NoEndpoint)?;
        if known.standing == Standing::Retired {
            return Err(Refused::Standing { is: known.standing });
        }
        Ok(known)
    };
    match command {
        EndpointCommand::Describe { endpoint, description } => {
            if description.stateless && description.never_back.is_some() {
                return Err(Refused::StatelessAndNeverBack);
            }
            let same = known(&endpoint)?.description == description;
            Ok((!same)
                .then_some(Fact::EndpointDescribed { endpoint, description })
                .into_iter()
                .collect())
        }
        EndpointCommand::Elect { endpoint, elected, record } => {
            let same = known(&endpoint)?.election.is_some_and(|known| known.elected == elected);
            let fact = Fact::EndpointElected { endpoint, elected, record };
            Ok((!same).then_some(fact).into_iter().collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Whoever is confirmed is elected in, unless people have said otherwise before.
pub(crate) fn confirmed(
    state: &State,
    endpoint: RecordId,
    certificate: Digest,
    not_after: Timestamp,
) -> Vec<Fact> {
    let unsaid = state.endpoints.get(&endpoint).is_some_and(|known| known.election.is_none());
    let elected = unsaid.then(|| Fact::EndpointElected {
        endpoint: endpoint.clone(),
        elected: true,
        record: None,
    });
    let confirmed = Fact::EndpointConfirmed { endpoint, certificate, not_after };
    [Some(confirmed), elected].into_iter().flatten().collect()
}

/// Takes in a fact about what people say of an endpoint; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::EndpointDescribed { endpoint, description } => {
            if let Some(known) = state.endpoints.get_mut(endpoint) {
                known.description = *description;
            }
        }
        Fact::EndpointElected { endpoint, elected, .. } => {
            if let Some(known) = state.endpoints.get_mut(endpoint) {
                known.election = Some(Election { elected: *elected, since: at });
            }
        }
        _ => return false,
    }
    true
}
