//! The page of a form that was refused: as it was, with what was typed in it and what was wrong.
//!
//! The page is made as ever and then gone through tag by tag, so that no form has to know of this.

use crate::failure::is_shown_again;
use askama::Template;
use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};
use std::ops::Range;

/// The field in which a page that came back says where it was.
pub(crate) const PAGE: &str = "page";

/// A form that was refused.
pub(crate) struct Refused<'a> {
    /// The address that it was sent to.
    pub(crate) action: &'a str,
    /// The page that it stands on.
    pub(crate) page: &'a str,
    /// Its fields.
    pub(crate) typed: &'a [(String, String)],
    /// What was wrong.
    pub(crate) said: &'a str,
}

/// What is put above the page.
#[derive(Template)]
#[template(path = "refused.html")]
struct Summary<'a> {
    said: &'a str,
}

/// What stands in the form besides its fields.
#[derive(Template)]
#[template(source = r#"<input type="hidden" name="{{ PAGE }}" value="{{ page }}">"#, ext = "html")]
struct Page<'a> {
    page: &'a str,
}

/// A start tag, written again.
#[derive(Template)]
#[template(
    source = r#"<{{ name }}{% for (name, value) in attributes %} {{ name }}="{{ value }}"{% endfor %}>"#,
    ext = "html"
)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

type Start = StartTag<usize>;
/// What comes in the place of which bytes.
type Edit = (Range<usize>, String);

/// The page with the form filled in; none where it has no such form.
pub(crate) fn filled(html: &str, refused: &Refused<'_>) -> Option<String> {
    let mut emitter = DefaultEmitter::new_with_span();
    // What is in a text field or a title is no tag.
    emitter.naively_switch_states(true);
    let mut tokens = Tokenizer::new_with_emitter(html, emitter).filter_map(Result::ok);
    let (mut details, mut edits, mut found) = (None, Vec::new(), false);
    while let Some(token) = tokens.next() {
        match token {
            Token::StartTag(tag) => match tag.name.as_slice() {
                b"title" => edits.push((tag.span.end..tag.span.end, "Error: ".to_owned())),
                b"main" => {
                    let summary = Summary { said: refused.said }.render().ok()?;
                    edits.push((tag.span.end..tag.span.end, summary));
                }
                b"details" => details = Some(tag),
                b"form" if !found => {
                    let inside: Vec<_> =
                        tokens.by_ref().take_while(|token| !ends(token, "form")).collect();
                    if let Some(form) = form(&tag, &inside, refused) {
                        found = true;
                        edits.extend(form);
                        edits.extend(details.take().and_then(|tag| with(&tag, "open", Some(""))));
                    }
                }
                _ => {}
            },
            Token::EndTag(tag) if tag.name.as_slice() == b"details" => details = None,
            _ => {}
        }
    }
    found.then(|| edited(html, edits))
}

/// What has to change in a form; none where it is another one, with another address or other hidden fields.
fn form(start: &Start, inside: &[Token<usize>], refused: &Refused<'_>) -> Option<Vec<Edit>> {
    let starts = inside.iter().filter_map(|token| match token {
        Token::StartTag(tag) => Some(tag),
        _ => None,
    });
    // A button may send a form elsewhere.
    let goes = starts.map(|tag| attribute(tag, "formaction")).chain([attribute(start, "action")]);
    if !goes.flatten().any(|address| address == refused.action) {
        return None;
    }
    let mut edits = vec![with(start, "id", Some("refused"))?];
    let page = Page { page: refused.page }.render().ok()?;
    edits.push((start.span.end..start.span.end, page));
    let given = |field: &str| {
        refused.typed.iter().find(|(name, _)| name == field).map(|(_, given)| given.as_str())
    };
    let mut list = String::new();
    for (at, token) in inside.iter().enumerate() {
        let Token::StartTag(tag) = token else { continue };
        let field = attribute(tag, "name").unwrap_or_default();
        let value = attribute(tag, "value");
        let after = inside.get(at + 1..).unwrap_or_default();
        match (tag.name.as_slice(), attribute(tag, "type").as_deref().unwrap_or("text")) {
            _ if !field.is_empty() && !is_shown_again(&field) => {}
            (b"input", "hidden") if given(&field) != value.as_deref() => return None,
            (b"input", "hidden" | "password") => {}
            (b"input", "checkbox" | "radio") => {
                let pair = (field, value.unwrap_or_else(|| "on".to_owned()));
                let ticked = refused.typed.contains(&pair).then_some("");
                edits.extend(with(tag, "checked", ticked));
            }
            (b"input", _) => {
                edits.extend(given(&field).and_then(|given| with(tag, "value", Some(given))));
            }
            (b"textarea", _) => {
                let end = after.iter().find_map(|token| match token {
                    Token::EndTag(end) => Some(end.span.start),
                    _ => None,
                });
                let text = askama::filters::escape(
                    given(&field).unwrap_or_default(),
                    askama::filters::Html,
                );
                edits.extend(
                    end.zip(text.ok()).map(|(end, text)| (tag.span.end..end, text.to_string())),
                );
            }
            (b"select", _) => list = field,
            (b"option", _) => {
                let text = match after.first() {
                    Some(Token::String(text)) => lossy(&text.value),
                    _ => String::new(),
                };
                let chosen = given(&list) == Some(value.as_deref().unwrap_or(text.trim()));
                edits.extend(with(tag, "selected", chosen.then_some("")));
            }
            _ => {}
        }
    }
    Some(edits)
}

