//! TLS as the house wants it: 1.3, hybrid key exchange first, client certificates at one door.
//!
//! **Invariant:** sessions are never resumed where certificates of clients are checked, so each
//! connection is checked in full.

use crate::{Clients, Error, Identity, Reason, Revoked, Tls};
use arc_swap::ArcSwap;
use ids::Digest;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use std::{io, sync::Arc};

/// The certificate that is shown now; a renewed one takes its place without a restart.
#[derive(Debug)]
pub(crate) struct Shown(ArcSwap<CertifiedKey>);

impl Shown {
    pub(crate) fn new(identity: &Identity) -> Result<Self, Error> {
        Ok(Self(ArcSwap::from_pointee(certified(identity)?)))
    }

    pub(crate) fn renew(&self, identity: &Identity) -> Result<(), Error> {
        self.0.store(Arc::new(certified(identity)?));
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certified(identity: &Identity) -> Result<CertifiedKey, Error> {
    let chain = identity.certificates.iter().cloned().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.as_slice()));
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|_| Error::Key)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(Error::Identity)?;
    Ok(certified)
}

/// AES-128-GCM before the others, whatever the client's order: it is the fastest, and its strength is
/// that of the key exchange (X25519MLKEM768 first).
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// The configuration of the endpoints' door.
pub(crate) fn for_endpoints(tls: &Tls, shown: Arc<Shown>) -> Result<Arc<ServerConfig>, Error> {
    let verifier = match &tls.clients {
        Clients::UnsafeEverybody => WebPkiClientVerifier::no_client_auth(),
        Clients::Certified { roots, revoked } => checked(roots, revoked.clone())?,
    };
    let mut config = base(tls, verifier, shown)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// The configuration of the people's door.
pub(crate) fn for_people(tls: &Tls, shown: Arc<Shown>) -> Result<Arc<ServerConfig>, Error> {
    Ok(Arc::new(base(tls, WebPkiClientVerifier::no_client_auth(), shown)?))
}

fn base(
    tls: &Tls,
    verifier: Arc<dyn ClientCertVerifier>,
    shown: Arc<Shown>,
) -> Result<ServerConfig, Error> {
    let versions: &[&SupportedProtocolVersion] =
        if tls.allow_tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(Error::Tls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn checked(roots: &[Vec<u8>], revoked: Revoked) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut store = RootCertStore::empty();
    for (index, root) in roots.iter().enumerate() {
        store
            .add(CertificateDer::from(root.as_slice()))
            .map_err(|source| Error::Root { number: index + 1, source })?;
    }
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider())
        .build()
        .map_err(Error::Clients)?;
    Ok(Arc::new(NotRevoked { inner, revoked }))
}

/// The usual checks, then the list of revoked certificates.
#[derive(Debug)]
struct NotRevoked {
    inner: Arc<dyn ClientCertVerifier>,
    revoked: Revoked,
}

impl ClientCertVerifier for NotRevoked {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        if self.revoked.contains(&Digest::of(end_entity)) {
            return Err(CertificateError::Revoked.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Why a handshake failed; `None` when the client merely went away.
pub(crate) fn reason(error: &io::Error) -> Option<Reason> {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())?;
    Some(match error {
        rustls::Error::NoCertificatesPresented => Reason::NoCertificate,
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Reason::ExpiredCertificate,
            CertificateError::Revoked => Reason::RevokedCertificate,
            _ => Reason::ForeignCertificate,
        },
        _ => Reason::NotTls,
    })
}
