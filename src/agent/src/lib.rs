//! The endpoint's side: it enrols, checks in, and applies exactly what people approved.
//!
//! Everything works below a root directory; in another root than `/`, apt and dpkg run through `chroot`.
//! Start reading at [`Agent`], which is one check-in after the other; `apply` is the job.
//!
//! **Invariant:** nothing is applied that a listed approver's signature does not permit here, now, by
//! digest, under the site root that was pinned at enrolment; the appliance's word alone moves nothing.
//! **Invariant:** each step of a job is written down before it is taken, so that a stop at any point is
//! gone on from. **Invariant:** nothing is applied while the log is in doubt, or after what the agent
//! remembered was lost, until a person says so.

mod apply;
mod certificate;
mod conduct;
mod confirm;
mod dpkg;
mod effective;
mod enrol;
mod error;
mod files;
mod gate;
mod health;
mod hooks;
mod machine;
mod mend;
mod notice;
mod pause;
mod ports;
mod restart;
mod run;
mod solve;
mod sources;
mod state;
mod status;
mod talk;
mod touched;
mod way_back;
mod witness;
mod written;

pub use enrol::{Enrolment, enrol, enrol_again};
pub use error::{Error, told};
pub use machine::Machine;
pub use notice::defer;
pub use pause::{jittered, pause};
pub use run::{Agent, Came};
pub use state::{Identity, reset};
pub use status::{Standing, standing};
