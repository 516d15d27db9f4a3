//! A machine's pins: apt's preference files, read as apt reads them (apt_preferences(5)).
//!
//! A record about `*` is general: the first that matches an index gives it its priority. All others are
//! specific: the first that matches a package and a version of it gives that version its priority.

use super::{
    expression::{Expression, is_pattern},
    file::{File, Pin},
};
use crate::{Error, stanza::short};
use std::collections::HashMap;

const WHAT: &str = "a file of apt's preferences";
/// Far more than any machine has: records, packages that they name, and patterns among those.
const RECORDS_MAX: usize = 1000;
const TARGETS_MAX: usize = 100_000;
const PATTERNS_MAX: usize = 1000;
/// `Pin-Priority: never`, which no other record raises.
pub(super) const NEVER: i32 = i16::MIN as i32;

/// The pins of a machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Pins {
    general: Vec<(Pin, i32)>,
    specific: Vec<Specific>,
    records: usize,
    patterns: usize,
    /// Those of `specific` that name one package, by that name.
    named: HashMap<String, Vec<usize>>,
    /// The others of them.
    unnamed: Vec<usize>,
}

/// One word of a record's `Package` field, with what the record says.
#[derive(Debug, Clone)]
struct Specific {
    target: Target,
    pin: Pin,
    priority: i32,
}

#[derive(Debug, Clone)]
struct Target {
    /// `src:`: the name is a source package's.
    source: bool,
    name: Expression,
    architecture: Fit,
}

/// Which architectures a target is about.
#[derive(Debug, Clone)]
enum Fit {
    Native,
    Any,
    One(String),
    /// Of ABI, libc, kernel and processor.
    Tuple(Expression),
}

/// A version that a pin may be about.
pub(super) struct Version<'a> {
    pub(super) architecture: &'a str,
    pub(super) native: &'a str,
    pub(super) source: &'a str,
    pub(super) version: &'a str,
    pub(super) files: &'a [File<'a>],
}

impl Pins {
    /// Reads preference files in apt's order.
    ///
    /// # Errors
    /// What apt itself refuses, lines that are no fields, and expressions that cannot be matched here as
    /// apt would.
    pub(super) fn parse(texts: &[String]) -> Result<Self, Error> {
        let mut pins = Self::default();
        for text in texts {
            for (number, record) in records(text).iter().enumerate() {
                let bad = |reason: String| Error::Malformed {
                    what: WHAT,
                    stanza: number + 1,
                    reason: short(&reason, 200),
                };
                pins.take(record).map_err(bad)?;
            }
        }
        pins.index();
        Ok(pins)
    }

    /// How many pins there are.
    pub(super) fn len(&self) -> usize {
        self.general.len() + self.specific.len()
    }

    fn take(&mut self, record: &str) -> Result<(), String> {
        let Some(fields) = fields(record)? else { return Ok(()) };
        let Fields { package, pin, priority } = fields;
        if package.is_empty() {
            return Err("a record has no Package field".into());
        }
        let general = package == "*";
        // Like apt, a record that pins nothing, or by a word that is not known, is passed over.
        let Some(pin) = pin.map(|pin| Pin::parse(pin, general)).transpose()?.flatten() else {
            return Ok(());
        };
        let priority = number(priority, general)?;
        self.records += 1;
        if general {
            self.general.push((pin, priority));
            return self.check();
        }
        for word in package.split_ascii_whitespace() {
            let target = Target::parse(word)?;
            self.patterns += usize::from(matches!(target.name, Expression::Pattern(_)));
            self.specific.push(Specific { target, pin: pin.clone(), priority });
            self.check()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let absurd = self.records > RECORDS_MAX
            || self.specific.len() > TARGETS_MAX
            || self.patterns > PATTERNS_MAX;
        if absurd { Err("there are absurdly many pins".into()) } else { Ok(()) }
    }

    fn index(&mut self) {
        for (number, Specific { target, .. }) in self.specific.iter().enumerate() {
            match &target.name {
                Expression::Text(name) if !target.source => {
                    self.named.entry(name.clone()).or_default().push(number);
                }
                _ => self.unnamed.push(number),
            }
        }
    }

    /// The priority that general pins give an index, or the one that it has by itself.
    pub(super) fn of_file(&self, file: &File<'_>) -> i32 {
        let mut matching =
            self.general.iter().filter(|(pin, _)| pin.matches_file(file)).map(|(_, p)| *p);
        let first = matching.next().unwrap_or_else(|| file.own_priority());
        if first == NEVER || matching.any(|priority| priority == NEVER) { NEVER } else { first }
    }

    /// The pins that name a package, in order: what [`Named::of_version`] asks for each version.
    pub(super) fn named<'a>(&'a self, name: &str) -> Named<'a> {
        if self.specific.is_empty() {
            return Named { pins: Vec::new() };
        }
        let mut numbers = self.unnamed.clone();
        numbers.retain(|number| {
            let target = &self.specific[*number].target;
            target.source || target.name.matches(name)
        });
        numbers.extend(self.named.get(name).into_iter().flatten());
        numbers.sort_unstable();
        Named { pins: numbers.into_iter().map(|number| &self.specific[number]).collect() }
    }
}