fn ends(token: &Token<usize>, name: &str) -> bool {
    matches!(token, Token::EndTag(tag) if tag.name.as_slice() == name.as_bytes())
}

fn lossy(text: &HtmlString) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn attribute(tag: &Start, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| lossy(&value.value))
}

/// The tag with one attribute set, or without it.
fn with(tag: &Start, name: &str, value: Option<&str>) -> Option<Edit> {
    let others = tag.attributes.iter().map(|(name, value)| (lossy(name), lossy(&value.value)));
    let mut attributes: Vec<_> = others.filter(|(other, _)| other != name).collect();
    attributes.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    let tag_again = Tag { name: lossy(&tag.name), attributes };
    Some((tag.span.start..tag.span.end, tag_again.render().ok()?))
}

fn edited(html: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut page, mut done) = (String::with_capacity(html.len() + 1024), 0);
    for (range, text) in edits {
        page.push_str(html.get(done..range.start).unwrap_or_default());
        page.push_str(&text);
        done = range.end;
    }
    page.push_str(html.get(done..).unwrap_or_default());
    page
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HTML: &str = concat!(
        r#"<title>Rings</title><main id="main"><form action="/a"><input type="hidden" name="row" value="1">"#,
        r#"<input name="x" value="kept"></form><details class="d"><form class="f" action="/a">"#,
        r#"<input type="hidden" name="token" value="t"><input type="hidden" name="row" value="2">"#,
        r#"<input name="x" required><input type="password" name="password">"#,
        r#"<input type="checkbox" name="tick" value="1" checked><input type="checkbox" name="tick" value="2">"#,
        r#"<select name="s"><option value="" selected>None</option><option>a&amp;b</option></select>"#,
        r#"<textarea name="t" rows="2"><input name="x"></textarea><button formaction="/a/preview">"#,
        r#"</button></form></details></main>"#,
    );

    fn tried(row: &str, action: &str) -> Option<String> {
        let typed = [
            ("row", row),
            ("x", "\"><b>"),
            ("tick", "2"),
            ("s", "a&b"),
            ("t", "</textarea>"),
            ("password", "secret"),
            ("token", "t"),
        ];
        let typed: Vec<_> =
            typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        filled(HTML, &Refused { action, page: "/p?a=b", typed: &typed, said: "No <b>." })
    }

    #[test]
    fn what_was_typed_stands_in_the_form_that_was_sent_and_in_no_other() {
        let page = tried("2", "/a").unwrap();
        let (before, form) = page.split_once("<details").unwrap();
        assert!(
            before.contains("<title>Error: Rings") && before.contains("No &#60;b&#62;."),
            "{page}"
        );
        assert!(before.contains(r#"<input name="x" value="kept">"#), "{page}");
        assert!(form.starts_with(r#" class="d" open="">"#), "{page}");
        for part in [
            r#"<form action="/a" class="f" id="refused"><input type="hidden" name="page" value="/p?a=b">"#,
            r#"<input name="x" required="" value="&#34;&#62;&#60;b&#62;">"#,
            r#"<input type="password" name="password">"#,
            r#"<input name="tick" type="checkbox" value="1"><input name="tick" type="checkbox" value="2" checked="">"#,
            r#"<option value="">None</option><option selected="">a&amp;b</option>"#,
            r#"<textarea name="t" rows="2">&#60;/textarea&#62;</textarea><button"#,
        ] {
            assert!(form.contains(part), "{part}\n{form}");
        }
        assert!(!page.contains("secret"), "{page}");
    }

    #[test]
    fn a_page_without_that_form_is_not_shown_again() {
        assert_eq!(tried("3", "/a"), None);
        assert_eq!(tried("2", "/b"), None);
        assert!(tried("2", "/a/preview").is_some());
    }
}
