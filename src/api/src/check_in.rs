//! A check-in: what the endpoint has and holds; what the site would have it do.

use crate::RunOrders;
use fleet::Job;
use ids::{RingName, Timestamp};
use serde::{Deserialize, Serialize};
use trust::{ApprovedPackage, Envelope};
use vendor_apt::Inventory;

/// What an agent says when it checks in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckIn {
    /// The agent's version.
    pub agent: String,
    /// Generation of the site root that it follows; 0 where it has none.
    pub root_generation: u64,
    /// The newest checkpoint that it holds, as it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Where it found that the appliance's log went back or forked: what it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
    /// What is installed, where it changed since the last check-in that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// What its own solver would apply, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// How far its job is, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// PKCS #10 request (PEM) for the next certificate, past two thirds of this one's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<String>,
}

/// What an endpoint's own solver would apply from the ring that it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The packages, sorted.
    pub packages: Vec<PlannedPackage>,
    /// Packages that the solver keeps back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_back: Vec<String>,
}

/// One package of a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedPackage {
    /// Exactly what would be applied.
    #[serde(flatten)]
    pub package: ApprovedPackage,
    /// The version that it replaces; `None` where the package is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The job.
    pub job: Job,
    /// One sentence for people.
    pub message: String,
}

/// What the appliance answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// The appliance's clock.
    pub now: Timestamp,
    /// The ring in which the appliance has the endpoint.
    pub ring: RingName,
    /// Site roots that follow the one which the agent said it follows, oldest first.
    pub roots: Vec<Envelope>,
    /// The ring's newest statement, approval or withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Envelope>,
    /// What the run of that approval asks; `None` as long as no run of it has been started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunOrders>,
    /// Signed waivers of the way back that name this endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Envelope>,
    /// The log's newest checkpoint (C2SP signed note).
    pub checkpoint: String,
    /// Base64 of the hashes of the consistency proof (RFC 6962) from the held checkpoint to this one.
    pub proof: Vec<String>,
    /// deb822 sources of the ring, with the appliance's own address as the agent reached it left out:
    /// every `URIs` begins with `/`.
    pub sources: String,
    /// Whether an inventory and a plan are wanted whatever the agent thinks has changed.
    pub wants_inventory: bool,
    /// The next certificate, PEM, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Seconds until the next check-in, before jitter.
    pub again_in_seconds: u64,
}
