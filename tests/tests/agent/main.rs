//! The agent against an appliance that lies: enrolment, the log, the gate, the job, kills. Real Debian
//! machines, a real apt, a vendor's repository signed by a throw-away key.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conduct;
mod enrolment;
mod gate;
mod job;
mod lab;
mod log;
mod lying;
mod people;
mod restart;
mod run;
mod vendor;
mod witness;
