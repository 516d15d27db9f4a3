//! `patchkeep init`: found a site in an empty data folder.

use crate::{failure::Failure, person::Person, screen::Screen};
use clap::Args;
use fleet::Operation;
use ids::{Digest, Fault, RingName, SiteName};
use site::{Folder, Founding};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Debian keeps its archive keys.
pub(crate) const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

#[derive(Args)]
pub(crate) struct Init {
    /// The appliance's data folder; made if it is not there.
    #[arg(long)]
    data: PathBuf,
    /// The site's name: a-z, 0-9 and hyphen.
    #[arg(long)]
    site: SiteName,
    /// The publisher's first root, `1.root.json`.
    #[arg(long, value_name = "FILE")]
    publisher_root: PathBuf,
    /// Its SHA-256, read from the paper of the key ceremony.
    #[arg(long, value_name = "HEX", value_parser = crate::bundle::parse_fingerprint)]
    root_fingerprint: Digest,
    /// A vendor's OpenPGP certificates, as NAME=FILE; Debian's own keyring on this machine when none
    /// is given.
    #[arg(long, value_name = "NAME=FILE")]
    vendor_keyring: Vec<String>,
    /// The first ring; it follows every complete import.
    #[arg(long, default_value = "broad")]
    ring: RingName,
    #[command(flatten)]
    person: Person,
}

impl Init {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let person = self.person.here()?;
        let mut vendor_keyrings = Vec::new();
        for words in &self.vendor_keyring {
            let Some((name, file)) = words.split_once('=') else {
                let message = format!("--vendor-keyring {words:?} is not of the form NAME=FILE");
                return Err(Failure::say(Fault::Input, message));
            };
            vendor_keyrings.push((name.to_owned(), read(Path::new(file))?));
        }
        if vendor_keyrings.is_empty() {
            let keyring = read(Path::new(DEBIAN_KEYRING))?;
            vendor_keyrings.push(("debian-archive".to_owned(), keyring));
        }
        let founding = Founding {
            site: self.site.clone(),
            publisher_root: read(&self.publisher_root)?,
            root_fingerprint: self.root_fingerprint,
            vendor_keyrings,
            ring: self.ring,
        };
        let folder = Folder::at(&self.data);
        site::found(&folder, &founding, crate::person::doing(&person, Operation::Found)?)?;
        let open = crate::control::open(&folder)?;
        let key = open.audit_fingerprint()?;
        let ca = open.authority()?.fingerprint();
        open.close()?;
        let value = serde_json::json!({ "site": self.site, "audit_key": key, "ca": ca });
        let text = format!(
            "Site {} was founded in {}.\nWrite these down, on paper, for assessors and \
             endpoints:\n  audit key  {key}\n  site CA    {ca}",
            self.site,
            self.data.display()
        );
        screen.result(&value, text);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::file("read", path, &e))
}
