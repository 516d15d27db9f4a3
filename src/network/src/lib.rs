//! How the appliance is reached, and how that is changed without locking anybody out.
//!
//! [`Settings`] are what people set. The server, which may not touch the network, hands a change over as a [`Request`] in a
//! folder that PID 1 looks into. PID 1 takes it **on trial**: what held before comes back by itself unless a person
//! confirms the change ([`Confirmation`]) in time. [`Status`] is what PID 1 says of the network at any moment, [`Outcome`]
//! what became of the last change.
//!
//! **Invariant:** rules and words only: no disk, no clock, no network. `init` has these.
//! **Invariant:** [`Settings`] can be taken: an address that a machine can have, and a gateway that it reaches.

mod settings;

pub use settings::{Address, Addressing, Interface, Invalid, Name, Settings, Vlan};

use ids::{RecordId, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a change is on trial, unless somebody confirms it.
pub const TRIAL_SECONDS: u64 = 10 * 60;
/// Longest of the files here, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 << 10;

/// The files in the folder that the server and PID 1 share.
pub mod files {
    /// Folder that the server writes to.
    pub const IN: &str = "in";
    /// In [`IN`]: a [`Request`](super::Request).
    pub const REQUEST: &str = "in/request.json";
    /// In [`IN`]: a [`Confirmation`](super::Confirmation).
    pub const CONFIRMATION: &str = "in/confirmation.json";
    /// A [`Status`](super::Status), which only PID 1 writes.
    pub const STATUS: &str = "status.json";
    /// An [`Outcome`](super::Outcome), which only PID 1 writes.
    pub const OUTCOME: &str = "outcome.json";
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its own id.
    pub change: RecordId,
    /// What is to hold.
    pub settings: Settings,
}

/// A person's word that the appliance is reached with a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The change.
    pub change: RecordId,
}

/// A change on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The change.
    pub change: RecordId,
    /// What holds meanwhile.
    pub settings: Settings,
    /// When what held before comes back.
    pub until: Timestamp,
}

/// How the network stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// What holds, but for a change on trial.
    pub settings: Settings,
    /// The address that the appliance has; `None` while it has none.
    pub address: Option<Address>,
    /// The interface that it is on.
    pub interface: Option<String>,
    /// Each wired interface of the machine.
    pub interfaces: Vec<String>,
    /// Why it has no address.
    pub trouble: Option<String>,
    /// A change on trial.
    pub trial: Option<Trial>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// A person confirmed it, and it holds.
    Kept,
    /// Nobody confirmed it in time: what held before is back.
    PutBack,
    /// It could not be taken: what held before is back.
    Refused,
    /// It was set by somebody who stood before the machine.
    SetThere,
}

/// A change that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The change; `None` where somebody set it at the machine, or it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<RecordId>,
    /// What became of it.
    pub became: Became,
    /// What it set.
    pub settings: Settings,
    /// Why it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When that was settled. Two outcomes differ at least in this.
    pub settled: Timestamp,
}
