//! Which file a request asks for: the path of the URL, decoded once.

use percent_encoding::percent_decode;

/// The longest path that is looked at, in bytes as sent.
pub const TARGET_BYTES_MAX: usize = 2048;

/// What a path of the endpoint door names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `/view/<sequence>/<source>/<path>`.
    View {
        /// Sequence number of the bundle.
        sequence: u64,
        /// The source, unchecked: only what exists is found.
        source: String,
        /// A safe path below the repository's root.
        path: String,
    },
    /// `/ring/<ring>/<source>/<path>`.
    Ring {
        /// The ring, unchecked: only what exists is found.
        ring: String,
        /// The source, unchecked.
        source: String,
        /// A safe path below the repository's root.
        path: String,
    },
}

/// Reads the path of a URL (RFC 3986): percent-encoding is undone once, in either case of letters;
/// `+` stays a plus. `None` for whatever is not one of the two shapes, is longer than
/// [`TARGET_BYTES_MAX`], or is no safe path (`..`, empty segments, control characters, an encoded
/// slash).
#[must_use]
pub fn parse_target(bytes: &[u8]) -> Option<Target> {
    if bytes.len() > TARGET_BYTES_MAX || has_encoded_slash(bytes) {
        return None;
    }
    let text = percent_decode(bytes).decode_utf8().ok()?;
    let mut segments = text.strip_prefix('/')?.splitn(4, '/');
    let (shape, which, source, path) =
        (segments.next()?, segments.next()?, segments.next()?, segments.next()?);
    if !catalogue::is_safe_path(path) {
        return None;
    }
    let (source, path) = (source.to_owned(), path.to_owned());
    match shape {
        "view" if which.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Target::View { sequence: which.parse().ok()?, source, path })
        }
        "ring" => Some(Target::Ring { ring: which.to_owned(), source, path }),
        _ => None,
    }
}

fn has_encoded_slash(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|three| three.eq_ignore_ascii_case(b"%2f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(target: &str) -> Option<String> {
        match parse_target(target.as_bytes())? {
            Target::View { path, .. } | Target::Ring { path, .. } => Some(path),
        }
    }

    #[test]
    fn paths_are_decoded_once_and_stay_below_their_root() {
        let cases = [
            ("/ring/pilot/debian/dists/b/InRelease", Some("dists/b/InRelease")),
            ("/ring/pilot/debian/pool/g/g%2b%2b_1%7e2.deb", Some("pool/g/g++_1~2.deb")),
            ("/ring/pilot/debian/pool/g/g%2B%2B_1%7E2.deb", Some("pool/g/g++_1~2.deb")),
            ("/ring/pilot/debian/pool/g/g++_1~2.deb", Some("pool/g/g++_1~2.deb")),
            ("/view/7/debian/pool/a_1%253a2.deb", Some("pool/a_1%3a2.deb")),
            ("/view/7/debian/pool/100%", Some("pool/100%")),
            ("/view/7/debian/a%2fb", None),
            ("/view/7/debian/a%2Fb", None),
            ("/view/7/debian/%2e%2e/x", None),
            ("/view/7/debian/../x", None),
            ("/view/7/debian/a//b", None),
            ("/view/7/debian/a/./b", None),
            ("/view/7/debian/a%00", None),
            ("/view/7/debian/a%20b", None),
            ("/view/7/debian/%ff", None),
            ("/view/7/debian/%5c", None),
            ("/view/7/debian/", None),
            ("/view/7/debian", None),
            ("/view/+7/debian/a", None),
            ("/view//debian/a", None),
            ("/view/99999999999999999999/debian/a", None),
            ("/other/7/debian/a", None),
            ("view/7/debian/a", None),
            ("*", None),
            ("", None),
        ];
        for (target, expected) in cases {
            assert_eq!(path(target).as_deref(), expected, "{target}");
        }
        assert_eq!(path(&format!("/view/7/debian/{}", "a".repeat(TARGET_BYTES_MAX))), None);
    }
}
