//! Whether the vendor's signed `repomd.xml` stands behind every file of a catalogue.

use crate::{Error, Part, REPOMD, REPOMD_SIGNATURE, Repomd, parse_primary};
use catalogue::{Catalogue, File, FileKind, Indexed, Payloads, Vendor};
use ids::{Digest, Timestamp};
use std::collections::HashMap;

/// Proof that every file of a catalogue is vouched for. Made only by [`Vouching::finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Digest of `repomd.xml`.
    pub release: Digest,
    /// When it was made.
    pub date: Timestamp,
    /// How many files are vouched for, `repomd.xml` and its signature with them.
    pub files: usize,
}

/// The list of packages, which must be read before payloads can be vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedIndex {
    /// The catalogue's file to read; its name's end says how it is compressed.
    pub file: File,
    /// Length of the plain bytes.
    pub length: u64,
}

/// The check in the making: begin, hand in the wanted list, finish.
#[derive(Debug)]
pub struct Vouching<'a> {
    catalogue: &'a Catalogue,
    repomd: &'a Repomd,
    document: Digest,
    lists: HashMap<&'a str, &'a Part>,
    payloads: Payloads<'a>,
}

impl<'a> Vouching<'a> {
    /// Checks `repomd.xml` and every list. `document` is `repomd.xml` as served, over which the vendor's signature
    /// was judged, `repomd` what it says.
    ///
    /// # Errors
    /// The first file that is not vouched for, or what the catalogue tells differently.
    pub fn begin(
        document: &[u8],
        repomd: &'a Repomd,
        catalogue: &'a Catalogue,
    ) -> Result<Self, Error> {
        let same = [
            ("the kind of vendor", matches!(catalogue.vendor, Vendor::Rpm { .. })),
            ("release date", catalogue.release_date == repomd.date),
            ("valid until", catalogue.valid_until.is_none()),
        ];
        if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
            return Err(Error::Differs { what });
        }
        let lists = repomd.parts.values().map(|part| (part.path.as_str(), part)).collect();
        let document = (Digest::of(document), document.len() as u64);
        let payloads = Payloads::default();
        let mut this = Self { catalogue, repomd, document: document.0, lists, payloads };
        let (mut releases, mut signatures) = (0, 0);
        for file in &catalogue.files {
            match file.kind {
                FileKind::Release => {
                    releases += 1;
                    if file.path != REPOMD || (file.sha256, file.length) != document {
                        return Err(not_vouched(
                            file,
                            "it is not the repomd.xml that was verified",
                        ));
                    }
                }
                FileKind::Signature => {
                    signatures += 1;
                    if file.path != REPOMD_SIGNATURE {
                        return Err(not_vouched(file, "the signature has another path"));
                    }
                }
                FileKind::Index => this.check_list(file)?,
                FileKind::Payload => this.payloads.expect(file)?,
            }
        }
        if (releases, signatures) == (1, 1) {
            return Ok(this);
        }
        Err(Error::Differs { what: "repomd.xml and its signature" })
    }

    fn check_list(&self, file: &File) -> Result<(), Error> {
        match self.lists.get(file.path.as_str()) {
            None => Err(not_vouched(file, "it does not name it")),
            Some(part) if part.sha256 != file.sha256 => Err(not_vouched(file, "another digest")),
            Some(part) if part.length != file.length => Err(not_vouched(file, "another length")),
            Some(_) => Ok(()),
        }
    }

    /// The list to hand in; none where the catalogue has no payload, or has no list of packages.
    #[must_use]
    pub fn wanted(&self) -> Option<WantedIndex> {
        let part = self.repomd.primary().filter(|_| !self.payloads.is_empty())?;
        let mut files = self.catalogue.files.iter();
        let file = files.find(|file| file.kind == FileKind::Index && file.path == part.path)?;
        let length = part.plain.map_or(part.length, |(_, length)| length);
        Some(WantedIndex { file: file.clone(), length })
    }

    /// Takes in the plain bytes of the list of packages.
    ///
    /// # Errors
    /// Where they are not what `repomd.xml` names, or a payload differs from what they say.
    pub fn index(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let part = self.repomd.primary();
        let named = part.map(|part| part.plain.unwrap_or((part.sha256, part.length)));
        if named != Some((Digest::of(bytes), bytes.len() as u64)) {
            let path = part.map_or_else(|| "primary".to_owned(), |part| part.path.clone());
            return Err(Error::WrongIndex { path });
        }
        for package in parse_primary(bytes)? {
            let (path, indexed) = (package.path.clone(), Indexed::from(package));
            if self.payloads.name(indexed)? {
                let reason = "the list of packages names it twice";
                return Err(Error::NotVouched { path, reason });
            }
        }
        Ok(())
    }

    /// Ends the check: every payload must have been named, and every update must tell of its payloads what the list
    /// tells.
    ///
    /// # Errors
    /// The first file or update that is not vouched for.
    pub fn finish(self) -> Result<Vouched, Error> {
        self.payloads.finish(self.catalogue)?;
        Ok(Vouched {
            release: self.document,
            date: self.repomd.date,
            files: self.catalogue.files.len(),
        })
    }
}

fn not_vouched(file: &File, reason: &'static str) -> Error {
    Error::NotVouched { path: file.path.clone(), reason }
}
