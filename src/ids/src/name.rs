//! Names that appear in paths, URLs and events: checked once, when they are made.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr};

/// Text that breaks the rule of its kind of name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

const RULE: &str = "1 to 63 of a-z, 0-9 and hyphen, beginning and ending with a letter or digit";
const DOTTED: &str =
    "1 to 63 of a-z, 0-9, hyphen and dot, beginning and ending with a letter or digit";
const ULID: &str = "26 characters of Crockford base 32 in capitals";

fn is_label(text: &str, dots: bool) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.first().is_some_and(|b| inner(*b))
        && bytes.last().is_some_and(|b| inner(*b))
        && bytes.iter().all(|b| inner(*b) || *b == b'-' || (dots && *b == b'.'))
        && !text.contains("..")
}

fn is_ulid(text: &str) -> bool {
    text.len() == 26
        && text.bytes().next().is_some_and(|b| b <= b'7')
        && text.bytes().all(|b| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&b))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    let text = text.chars().take(80).collect();
                    Err(NameError { kind: $kind, text, rule: $rule })
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One vendor stream, e.g. `debian-bookworm-security`. It names a TUF role and a URL segment.
    SourceId, "source id", RULE, |t| is_label(t, false)
);
name!(
    /// A group of endpoints that is patched together, e.g. `broad`.
    RingName, "ring name", RULE, |t| is_label(t, false)
);
name!(
    /// The isolated network that one appliance serves.
    SiteName, "site name", RULE, |t| is_label(t, false)
);
name!(
    /// A server or workstation, by host name.
    EndpointName, "endpoint name", DOTTED, |t| is_label(t, true)
);
name!(
    /// A person, by an id that never changes; names are in the evidence store.
    PersonId, "person id", DOTTED, |t| is_label(t, true)
);
name!(
    /// A maintenance window, e.g. `servers-night`.
    WindowName, "window name", RULE, |t| is_label(t, false)
);
name!(
    /// A patch policy, e.g. `cyber-essentials`.
    PolicyName, "policy name", RULE, |t| is_label(t, false)
);
name!(
    /// A record that is made once: a custody record, an import. A ULID.
    RecordId, "record id", ULID, is_ulid
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        for bad in ["", ".", "..", "a/b", "a\\b", "A", "-a", "a-", "a b", "a..b", "é", "a.b"] {
            assert!(bad.parse::<SourceId>().is_err(), "{bad}");
        }
        assert!("debian-bookworm-security".parse::<SourceId>().is_ok());
        assert!("web1.lab.example".parse::<EndpointName>().is_ok());
        assert!("a".repeat(64).parse::<RingName>().is_err());
    }

    #[test]
    fn record_ids_are_ulids() {
        assert!("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<RecordId>().is_ok());
        assert!("81ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<RecordId>().is_err());
        assert!("01arz3ndektsv4rrffq69g5fav".parse::<RecordId>().is_err());
    }
}
