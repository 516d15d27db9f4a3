//! Charts: bars that stand in the cells of a table, which says the same in words and numbers.

use askama::Template;

/// Width of a bar in its own units; it is as wide on the page as its cell.
const WIDTH: u64 = 1_000;

/// A part of a bar.
struct Piece {
    class: &'static str,
    x: u64,
    width: u64,
}

/// One bar.
#[derive(Template)]
#[template(path = "chart.html")]
pub(crate) struct Bar {
    said: String,
    pieces: Vec<Piece>,
    limit: Option<u64>,
}

impl Bar {
    /// Parts of a whole, stacked: how each is drawn and how much it is.
    pub(crate) fn stacked(said: impl Into<String>, parts: &[(&'static str, u64)]) -> Self {
        let whole: u64 = parts.iter().map(|(_, amount)| amount).sum();
        Self::of(said.into(), parts, whole, None)
    }

    /// The same on a scale that ends at `most`: what is left of it stays empty.
    pub(crate) fn stacked_on(
        said: impl Into<String>,
        parts: &[(&'static str, u64)],
        most: u64,
    ) -> Self {
        let whole: u64 = parts.iter().map(|(_, amount)| amount).sum();
        Self::of(said.into(), parts, whole.max(most), None)
    }

    /// An amount on a scale that ends at `most`, with a limit.
    pub(crate) fn against(
        said: impl Into<String>,
        class: &'static str,
        amount: u64,
        limit: Option<u64>,
        most: u64,
    ) -> Self {
        Self::of(said.into(), &[(class, amount)], most.max(amount).max(1), limit)
    }

    fn of(said: String, parts: &[(&'static str, u64)], whole: u64, limit: Option<u64>) -> Self {
        let whole = whole.max(1);
        let place = |amount: u64| amount.saturating_mul(WIDTH) / whole;
        let (mut pieces, mut before) = (Vec::new(), 0_u64);
        for (class, amount) in parts.iter().filter(|(_, amount)| *amount > 0) {
            let (x, end) = (place(before), place(before + amount));
            // What is there is seen, however little it is.
            pieces.push(Piece { class, x: x.min(WIDTH - 4), width: (end - x).max(4) });
            before += amount;
        }
        Self { said, pieces, limit: limit.map(|limit| place(limit).min(WIDTH)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bar_says_what_it_shows_and_hides_nothing_small() {
        let bar = Bar::stacked("1 of 1,000", &[("good", 999), ("due", 0), ("bad", 1)]);
        let page = bar.render().unwrap();
        assert!(page.contains("<title>1 of 1,000</title>"), "{page}");
        assert!(page.contains(r#"console-chart__bar--bad" x="996" y="0" width="4""#), "{page}");
        assert!(!page.contains("due"), "{page}");
    }
}
