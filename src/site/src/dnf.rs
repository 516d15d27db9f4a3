//! What a stock RPM endpoint needs beside its certificate: a repository for each source, and the vendors' keys.
//!
//! dnf checks the vendor's signature over `repomd.xml` and over every package, end to end. Its keys are those that this
//! site accepted as anchors: the file says to compare their fingerprints with the vendor's own.

use crate::{EndpointFile, Error, Site, endpoint::file};
use catalogue::Vendor;
use fleet::AnchorKind;
use ids::RingName;
use std::{collections::BTreeMap, fmt::Write as _};

/// Longest keyring that is handed out, in bytes.
const KEYRING_BYTES_MAX: u64 = 1 << 20;

impl Site {
    /// The repositories of every RPM source to which the ring points, and the keys that judge them.
    pub(crate) fn dnf_files(
        &self,
        ring: &RingName,
        address: &str,
    ) -> Result<Vec<EndpointFile>, Error> {
        let (state, shelf) = (self.state(), self.shelf().current());
        let address = address.trim_end_matches('/');
        let mut text = format!(
            "# Written by Patchkeep for ring {ring}. Vendors' signatures are checked here, by dnf. Before the first use,\n\
             # compare the fingerprints of the keys below with those that their vendors publish.\n"
        );
        let mut keys = BTreeMap::new();
        for ((_, source), (sequence, _)) in state.pointers.iter().filter(|((r, _), _)| r == ring) {
            let Some(view) = shelf.view(source, *sequence) else { continue };
            let Vendor::Rpm { .. } = view.vendor() else { continue };
            let Some(kept) = state.views.get(&(source.clone(), *sequence)) else { continue };
            let anchor = kept.source.vendor.anchor.clone();
            let key = format!("/etc/pki/rpm-gpg/patchkeep-{anchor}.asc");
            // A repository that cannot be asked or judged is an error, not one that is passed over in silence.
            let _ = write!(
                text,
                "\n[patchkeep-{source}]\nname={source}, from Patchkeep\n\
                 baseurl={address}/ring/{ring}/{source}/\nenabled=1\nskip_if_unavailable=0\n\
                 gpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{key}\nsslverify=1\n\
                 sslcacert=/etc/patchkeep/ca.pem\nsslclientcert=/etc/patchkeep/endpoint.pem\n\
                 sslclientkey=/etc/patchkeep/endpoint.key\n"
            );
            if let std::collections::btree_map::Entry::Vacant(vacant) = keys.entry(key) {
                vacant.insert(self.armoured(&anchor)?);
            }
        }
        if keys.is_empty() {
            return Err(Error::Input(format!(
                "ring {ring} points at no RPM repository yet; import a bundle that has one first"
            )));
        }
        let mut files = vec![file("/etc/yum.repos.d/patchkeep.repo", text)];
        files.extend(keys.into_iter().map(|(path, text)| file(&path, text)));
        Ok(files)
    }

    /// The keys of an anchor, as rpm takes them.
    fn armoured(&self, anchor: &str) -> Result<String, Error> {
        let named = (AnchorKind::VendorKeyring, anchor.to_owned());
        let digest = self.state().anchors.get(&named).copied();
        let digest = digest.ok_or_else(|| Error::Input(format!("no anchor is named {anchor}")))?;
        let bytes = self.store().read(&digest, KEYRING_BYTES_MAX).map_err(Error::Store)?;
        let text = String::from_utf8(bytes).ok().filter(|text| text.starts_with("-----BEGIN"));
        text.ok_or_else(|| {
            Error::Input(format!(
                "the keys of the anchor {anchor} are binary, and rpm takes armoured ones only: \
                 hand them to the endpoint by other means, or found the site with the vendor's .asc"
            ))
        })
    }
}
