//! What the run in which an endpoint's job stands asks of it.

use fleet::{JobEnd, Resolution};
use ids::{Digest, RecordId};
use serde::{Deserialize, Serialize};

/// A run's word to one endpoint. It can only hold back: what may be applied, where and when is in the
/// approval that people signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrders {
    /// The run.
    pub run: RecordId,
    /// SHA-256 of the approval's signed payload: the job that this is about.
    pub approval: Digest,
    /// Whether the job may begin. A job that has begun to change packages does not stop for it.
    pub go: bool,
    /// Why not, in one sentence; empty where it may.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whether the appliance's provider makes the way back of this endpoint. Obeyed only where the signed
    /// approval lists the endpoint under `provided`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provided: bool,
    /// Whether that way back is made and proven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proven: bool,
    /// Whether the endpoint was declared stateless: a failed job is then put back without asking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stateless: bool,
    /// What a person decided about the failed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// The appliance has ended the job: its provider put the machine back, or a person took it out. The
    /// machine may remember less than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<JobEnd>,
}
