//! What agents and the appliance say to each other: JSON over HTTPS, version 1.
//!
//! | request | door | from |
//! |---|---|---|
//! | `POST /agent/v1/enrol` [`Enrol`] -> [`Enrolled`] | people's (no client certificate yet) | an agent with a token |
//! | `POST /agent/v1/check-in` [`CheckIn`] -> [`Orders`] | endpoints' (its certificate) | an enrolled agent |
//!
//! An answer other than 200 carries a [`Problem`]. Bodies are at most [`BODY_BYTES_MAX`] bytes.
//! Unknown fields are passed over, so that either side may be newer; what must not be passed over raises
//! the version in the path.
//!
//! **Invariant:** nothing that the appliance says here is obeyed for its own sake: what an agent may apply
//! is a [`trust::Approval`] in an envelope, judged by the agent under the site root that it pinned.

mod check_in;
mod enrol;
mod run;

pub use check_in::{CheckIn, Orders, Plan, PlannedPackage, Report};
pub use enrol::{Enrol, Enrolled};
pub use fleet::{Job, JobEnd, JobPhase, Resolution, WayBack};
pub use run::RunOrders;

use serde::{Deserialize, Serialize};

/// Where an agent enrols, at the people's door.
pub const ENROL_PATH: &str = "/agent/v1/enrol";
/// Where an agent checks in, at the endpoints' door.
pub const CHECK_IN_PATH: &str = "/agent/v1/check-in";
/// Longest request or answer, in bytes.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Why a request was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable kebab-case code.
    pub code: String,
    /// One sentence: what happened, and what to do.
    pub message: String,
}
