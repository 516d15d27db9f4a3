//! Lists: what is filtered, sorted and shown stands in the address, so that it can be sent, kept and gone
//! back to; and only one page of them is made.

use crate::text::thousands;

/// Rows on a page.
pub(crate) const ROWS: usize = 50;

/// The address of a list, and the same with one thing changed.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    path: String,
    words: Vec<(&'static str, String)>,
}

/// The head of a column.
pub(crate) struct Head {
    pub(crate) name: &'static str,
    pub(crate) number: bool,
    /// Where the list is sorted by it, or the other way round.
    pub(crate) link: Option<String>,
    /// `ascending`, `descending` or `none`, where it can be sorted by.
    pub(crate) order: Option<&'static str>,
}

/// The way to the other pages of a list.
pub(crate) struct Pager {
    /// `1 to 50 of 1,234`.
    pub(crate) shown: String,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
    /// Number, address, and whether it is this one; `None` is a gap.
    pub(crate) pages: Vec<Option<(u64, String, bool)>>,
}

impl Address {
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), words: Vec::new() }
    }

    /// The same with a word; one that says nothing is left out.
    pub(crate) fn word(mut self, key: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.words.push((key, value));
        }
        self
    }

    /// The same with these words in the place of what they were; and without the page, which is another then.
    pub(crate) fn with(&self, words: &[(&'static str, &str)]) -> String {
        let kept = self.words.iter().filter(|(key, _)| words.iter().all(|(new, _)| new != key));
        let kept = kept.map(|(key, value)| (*key, value.as_str()));
        let all = kept.chain(words.iter().copied().filter(|(_, value)| !value.is_empty()));
        let all: Vec<String> = all.map(|(key, value)| format!("{key}={}", encode(value))).collect();
        if all.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, all.join("&")) }
    }

    /// A column that the list can be sorted by; `first` is the order that its first press gives.
    pub(crate) fn head(&self, name: &'static str, sort: &'static str, now: &Sort) -> Head {
        let mine = now.by == sort;
        let descending = if mine { !now.descending } else { now.first(sort) };
        let order = match (mine, now.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        let way = if descending { "descending" } else { "ascending" };
        let link = Some(self.with(&[("sort", sort), ("order", way)]));
        Head { name, number: false, link, order: Some(order) }
    }

    /// The pages of a list of which this one is shown, counted from 1.
    pub(crate) fn pager(&self, page: u64, found: u64) -> Pager {
        let rows = ROWS as u64;
        let last = found.div_ceil(rows).max(1);
        let page = page.clamp(1, last);
        let link = |page: u64| self.with(&[("page", &page.to_string())]);
        let near = [1, 2, page.saturating_sub(1), page, page + 1, last.saturating_sub(1), last];
        let mut numbers: Vec<u64> = near.into_iter().filter(|n| (1..=last).contains(n)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut pages = Vec::new();
        let mut before = 0;
        for number in numbers {
            if number > before + 1 {
                pages.push(None);
            }
            pages.push(Some((number, link(number), number == page)));
            before = number;
        }
        let (first, end) = ((page - 1) * rows + 1, (page * rows).min(found));
        Pager {
            shown: match found {
                0 => "None".to_owned(),
                _ => format!("{} to {} of {}", thousands(first), thousands(end), thousands(found)),
            },
            previous: (page > 1).then(|| link(page - 1)),
            next: (page < last).then(|| link(page + 1)),
            pages: if last > 1 { pages } else { Vec::new() },
        }
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone)]
pub(crate) struct Sort {
    pub(crate) by: String,
    pub(crate) descending: bool,
    /// Columns that begin with the largest.
    largest_first: &'static [&'static str],
}

impl Sort {
    /// From the words of an address.
    pub(crate) fn from(
        by: Option<&str>,
        order: Option<&str>,
        default: &str,
        largest_first: &'static [&'static str],
    ) -> Self {
        let by = by.filter(|by| !by.is_empty()).unwrap_or(default).to_owned();
        let descending = match order {
            Some("descending") => true,
            Some("ascending") => false,
            _ => largest_first.contains(&&*by),
        };
        Self { by, descending, largest_first }
    }

    fn first(&self, by: &str) -> bool {
        self.largest_first.contains(&by)
    }
}

impl Head {
    /// A column that the list is not sorted by.
    pub(crate) const fn plain(name: &'static str) -> Self {
        Self { name, number: false, link: None, order: None }
    }

    pub(crate) fn mark(&self) -> &'static str {
        match self.order {
            Some("ascending") => "▲",
            Some("descending") => "▼",
            Some(_) => "↕",
            None => "",
        }
    }
}

/// How many rows are passed over before a page.
pub(crate) fn skip(page: u64) -> usize {
    usize::try_from(page.saturating_sub(1)).unwrap_or(usize::MAX).saturating_mul(ROWS)
}

/// A word as it may stand in an address.
pub(crate) fn encode(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for byte in word.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(byte.into());
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_keeps_what_is_not_changed_and_forgets_the_page() {
        let address = Address::new("/updates").word("text", "a&b c").word("source", "");
        assert_eq!(address.with(&[]), "/updates?text=a%26b%20c");
        assert_eq!(
            address.with(&[("sort", "package"), ("order", "descending")]),
            "/updates?text=a%26b%20c&sort=package&order=descending"
        );
        assert_eq!(address.with(&[("text", "")]), "/updates");
    }

    #[test]
    fn pages_show_where_one_is_and_where_it_ends() {
        let address = Address::new("/updates");
        let pager = address.pager(500, 50_000);
        assert_eq!(pager.shown, "24,951 to 25,000 of 50,000");
        let numbers: Vec<_> = pager.pages.iter().map(|page| page.as_ref().map(|p| p.0)).collect();
        let around = [Some(499), Some(500), Some(501)];
        let expected: Vec<_> = [Some(1), Some(2), None]
            .into_iter()
            .chain(around)
            .chain([None, Some(999), Some(1_000)])
            .collect();
        assert_eq!(numbers, expected);
        assert!(address.pager(9, 12).pages.is_empty());
        assert_eq!(address.pager(9, 12).shown, "1 to 12 of 12");
        assert_eq!(address.pager(1, 0).shown, "None");
    }
}
