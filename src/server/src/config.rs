//! What a server is told when it starts: doors, limits, certificates, and whom to tell of refusals.

use crate::Port;
use axum::Router;
use site::{Revoked, Site};
use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the endpoints' door, usually port 8443.
    pub endpoints: Port,
    /// The people's door, usually port 443; `None` leaves it shut.
    pub people: Option<People>,
    /// Host names and addresses that requests may name; others are answered with 421. None given:
    /// every name.
    pub names: Vec<String>,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// The site that answers agents, as long as it is open; one that never was answers none.
    pub agents: Weak<Site>,
}

/// The people's door, and what stands behind it.
#[derive(Debug, Clone)]
pub struct People {
    /// Its address.
    pub port: Port,
    /// Where browsers that come without TLS are sent to it, usually port 80; `None` is nowhere.
    pub redirect: Option<Port>,
    /// What answers there: pages.
    pub routes: Router,
}

/// Bounds on what clients may use. Times are for one step; a download may take as long as it moves.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a door.
    pub connections: usize,
    /// Connections from one address (IPv6: one /64) at a door.
    pub connections_per_address: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request, and for the next one to begin on an idle connection.
    pub request_head: Duration,
    /// Time for which a connection may take none of the bytes that wait for it.
    pub stalled: Duration,
    /// Time for requests under way when the server stops.
    pub stop: Duration,
    /// Bytes per second that all endpoints together may take; `None` is no cap.
    pub bytes_per_second: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 256,
            handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(30),
            stalled: Duration::from_secs(60),
            stop: Duration::from_secs(10),
            bytes_per_second: None,
        }
    }
}

/// Certificates and keys. All DER.
#[derive(Clone)]
pub struct Tls {
    /// What both doors show.
    pub identity: Identity,
    /// Who may enter at the endpoints' door.
    pub clients: Clients,
    /// TLS 1.2 with ECDHE and AEAD beside TLS 1.3, for old Windows. Off unless the site says so.
    pub allow_tls12: bool,
}

/// A certificate chain and its private key.
#[derive(Clone)]
pub struct Identity {
    /// The server's certificate first.
    pub certificates: Vec<Vec<u8>>,
    /// PKCS #8.
    pub key: Vec<u8>,
}

/// Who may enter at the endpoints' door.
#[derive(Clone)]
pub enum Clients {
    /// Those with a certificate that one of these roots issued and that is not revoked.
    Certified {
        /// Root certificates.
        roots: Vec<Vec<u8>>,
        /// Certificates that are refused all the same.
        revoked: Revoked,
    },
    /// Everybody: for measuring beside another server. No configuration file or command leads here.
    UnsafeEverybody,
}

/// Told of every refusal, from many threads at once. It must return quickly, and it has to count:
/// whoever is outside can cause as many calls as there are connections.
pub type OnRefusal = Arc<dyn Fn(Refusal) + Send + Sync>;

/// Somebody was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Refusal {
    /// Where.
    pub door: Door,
    /// Who, as far as it is known.
    pub who: Who,
    /// Why.
    pub reason: Reason,
}

/// One of the two doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Door {
    /// Endpoints: repositories, with client certificates.
    Endpoints,
    /// People: pages.
    People,
}

/// The kind of source of what was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// Somebody without a certificate of this site.
    Unknown,
    /// Somebody with a certificate of this site, perhaps a revoked one.
    Certified,
}

/// Why somebody was refused. The text is for events and stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// No client certificate was shown.
    NoCertificate,
    /// The client's certificate is not of this site, or is not a client's.
    ForeignCertificate,
    /// The client's certificate has ended or not begun.
    ExpiredCertificate,
    /// The client's certificate was revoked.
    RevokedCertificate,
    /// What was sent is not TLS, or TLS that is not spoken here.
    NotTls,
    /// The handshake took too long.
    SlowHandshake,
    /// The door is full.
    TooManyConnections,
    /// One address has too many connections.
    TooManyFromAddress,
    /// What was sent is not HTTP, or too long, or too slow.
    BadRequest,
    /// Another host was asked for.
    OtherHost,
    /// There is nothing under that name, or not for that method.
    NotFound,
    /// A token to join with that does not count.
    BadToken,
    /// A certificate of this site that is no agent's, or of one who has left.
    NotAnEndpoint,
}

impl Reason {
    /// A short fixed name, e.g. `no-certificate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::ForeignCertificate => "foreign-certificate",
            Self::ExpiredCertificate => "expired-certificate",
            Self::RevokedCertificate => "revoked-certificate",
            Self::NotTls => "not-tls",
            Self::SlowHandshake => "slow-handshake",
            Self::TooManyConnections => "too-many-connections",
            Self::TooManyFromAddress => "too-many-from-address",
            Self::BadRequest => "bad-request",
            Self::OtherHost => "other-host",
            Self::NotFound => "not-found",
            Self::BadToken => "bad-token",
            Self::NotAnEndpoint => "not-an-endpoint",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
