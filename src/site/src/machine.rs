//! Words that the server and PID 1 leave for each other: small files, each whole or not there.

use crate::{Error, Site, image::Running, network::SharedFolder};
use fleet::DataPartition;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

/// What PID 1 told the server at its start: nothing on a desk or in a package.
#[derive(Debug, Default)]
pub(crate) struct FirstProgram {
    pub(crate) running: Running,
    pub(crate) network: SharedFolder,
    /// The file in which it says what is plugged in.
    pub(crate) plugged_in: OnceLock<PathBuf>,
    /// The folder in which it takes files that it writes to media.
    pub(crate) writes: OnceLock<PathBuf>,
    /// One is handed over at a time.
    pub(crate) handing_over: Mutex<()>,
    data: OnceLock<DataPartition>,
}

impl Site {
    /// Says in which file PID 1 lists what is plugged in ([`media::Plugged`]).
    pub fn media_plugged_in(&self, file: PathBuf) {
        self.first_program().plugged_in.get_or_init(|| file);
    }

    /// Says how the data partition is kept.
    pub fn data_is(&self, kept: DataPartition) {
        self.first_program().data.get_or_init(|| kept);
    }

    /// How the data partition is kept; none where the appliance runs from no image, and does not know.
    #[must_use]
    pub fn data_partition(&self) -> Option<DataPartition> {
        self.first_program().data.get().copied()
    }

    /// A word that PID 1 left, of at most so many bytes; `None` where it left none.
    pub(crate) fn word<T: DeserializeOwned>(
        &self,
        path: &Path,
        most: u64,
    ) -> Result<Option<T>, Error> {
        let told = |source: io::Error| Error::Folder { path: path.into(), source };
        match self.disk().len(path) {
            Ok(bytes) if bytes <= most => {}
            Ok(_) => return Err(told(io::ErrorKind::FileTooLarge.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(error)),
        }
        let bytes = self.disk().read(path).map_err(told)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|e| {
            Error::Input(format!("what the machine says in {} cannot be read: {e}", path.display()))
        })
    }

    /// Leaves a word for PID 1.
    pub(crate) fn leave_word(&self, path: &Path, word: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_vec(word).map_err(Error::State)?;
        let told = |source: io::Error| Error::Folder { path: path.into(), source };
        self.disk().write_atomic(path, &text).map_err(told)
    }
}
