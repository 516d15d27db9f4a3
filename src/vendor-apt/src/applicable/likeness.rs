//! By what apt tells builds of one version apart: the installed size, the relations that bind, and
//! `Multi-Arch`. A package whose installed build is not the offered one is upgradable to it, although
//! the version stays.

use crate::stanza::Stanza;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The fields whose text counts, in apt's order.
const RELATIONS: &[&str] = &["Depends", "Pre-Depends", "Conflicts", "Breaks", "Replaces"];

/// The build that a stanza describes, as far as it can be told from others of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Likeness {
    installed_size: Option<u64>,
    rest: u64,
}

impl Likeness {
    pub(crate) fn of(stanza: &Stanza<'_>) -> Self {
        let all = stanza.line("Architecture") == Some("all");
        let multi_arch = match stanza.line("Multi-Arch") {
            Some("same") if !all => 1_u8,
            Some("foreign") => 2,
            Some("allowed") => 3,
            _ => 0,
        };
        let mut text = vec![u8::from(all), multi_arch];
        for field in RELATIONS {
            for line in stanza.lines(field).unwrap_or_default() {
                bare(line, &mut text);
            }
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let installed_size = stanza.line("Installed-Size").map(|line| {
            let (mut text, mut hasher) = (Vec::new(), DefaultHasher::new());
            bare(line, &mut text);
            text.hash(&mut hasher);
            hasher.finish()
        });
        Self { installed_size, rest: hasher.finish() }
    }

    /// Whether the build of a status file is an offered one. Inventories of before the installed size
    /// was kept in them have none: there it is not asked.
    pub(super) fn fits(&self, offered: &Self) -> bool {
        self.rest == offered.rest
            && (self.installed_size.is_none() || self.installed_size == offered.installed_size)
    }
}

/// A relation as apt compares it: without case, spaces, `=` and empty epochs, which dpkg rewrites.
fn bare(line: &str, text: &mut Vec<u8>) {
    let mut bytes = line.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'0' && bytes.next_if_eq(&b':').is_some() {
            continue;
        }
        if !byte.is_ascii_whitespace() && byte != 0x0b && byte != b'=' {
            text.push(byte.to_ascii_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stanza::only;

    fn of(text: &str) -> Likeness {
        Likeness::of(&only("a test", text.as_bytes(), 1000).unwrap())
    }

    #[test]
    fn spaces_case_and_empty_epochs_do_not_count() {
        let one = of("Package: a\nArchitecture: amd64\nDepends: b (>= 0:1),\n c (<< 2)\n");
        assert_eq!(one, of("Package: a\nArchitecture: amd64\nDepends: B(>=1), c(<<2)\n"));
        assert_ne!(one, of("Package: a\nArchitecture: amd64\nDepends: b (>= 1:1), c (<< 2)\n"));
    }

    #[test]
    fn multi_arch_and_all_count_and_an_unknown_installed_size_does_not() {
        let plain = of("Package: a\nArchitecture: amd64\n");
        let sized = of("Package: a\nArchitecture: amd64\nInstalled-Size: 5\n");
        assert!(plain.fits(&sized) && !sized.fits(&plain));
        assert_ne!(plain, of("Package: a\nArchitecture: all\n"));
        assert_ne!(plain, of("Package: a\nArchitecture: amd64\nMulti-Arch: same\n"));
        let all = of("Package: a\nArchitecture: all\n");
        assert_eq!(all, of("Package: a\nArchitecture: all\nMulti-Arch: same\n"));
    }
}
