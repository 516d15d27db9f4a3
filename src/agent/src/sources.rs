//! The sources that the appliance names, held to what apt may be told: its word cannot turn the vendor's
//! signature off, nor name another vendor.
//!
//! Only known fields pass; `URIs` is a path on the appliance; `Signed-By` is a keyring that stands on the
//! machine already, by its path.

use crate::Error;
use std::fmt::Write as _;

const BYTES_MAX: usize = 1 << 20;
/// Longest that a release file may be taken after its date: 90 days.
const VALID_UNTIL_MIN_MAX: u64 = 90 * 24 * 60 * 60;
const KEYRINGS: [&str; 2] = ["/usr/share/keyrings/", "/etc/apt/keyrings/"];

/// The text of a `.sources` file for apt, with `address` before every path.
pub(crate) fn for_apt(text: &str, address: &str) -> Result<String, Error> {
    if text.len() > BYTES_MAX {
        return Err(refused("they are absurdly long"));
    }
    let mut written = String::new();
    for stanza in text.split("\n\n") {
        let lines: Vec<&str> = stanza
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        if lines.is_empty() {
            continue;
        }
        let mut signed = false;
        for line in &lines {
            let field = line.split_once(':').map(|(name, value)| (name, value.trim()));
            let (name, value) =
                field.ok_or_else(|| refused(&format!("a line of theirs is {line:?}")))?;
            let value = judge(name, value, address)?;
            signed |= name == "Signed-By";
            // Writing to a String cannot fail.
            let _ = writeln!(written, "{name}: {value}");
        }
        if !signed || !lines.iter().any(|line| line.starts_with("URIs:")) {
            return Err(refused("one of them has no path, or no keyring"));
        }
        written.push('\n');
    }
    if written.is_empty() { Err(refused("there are none")) } else { Ok(written) }
}

/// A field's value as apt shall read it.
fn judge(name: &str, value: &str, address: &str) -> Result<String, Error> {
    let plain = |b: u8| b.is_ascii_graphic() || b == b' ';
    if value.is_empty() || !value.bytes().all(plain) {
        return Err(refused(&format!("{name} is no plain text")));
    }
    let words = || value.split(' ').filter(|word| !word.is_empty());
    match name {
        "Types" if value == "deb" => Ok(value.to_owned()),
        "Suites" | "Components" | "Architectures" => Ok(value.to_owned()),
        "URIs" => {
            let inside = |path: &str| path.starts_with('/') && !path.starts_with("//");
            if !words().all(inside) {
                return Err(refused(&format!("{value:?} is not on the appliance")));
            }
            let all: Vec<String> = words().map(|path| format!("{address}{path}")).collect();
            Ok(all.join(" "))
        }
        "Signed-By" => {
            let known = |path: &str| {
                KEYRINGS.iter().any(|folder| path.starts_with(folder)) && !path.contains("..")
            };
            if !words().all(known) {
                let sentence = format!("{value:?} is no keyring of this machine");
                return Err(refused(&sentence));
            }
            Ok(value.to_owned())
        }
        "Valid-Until-Min" => match value.parse::<u64>() {
            Ok(seconds) if seconds <= VALID_UNTIL_MIN_MAX => Ok(value.to_owned()),
            _ => Err(refused("they would take a release file of any age")),
        },
        _ => Err(refused(&format!("{name}: {value} is not the appliance's to say"))),
    }
}

fn refused(why: &str) -> Error {
    let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    Error::Refused(format!("the sources that the appliance names are refused: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "# Written by Patchkeep\n\nTypes: deb\nURIs: /ring/broad/debian/\nSuites: \
        bookworm\nComponents: main\nArchitectures: amd64\nSigned-By: /usr/share/keyrings/d.gpg\n\
        Valid-Until-Min: 3888000\n";

    #[test]
    fn the_address_goes_before_each_path() {
        let text = for_apt(GOOD, "https://appliance.example:8443").unwrap();
        let line = "URIs: https://appliance.example:8443/ring/broad/debian/\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn sources_cannot_turn_the_vendors_signature_off_or_lead_elsewhere() {
        let with = |more: &str| format!("{GOOD}{more}\n");
        let instead = |from: &str, to: &str| GOOD.replace(from, to);
        for bad in [
            String::new(),
            with("Trusted: yes"),
            with("Allow-Insecure: yes"),
            with("Allow-Weak: yes"),
            with("Check-Valid-Until: no"),
            with("Check-Date: no"),
            with(" continued"),
            with("X: \u{7f}"),
            instead("Signed-By: /usr/share/keyrings/d.gpg\n", ""),
            instead("/usr/share/keyrings/d.gpg", "/tmp/own.gpg"),
            instead("/usr/share/keyrings/d.gpg", "/usr/share/keyrings/../../tmp/own.gpg"),
            instead("/usr/share/keyrings/d.gpg", "\n -----BEGIN PGP PUBLIC KEY BLOCK-----"),
            instead("URIs: /ring", "URIs: http://elsewhere.example/ring"),
            instead("URIs: /ring", "URIs: //elsewhere.example/ring"),
            instead("Valid-Until-Min: 3888000", "Valid-Until-Min: 99999999999"),
            instead("Types: deb", "Types: deb-src"),
        ] {
            let error = for_apt(&bad, "https://a.example").unwrap_err();
            assert_eq!(error.fault(), ids::Fault::Refused, "{bad}\n{error}");
        }
    }
}
