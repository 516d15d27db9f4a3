//! Debian versions: their order (deb-version(7)).
//!
//! Hundreds of thousands are compared, so each is turned once into bytes whose order is that of the
//! versions. What dpkg itself says of many is asked in `collect`.

use crate::{Error, stanza::short};
use std::cmp::Ordering;

/// A version as bytes that sort as dpkg sorts versions. Those that it calls equal are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version(Box<[u8]>);

/// Before everything, before the end, the end; letters and then the others follow with their own bytes.
const TILDE: u8 = 1;
const END: u8 = 2;
const LETTER: u8 = 3;
const OTHER: u8 = 128;

/// Whether text has the characters and length of a Debian version (at most 128 bytes).
pub(crate) fn is_version(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-:~".contains(&b))
}

/// Compares two Debian versions.
///
/// # Errors
/// [`Error::Version`] for text that is none.
pub fn compare_versions(left: &str, right: &str) -> Result<Ordering, Error> {
    Ok(parse(left)?.cmp(&parse(right)?))
}

pub(crate) fn parse(text: &str) -> Result<Version, Error> {
    let bad = || Error::Version { text: short(text, 80) };
    // An epoch is a small number; a longer one is no real version.
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let plain = is_version(text) && !rest.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
    let epoch = epoch.parse::<u32>().ok().filter(|_| plain).ok_or_else(bad)?;
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((upstream, revision)) if !upstream.is_empty() => (upstream, revision),
        _ => (rest, ""),
    };
    let mut sorted = Vec::with_capacity(2 * rest.len() + 12);
    sorted.extend(epoch.to_be_bytes());
    sortable(upstream.as_bytes(), &mut sorted);
    sortable(revision.as_bytes(), &mut sorted);
    Ok(Version(sorted.into()))
}

/// Writes a part as its runs: what is no digit, up to [`END`], and then the digits without leading zeros
/// after their count. A run without digits is one of zero; the last [`END`] sorts before what goes on,
/// unless that goes on with a tilde.
fn sortable(mut part: &[u8], sorted: &mut Vec<u8>) {
    loop {
        let end = part.iter().position(u8::is_ascii_digit).unwrap_or(part.len());
        let (words, rest) = part.split_at(end);
        sorted.extend(words.iter().map(|byte| match byte {
            b'~' => TILDE,
            letter if letter.is_ascii_alphabetic() => LETTER + (letter - b'A'),
            other => OTHER + other,
        }));
        sorted.push(END);
        let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(end);
        let zeros = number.iter().take_while(|b| **b == b'0').count();
        // At most 128 of them: is_version says so.
        sorted.push(u8::try_from(number.len() - zeros).unwrap_or(u8::MAX));
        sorted.extend(&number[zeros..]);
        if rest.is_empty() {
            sorted.push(END);
            return;
        }
        part = rest;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn orders_as_dpkg_does() {
        let rising = [
            "0.1~~",
            "0.1~rc1",
            "0.1",
            "0.1-1~bpo12+1",
            "0.1-1",
            "0.1-1+deb12u1",
            "0.1-1+deb12u2",
            "0.1-1+deb12u10",
            "0.1+b1",
            "0.10",
            "1.0",
            "1:0.1",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare_versions(pair[0], pair[1]).unwrap(), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare_versions("1.0", "0:1.0").unwrap(), Ordering::Equal);
        assert_eq!(compare_versions("1.0-0", "1.00").unwrap(), Ordering::Equal);
    }

    #[test]
    fn refuses_what_is_no_version() {
        for bad in ["", "a b", "1.0\n", "é", "99999999999:1", ":1", "1_0", &"9".repeat(500)] {
            assert!(compare_versions(bad, "1").is_err(), "{bad:?}");
        }
    }
}
