//! A certificate and its private key in one file that only its owner can read.

use super::CaError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use durable::Disk;
use rcgen::KeyPair;
use std::{io, path::Path};
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer};

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

pub(super) fn make_private_dir(disk: &dyn Disk, dir: &Path) -> Result<(), CaError> {
    let failed = |source| CaError::Write { path: dir.to_owned(), source };
    disk.create_dir_all(dir).map_err(failed)?;
    disk.keep_private(dir).map_err(failed)
}

/// One file for both, so that no crash leaves a certificate without its key.
pub(super) fn write_pair(
    disk: &dyn Disk,
    path: &Path,
    certificate: &[u8],
    key: &[u8],
) -> Result<(), CaError> {
    let text = pem("CERTIFICATE", certificate) + &pem("PRIVATE KEY", key);
    let failed = |source| CaError::Write { path: path.to_owned(), source };
    disk.write_atomic(path, text.as_bytes()).map_err(failed)?;
    // Until here the folder kept others out.
    disk.keep_private(path).map_err(failed)
}

pub(super) type Pair = (Vec<u8>, KeyPair);

pub(super) fn read_pair(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Option<Result<Pair, CaError>>, CaError> {
    match disk.read(path) {
        Ok(bytes) => {
            let not_keys = || CaError::NotKeys { path: path.to_owned() };
            Ok(Some(parse_pair(&bytes).ok_or_else(not_keys)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CaError::Read { path: path.to_owned(), source }),
    }
}

fn parse_pair(bytes: &[u8]) -> Option<Pair> {
    let blocks: Vec<Pem> = Pem::iter_from_buffer(bytes).collect::<Result<_, _>>().ok()?;
    let [certificate, key] = blocks.as_slice() else { return None };
    let labels = (certificate.label.as_str(), key.label.as_str());
    let key = KeyPair::try_from(key.contents.as_slice()).ok()?;
    let (_, parsed) = X509Certificate::from_der(&certificate.contents).ok()?;
    let same = parsed.public_key().subject_public_key.data == key.public_key_raw();
    (labels == ("CERTIFICATE", "PRIVATE KEY") && same).then(|| (certificate.contents.clone(), key))
}
