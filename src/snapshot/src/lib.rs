//! Snapshots of virtual machines: made, proven, gone back to, deleted.
//!
//! Owns how the machinery that runs an endpoint is asked for a snapshot: QEMU over its monitor
//! (QMP), libvirt through `virsh`, anything else through an executable with a written contract
//! (`COMMAND.md`). Start reading at [`Provider`]; a [`Binding`] says who makes an endpoint's snapshots.
//! Knows nothing of jobs, approvals or when a snapshot is due.
//!
//! **Invariant:** every call ends within its time limit ([`Limits`]), whatever the other side does.
//! **Invariant:** a word of the other side is not enough where it can be looked at: what was made is
//! listed, what was gone back to was listed before and is shown afterwards, what was deleted is gone.
//! **Invariant:** a guest whose file systems were frozen is thawed again, and asked whether it is; where
//! that cannot be shown, the call fails aloud ([`Error::StillFrozen`]), snapshot or not.
//!
//! Sizes are bytes, times RFC 3339 in UTC, durations in records milliseconds. Standards: QEMU Machine
//! Protocol (docs/interop/qmp-spec, QEMU 6.0 and later for `snapshot-save`), QEMU Guest Agent Protocol
//! (qemu-ga-ref), libvirt's domain and snapshot XML.
//!
//! **Hazard:** nothing can thaw a guest when this program is killed between freeze and thaw: call
//! [`Provider::thaw`] at the next start.

mod binding;
mod child;
mod command;
mod deadline;
mod error;
mod guest;
mod image;
mod lines;
mod machine;
mod qmp;
mod virsh;
mod words;

pub use binding::{Binding, CommandBinding, Kind, LibvirtBinding, Limits, QmpBinding};
pub use error::Error;
pub use words::{
    Alive, Answer, Depth, DiskState, How, IfNot, Level, Listed, Look, Made, Order, Proof, Restored,
    SnapshotName, Space,
};

/// Makes, proves, restores and deletes the snapshots of one endpoint. Calls block.
pub trait Provider {
    /// Makes a snapshot, and shows that it is there.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is taken: nothing is made twice, nothing is replaced.
    fn create(&mut self, order: &Order) -> Result<Made, Error>;

    /// The record of a snapshot that stands, for a caller that crashed between making one and keeping its
    /// record. Its level is what can be seen: memory or crash-consistent.
    ///
    /// # Errors
    /// Why the provider cannot be asked.
    fn adopt(&mut self, name: &SnapshotName) -> Result<Option<Made>, Error>;

    /// Looks at a snapshot that was made: the provider lists it, it belongs to this machine, space is left,
    /// its content can be read; with [`Depth::Clone`], a throw-away copy of it is tried.
    ///
    /// # Errors
    /// [`Error::Unproven`] and others: there is no way back then.
    fn prove(&mut self, made: &Made, depth: Depth) -> Result<Proof, Error>;

    /// Puts the machine back to a snapshot, and shows that it is there.
    ///
    /// # Errors
    /// [`Error::NoSuch`] before anything is touched; [`Error::NotRestored`] where it cannot be shown.
    fn restore(&mut self, made: &Made) -> Result<Restored, Error>;

    /// Deletes a snapshot; the machine stays as it is. One that is gone already is no error.
    ///
    /// # Errors
    /// Why it is still there.
    fn delete(&mut self, made: &Made) -> Result<(), Error>;

    /// The snapshots that the provider itself lists.
    ///
    /// # Errors
    /// Why it cannot be asked.
    fn list(&mut self) -> Result<Vec<Listed>, Error>;

    /// The room that is left where snapshots grow.
    ///
    /// # Errors
    /// Why it cannot be measured.
    fn space(&mut self) -> Result<Space, Error>;

    /// What a silent machine still says: facts, not a verdict.
    ///
    /// # Errors
    /// Only where nothing could be asked at all; silence is an answer.
    fn probe(&mut self) -> Result<Alive, Error>;

    /// Thaws a guest that a killed program left frozen. One that is not frozen is no error.
    ///
    /// # Errors
    /// [`Error::StillFrozen`].
    fn thaw(&mut self) -> Result<(), Error>;
}