/// The specific pins that may be about one package.
pub(super) struct Named<'a> {
    pins: Vec<&'a Specific>,
}

impl Named<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }

    /// The priority that the first pin about a version gives it.
    pub(super) fn of_version(&self, version: &Version<'_>) -> Option<i32> {
        let first = self.pins.iter().find(|pin| {
            let Target { source, name, architecture } = &pin.target;
            (!source || name.matches(version.source))
                && architecture.fits(version.architecture, version.native)
                && pin.pin.matches(version.version, version.files)
        });
        first.map(|pin| pin.priority)
    }
}

impl Target {
    fn parse(word: &str) -> Result<Self, String> {
        let (source, word) = match word.strip_prefix("src:") {
            Some(name) => (true, name),
            None => (false, word),
        };
        let (name, architecture) = match word.rsplit_once(':') {
            Some((name, architecture)) => (name, Fit::parse(architecture)?),
            None => (word, Fit::Native),
        };
        let name = match is_pattern(name) {
            true => expression(name)?,
            false => Expression::Text(name.to_owned()),
        };
        Ok(Self { source, name, architecture })
    }
}

impl Fit {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Native);
        }
        if text == "any" {
            return Ok(Self::Any);
        }
        if !text.contains('*') && !text.split('-').any(|part| part == "any") {
            return Ok(Self::One(text.strip_prefix("linux-").unwrap_or(text).to_owned()));
        }
        let mut parts: Vec<&str> = text.split('-').collect();
        while parts.len() < 4 {
            parts.insert(0, "any");
        }
        let parts: Vec<&str> =
            parts.into_iter().map(|part| if part == "any" { "*" } else { part }).collect();
        Ok(Self::Tuple(expression(&parts.join("-"))?))
    }

    fn fits(&self, architecture: &str, native: &str) -> bool {
        match self {
            Self::Native => architecture == native,
            Self::Any => true,
            Self::One(own) => own == architecture,
            Self::Tuple(pattern) => pattern.matches(&tuple(architecture)),
        }
    }
}

/// dpkg's ABI, libc, kernel and processor of an architecture.
fn tuple(architecture: &str) -> String {
    match (architecture, architecture.split_once('-')) {
        ("armhf", _) => "eabihf-gnu-linux-arm".into(),
        ("armel", _) => "eabi-gnu-linux-arm".into(),
        ("x32", _) => "x32-gnu-linux-amd64".into(),
        (cpu, None) => format!("base-gnu-linux-{cpu}"),
        (_, Some((kernel, cpu))) => format!("base-gnu-{kernel}-{cpu}"),
    }
}

pub(super) fn expression(text: &str) -> Result<Expression, String> {
    let unknown = || format!("{text:?} is no expression, or cannot be matched as apt would");
    Expression::parse(text).ok_or_else(unknown)
}

/// The records of a preference file, without comments.
fn records(text: &str) -> Vec<String> {
    let mut records = vec![String::new()];
    for line in text.split('\n').filter(|line| !line.starts_with('#')) {
        let line = line.trim_start_matches('\r');
        match records.last_mut() {
            Some(record) if !line.is_empty() => {
                record.push_str(line);
                record.push('\n');
            }
            _ => records.push(String::new()),
        }
    }
    records.retain(|record| !record.is_empty());
    records
}

#[derive(Debug, Default)]
struct Fields<'a> {
    package: &'a str,
    pin: Option<&'a str>,
    priority: &'a str,
}

/// The fields of a record, or nothing if it has none. A field that comes twice counts as it comes last.
fn fields(record: &str) -> Result<Option<Fields<'_>>, String> {
    let goes_on = |text: &str| text.starts_with(|c: char| c.is_ascii_whitespace());
    let mut found = None;
    let mut rest = record;
    while goes_on(rest) {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    while !rest.is_empty() {
        let colon = rest.find(':').ok_or_else(|| format!("a line is no field: {rest:?}"))?;
        let (name, after) = (rest[..colon].trim_end(), &rest[colon + 1..]);
        let ends = |at: &usize| !goes_on(&after[at + 1..]);
        let end = after.match_indices('\n').map(|(at, _)| at).find(ends).unwrap_or(after.len());
        let value = after[..end].trim_ascii();
        let fields: &mut Fields<'_> = found.get_or_insert_default();
        match name.to_ascii_lowercase().as_str() {
            "package" => fields.package = value,
            "pin" => fields.pin = Some(value),
            "pin-priority" => fields.priority = value,
            _ => {}
        }
        rest = after.get(end + 1..).unwrap_or("");
    }
    Ok(found)
}

/// A priority, of which apt reads as much as is a number.
fn number(text: &str, general: bool) -> Result<i32, String> {
    if text == "never" {
        let only = "the priority never is for Package: * only";
        return if general { Ok(NEVER) } else { Err(only.into()) };
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    if digits.trim_matches('0').is_empty() {
        return Err("a pin has no priority, or zero".into());
    }
    let number: i16 = format!("{sign}{digits}")
        .parse()
        .map_err(|_| format!("the priority {text:?} is too high or too low"))?;
    Ok(i32::from(number).max(NEVER + 1))
}

#[cfg(test)]
#[path = "pins/tests.rs"]
mod tests;
