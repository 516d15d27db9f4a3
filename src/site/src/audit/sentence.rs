//! Each event as one plain sentence.

mod account;
mod appliance;
mod epoch;
mod people;
mod rules;
mod run;

use fleet::{Actor, AnchorKind, Door, Event, Fact, ImportedSource, RefusalKind, Verdict};
use jiff::Timestamp;

/// One event as one plain sentence: who did what, with figures. English; times in UTC.
#[must_use]
pub fn sentence(event: &Event) -> String {
    let who = match &event.actor {
        Actor::Appliance | Actor::Endpoint { .. } => actor(&event.actor),
        Actor::Person { .. } => format!("person {}", actor(&event.actor)),
    };
    let said = match &event.fact {
        Fact::SiteCreated { site, origin, epoch } => {
            format!("{who} founded site {site}; its log is {origin}, epoch {epoch}")
        }
        Fact::AnchorAccepted { anchor, name, fingerprints, .. } => {
            let kind = anchor_kind(*anchor);
            format!("{who} accepted {kind} {name}, {}", fingerprint_list(fingerprints))
        }
        Fact::KeyMade { purpose, public } => {
            format!("the appliance made its key for {purpose}: {public}")
        }
        Fact::LedgerRepaired { what } => format!("the log was mended: {what}"),
        Fact::ViewsRebuilt { reason, entries } => format!(
            "the views were built again from {} because: {reason}",
            count(*entries, "entry")
        ),
        Fact::ClockWentBack { by_seconds } => {
            format!("the clock went back by {by_seconds} seconds")
        }
        Fact::StateSnapshot { entries, sha256 } => format!(
            "the state after {} has the digest {}",
            count(*entries, "entry"),
            sha256.short()
        ),
        Fact::FormatRaised { format } => {
            format!("entries of format {format} are written from here")
        }
        Fact::RingCreated { ring, follows } => {
            let how = if *follows { "which follows new complete views" } else { "moved by hand" };
            format!("{who} made ring {ring}, {how}")
        }
        Fact::RingPointed { ring, source, sequence, generation } => {
            format!("ring {ring} points at {source} of bundle {sequence} (generation {generation})")
        }
        Fact::EndpointCertificateIssued { endpoint, not_after, .. } => format!(
            "{who} gave an endpoint ({}) a certificate that ends on {}",
            endpoint.short(),
            day(*not_after)
        ),
        Fact::RefusalsCounted { source, reason, count: n, since, until } => {
            let refused = count(*n, "request");
            let door = door(*source);
            format!("{door} refused {refused} ({reason}) from {} to {}", time(*since), time(*until))
        }
        Fact::LogViewed { filter, entries } => {
            format!("{who} looked at the log ({filter}): {}", count(*entries, "entry"))
        }
        Fact::AuditExported { scope, entries, .. } => {
            format!("{who} exported an audit bundle ({scope}) of {}", count(*entries, "entry"))
        }
        Fact::StorageFull { needed_bytes, available_bytes } => format!(
            "storage was full: {} needed, {} free",
            bytes(*needed_bytes),
            bytes(*available_bytes)
        ),
        Fact::RingHeldBack { .. } => held_back(&event.fact),
        other => import(other, &who),
    };
    let mut letters = said.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// Why a ring stayed.
fn held_back(fact: &Fact) -> String {
    let Fact::RingHeldBack { ring, source, sequence, packages, endpoints, .. } = fact else {
        return String::new();
    };
    format!(
        "ring {ring} stayed where it was: {source} of bundle {sequence} lacks {} of what {} would \
         install from it",
        count(*packages, "package"),
        count(*endpoints, "endpoint")
    )
}

/// The sentences of media and bundles.
fn import(fact: &Fact, who: &str) -> String {
    match fact {
        Fact::CustodyOpened { custody, .. } => {
            format!("{who} presented a medium; custody record {custody} was opened")
        }
        Fact::CustodyClosed { custody, verdict, .. } => {
            let verdict = match verdict {
                Verdict::Accepted => "accepted",
                Verdict::Quarantined => "kept out for its dates",
                Verdict::Rejected => "rejected",
                Verdict::Paused => "not finished",
            };
            format!("custody record {custody} was closed: {verdict}")
        }
        Fact::ImportStarted { sequence, bundle, .. } => {
            format!("{who} began to import bundle {sequence} ({})", bundle.short())
        }
        Fact::ImportPaused { reason, missing_volumes, .. } => {
            let volumes: Vec<String> = missing_volumes.iter().map(u32::to_string).collect();
            let lacks = if volumes.is_empty() {
                String::new()
            } else {
                format!("; still to come: volume {}", volumes.join(", "))
            };
            format!("the import paused: {}{lacks}", reason.trim_end_matches('.'))
        }
        Fact::BundleRefused { reason, message, .. } => {
            format!("a bundle was refused ({reason}): {message}")
        }
        Fact::BundleQuarantined { reason, message, .. } => {
            format!("a bundle was kept out for its dates ({reason}): {message}")
        }
        Fact::BundleImported { sequence, sources, bytes_new, payloads_new, skipped, .. } => {
            let sum = |what: fn(&ImportedSource) -> u64| sources.iter().map(what).sum::<u64>();
            let skipped = if *skipped { "; bundles before it were never seen here" } else { "" };
            format!(
                "{who} imported bundle {sequence}: {}, {}, {} new ({}){skipped}",
                count(sources.len() as u64, "source"),
                count(sum(|s| s.updates), "update"),
                count(*payloads_new, "payload"),
                bytes(*bytes_new),
            )
        }
        Fact::PayloadsCarried { sequence, payloads_new, bytes_new, .. } => format!(
            "bundle {sequence}, older than what is trusted, gave {} ({}); its metadata was not taken",
            count(*payloads_new, "payload"),
            bytes(*bytes_new)
        ),
        Fact::SiteRootAccepted { generation, threshold, administrators, approvers, .. } => format!(
            "{who} accepted site root {generation}: {threshold} of {} sign the next, {} of approvers",
            count(*administrators, "administrator"),
            count(*approvers, "key")
        ),
        Fact::SiteRootRefused { reason, message } => {
            format!("a site root that {who} offered was refused ({reason}): {message}")
        }
        Fact::ScannerSet { socket: Some(socket) } => {
            format!("{who} set the malware scanner of imports: clamd at {socket}")
        }
        Fact::ScannerSet { socket: None } => {
            format!("{who} turned the malware scan of imports off")
        }
        other => elsewhere(other, who).unwrap_or_else(|| {
            format!("{who} did something that this version has no words for: {}", other.kind())
        }),
    }
}

/// The sentences of the other rooms.
fn elsewhere(fact: &Fact, who: &str) -> Option<String> {
    let said = people::said(fact, who).or_else(|| epoch::said(fact, who));
    said.or_else(|| account::said(fact, who))
        .or_else(|| rules::said(fact, who))
        .or_else(|| appliance::said(fact, who))
}

/// Who: the appliance, or a person's id with role and door.
pub(super) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Appliance => "the appliance".into(),
        Actor::Endpoint { endpoint } => format!("endpoint {endpoint}"),
        Actor::Person { person, role, door } => {
            let door = match door {
                Door::CommandLine => "at the command line",
                Door::Console => "at the console",
                Door::Api => "through the API",
            };
            format!("{person} ({}, {door})", role.word())
        }
    }
}

