//! The site's own certificate authority: the root, the server's certificate, endpoints' certificates.
//!
//! ECDSA P-256 (X.509 v3, RFC 5280). The root lives 10 years, the server's certificate 397 days and
//! is renewed after two thirds, an endpoint's 90 days. All begin a day early, because clocks on an
//! isolated site differ.
//!
//! **Invariant:** a root that is there but cannot be read is never replaced: that would cut off every
//! endpoint. **Invariant:** private keys are in files that only the owner can read, in a folder that
//! only the owner can enter; an endpoint's key is never kept.

mod error;
mod pair;

pub use error::CaError;

use durable::Disk;
use ids::{Digest, EndpointName, SiteName, Timestamp};
use jiff::SignedDuration;
use pair::{make_private_dir, pem, read_pair, write_pair};
use rand_core::{OsRng, RngCore};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SerialNumber,
};
use std::{collections::BTreeSet, net::IpAddr, path::Path, time::Duration};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const ROOT_DAYS: i32 = 3653;
const SERVER_DAYS: i32 = 397;
const ENDPOINT_DAYS: i32 = 90;
pub(crate) const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// The site's certificate authority, with its private key.
pub struct SiteCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
    not_after: Timestamp,
}

/// What the server shows, and the key for it.
pub struct ServerIdentity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS #8 DER.
    pub key: Vec<u8>,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whether it was made by this call, so that the caller can say so.
    pub renewed: bool,
}

/// A certificate for an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointCertificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of its DER: the name under which it can be revoked.
    pub digest: Digest,
    /// When it ends.
    pub not_after: Timestamp,
}

impl SiteCa {
    /// The authority in folder `dir`; made on the first call. One that is made before the site has a name is called by
    /// a part of its key's digest.
    ///
    /// # Errors
    /// [`CaError::NotKeys`] when what is there cannot be used: it is never replaced. [`CaError::Read`],
    /// [`CaError::Write`], [`CaError::Issue`].
    pub fn load_or_create(
        disk: &dyn Disk,
        dir: &Path,
        site: Option<&SiteName>,
        now: Timestamp,
    ) -> Result<Self, CaError> {
        let path = dir.join("ca.pem");
        make_private_dir(disk, dir)?;
        let (certificate, key) = match read_pair(disk, &path)? {
            Some(pair) => pair?,
            None => {
                let (certificate, key) = new_root(site, now)?;
                write_pair(disk, &path, &certificate, &key.serialize_der())?;
                (certificate, key)
            }
        };
        let not_keys = || CaError::NotKeys { path: path.clone() };
        let issuer = Issuer::from_ca_cert_der(&certificate.as_slice().into(), key)
            .map_err(|_| not_keys())?;
        let (_, not_after) = validity(&certificate).ok_or_else(not_keys)?;
        Ok(Self { issuer, certificate, not_after })
    }

    /// The root certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The root certificate, PEM: what clients are told to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// SHA-256 of the root certificate as people compare it: `AB:CD:...`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.certificate)
    }

    /// When the root ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The server's certificate for these names and addresses. The one in `dir` is used as long as
    /// it is of this root, holds exactly these names and two thirds of its life have not passed;
    /// else a new one with a new key takes its place.
    ///
    /// # Errors
    /// [`CaError::Name`], [`CaError::Read`], [`CaError::Write`], [`CaError::Issue`].
    pub fn server(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        names: &[String],
        now: Timestamp,
    ) -> Result<ServerIdentity, CaError> {
        let path = dir.join("server.pem");
        make_private_dir(disk, dir)?;
        if let Some(Ok((certificate, key))) = read_pair(disk, &path)?
            && let Some(not_after) = self.still_good(&certificate, names, now)
        {
            let key = key.serialize_der();
            return Ok(ServerIdentity { certificate, key, not_after, renewed: false });
        }
        let issue = |source| CaError::Issue { subject: "the server".into(), source };
        let mut params = leaf(names, now, SERVER_DAYS, ExtendedKeyUsagePurpose::ServerAuth)?;
        let subject = names.first().map_or("patchkeep", String::as_str);
        params.distinguished_name = common_name(subject);
        let key = KeyPair::generate().map_err(issue)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue)?.der().to_vec();
        let key = key.serialize_der();
        write_pair(disk, &path, &certificate, &key)?;
        let not_after = day(now, SERVER_DAYS);
        Ok(ServerIdentity { certificate, key, not_after, renewed: true })
    }

    /// A certificate and a new private key (PEM) for an endpoint. The key is not kept.
    ///
    /// # Errors
    /// [`CaError::Issue`].
    pub fn issue(
        &self,
        endpoint: &EndpointName,
        now: Timestamp,
    ) -> Result<(EndpointCertificate, String), CaError> {
        let key = KeyPair::generate()
            .map_err(|source| CaError::Issue { subject: endpoint.to_string(), source })?;
        Ok((self.sign(endpoint, &key, now)?, key.serialize_pem()))
    }

    /// A certificate for the key of a request (PKCS #10, PEM). Only the key is taken from it: name,
    /// purpose and life are ours.
    ///
    /// # Errors
    /// [`CaError::Request`], [`CaError::RequestRefused`], [`CaError::Issue`].
    pub fn issue_for_request(
        &self,
        endpoint: &EndpointName,
        request_pem: &str,
        now: Timestamp,
    ) -> Result<EndpointCertificate, CaError> {
        let request = parse_request(endpoint, request_pem)?;
        self.sign(endpoint, &request.public_key, now)
    }

    fn sign(
        &self,
        endpoint: &EndpointName,
        key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<EndpointCertificate, CaError> {
        let names = [endpoint.to_string()];
        let mut params = leaf(&names, now, ENDPOINT_DAYS, ExtendedKeyUsagePurpose::ClientAuth)?;
        params.distinguished_name = common_name(endpoint.as_str());
        let certificate = params
            .signed_by(key, &self.issuer)
            .map_err(|source| CaError::Issue { subject: endpoint.to_string(), source })?;
        Ok(EndpointCertificate {
            certificate_pem: pem("CERTIFICATE", certificate.der()),
            certificate: certificate.der().to_vec(),
            digest: Digest::of(certificate.der()),
            not_after: day(now, ENDPOINT_DAYS),
        })
    }

    fn still_good(
        &self,
        certificate: &[u8],
        names: &[String],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let (_, root) = X509Certificate::from_der(&self.certificate).ok()?;
        parsed.verify_signature(Some(root.public_key())).ok()?;
        let (not_before, not_after) = validity(certificate)?;
        let renew_at = renew_at(certificate)?;
        let wanted: BTreeSet<String> = names.iter().map(|name| canonical_name(name)).collect();
        let fresh = not_before <= now && now < renew_at;
        (fresh && names_of(&parsed) == wanted).then_some(not_after)
    }
}

