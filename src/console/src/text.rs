//! Numbers and amounts as people read them.

/// A number, as templates hand it over.
pub(crate) trait Amount {
    fn amount(self) -> u64;
}

impl Amount for u64 {
    fn amount(self) -> u64 {
        self
    }
}

impl Amount for usize {
    fn amount(self) -> u64 {
        self as u64
    }
}

impl<T: Amount + Copy> Amount for &T {
    fn amount(self) -> u64 {
        (*self).amount()
    }
}

/// `12,345`.
pub(crate) fn thousands(number: impl Amount) -> String {
    site::audit::thousands(number.amount())
}

/// `1 endpoint`, `2,000 endpoints`.
pub(crate) fn count(number: impl Amount, noun: &str) -> String {
    site::audit::count(number.amount(), noun)
}

/// `1.5 GB`: decimal units, as media are sold.
pub(crate) fn bytes(number: impl Amount) -> String {
    let number = number.amount();
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1_000 {
        return count(number, "byte");
    }
    let (mut tenths, mut unit) = (number / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1_000, unit + 1);
    }
    match tenths {
        0..1_000 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

/// `7.5`: a score in tenths.
pub(crate) fn score(tenths: &u16) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Whole per cent of a share; `None` of nothing.
pub(crate) fn per_cent(part: u64, whole: u64) -> Option<u64> {
    // Rounded down: nothing is called complete that is not.
    part.saturating_mul(100).checked_div(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_and_commas() {
        assert_eq!(thousands(0_u64), "0");
        assert_eq!(thousands(1_234_567_u64), "1,234,567");
        assert_eq!(count(1_u64, "endpoint"), "1 endpoint");
        assert_eq!(count(1_000_u64, "endpoint"), "1,000 endpoints");
        assert_eq!(bytes(1_u64), "1 byte");
        assert_eq!(bytes(1_500_u64), "1.5 kB");
        assert_eq!(bytes(999_999_u64), "999 kB");
        assert_eq!(bytes(12_345_678_901_u64), "12.3 GB");
        assert_eq!(score(&98), "9.8");
        assert_eq!(per_cent(999, 1_000), Some(99));
        assert_eq!(per_cent(0, 0), None);
    }
}
