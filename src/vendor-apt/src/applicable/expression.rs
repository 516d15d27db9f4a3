//! Expressions of pins: text, shell globs (fnmatch(3)) and POSIX extended regular expressions between
//! slashes (regex(7)), all without regard to case, as apt takes them.
//!
//! Both are put into words of the `regex` crate, which is linear in time and finds the same matches.
//! What it cannot say (back references, collating elements, GNU's `\<`, `\b` and the like) or what
//! POSIX leaves open (`a**`, `*a`) is refused rather than matched otherwise than apt would.

use regex::bytes::{Regex, RegexBuilder};
use std::{iter::Peekable, str::Chars};

/// Far longer than any real one.
const BYTES_MAX: usize = 1000;
/// Most bytes of a compiled one.
const COMPILED_MAX: usize = 1 << 16;

/// The classes that POSIX and the `regex` crate both know.
const CLASSES: &[&str] = &[
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit",
];

/// Something that a text of a package or a release file matches or not.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Text(String),
    Pattern(Regex),
}

impl Expression {
    /// None for what is malformed or cannot be matched as apt would.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let pattern = match slashed(text) {
            Some(inside) => extended(inside)?,
            None if !text.contains(['*', '?', '[', '\\']) => {
                return Some(Self::Text(text.to_owned()));
            }
            None => glob(text)?,
        };
        let pattern = RegexBuilder::new(&pattern)
            .unicode(false)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .size_limit(COMPILED_MAX)
            .dfa_size_limit(COMPILED_MAX)
            .build();
        pattern.ok().map(Self::Pattern)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own.eq_ignore_ascii_case(text),
            Self::Pattern(pattern) => pattern.is_match(text.as_bytes()),
        }
    }
}

/// Whether apt goes through all names for a text: it is a glob or a regular expression.
pub(super) fn is_pattern(text: &str) -> bool {
    slashed(text).is_some() || text.contains(['*', '[', '?'])
}

/// What stands between slashes.
fn slashed(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/')
}

fn literal(pattern: &mut String, c: char) {
    pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

fn glob(text: &str) -> Option<String> {
    let mut pattern = r"\A(?:".to_owned();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '\\' => literal(&mut pattern, rest.next()?),
            '[' => match bracket(&mut rest.clone(), true) {
                Some((set, after)) => {
                    pattern.push_str(&set);
                    rest = after;
                }
                None if rest.clone().any(|c| c == ']') => return None,
                None => literal(&mut pattern, '['),
            },
            c => literal(&mut pattern, c),
        }
    }
    pattern.push_str(r")\z");
    Some(pattern)
}

fn extended(text: &str) -> Option<String> {
    let mut pattern = String::new();
    let mut rest = text.chars().peekable();
    // Whether the last thing may be repeated.
    let mut atom = false;
    while let Some(c) = rest.next() {
        let was_atom = std::mem::replace(&mut atom, !"*+?{(|^$".contains(c));
        match c {
            '*' | '+' | '?' if was_atom => pattern.push(c),
            '{' if was_atom => pattern.push_str(&bounds(&mut rest)?),
            '*' | '+' | '?' | '{' => return None,
            '$' => pattern.push_str(r"\z"),
            '(' | ')' | '|' | '^' | '.' => pattern.push(c),
            '\\' => match rest.next()? {
                c if "wWsS".contains(c) => pattern.extend(['\\', c]),
                c if c.is_ascii_punctuation() && !"<>`'".contains(c) => literal(&mut pattern, c),
                _ => return None,
            },
            '[' => {
                let (set, after) = bracket(&mut rest, false)?;
                pattern.push_str(&set);
                rest = after;
            }
            c => literal(&mut pattern, c),
        }
    }
    Some(pattern)
}

/// `{2}`, `{2,}` or `{2,5}`, of which the opening brace was read.
fn bounds(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let inside: String = rest.by_ref().take_while(|c| *c != '}').collect();
    let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
    let number = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let good = !least.is_empty() && number(least) && number(most);
    good.then(|| format!("{{{inside}}}"))
}

/// A bracket expression, of which the opening bracket was read, and what follows it.
fn bracket<'a>(
    rest: &mut Peekable<Chars<'a>>,
    in_glob: bool,
) -> Option<(String, Peekable<Chars<'a>>)> {
    let mut set = "[".to_owned();
    if rest.next_if(|c| *c == '^' || (in_glob && *c == '!')).is_some() {
        set.push('^');
    }
    let mut first = true;
    loop {
        let c = rest.next()?;
        if c == ']' && !first {
            set.push(']');
            return Some((set, rest.clone()));
        }
        first = false;
        if c == '[' && rest.peek().is_some_and(|next| ":.=".contains(*next)) {
            set.push_str(&class(rest)?);
            continue;
        }
        literal(&mut set, member(c, rest, in_glob)?);
        let mut ahead = rest.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
            rest.next();
            let last = rest.next()?;
            if last == '[' {
                return None;
            }
            set.push('-');
            literal(&mut set, member(last, rest, in_glob)?);
        }
    }
}

/// A member of a set: globs escape with a backslash, regular expressions do not.
fn member(c: char, rest: &mut Peekable<Chars<'_>>, in_glob: bool) -> Option<char> {
    let c = if c == '\\' && in_glob { rest.next()? } else { c };
    c.is_ascii().then_some(c)
}

/// `[:alpha:]`, of which the opening bracket was read.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    rest.next_if_eq(&':')?;
    let name: String = rest.by_ref().take_while(|c| *c != ':').collect();
    rest.next_if_eq(&']')?;
    CLASSES.contains(&name.as_str()).then(|| format!("[:{name}:]"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn globs_and_regular_expressions_match_as_in_c() {
        let cases = [
            ("gnome*", "GNOME-shell", true),
            ("gnome*", "xgnome", false),
            ("lib?", "libc", true),
            ("lib?", "lib", false),
            ("lib[!a-c]", "libd", true),
            ("lib[^a-c]", "libc", false),
            ("lib[]x]", "lib]", true),
            ("lib[[:digit:]]*", "lib6c", true),
            ("lib[x", "lib[x", true),
            (r"a\*", "a*", true),
            (r"a[\]]", "a]", true),
            ("a{b,c}", "ab", false),
            ("a{b,c}*", "a{b,c}d", true),
            ("/kde/", "libkDe5", true),
            ("/^kde/", "libkde5", false),
            ("/^(a|b)+c{2,3}$/", "abcc", true),
            ("/^(a|b)+c{2,3}$/", "abc", false),
            (r"/c\+\+/", "libstdc++6", true),
            ("/[[:alpha:]]6$/", "libc6", true),
            (r"/[\.]/", "a.b", true),
            ("/[a&&b]/", "&", true),
            ("//", "anything", true),
            ("/", "/", true),
        ];
        for (pattern, text, expected) in cases {
            let expression = Expression::parse(pattern).unwrap();
            assert_eq!(expression.matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_matched_as_apt_would_is_refused() {
        for pattern in [
            "/a+?/",
            "/*a/",
            r"/(a)\1/",
            r"/\<a/",
            "/(?i)a/",
            "/a{,3}/",
            "/a(/",
            "/[a/",
            "/[[.a.]]/",
        ] {
            assert!(Expression::parse(pattern).is_none(), "{pattern}");
        }
        for pattern in ["a\\", "[b-a]", "[[:none:]]", &"*".repeat(2000), "/(a{900}){900}/"] {
            assert!(Expression::parse(pattern).is_none(), "{pattern}");
        }
    }
}
