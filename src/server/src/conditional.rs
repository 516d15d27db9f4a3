//! What to answer, given what the client has: preconditions and ranges (RFC 9110, 13 and 14).

use http::{HeaderMap, Method, header};
use ids::Timestamp;
use std::{ops::Range, time::SystemTime};

/// What of a file is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 304: the client has it.
    NotModified,
    /// 412: the client wanted something else.
    PreconditionFailed,
    /// 416: the file has no such bytes.
    NoSuchBytes,
}

/// Decides what to send of a file with this entity tag (quotes included), date and length.
///
/// `If-Modified-Since` holds only for exactly our date, not for any later one: when a ring is switched
/// back, an older file takes the place of a newer one, and the client must see it. One range is
/// served; several, and ones that cannot be read, are answered with the whole file, as the RFC allows.
#[must_use]
pub fn decide(
    method: &Method,
    headers: &HeaderMap,
    etag: &str,
    modified: Timestamp,
    length: u64,
) -> Plan {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(wanted) = value(header::IF_MATCH) {
        if !lists(wanted, etag, false) {
            return Plan::PreconditionFailed;
        }
    } else if let Some(date) = value(header::IF_UNMODIFIED_SINCE).and_then(seconds)
        && date < modified.as_second()
    {
        return Plan::PreconditionFailed;
    }
    if let Some(had) = value(header::IF_NONE_MATCH) {
        if lists(had, etag, true) {
            return Plan::NotModified;
        }
    } else if value(header::IF_MODIFIED_SINCE).and_then(seconds) == Some(modified.as_second()) {
        return Plan::NotModified;
    }
    let (Some(range), Method::GET) = (value(header::RANGE), method.clone()) else {
        return Plan::Whole;
    };
    let unchanged = value(header::IF_RANGE).is_none_or(|condition| {
        condition == etag || seconds(condition) == Some(modified.as_second())
    });
    if unchanged { parse_range(range, length) } else { Plan::Whole }
}

/// Reads a `Range` header for a file of `length` bytes: [`Plan::Part`], [`Plan::NoSuchBytes`], or
/// [`Plan::Whole`] for what is not one range of bytes.
#[must_use]
pub fn parse_range(text: &str, length: u64) -> Plan {
    let bytes = text.get(..6).filter(|unit| unit.eq_ignore_ascii_case("bytes="));
    let Some((first, last)) = bytes.and_then(|_| text[6..].trim().split_once('-')) else {
        return Plan::Whole;
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Plan::Whole,
    };
    if range.is_empty() { Plan::NoSuchBytes } else { Plan::Part(range) }
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Larger than any file is as good as the largest number.
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn lists(tags: &str, etag: &str, weak: bool) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag == etag || (weak && tag.strip_prefix("W/") == Some(etag)))
}

fn seconds(date: &str) -> Option<i64> {
    let date = httpdate::parse_http_date(date).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use Plan::{NoSuchBytes, NotModified, Part, PreconditionFailed, Whole};
    use http::HeaderName;

    const TAG: &str = "\"abc\"";
    const DATE: &str = "Sat, 11 Jul 2026 09:58:37 GMT";
    const LATER: &str = "Sat, 11 Jul 2026 09:58:38 GMT";
    const EARLIER: &str = "Sat, 11 Jul 2026 09:58:36 GMT";

    fn plan(method: Method, headers: &[(&str, &str)]) -> Plan {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        decide(&method, &map, TAG, "2026-07-11T09:58:37Z".parse().unwrap(), 1000)
    }

    #[test]
    fn preconditions_and_ranges_as_the_rfc_says() {
        let cases: &[(&[(&str, &str)], Plan)] = &[
            (&[], Whole),
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", EARLIER)], Whole),
            (&[("if-modified-since", LATER)], Whole),
            (&[("if-modified-since", "yesterday")], Whole),
            (&[("if-none-match", TAG)], NotModified),
            (&[("if-none-match", "\"x\", W/\"abc\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-modified-since", DATE)], Whole),
            (&[("if-match", TAG)], Whole),
            (&[("if-match", "\"x\"")], PreconditionFailed),
            (&[("if-match", "W/\"abc\"")], PreconditionFailed),
            (&[("if-unmodified-since", EARLIER)], PreconditionFailed),
            (&[("if-unmodified-since", DATE)], Whole),
            (&[("range", "bytes=0-0")], Part(0..1)),
            (&[("range", "bytes=10-")], Part(10..1000)),
            (&[("range", "Bytes=10-19")], Part(10..20)),
            (&[("range", "bytes=990-5000")], Part(990..1000)),
            (&[("range", "bytes=0-99999999999999999999999")], Part(0..1000)),
            (&[("range", "bytes=-1")], Part(999..1000)),
            (&[("range", "bytes=-5000")], Part(0..1000)),
            (&[("range", "bytes=1000-")], NoSuchBytes),
            (&[("range", "bytes=-0")], NoSuchBytes),
            (&[("range", "bytes=99999999999999999999999-")], NoSuchBytes),
            (&[("range", "bytes=5-4")], Whole),
            (&[("range", "bytes=0-1,5-6")], Whole),
            (&[("range", "bytes=+1-2")], Whole),
            (&[("range", "bytes=-")], Whole),
            (&[("range", "lines=1-2")], Whole),
            (&[("range", "é")], Whole),
            (&[("range", "bytes=10-"), ("if-range", DATE)], Part(10..1000)),
            (&[("range", "bytes=10-"), ("if-range", EARLIER)], Whole),
            (&[("range", "bytes=10-"), ("if-range", TAG)], Part(10..1000)),
            (&[("range", "bytes=10-"), ("if-range", "W/\"abc\"")], Whole),
            (&[("range", "bytes=10-"), ("if-modified-since", DATE)], NotModified),
        ];
        for (headers, expected) in cases {
            assert_eq!(plan(Method::GET, headers), *expected, "{headers:?}");
        }
        assert_eq!(plan(Method::HEAD, &[("range", "bytes=0-0")]), Whole);
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for range in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(parse_range(range, 0), NoSuchBytes, "{range}");
        }
    }
}
