//! The sentences of what a site wants: its windows.

use super::count;
use fleet::Fact;

/// The sentence of a fact about what a site wants; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::WindowSet { window, ring, rule, start, zone, minutes, .. } => format!(
            "{who} set window {window} of ring {ring}: {rule}, from {} on the clocks of {zone}, for {}",
            start.strftime("%-d %B %Y at %H:%M"),
            count(u64::from(*minutes), "minute")
        ),
        Fact::WindowRemoved { window } => format!("{who} removed window {window}"),
        _ => return None,
    })
}