/// SHA-256 of the `SubjectPublicKeyInfo` of a request (PKCS #10, PEM): the key that people compare.
///
/// # Errors
/// [`CaError::Request`], [`CaError::RequestRefused`].
pub(crate) fn request_key(endpoint: &EndpointName, request_pem: &str) -> Result<Digest, CaError> {
    let request = parse_request(endpoint, request_pem)?;
    Ok(Digest::of(&request.public_key.subject_public_key_info()))
}

/// A request whose signature holds and whose key is strong.
fn parse_request(
    endpoint: &EndpointName,
    request_pem: &str,
) -> Result<CertificateSigningRequestParams, CaError> {
    let refused = |reason| Err(CaError::RequestRefused { endpoint: endpoint.clone(), reason });
    if request_pem.len() > REQUEST_BYTES_MAX {
        return refused("longer than 16 KiB");
    }
    let request = CertificateSigningRequestParams::from_pem(request_pem)
        .map_err(|source| CaError::Request { endpoint: endpoint.clone(), source })?;
    let strong =
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519];
    if !strong.contains(&request.public_key.algorithm()) {
        return refused("its key is none of P-256, P-384 and Ed25519");
    }
    Ok(request)
}

/// A certificate (DER) as text.
pub(crate) fn certificate_pem(certificate: &[u8]) -> String {
    pem("CERTIFICATE", certificate)
}

/// When a certificate (DER) has passed two thirds of its life.
pub(crate) fn renew_at(certificate: &[u8]) -> Option<Timestamp> {
    let (not_before, not_after) = validity(certificate)?;
    not_before.checked_add(not_before.duration_until(not_after) / 3 * 2).ok()
}

/// SHA-256 of a certificate (DER) as people compare it: 32 capital hexadecimal pairs with colons.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<_> =
        Digest::of(certificate).as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

fn new_root(site: Option<&SiteName>, now: Timestamp) -> Result<(Vec<u8>, KeyPair), CaError> {
    let unnamed = |source| CaError::Issue { subject: "Patchkeep site CA".to_owned(), source };
    let key = KeyPair::generate().map_err(unnamed)?;
    let name = match site {
        Some(site) => site.to_string(),
        None => Digest::of(key.public_key_raw()).to_hex().chars().take(8).collect(),
    };
    let subject = format!("Patchkeep site CA {name}");
    let issue = |source| CaError::Issue { subject: subject.clone(), source };
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_life(&mut params, now, ROOT_DAYS);
    let certificate = params.self_signed(&key).map_err(issue)?;
    Ok((certificate.der().to_vec(), key))
}

fn leaf(
    names: &[String],
    now: Timestamp,
    days: i32,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    for name in names {
        let one = CertificateParams::new([canonical_name(name)])
            .map_err(|source| CaError::Name { name: name.clone(), source })?;
        params.subject_alt_names.extend(one.subject_alt_names);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, now, days);
    Ok(params)
}

fn set_life(params: &mut CertificateParams, now: Timestamp, days: i32) {
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or(0);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = at(day(now, 0));
    params.not_after = at(day(now, days));
    let mut serial = [0; 16];
    OsRng.fill_bytes(&mut serial);
    // Positive, and always 16 bytes long in DER.
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}

/// The end of so many days of a life that begins a day before `now`, in whole seconds.
fn day(now: Timestamp, days: i32) -> Timestamp {
    let moment = now.saturating_add(DAY * (days - 1)).unwrap_or(now);
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    // RFC 5280 allows 64 characters.
    subject.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    subject
}

