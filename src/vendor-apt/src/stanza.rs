//! deb822 with the strictness that hostile input needs: no duplicate fields, no stray bytes.

use crate::Error;
use deb822_fast::borrowed::{BorrowedParagraph, iter_paragraphs_borrowed};

/// Most fields of one stanza.
const FIELDS_MAX: usize = 200;

/// One stanza, with what is needed to say where an error is.
pub(crate) struct Stanza<'a> {
    paragraph: BorrowedParagraph<'a>,
    pub(crate) what: &'static str,
    pub(crate) number: usize,
}

/// The stanzas of `bytes`, which must be UTF-8 without carriage returns or NULs.
pub(crate) fn stanzas<'a>(
    what: &'static str,
    bytes: &'a [u8],
    bytes_max: usize,
) -> Result<impl Iterator<Item = Result<Stanza<'a>, Error>> + use<'a>, Error> {
    let malformed =
        move |stanza, reason: &str| Error::Malformed { what, stanza, reason: reason.into() };
    if bytes.len() > bytes_max {
        return Err(malformed(0, "it is absurdly large"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(0, "it is not UTF-8"))?;
    if bytes.iter().any(|b| matches!(b, b'\r' | 0)) {
        return Err(malformed(0, "it holds control characters"));
    }
    Ok(iter_paragraphs_borrowed(text).enumerate().map(move |(i, paragraph)| {
        let number = i + 1;
        let paragraph = paragraph.map_err(|e| {
            let reason = e.to_string().chars().take(200).collect();
            Error::Malformed { what, stanza: number, reason }
        })?;
        if paragraph.len() > FIELDS_MAX {
            return Err(malformed(number, "it has too many fields"));
        }
        let names: Vec<&str> = paragraph.iter().map(|field| field.name()).collect();
        let twice = |(i, name): (usize, &&str)| {
            names[..i].iter().any(|earlier| earlier.eq_ignore_ascii_case(name))
        };
        if names.iter().enumerate().any(twice) {
            return Err(malformed(number, "a field appears twice"));
        }
        Ok(Stanza { paragraph, what, number })
    }))
}

/// The one stanza of a file that has one.
pub(crate) fn only<'a>(
    what: &'static str,
    bytes: &'a [u8],
    bytes_max: usize,
) -> Result<Stanza<'a>, Error> {
    let mut all = stanzas(what, bytes, bytes_max)?;
    let malformed = |reason: &str| Error::Malformed { what, stanza: 0, reason: reason.into() };
    let mut first = all.next().ok_or_else(|| malformed("it is empty"))??;
    if all.next().is_some() {
        return Err(malformed("it has more than one stanza"));
    }
    first.number = 0;
    Ok(first)
}

impl<'a> Stanza<'a> {
    /// A field of one line.
    pub(crate) fn line(&self, field: &str) -> Option<&'a str> {
        self.paragraph.get_single(field).map(str::trim_end)
    }

    /// All lines of a field.
    pub(crate) fn lines(&self, field: &str) -> Option<&[&'a str]> {
        self.paragraph.get(field)
    }

    /// The words of a field, over all its lines.
    pub(crate) fn words(&self, field: &str) -> Vec<String> {
        let lines = self.lines(field).unwrap_or_default();
        lines.iter().flat_map(|line| line.split_ascii_whitespace()).map(str::to_owned).collect()
    }

    /// A field that must be there, of one line, and pass `good`.
    pub(crate) fn must(
        &self,
        field: &'static str,
        good: impl FnOnce(&str) -> bool,
    ) -> Result<&'a str, Error> {
        self.line(field).filter(|text| good(text)).ok_or_else(|| self.bad(field))
    }

    pub(crate) fn bad(&self, field: &'static str) -> Error {
        Error::Field { what: self.what, stanza: self.number, field }
    }
}

/// A package, architecture, suite or component name: 1 to 128 of letters, digits and `+-._/`.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._/".contains(&b))
}

/// Text cut for an error message.
pub(crate) fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
