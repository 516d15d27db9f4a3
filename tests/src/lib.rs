//! The stage for whole-system tests: real programs, real Debian machines, networks with no way out.
//!
//! Start at [`Story`]: a publisher and one collected, signed bundle, made once and shared. From it
//! come [`Appliance`]s (a data folder each), served inside a [`Network`], and [`Debian`] machines
//! that patch themselves from it with stock apt.
//!
//! **Invariant:** everything here stops by itself: commands have a time limit, servers are stopped
//! by their own process id, namespaces and folders go when their owner is dropped, and what a
//! killed test left behind is swept by the next one. **Invariant:** no address of a mirror stands
//! here: it is read from the machine's own apt sources when a test runs.
//!
//! Helpers end the test (they panic) with one sentence when the stage cannot be set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance;
pub mod browser;
mod command;
mod debian;
mod here;
mod machine;
mod network;
mod package;
mod packaged;
pub mod room;
mod story;
pub mod swarm;
mod walk;
mod workshop;

pub use appliance::{Appliance, Served};
pub use browser::{Browser, Page};
pub use command::{Said, run, run_within};
pub use debian::{Debian, Mounted};
pub use here::{Client, Here};
pub use machine::{Mirror, cache, mirror, patchkeep, program, require_root, scratch, soak};
pub use network::{Network, Node};
pub use package::Package;
pub use packaged::agent_package;
pub use story::Story;
pub use swarm::{Console, Drone, Swarm};
pub use walk::{Manner, Sight, Walk, Walker};
pub use workshop::{
    Draft, IMAGES, SOURCE, Workshop, copy_tree, find, noise, patchkeep_command, patchkeep_on,
};
