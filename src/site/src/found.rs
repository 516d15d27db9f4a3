//! Founding a site: its name, its keys, its log, its anchors and its first ring.

use crate::{Error, Folder, Ground, Site, SiteCa, account::secrets::new_code, keys};
use durable::{Disk, RealDisk};
use fleet::{Actor, AnchorKind, Command};
use ids::{Digest, RingName, SiteName};
use ledger::FileLedger;
use sandbox::Reader;
use std::sync::Arc;

/// What people decide when they found a site.
#[derive(Debug, Clone)]
pub struct Founding {
    /// The site's name.
    pub site: SiteName,
    /// The publisher's first TUF root (`1.root.json`).
    pub publisher_root: Vec<u8>,
    /// Its SHA-256, as printed on paper: it must be that file's.
    pub root_fingerprint: Digest,
    /// Vendors' OpenPGP certificates, by the name that events will use.
    pub vendor_keyrings: Vec<(String, Vec<u8>)>,
    /// The ring that every endpoint is in until people make others.
    pub ring: RingName,
}

/// What an appliance shows before it is a site.
pub struct Before {
    /// The code for its own screen: whoever reads it there founds the site.
    pub code: String,
    /// Its certificate authority, which stays the site's.
    pub authority: SiteCa,
}

/// Makes ready for people to found a site from elsewhere.
///
/// # Errors
/// [`Error::Folder`], [`Error::Authority`], [`Error::Random`].
pub fn before_founding(folder: &Folder) -> Result<Before, Error> {
    let _lock = folder.lock()?;
    let authority = SiteCa::load_or_create(&RealDisk, &folder.keys(), None, crate::now());
    Ok(Before { code: new_code()?, authority: authority.map_err(Error::Authority)? })
}

/// Founds a site in an empty data folder.
///
/// # Errors
/// [`Error::Founded`] when there is one; [`Error::Input`] when the root is not the one whose
/// fingerprint was given. Nothing is left behind that a second try would trip over.
pub fn found(folder: &Folder, founding: &Founding, actor: Actor) -> Result<(), Error> {
    found_on(folder, founding, actor, Ground::real())
}

/// The same on another ground: a simulation's.
///
/// # Errors
/// As [`found`].
pub fn found_on(
    folder: &Folder,
    founding: &Founding,
    actor: Actor,
    ground: Ground,
) -> Result<(), Error> {
    let root = Digest::of(&founding.publisher_root);
    if root != founding.root_fingerprint {
        return Err(Error::Input(format!(
            "the publisher's root has the fingerprint {root}, not the {} that was given; nothing was \
             founded: compare both with the paper from the key ceremony",
            founding.root_fingerprint
        )));
    }
    // Before there is a log: whoever mends a keyring may choose another name as well.
    let reader = Reader::beside_this_program().map_err(Error::Reader)?;
    let mut keyrings = Vec::new();
    for (name, certificates) in &founding.vendor_keyrings {
        let listed = reader.list_certificates(certificates).map_err(Error::Reader)?;
        let fingerprints = listed.into_iter().map(|c| c.fingerprint).collect();
        keyrings.push((name, certificates, fingerprints));
    }
    let lock = folder.lock()?;
    let disk = Arc::clone(&ground.disk);
    let origin = format!("patchkeep.invalid/{}/epoch-1", founding.site);
    // An earlier founding that was cut short left an empty log, or none: it is made anew or gone on
    // with. A log with entries is a site.
    if !folder.is_founded(disk.as_ref()) {
        start_log(&disk, folder, &origin)?;
    }
    let site = Site::open_locked(folder, lock, None, ground)?;
    if site.state().entries > 0 || folder.origin(disk.as_ref())? != origin {
        site.close()?;
        return Err(Error::Founded { path: folder.path().to_owned() });
    }
    let mut anchors = vec![(
        AnchorKind::PublisherRoot,
        "publisher".to_owned(),
        site.keep(&founding.publisher_root)?,
        Vec::new(),
    )];
    for (name, certificates, fingerprints) in keyrings {
        let digest = site.keep(certificates)?;
        anchors.push((AnchorKind::VendorKeyring, name.clone(), digest, fingerprints));
    }
    let keys = site.public_keys(&origin)?;
    let ring = founding.ring.clone();
    let command = Command::CreateSite { site: founding.site.clone(), origin, keys, anchors, ring };
    site.heart().ask(actor, command)?;
    tracing::info!(at = %site.now(), site = %founding.site, "site founded");
    site.close()
}

/// Makes keys and an empty log.
fn start_log(disk: &Arc<dyn Disk>, folder: &Folder, origin: &str) -> Result<(), Error> {
    let file = folder.origin_file();
    disk.write_atomic(&file, format!("{origin}\n").as_bytes())
        .map_err(|source| Error::Folder { path: file, source })?;
    let key = keys::create(disk.as_ref(), folder, keys::Purpose::Log)?;
    keys::create(disk.as_ref(), folder, keys::Purpose::Audit)?;
    disk.create_dir_all(&folder.state())
        .map_err(|source| Error::Folder { path: folder.state(), source })?;
    let mut log = FileLedger::create(Arc::clone(disk), &folder.ledger(), origin, key)
        .map_err(Error::OpenLedger)?;
    log.publish().map_err(Error::OpenLedger)
}
