//! What an endpoint without our agent needs to patch itself from here: a certificate, and settings of its apt (here)
//! or its dnf (`dnf.rs`).
//!
//! The vendor's signature is checked on the endpoint, end to end. Monthly media outlive the seven days
//! for which Debian's security archive vouches, so `Valid-Until-Min` holds the check open for a media
//! cycle and fifteen days; the check itself is never turned off.

use crate::{Error, Site, keys};
use catalogue::Vendor;
use fleet::{Actor, Command};
use ids::{EndpointName, RingName, Timestamp};
use merkle::{KeyKind, VerifierKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt::Write as _;

/// How long a vendor's release file is taken after its date, in seconds: 30 days and 15.
pub const VALID_UNTIL_MIN_SECS: u64 = 45 * 24 * 60 * 60;

/// Where endpoints have the keys of an anchor: Debian's package has its own, the agent's package its own.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const AGENT_KEYRING: &str = "/usr/share/keyrings/patchkeep-agent.gpg";
/// The anchor that judges the agent's packages.
const AGENT_ANCHOR: &str = "patchkeep-agent";

/// A file for the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFile {
    /// Absolute path on the endpoint.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether the user `_apt` must own it.
    pub for_apt: bool,
}

/// Everything that an endpoint needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientConfig {
    /// Files to put in place.
    pub files: Vec<EndpointFile>,
    /// When the client certificate ends.
    pub not_after: Timestamp,
}

impl ClientConfig {
    /// The files as a POSIX shell script, to be run as root on the endpoint.
    #[must_use]
    pub fn script(&self) -> String {
        let mut text = String::from(
            "#!/bin/sh\n# Run as root on the endpoint. It holds a private key: hand it over safely, and \
             delete it after.\nset -eu\numask 077\nmkdir -p /etc/patchkeep\nchmod 0755 /etc/patchkeep\n",
        );
        for EndpointFile { path, text: content, mode, for_apt } in &self.files {
            let _ =
                write!(text, "\ncat > {path} <<'PATCHKEEP'\n{}\nPATCHKEEP\n", content.trim_end());
            if *for_apt {
                let _ = writeln!(text, "chown _apt {path}");
            }
            let _ = writeln!(text, "chmod {mode:04o} {path}");
        }
        text
    }
}

/// What installs packages on an endpoint without our agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    /// Debian's apt.
    Apt,
    /// RPM distributions' dnf, or yum.
    Dnf,
}

impl Site {
    /// Issues a client certificate for `name` and returns it with the configuration of its package manager that uses
    /// it. `address` is `https://host[:port]`, as the endpoint reaches the endpoints' door.
    ///
    /// # Errors
    /// [`Error::Input`] when the ring points at nothing of the kind yet or the address is of another form;
    /// [`Error::Authority`].
    pub fn client_config(
        &self,
        actor: Actor,
        manager: PackageManager,
        name: &EndpointName,
        ring: &RingName,
        address: &str,
    ) -> Result<ClientConfig, Error> {
        let host = host_of(address)?;
        let for_apt = manager == PackageManager::Apt;
        let own = if for_apt {
            let sources = self.apt_sources(ring, address)?;
            vec![
                file("/etc/apt/apt.conf.d/90patchkeep", settings(&host)),
                file("/etc/apt/sources.list.d/patchkeep.sources", sources),
            ]
        } else {
            self.dnf_files(ring, address)?
        };
        let authority = self.authority()?;
        let issued = authority.issue(name, self.now());
        let (certificate, key) = issued.map_err(Error::Authority)?;
        let value = json!({ "endpoint": name });
        let commitment = self.evidence().put(value, keys::random()?).map_err(Error::Store)?;
        let not_after = certificate.not_after;
        self.heart().ask(
            actor,
            Command::IssueCertificate {
                endpoint: commitment,
                certificate: certificate.digest,
                not_after,
            },
        )?;
        let key = EndpointFile { mode: 0o400, for_apt, ..file("/etc/patchkeep/endpoint.key", key) };
        let mut files = vec![
            file("/etc/patchkeep/ca.pem", authority.certificate_pem()),
            file("/etc/patchkeep/endpoint.pem", certificate.certificate_pem),
            key,
        ];
        files.extend(own);
        Ok(ClientConfig { files, not_after })
    }

