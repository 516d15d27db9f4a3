//! Relations of packages: what one needs (`Depends`, `Pre-Depends`), wants (`Recommends`), cannot stand
//! beside (`Conflicts`, `Breaks`) and what else it stands for (`Provides`). Kept as text, since of tens of
//! thousands only few are ever asked.

use crate::{
    stanza::{Stanza, is_name},
    version::{Version, parse},
};
use std::cmp::Ordering;

/// Most alternatives of one relation that are looked at.
const ALTERNATIVES_MAX: usize = 100;

/// What a package needs and what else it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Relations {
    pub(crate) depends: Box<str>,
    pub(crate) recommends: Box<str>,
    pub(crate) conflicts: Box<str>,
    pub(crate) provides: Box<str>,
    pub(crate) multi_arch: MultiArch,
}

/// The field `Multi-Arch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum MultiArch {
    #[default]
    No,
    Foreign,
    Allowed,
}

/// One alternative of a relation.
#[derive(Debug)]
pub(crate) struct Alternative<'a> {
    /// In small letters.
    pub(crate) name: String,
    pub(crate) architecture: Option<&'a str>,
    pub(crate) bound: Option<Bound>,
}

/// Which versions fit.
#[derive(Debug)]
pub(crate) struct Bound {
    least: Ordering,
    or_equal: bool,
    version: Version,
}

impl Relations {
    pub(crate) fn of(stanza: &Stanza<'_>) -> Self {
        let joined = |fields: &[&str]| -> Box<str> {
            let lines =
                fields.iter().map(|field| stanza.lines(field).unwrap_or_default().join(" "));
            lines.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",").into()
        };
        Self {
            depends: joined(&["Pre-Depends", "Depends"]),
            recommends: joined(&["Recommends"]),
            conflicts: joined(&["Conflicts", "Breaks"]),
            provides: joined(&["Provides"]),
            multi_arch: match stanza.line("Multi-Arch") {
                Some("foreign") => MultiArch::Foreign,
                Some("allowed") => MultiArch::Allowed,
                _ => MultiArch::No,
            },
        }
    }

    /// Each relation, as text, that something must satisfy.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &str> {
        each(&self.depends)
    }

    /// Each relation that apt satisfies besides.
    pub(crate) fn wants(&self) -> impl Iterator<Item = &str> {
        each(&self.recommends)
    }

    /// Each relation that nothing may satisfy.
    pub(crate) fn clashes(&self) -> impl Iterator<Item = &str> {
        each(&self.conflicts)
    }

    /// The relations that another version may no longer satisfy: those that name one, or a highest.
    pub(crate) fn brittle(&self) -> impl Iterator<Item = &str> {
        self.needs().filter(|text| text.contains("(=") || text.contains("(<"))
    }

    /// What it stands for, by name in small letters, with the version where it says one.
    pub(crate) fn stands_for(&self) -> impl Iterator<Item = (String, Option<Version>)> {
        let all = self.provides.split(',').filter_map(|text| alternatives(text).pop());
        all.map(|provided| {
            let exact = provided.bound.filter(|b| b.least == Ordering::Equal && b.or_equal);
            (provided.name, exact.map(|bound| bound.version))
        })
    }
}

fn each(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').map(str::trim_ascii).filter(|text| !text.is_empty())
}

/// The alternatives of a relation, in order; one that cannot be read is none.
pub(crate) fn alternatives(text: &str) -> Vec<Alternative<'_>> {
    text.split('|').take(ALTERNATIVES_MAX).filter_map(Alternative::parse).collect()
}

impl<'a> Alternative<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        // Binary packages bear neither lists of architectures nor build profiles.
        let (named, bound) = match text.split_once('(') {
            Some((named, rest)) => {
                let (bound, after) = rest.split_once(')')?;
                let bound = after.trim_ascii().is_empty().then(|| Bound::parse(bound))??;
                (named.trim_ascii(), Some(bound))
            }
            None => (text.trim_ascii(), None),
        };
        let (name, architecture) = match named.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (named, None),
        };
        is_name(name).then(|| Self { name: name.to_ascii_lowercase(), architecture, bound })
    }

    /// Whether a version of this very package fits.
    pub(crate) fn takes(&self, version: &Version) -> bool {
        self.bound.as_ref().is_none_or(|bound| bound.takes(version))
    }

    /// Whether something that stands for it fits: one without a version fits only where none is asked.
    pub(crate) fn takes_provided(&self, version: Option<&Version>) -> bool {
        match (&self.bound, version) {
            (None, _) => true,
            (Some(bound), Some(version)) => bound.takes(version),
            (Some(_), None) => false,
        }
    }
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        let end = text.find(|c: char| !"<>=".contains(c))?;
        let (least, or_equal) = match &text[..end] {
            "<<" => (Ordering::Less, false),
            "<=" | "<" => (Ordering::Less, true),
            "=" => (Ordering::Equal, true),
            ">=" | ">" => (Ordering::Greater, true),
            ">>" => (Ordering::Greater, false),
            _ => return None,
        };
        let version = parse(text[end..].trim_ascii()).ok()?;
        Some(Self { least, or_equal, version })
    }

    fn takes(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        order == self.least || (self.or_equal && order == Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stanza::only;

    fn of(text: &str) -> Relations {
        let text = format!("Package: a\n{text}");
        Relations::of(&only("a test", text.as_bytes(), 1000).unwrap())
    }

    #[test]
    fn relations_are_read_as_dpkg_reads_them() {
        let all =
            of("Pre-Depends: x (>= 1)\nDepends: y |\n z:any (<< 2), q\nProvides: v (= 3), W\n");
        assert_eq!(all.needs().collect::<Vec<_>>(), ["x (>= 1)", "y | z:any (<< 2)", "q"]);
        let provided: Vec<_> = all.stands_for().collect();
        assert_eq!(provided, [("v".into(), Some(parse("3").unwrap())), ("w".into(), None)]);
        let both = alternatives("y |z:any (<< 2)");
        assert_eq!((both[0].name.as_str(), both[1].architecture), ("y", Some("any")));
        let version = |text: &str| parse(text).unwrap();
        assert!(both[1].takes(&version("1")) && !both[1].takes(&version("2")));
        assert!(both[1].takes_provided(Some(&version("1"))) && !both[1].takes_provided(None));
        assert!(both[0].takes_provided(None));
    }

    #[test]
    fn what_is_no_relation_is_none() {
        for bad in ["", "a b", "a (1)", "a (>= )", "a (>= 1", "a (>= 1) [amd64]", "a (! 1)", "é"] {
            assert!(alternatives(bad).is_empty(), "{bad}");
        }
        for (text, fits) in
            [("<<", [1, 0, 0]), ("<=", [1, 1, 0]), ("=", [0, 1, 0]), (">>", [0, 0, 1])]
        {
            let relation = format!("a ({text} 2)");
            let told = ["1", "2", "3"]
                .map(|v| u8::from(alternatives(&relation)[0].takes(&parse(v).unwrap())));
            assert_eq!(told, fits, "{text}");
        }
    }
}
