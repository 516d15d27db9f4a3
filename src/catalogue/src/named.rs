//! Whether the vendor's indexes name every payload of a catalogue: the part of vouching that is alike for all vendors.

use crate::{Catalogue, File, UpdatePayload};
use std::collections::HashMap;

/// What a vendor's index says of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The package, its path and its digest.
    pub payload: UpdatePayload,
    /// Length of the file in bytes.
    pub length: u64,
    /// The source package that it was built from.
    pub source_package: String,
    /// The version of that.
    pub source_version: String,
}

/// A file that the vendor's indexes do not stand behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotNamed {
    /// Its path.
    pub path: String,
    /// What does not fit.
    pub reason: &'static str,
}

impl NotNamed {
    /// This file, and what does not fit.
    #[must_use]
    pub fn new(path: &str, reason: &'static str) -> Self {
        Self { path: path.to_owned(), reason }
    }
}

/// The payloads of a catalogue, and what indexes said of them so far.
#[derive(Debug, Default)]
pub struct Payloads<'a> {
    waiting: HashMap<&'a str, &'a File>,
    named: HashMap<&'a str, Indexed>,
}

impl<'a> Payloads<'a> {
    /// Adds a payload that is to be named.
    ///
    /// # Errors
    /// Where it was added before.
    pub fn expect(&mut self, file: &'a File) -> Result<(), NotNamed> {
        match self.waiting.insert(&file.path, file) {
            None => Ok(()),
            Some(_) => Err(NotNamed::new(&file.path, "it is listed twice")),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes in what an index says of a package; says whether one named that payload before. What is no payload of the
    /// catalogue is passed over.
    ///
    /// # Errors
    /// Where the payload has another digest or length.
    pub fn name(&mut self, indexed: Indexed) -> Result<bool, NotNamed> {
        let Some((path, file)) = self.waiting.get_key_value(indexed.payload.path.as_str()) else {
            return Ok(false);
        };
        if indexed.payload.sha256 != file.sha256 {
            return Err(NotNamed::new(path, "another digest"));
        }
        if indexed.length != file.length {
            return Err(NotNamed::new(path, "another length"));
        }
        Ok(self.named.insert(path, indexed).is_some())
    }

    /// Ends the check: every payload must have been named, and every update must tell of its payloads what the
    /// indexes tell.
    ///
    /// # Errors
    /// The first file that does not fit.
    pub fn finish(self, catalogue: &Catalogue) -> Result<(), NotNamed> {
        for path in self.waiting.keys() {
            if !self.named.contains_key(path) {
                return Err(NotNamed::new(path, "no index that was read names it"));
            }
        }
        for update in &catalogue.updates {
            for payload in &update.payloads {
                let told = self.named.get(payload.path.as_str()).is_some_and(|indexed| {
                    indexed.payload == *payload
                        && indexed.source_package == update.source_package
                        && indexed.source_version == update.fixed_version
                });
                if !told {
                    let reason = "an update tells of it otherwise than the index";
                    return Err(NotNamed::new(&payload.path, reason));
                }
            }
        }
        Ok(())
    }
}
