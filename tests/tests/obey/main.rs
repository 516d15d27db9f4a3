//! People decide and machines obey: the real appliance, the real agent, real Debian machines and a real
//! apt, stock ssh keys. What a *lying* appliance can do to an agent is in `tests/agent`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod airgap;
mod closure;
mod console;
mod decide;
mod elsewhere;
mod endless;
mod hostile;
mod house;
mod image;
mod join;
mod level;
mod load;
mod provider;
mod recover;
mod renewal;
mod roles;
mod runs;
mod scripts;
mod security_key;
mod window;
mod witness;
