//! What pins match: an index with what its release file says, or dpkg's status file.

use super::{expression::Expression, pins::expression};
use crate::ReleaseFacts;

/// Most conditions of one pin, and most bytes that apt reads of them.
const CONDITIONS_MAX: usize = 20;
const CONDITIONS_BYTES_MAX: usize = 299;
/// The priority of the status file, and of archives that are automatic for upgrades only.
const UPGRADES: i32 = 100;
/// What pins call the status file's archive and component.
const NOW: &str = "now";

/// A place that a version comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum File<'a> {
    /// dpkg's status file.
    Status,
    /// An index of a source.
    Index { facts: &'a ReleaseFacts, component: &'a str, architecture: &'a str, site: &'a str },
}

/// What a record pins to.
#[derive(Debug, Clone)]
pub(super) enum Pin {
    Version(Number),
    Release(Box<Conditions>),
    Site(Expression),
}

/// A version, or how it begins.
#[derive(Debug, Clone)]
pub(super) struct Number {
    text: String,
    begins: bool,
    expression: Expression,
}

/// What a release must say; all of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    all: bool,
    version: Option<Number>,
    origin: Option<Expression>,
    archive: Option<Expression>,
    codename: Option<Expression>,
    archive_or_codename: Option<Expression>,
    label: Option<Expression>,
    component: Option<Expression>,
    architecture: Option<Expression>,
}

impl File<'_> {
    pub(super) fn own_priority(&self) -> i32 {
        match self {
            Self::Status => UPGRADES,
            Self::Index { facts, .. } if facts.but_automatic_upgrades => UPGRADES,
            Self::Index { facts, .. } if facts.not_automatic => 1,
            Self::Index { .. } => 500,
        }
    }
}

impl Pin {
    /// Nothing for a kind that apt does not know, such as a version for all packages.
    pub(super) fn parse(text: &str, general: bool) -> Result<Option<Self>, String> {
        let (kind, data) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
        let data = data.trim_ascii_start();
        Ok(Some(match kind.to_ascii_lowercase().as_str() {
            "version" if !general => Self::Version(Number::parse(data)?),
            "release" => Self::Release(Box::new(Conditions::parse(data)?)),
            "origin" => {
                let bare = data.strip_prefix('"').and_then(|data| data.strip_suffix('"'));
                Self::Site(expression(bare.unwrap_or(data))?)
            }
            _ => return Ok(None),
        }))
    }

    /// Whether a version that comes from these files is meant.
    pub(super) fn matches(&self, version: &str, files: &[File<'_>]) -> bool {
        match self {
            Self::Version(number) => number.matches(version),
            _ => files.iter().any(|file| self.matches_file(file)),
        }
    }

    pub(super) fn matches_file(&self, file: &File<'_>) -> bool {
        match (self, file) {
            (Self::Release(conditions), file) => conditions.matches(file),
            (Self::Site(expected), File::Index { site, .. }) => expected.matches(site),
            _ => false,
        }
    }
}

impl Number {
    fn parse(text: &str) -> Result<Self, String> {
        let (text, begins) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        Ok(Self { text: text.to_owned(), begins, expression: expression(text)? })
    }

    fn matches(&self, version: &str) -> bool {
        let start = if self.begins { version.get(..self.text.len()) } else { Some(version) };
        start.is_some_and(|start| start.eq_ignore_ascii_case(&self.text))
            || (!version.is_empty() && self.expression.matches(version))
    }
}

impl Conditions {
    fn parse(data: &str) -> Result<Self, String> {
        let mut found = Self::default();
        if data == "*" {
            found.all = true;
        } else if !data.contains('=') {
            if data.starts_with(|c: char| c.is_ascii_digit()) {
                found.version = Some(Number::parse(data)?);
            } else if !data.is_empty() {
                found.archive_or_codename = Some(expression(data)?);
            }
        } else {
            let end = data.floor_char_boundary(CONDITIONS_BYTES_MAX);
            let parts = || data[..end].split(',').map(str::trim_ascii).filter(|p| !p.is_empty());
            // Of so many conditions apt takes none.
            let few = parts().count() < CONDITIONS_MAX;
            for part in parts().filter(|_| few) {
                found.take(part)?;
            }
        }
        Ok(found)
    }

    /// Takes one condition; one that apt does not know is passed over.
    fn take(&mut self, part: &str) -> Result<(), String> {
        let Some((key, value)) = part.split_once('=') else { return Ok(()) };
        if value.is_empty() {
            return Ok(());
        }
        let place = match key.to_ascii_lowercase().as_str() {
            "v" => {
                self.version = Some(Number::parse(value)?).filter(|v| !v.text.is_empty());
                return Ok(());
            }
            "o" => &mut self.origin,
            "a" => &mut self.archive,
            "n" => &mut self.codename,
            "l" => &mut self.label,
            "c" => &mut self.component,
            "b" => &mut self.architecture,
            _ => return Ok(()),
        };
        *place = Some(expression(value)?);
        Ok(())
    }

    fn matches(&self, file: &File<'_>) -> bool {
        // What a release file does not say matches nothing, not even `*`.
        let fits = |expected: &Option<Expression>, said: &str| {
            expected.as_ref().is_none_or(|expected| !said.is_empty() && expected.matches(said))
        };
        match file {
            File::Index { facts, component, architecture, .. } => {
                self.all
                    || !self.is_empty()
                        && self
                            .version
                            .as_ref()
                            .is_none_or(|v| !facts.version.is_empty() && v.matches(&facts.version))
                        && fits(&self.origin, &facts.origin)
                        && fits(&self.archive, &facts.suite)
                        && fits(&self.codename, &facts.codename)
                        && (fits(&self.archive_or_codename, &facts.suite)
                            || fits(&self.archive_or_codename, &facts.codename))
                        && fits(&self.label, &facts.label)
                        && fits(&self.component, component)
                        && fits(&self.architecture, architecture)
            }
            // It has no release file; a pin without any condition matches it alone.
            File::Status => {
                self.version.is_none()
                    && self.origin.is_none()
                    && self.codename.is_none()
                    && self.label.is_none()
                    && self.architecture.is_none()
                    && [&self.archive, &self.archive_or_codename, &self.component]
                        .iter()
                        .all(|expected| fits(expected, NOW))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.version.is_none()
            && [
                &self.origin,
                &self.archive,
                &self.codename,
                &self.archive_or_codename,
                &self.label,
                &self.component,
                &self.architecture,
            ]
            .iter()
            .all(|expected| expected.is_none())
    }
}
