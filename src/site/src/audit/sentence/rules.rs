//! The sentences of what a site wants: its windows, calendar, policies and exceptions.

use super::{count, day};
use fleet::Fact;

/// The sentence of a fact about what a site wants; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::WindowSet { window, ring, rule, start, zone, minutes, .. } => format!(
            "{who} set window {window} of ring {ring}: {rule}, from {} on the clocks of {zone}, for {}",
            start.strftime("%-d %B %Y at %H:%M"),
            count(u64::from(*minutes), "minute")
        ),
        Fact::ExceptionRequested { exception, about, not_after, .. } => format!(
            "{who} asked for exception {exception}: {} {} is not applied in ring {} until {}",
            about.package,
            about.version,
            about.ring,
            day(*not_after)
        ),
        Fact::ExceptionApproved { exception, .. } => {
            format!("{who} approved exception {exception}, which somebody else had asked for")
        }
        Fact::CalendarSet(calendar) => format!(
            "{who} set the site's calendar: the clocks of {}, {} listed",
            calendar.zone,
            count(calendar.holidays.len() as u64, "holiday")
        ),
        Fact::LevelAlarm { level, missed: 0, .. } => {
            format!("the service level \"{}\" is kept again", level.word())
        }
        Fact::LevelAlarm { level, missed, fresh, .. } => format!(
            "ALARM: the service level \"{}\" is missed {}, {fresh} of them new",
            level.word(),
            count(*missed, "time")
        ),
        Fact::PolicySet { policy } => {
            let triage = policy.rules.iter().filter(|rule| rule.forensic_triage).count();
            let triage = match triage {
                0 => String::new(),
                some => format!(", of which {some} with forensic triage"),
            };
            format!(
                "{who} put the policy {} in force: {}, {}{triage}",
                policy.name,
                policy.title,
                count(policy.rules.len() as u64, "rule")
            )
        }
        Fact::PolicyRemoved { policy } => format!("{who} put the policy {policy} out of force"),
        Fact::AssetsRegistered { machines, .. } => {
            format!(
                "{who} took in the register of the site's machines: {}",
                count(*machines, "machine")
            )
        }
        Fact::WindowRemoved { window } => format!("{who} removed window {window}"),
        _ => return None,
    })
}