pub(super) const fn anchor_kind(kind: AnchorKind) -> &'static str {
    match kind {
        AnchorKind::PublisherRoot => "the publisher's root",
        AnchorKind::VendorKeyring => "the vendor keyring",
    }
}

const fn door(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::EndpointDoor => "the endpoints' door",
        RefusalKind::PeopleDoor => "the people's door",
    }
}

fn fingerprint_list(fingerprints: &[String]) -> String {
    match fingerprints {
        [] => "without a fingerprint".into(),
        [one] => format!("fingerprint {one}"),
        many => format!("fingerprints {}", many.join(", ")),
    }
}

/// `1 update`, `2 updates`, `1,234 entries`.
#[must_use]
pub fn count(n: u64, noun: &str) -> String {
    let many = noun
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']))
        .map_or(format!("{noun}s"), |stem| format!("{stem}ies"));
    format!("{} {}", thousands(n), if n == 1 { noun } else { &many })
}

/// `1,234,567`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 bytes`, `1.4 MB`: decimal units.
pub(super) fn bytes(n: u64) -> String {
    let mut unit = 1_000;
    let Some(name) = ["kB", "MB", "GB", "TB"].into_iter().find(|name| {
        let fits = n < unit * 1_000 || *name == "TB";
        unit *= if fits { 1 } else { 1_000 };
        n >= 1_000 && fits
    }) else {
        return count(n, "byte");
    };
    format!("{}.{} {name}", thousands(n / unit), n % unit * 10 / unit)
}

/// `22 November 2026`.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

/// `22 November 2026, 04:05 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn figures_have_units_and_groups() {
        for (n, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (1_449_999, "1.4 MB"),
            (2_500_000_000, "2.5 GB"),
            (7_000_000_000_000_000, "7,000.0 TB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!((count(1, "entry"), count(2, "entry")), ("1 entry".into(), "2 entries".into()));
        assert_eq!((count(2, "day"), count(3, "key")), ("2 days".into(), "3 keys".into()));
    }

    #[test]
    fn a_sentence_begins_with_a_capital_and_ends_once() {
        let fact = Fact::BundleRefused {
            custody: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            reason: "signature".into(),
            message: "one byte is wrong.".into(),
            bundle: None,
        };
        let event = Event { at: Timestamp::UNIX_EPOCH, actor: Actor::Appliance, fact };
        assert_eq!(sentence(&event), "A bundle was refused (signature): one byte is wrong.");
    }
}
