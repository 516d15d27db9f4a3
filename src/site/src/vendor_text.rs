//! What a vendor says of an update in its own words: read when somebody asks for it, out of what the bundle brought and
//! the vendor's signature covers.

use crate::{Error, Site, vendor};
use catalogue::{Catalogue, FileKind, Update, Vendor};
use ids::{Digest, SourceId};
use std::io::BufReader;

/// Longest text that is shown, in characters: what is beyond it is old.
const TEXT_MAX: usize = 20_000;
/// Packages of an update in which a changelog is looked for, the smallest first: some leave it to another one.
const PACKAGES_TRIED: usize = 4;

/// A vendor's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorText {
    /// Where they stand, e.g. `the changelog of libssl3 3.0.11-1`.
    pub place: String,
    /// What they are called there.
    pub title: Option<String>,
    /// The words.
    pub text: String,
    /// Whether there are more of them than are shown.
    pub cut: bool,
}

impl Site {
    /// What its vendor says of an update of the newest view: a Debian changelog, newest entry first, an RPM
    /// vendor's advisory, or the notes of an image.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no such update, or its vendor says nothing of it that is held here;
    /// [`Error::Store`] and [`Error::Reader`] when what is held cannot be read.
    pub fn vendor_text(&self, source: &SourceId, id: &str) -> Result<VendorText, Error> {
        let detail = self.update(source, id)?;
        match self.catalogue(source, &detail.source.catalogue)? {
            Catalogue { vendor: Vendor::Apt { .. }, .. } => self.changelog(&detail.update),
            catalogue @ Catalogue { vendor: Vendor::Rpm { .. }, .. } => {
                self.advisory(&catalogue, &detail.update)
            }
            catalogue @ Catalogue { vendor: Vendor::Image, .. } => self.notes(&catalogue),
        }
    }

    fn notes(&self, catalogue: &Catalogue) -> Result<VendorText, Error> {
        let bad = |e| Error::Input(format!("release.json cannot be read: {}", vendor::chain(&e)));
        let release = vendor_image::Release::parse(&self.top(catalogue)?).map_err(bad)?;
        let notes = release.notes.ok_or_else(|| nothing("its builder says nothing"))?;
        Ok(shown(format!("release.json of {}", release.version), None, &notes))
    }

    /// What the vendor signed of a source.
    fn top(&self, catalogue: &Catalogue) -> Result<Vec<u8>, Error> {
        let top = catalogue.files.iter().find(|file| file.kind == FileKind::Release);
        let top = top.ok_or_else(|| nothing("its source has no signed file at its top"))?;
        self.store().read(&top.sha256, vendor::RELEASE_BYTES_MAX).map_err(Error::Store)
    }

    fn changelog(&self, update: &Update) -> Result<VendorText, Error> {
        let payloads = update.payloads.iter();
        let lengths = payloads.map(|payload| (self.store().length(&payload.sha256), payload));
        let mut held: Vec<_> =
            lengths.filter_map(|(length, payload)| Some((length.ok()?, payload))).collect();
        held.sort_by_key(|(length, _)| *length);
        for (_, payload) in held.into_iter().take(PACKAGES_TRIED) {
            let (file, _) = self.store().open_payload(&payload.sha256).map_err(Error::Store)?;
            let read = self.reader().deb_control_and_changelog(BufReader::new(file));
            if let Some(text) = read.map_err(Error::Reader)?.changelog {
                let place = format!("the changelog of {} {}", payload.package, payload.version);
                return Ok(shown(place, None, &text));
            }
        }
        Err(nothing("none of its packages that are held here brings a changelog"))
    }

    fn advisory(&self, catalogue: &Catalogue, update: &Update) -> Result<VendorText, Error> {
        let bad =
            |why: String| Error::Input(format!("the vendor's advisories cannot be read: {why}"));
        let repomd =
            vendor_rpm::Repomd::parse(&self.top(catalogue)?).map_err(|e| bad(vendor::chain(&e)))?;
        let list =
            repomd.updateinfo().ok_or_else(|| nothing("its vendor publishes no advisories"))?;
        let packed =
            self.store().read(&list.sha256, vendor::INDEX_BYTES_MAX).map_err(Error::Store)?;
        let (digest, length) = list.plain.unwrap_or((list.sha256, list.length));
        let plain = vendor::unpack(self.reader(), &list.path, packed, length).map_err(bad)?;
        if Digest::of(&plain) != digest {
            return Err(bad(format!("{} is not what repomd.xml names", list.path)));
        }
        let all = vendor_rpm::parse_updateinfo(&plain).map_err(|e| bad(vendor::chain(&e)))?;
        let names = |advisory: &vendor_rpm::Advisory| {
            update.payloads.iter().any(|payload| {
                let payload = (&payload.package, &payload.version, &payload.architecture);
                advisory
                    .packages
                    .iter()
                    .any(|(name, version, architecture)| (name, version, architecture) == payload)
            })
        };
        let found =
            all.into_iter().find(|advisory| names(advisory) && !advisory.description.is_empty());
        let found = found.ok_or_else(|| nothing("no advisory of its vendor's describes it"))?;
        let title = Some(found.title).filter(|title| !title.is_empty());
        Ok(shown(format!("advisory {}", found.id), title, &found.description))
    }
}

fn nothing(why: &str) -> Error {
    Error::Input(format!("there are no words of the vendor's about this update: {why}"))
}

fn shown(place: String, title: Option<String>, text: &str) -> VendorText {
    let cut = text.chars().nth(TEXT_MAX).is_some();
    let text = text.trim_end().chars().take(TEXT_MAX).collect();
    VendorText { place, title, text, cut }
}