    /// The deb822 stanzas for every source to which the ring points.
    pub(crate) fn apt_sources(&self, ring: &RingName, address: &str) -> Result<String, Error> {
        let (state, shelf) = (self.state(), self.shelf().current());
        let address = address.trim_end_matches('/');
        let mut text = format!(
            "# Written by Patchkeep for ring {ring}. Vendors' signatures are checked here, by apt.\n"
        );
        let mut stanzas = 0;
        for ((_, source), (sequence, _)) in state.pointers.iter().filter(|((r, _), _)| r == ring) {
            let Some(view) = shelf.view(source, *sequence) else { continue };
            let kept = state.views.get(&(source.clone(), *sequence));
            let agents = kept.is_some_and(|kept| kept.source.vendor.anchor == AGENT_ANCHOR);
            let keyring = if agents { AGENT_KEYRING } else { KEYRING };
            let Vendor::Apt { suite, components, architectures, .. } = view.vendor() else {
                continue;
            };
            stanzas += 1;
            let (components, architectures) = (components.join(" "), architectures.join(" "));
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "\nTypes: deb\nURIs: {address}/ring/{ring}/{source}/\nSuites: {suite}\n\
                 Components: {components}\nArchitectures: {architectures}\nSigned-By: {keyring}\n\
                 Valid-Until-Min: {VALID_UNTIL_MIN_SECS}\n"
            );
        }
        if stanzas == 0 {
            return Err(Error::Input(format!(
                "ring {ring} points at nothing for apt yet; import a complete bundle first"
            )));
        }
        Ok(text)
    }

    /// The public keys of the appliance, by purpose, as events name them.
    ///
    /// # Errors
    /// [`Error::Key`] or [`Error::Folder`].
    pub(crate) fn public_keys(&self, origin: &str) -> Result<Vec<(String, String)>, Error> {
        let log = keys::load(self.disk(), self.folder(), keys::Purpose::Log)?;
        let audit = keys::load(self.disk(), self.folder(), keys::Purpose::Audit)?;
        let log = VerifierKey::new(origin, KeyKind::Ed25519, log.verifying_key())
            .map_err(|e| Error::Input(e.to_string()))?;
        Ok(vec![("log".to_owned(), log.to_string()), ("audit".to_owned(), keys::openssh(&audit))])
    }
}

/// A file that everybody may read.
pub(crate) fn file(path: &str, text: String) -> EndpointFile {
    EndpointFile { path: path.to_owned(), text, mode: 0o644, for_apt: false }
}

/// apt's settings for the host.
fn settings(host: &str) -> String {
    format!(
        "// Written by Patchkeep. A bad signature must be an error, not a warning with exit code 0.\n\
         APT::Update::Error-Mode \"any\";\n\
         Acquire::https::{host}::CAInfo \"/etc/patchkeep/ca.pem\";\n\
         Acquire::https::{host}::SslCert \"/etc/patchkeep/endpoint.pem\";\n\
         Acquire::https::{host}::SslKey \"/etc/patchkeep/endpoint.key\";\n"
    )
}

/// The host of `https://host[:port]`.
fn host_of(address: &str) -> Result<String, Error> {
    let rest = address.trim_end_matches('/').strip_prefix("https://");
    let host = rest.map(|rest| match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => rest,
    });
    let plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
    };
    let host = host.filter(plain).map(str::to_owned);
    host.ok_or_else(|| {
        Error::Input(format!("{address:?} is not an address of the form https://host:port"))
    })
}
