//! Who makes the snapshots of an endpoint, and where it is reached.

use crate::{Error, Provider, command::External, machine::Machine, virsh::Domain};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Who makes the snapshots of an endpoint. In settings: `provider = "qmp"` and the fields beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Binding {
    /// QEMU, through its own monitor.
    Qmp(QmpBinding),
    /// libvirt, through `virsh`.
    Libvirt(LibvirtBinding),
    /// An executable that keeps to `COMMAND.md`.
    Command(CommandBinding),
}

/// Where a QEMU machine keeps its snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Inside its qcow2 files; with memory where ordered.
    #[default]
    Internal,
    /// The file stays as it is, an overlay beside it takes the changes. **Hazard:** while such a snapshot
    /// stands, the machine must be started from the overlay by nobody but the provider, or its changes
    /// are lost: take it for the hours of a patching run, and delete it afterwards.
    External,
}

/// A QEMU machine with a monitor on a unix socket (`-qmp unix:PATH,server=on,wait=off`), kept for us:
/// the monitor takes one client at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QmpBinding {
    /// The monitor's socket.
    pub socket: PathBuf,
    /// The guest agent's socket; without it no guest can be frozen.
    #[serde(default)]
    pub agent: Option<PathBuf>,
    /// Where snapshots are kept.
    #[serde(default)]
    pub kind: Kind,
    /// Starts the stopped machine and returns: program and arguments. Needed to go back to a snapshot
    /// without memory.
    #[serde(default)]
    pub start: Option<Vec<String>>,
    /// Disks that need not go back (by device id, path or node name), e.g. firmware variables.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// A folder for throw-away copies.
    #[serde(default)]
    pub scratch: Option<PathBuf>,
    /// Boots or mounts throw-away copies: program and arguments; their paths follow. 0 means good.
    #[serde(default)]
    pub try_clone: Option<Vec<String>>,
}

/// A domain of libvirt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LibvirtBinding {
    /// The connection, e.g. `qemu:///system`.
    pub uri: String,
    /// The domain's name or UUID.
    pub domain: String,
    /// Another `virsh` than the one in the path.
    #[serde(default)]
    pub virsh: Option<PathBuf>,
    /// A folder for throw-away copies, where the domain's files can be read from here.
    #[serde(default)]
    pub scratch: Option<PathBuf>,
    /// Boots or mounts throw-away copies: program and arguments; their paths follow. 0 means good.
    #[serde(default)]
    pub try_clone: Option<Vec<String>>,
}

/// An executable that keeps to `COMMAND.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandBinding {
    /// The executable.
    pub program: PathBuf,
    /// The machine, as the executable knows it.
    pub machine: String,
}

/// How long things may take. Each fires by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One question.
    pub ask: Duration,
    /// Freezing a guest: its users wait.
    pub freeze: Duration,
    /// All tries to thaw one, and to see it.
    pub thaw: Duration,
    /// Making a snapshot.
    pub create: Duration,
    /// Looking at one, and trying a copy.
    pub prove: Duration,
    /// Going back to one.
    pub restore: Duration,
    /// Deleting one.
    pub delete: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            ask: seconds(10),
            freeze: seconds(20),
            thaw: seconds(30),
            create: seconds(300),
            prove: seconds(1800),
            restore: seconds(600),
            delete: seconds(600),
        }
    }
}

impl Limits {
    /// The same limits, none of them longer than `most`.
    #[must_use]
    pub fn at_most(self, most: Duration) -> Self {
        Self {
            ask: self.ask.min(most),
            freeze: self.freeze.min(most),
            thaw: self.thaw.min(most),
            create: self.create.min(most),
            prove: self.prove.min(most),
            restore: self.restore.min(most),
            delete: self.delete.min(most),
        }
    }
}

impl Binding {
    /// The provider. Nothing is reached yet.
    ///
    /// # Errors
    /// [`Error::Binding`] where a field cannot be meant.
    pub fn open(&self, limits: Limits) -> Result<Box<dyn Provider + Send>, Error> {
        match self {
            Self::Qmp(binding) => {
                absolute("socket", Some(&binding.socket))?;
                absolute("agent", binding.agent.as_deref())?;
                absolute("scratch", binding.scratch.as_deref())?;
                program("start", binding.start.as_deref())?;
                program("try_clone", binding.try_clone.as_deref())?;
                Ok(Box::new(Machine::new(binding.clone(), limits)))
            }
            Self::Libvirt(binding) => {
                absolute("virsh", binding.virsh.as_deref())?;
                absolute("scratch", binding.scratch.as_deref())?;
                program("try_clone", binding.try_clone.as_deref())?;
                word("uri", &binding.uri)?;
                word("domain", &binding.domain)?;
                Ok(Box::new(Domain::new(binding.clone(), limits)))
            }
            Self::Command(binding) => {
                absolute("program", Some(&binding.program))?;
                word("machine", &binding.machine)?;
                Ok(Box::new(External::new(binding.clone(), limits)))
            }
        }
    }
}

fn absolute(field: &'static str, path: Option<&Path>) -> Result<(), Error> {
    if path.is_none_or(Path::is_absolute) {
        return Ok(());
    }
    Err(Error::Binding { field, reason: "it is not an absolute path" })
}

fn program(field: &'static str, line: Option<&[String]>) -> Result<(), Error> {
    let Some(line) = line else { return Ok(()) };
    let Some(first) = line.first() else {
        return Err(Error::Binding { field, reason: "it names no program" });
    };
    absolute(field, Some(Path::new(first)))
}

/// A word that a program could take for an option, or that would end a line, cannot be meant.
fn word(field: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
        return Err(Error::Binding { field, reason: "it is empty, or no plain word" });
    }
    Ok(())
}
