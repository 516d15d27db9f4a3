//! Debian versions: their order (deb-version(7)).

use crate::{Error, stanza::short};
use debversion::Version;
use std::cmp::Ordering;

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
    let epoch = text.split_once(':').map_or("0", |(epoch, _)| epoch);
    if !is_version(text) || epoch.parse::<u32>().is_err() {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
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
