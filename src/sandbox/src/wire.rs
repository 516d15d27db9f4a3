//! The words that parent and child exchange, and their framing.
//!
//! Request, on the child's standard input: a length (u32, little endian), that many bytes of JSON
//! ([`Ask`]), the first part (`Ask::first_part` bytes), then the second part up to the end.
//! Reply, on standard output: frames of a kind (one byte), a length (u32, little endian) and bytes.
//! Frames `b'F'` begin a file of the body and carry its name, `b'D'` are pieces of the body, and one frame `b'H'` with JSON ([`Answer`]) ends the reply.

use ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Longest head, in either direction.
pub(crate) const HEAD_BYTES_MAX: u32 = 4 << 20;
/// Longest name of a file in a body.
pub(crate) const NAME_BYTES_MAX: u32 = 1024;
/// Longest piece of a body.
pub(crate) const PIECE_BYTES_MAX: u32 = 1 << 20;
pub(crate) const BODY: u8 = b'D';
pub(crate) const FILE: u8 = b'F';
pub(crate) const HEAD: u8 = b'H';

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// The xz container (one or more streams).
    Xz,
    /// gzip, RFC 1952 (one or more members).
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

/// What a child is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Operation {
    /// First part: certificates. Second: a document in the cleartext signature framework.
    VerifyClearsigned {
        /// The moment at which signatures and certificates are judged.
        at: Timestamp,
    },
    /// First part: certificates. Second: a document as it is, of which the signature is a file of its own.
    VerifyDetached {
        /// The moment at which signatures and certificates are judged.
        at: Timestamp,
        /// The signature, armoured.
        signature: String,
    },
    /// Second part: certificates, to be listed.
    Certificates,
    /// Second part: the compressed bytes.
    Decompress {
        /// Their compression.
        compression: Compression,
        /// Most bytes that may come out.
        bytes_max: u64,
    },
    /// Second part: a Debian binary package.
    Deb,
    /// Second part: a Debian binary package, of which every file is wanted.
    DebFiles,
    /// Tries something that must not work. For tests of the sandbox itself.
    Selftest {
        /// What to try.
        attempt: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) operation: Operation,
    pub(crate) first_part: u64,
}

/// One signature, as the child judged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureClaim {
    /// Fingerprint of the certificate (good), or what the signature says of its issuer.
    pub fingerprint: String,
    /// Creation time inside the signature.
    pub created: Option<Timestamp>,
    /// Whether it holds.
    pub good: bool,
    /// Why it does not hold; empty when it does.
    pub reason: String,
}

/// One certificate of a keyring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateClaim {
    /// Its fingerprint, capital hexadecimal.
    pub fingerprint: String,
    /// The first name it gives itself, for people.
    pub name: String,
}

/// What a child answers beside its body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Done; the body is the text that the signatures cover.
    Signatures {
        /// One claim a signature.
        claims: Vec<SignatureClaim>,
    },
    /// Done; no body.
    Certificates {
        /// What the keyring holds.
        certificates: Vec<CertificateClaim>,
    },
    /// Done; the body is what came out.
    Decompressed,
    /// Done; the body is the changelog where `changelog` says so.
    Deb {
        /// The control file.
        control: String,
        /// Whether a changelog was found.
        changelog: bool,
    },
    /// Done; the body was all files, one after the other.
    Files {
        /// How many.
        files: u64,
    },
    /// A selftest came through: the sandbox does not hold.
    Escaped,
    /// The input is not what it should be.
    Refused {
        /// Why, in one phrase.
        reason: String,
    },
    /// More came out than was allowed.
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// No sandbox could be had here, so nothing was read.
    Unconfined {
        /// What failed.
        reason: String,
    },
}

pub(crate) fn write_frame(to: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&[kind])?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)
}

pub(crate) fn read_u32(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

pub(crate) fn read_bytes(from: &mut impl Read, length: u32, most: u32) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