fn canonical_name(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_ascii_lowercase(), |ip| ip.to_string())
}

fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|ip| ip.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |time: i64| Timestamp::from_second(time).ok();
    Some((
        at(parsed.validity().not_before.timestamp())?,
        at(parsed.validity().not_after.timestamp())?,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use durable::RealDisk;
    use ids::Fault;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;
    use x509_parser::pem::Pem;

    fn now() -> Timestamp {
        "2026-11-22T10:00:00.5Z".parse().unwrap()
    }

    fn ca(dir: &TempDir) -> SiteCa {
        let site = "lab".parse().unwrap();
        SiteCa::load_or_create(&RealDisk, &dir.path().join("keys"), Some(&site), now()).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_root_stays_and_only_its_owner_can_read_it() {
        let dir = TempDir::new().unwrap();
        let first = ca(&dir);
        assert_eq!(first.fingerprint(), ca(&dir).fingerprint());
        assert_eq!(first.fingerprint().len(), 95);
        assert_eq!(first.not_after().to_string(), "2036-11-21T10:00:00Z");
        let mode = |path: &str| {
            std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("keys"), mode("keys/ca.pem")), (0o700, 0o600));
    }

    #[test]
    fn a_root_that_cannot_be_read_is_never_replaced() {
        let dir = TempDir::new().unwrap();
        let other = TempDir::new().unwrap();
        let _ = [ca(&dir), ca(&other)];
        let path = dir.path().join("keys/ca.pem");
        let good = std::fs::read_to_string(&path).unwrap();
        let foreign = std::fs::read_to_string(other.path().join("keys/ca.pem")).unwrap();
        let key = |text: &str| text[text.find("-----BEGIN PRIVATE").unwrap()..].to_owned();
        for bad in [
            String::new(),
            key(&good),
            good[..200].into(),
            good.replace(&key(&good), &key(&foreign)),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let site = "lab".parse().unwrap();
            let error =
                SiteCa::load_or_create(&RealDisk, &dir.path().join("keys"), Some(&site), now());
            assert!(matches!(error.err().unwrap(), CaError::NotKeys { .. }), "{bad}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn the_server_renews_after_two_thirds_and_for_other_names() {
        let dir = TempDir::new().unwrap();
        let keys = dir.path().join("keys");
        let ca = ca(&dir);
        let server = |wanted: &[&str], days: i64| {
            let at = now() + SignedDuration::from_hours(24 * days);
            ca.server(&RealDisk, &keys, &names(wanted), at).unwrap()
        };
        let first = server(&["Patch.Lab.Example", "192.0.2.1", "2001:db8::1"], 0);
        assert!(first.renewed);
        assert_eq!(first.not_after, now() - SignedDuration::from_millis(500) + DAY * 396);
        let same = server(&["2001:DB8::1", "192.0.2.1", "patch.lab.example"], 263);
        assert!(!same.renewed && same.certificate == first.certificate && same.key == first.key);
        assert!(server(&["patch.lab.example", "192.0.2.1", "2001:db8::1"], 264).renewed);
        assert!(server(&["patch.lab.example"], 264).renewed);
        assert!(server(&["patch.lab.example"], 0).renewed, "from the future");
        std::fs::write(keys.join("server.pem"), "rubbish").unwrap();
        assert!(server(&["patch.lab.example"], 0).renewed);
        let error = ca.server(&RealDisk, &keys, &names(&["é"]), now()).err().unwrap();
        assert!(matches!(error, CaError::Name { .. }));
    }

    #[test]
    fn endpoints_get_what_the_site_decides() {
        let dir = TempDir::new().unwrap();
        let ca = ca(&dir);
        let endpoint: EndpointName = "web1.lab.example".parse().unwrap();
        let (issued, key) = ca.issue(&endpoint, now()).unwrap();
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(issued.not_after.to_string(), "2027-02-19T10:00:00Z");

        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(names(&["root.lab.example"])).unwrap();
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = asked.serialize_request(&key).unwrap().pem().unwrap();
        let issued = ca.issue_for_request(&endpoint, &request, now()).unwrap();
        let der = Pem::iter_from_buffer(issued.certificate_pem.as_bytes()).next().unwrap().unwrap();
        let (_, parsed) = X509Certificate::from_der(&der.contents).unwrap();
        assert_eq!(names_of(&parsed), BTreeSet::from(["web1.lab.example".into()]));
        assert!(!parsed.is_ca());
        let usage = parsed.extended_key_usage().unwrap().unwrap().value.clone();
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        assert_eq!(Digest::of(&der.contents), issued.digest);

        let mut broken = request.clone();
        let at = request.len() / 2;
        broken.replace_range(at..=at, if &request[at..=at] == "A" { "B" } else { "A" });
        for bad in [broken, String::new(), "rubbish".repeat(4000)] {
            let fault = ca.issue_for_request(&endpoint, &bad, now()).unwrap_err().fault();
            assert!(matches!(fault, Fault::Input | Fault::Refused));
        }
    }
}
