//! Parsers of foreign formats, made to run where a mistake in them can do no harm.
//!
//! Owns OpenPGP (Sequoia, only here), xz, gzip, zstd, the ar and tar of Debian packages, and the file systems of media.
//! The program `patchkeep-reader` is [`answer`] inside [`sandbox::child::serve`], or [`medium::serve`].
//!
//! **Invariant:** nothing here opens a file, names one after its input, or is linked into another
//! program of the house: the licence of Sequoia (LGPL) and its parsers stay in this one.
//!
//! Standards: OpenPGP (RFC 9580) under Sequoia's standard policy as of today: MD5, SHA-1 and weak
//! keys are refused; deb(5). Limits stand beside each parser.

mod deb;
mod inflate;
pub mod medium;
mod openpgp;
mod selftest;

pub use deb::{DebText, TakeFile, deb_files, read_deb};
pub use inflate::{Inflated, inflate};
pub use openpgp::{SignedText, list, verify, verify_detached};

use sandbox::{
    Operation,
    child::{Answer, Exchange},
};
use std::io::{Read, Write};

/// Most bytes of a signed document or a keyring.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;

/// To be called before the process is confined: the C library opens its time zone file when a time
/// is first put into words, which later would be a forbidden call.
pub fn warm_up() {
    openpgp::put_a_time_into_words();
}

/// Answers one request.
pub fn answer(operation: Operation, mut exchange: Exchange<'_>) -> Answer {
    let answered = match operation {
        Operation::VerifyClearsigned { at } => signatures(at, &mut exchange),
        Operation::VerifyDetached { at, signature } => detached(at, &signature, &mut exchange),
        Operation::Certificates => certificates(&mut exchange),
        Operation::Decompress { compression, bytes_max } => {
            inflate(compression, exchange.second, &mut exchange.body, bytes_max).map(|done| {
                match done {
                    Inflated::Whole => Answer::Decompressed,
                    Inflated::TooLarge => Answer::TooLarge { bytes_max },
                }
            })
        }
        Operation::Deb => package(&mut exchange),
        Operation::DebFiles => files(&mut exchange),
        Operation::Selftest { attempt } => selftest::attempt(&attempt, &mut exchange.body),
    };
    answered.unwrap_or_else(|reason| Answer::Refused { reason })
}

fn signatures(at: ids::Timestamp, exchange: &mut Exchange<'_>) -> Result<Answer, String> {
    let Some(document) = document(exchange)? else {
        return Ok(Answer::TooLarge { bytes_max: DOCUMENT_BYTES_MAX });
    };
    let signed = verify(&document, &exchange.first, at)?;
    exchange.body.write_all(&signed.text).map_err(|e| e.to_string())?;
    Ok(Answer::Signatures { claims: signed.claims })
}

fn detached(
    at: ids::Timestamp,
    signature: &str,
    exchange: &mut Exchange<'_>,
) -> Result<Answer, String> {
    let Some(document) = document(exchange)? else {
        return Ok(Answer::TooLarge { bytes_max: DOCUMENT_BYTES_MAX });
    };
    let claims = verify_detached(&document, signature.as_bytes(), &exchange.first, at)?;
    Ok(Answer::Signatures { claims })
}

/// The second part; `None` where it is too large.
fn document(exchange: &mut Exchange<'_>) -> Result<Option<Vec<u8>>, String> {
    let mut document = Vec::new();
    let mut limited = exchange.second.take(DOCUMENT_BYTES_MAX + 1);
    limited.read_to_end(&mut document).map_err(|e| e.to_string())?;
    Ok((document.len() as u64 <= DOCUMENT_BYTES_MAX).then_some(document))
}

fn certificates(exchange: &mut Exchange<'_>) -> Result<Answer, String> {
    let mut keyring = Vec::new();
    let mut limited = exchange.second.take(DOCUMENT_BYTES_MAX);
    limited.read_to_end(&mut keyring).map_err(|e| e.to_string())?;
    Ok(Answer::Certificates { certificates: list(&keyring)? })
}

fn package(exchange: &mut Exchange<'_>) -> Result<Answer, String> {
    let DebText { control, changelog } = read_deb(exchange.second)?;
    let text = changelog.as_deref().unwrap_or_default();
    exchange.body.write_all(text).map_err(|e| e.to_string())?;
    Ok(Answer::Deb { control, changelog: changelog.is_some() })
}

fn files(exchange: &mut Exchange<'_>) -> Result<Answer, String> {
    let said = |e: std::io::Error| e.to_string();
    let body = &mut exchange.body;
    let mut piece = vec![0; 1 << 18];
    let files = deb_files(exchange.second, &mut |name, file| {
        body.begin_file(name).map_err(said)?;
        loop {
            match file.read(&mut piece).map_err(said)? {
                0 => return Ok(()),
                length => body.write_all(&piece[..length]).map_err(said)?,
            }
        }
    })?;
    Ok(Answer::Files { files })
}
