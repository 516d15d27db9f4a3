//! XML as a walk: elements by their path of local names, one after the other, nothing kept that is not asked for.

use crate::Error;
use ids::Digest;
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

/// Deepest nesting; real files have seven.
const DEPTH_MAX: usize = 32;
/// Longest text of one element, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What is met on the way.
pub(crate) enum Step<'a> {
    /// An element begins.
    Open(Attributes<'a>),
    /// An element ends, and this is the text in it, without that of elements inside of it.
    Close(&'a str),
}

/// Attributes of an element.
pub(crate) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// The value of an attribute without a namespace.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok().flatten()?;
        attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
    }
}

/// Walks a document; `visit` gets each step with the path of the element, e.g. `repomd/data/size`.
///
/// # Errors
/// [`Error::Malformed`], or what `visit` says.
pub(crate) fn walk(
    what: &'static str,
    bytes: &[u8],
    mut visit: impl FnMut(&str, Step<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let bad = |reason: String| Error::Malformed { what, reason };
    let text = std::str::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.allow_unmatched_ends = false;
    let (mut path, mut texts) = (String::new(), Vec::<String>::new());
    loop {
        let event = reader.read_event().map_err(|e| bad(e.to_string()))?;
        match event {
            Event::Start(start) => {
                if texts.len() == DEPTH_MAX {
                    return Err(bad(format!("elements are nested more than {DEPTH_MAX} deep")));
                }
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(start.local_name().as_ref());
                texts.push(String::new());
                visit(&path, Step::Open(Attributes(&start)))?;
            }
            Event::End(_) => {
                let text = texts.pop().unwrap_or_default();
                visit(&path, Step::Close(text.trim()))?;
                path.truncate(path.rfind('/').unwrap_or(0));
            }
            Event::Text(more) => add(&mut texts, &more.xml10_content()).map_err(bad)?,
            Event::CData(more) => add(&mut texts, &more.xml10_content()).map_err(bad)?,
            Event::GeneralRef(reference) => {
                let letter = reference.resolve_char_ref().map_err(|e| bad(e.to_string()))?;
                let known = letter.map(String::from).or_else(|| {
                    let name = reference.xml10_content();
                    quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned)
                });
                let known = known.ok_or_else(|| bad("it names an entity of its own".into()))?;
                add(&mut texts, &known).map_err(bad)?;
            }
            Event::DocType(_) => return Err(bad("it declares a document type".into())),
            Event::Eof if texts.is_empty() => return Ok(()),
            Event::Eof => return Err(bad("it ends too early".into())),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn add(texts: &mut [String], more: &str) -> Result<(), String> {
    let Some(text) = texts.last_mut() else {
        return if more.trim().is_empty() {
            Ok(())
        } else {
            Err("there is text outside of its elements".into())
        };
    };
    if text.len() + more.len() > TEXT_BYTES_MAX {
        return Err(format!("an element holds more than {TEXT_BYTES_MAX} bytes"));
    }
    text.push_str(more);
    Ok(())
}

/// A SHA-256 as an element with `type` has it; other kinds are refused.
pub(crate) fn sha256(
    what: &'static str,
    of: &str,
    kind: Option<&str>,
    text: &str,
) -> Result<Digest, Error> {
    let of = of.to_owned();
    match kind {
        Some("sha256") => text.parse().map_err(|_| Error::Field { what, field: "checksum", of }),
        other => {
            let kind = other.unwrap_or("nothing").chars().take(40).collect();
            Err(Error::WeakHash { what, kind, of })
        }
    }
}

/// A path that stays below the repository's root.
pub(crate) fn safe_path(what: &'static str, path: String) -> Result<String, Error> {
    if catalogue::is_safe_path(&path) {
        return Ok(path);
    }
    Err(Error::UnsafePath { what, path: path.chars().take(200).collect() })
}
