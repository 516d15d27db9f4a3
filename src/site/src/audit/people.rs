//! People and endpoints in an audit bundle: decisions, endpoints, and which of them vouch for the log.

use super::{
    rows,
    sentence::{count, time},
    told::Told,
};
use fleet::{Event, Fact};
use ids::{RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::Decision;

/// Where the checkpoints that endpoints hold stand in a bundle.
pub(super) const WITNESSES: &str = "witnesses.json";

/// A checkpoint that an endpoint held when it last checked in: no event, but this log's own signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The endpoint's id.
    pub endpoint: RecordId,
    /// When it checked in.
    pub seen_at: Timestamp,
    /// Entries of the tree for which it vouches.
    pub size: u64,
    /// The checkpoint as it was signed (C2SP signed note).
    pub checkpoint: String,
}

/// `witnesses.json`, one a line.
pub(super) fn witnesses_file(witnesses: &[Witness]) -> Result<String, serde_json::Error> {
    let lines: Vec<String> =
        witnesses.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

/// What people decided, in the order of the log.
pub(super) fn decisions(events: &[Event]) -> Vec<rows::Decision> {
    (0..).zip(events).filter_map(|(entry, event)| decision(entry, event)).collect()
}

fn decision(entry: u64, event: &Event) -> Option<rows::Decision> {
    let row = |what, who: &ids::PersonId, until| rows::Decision {
        entry,
        at: event.at,
        what,
        who: who.to_string(),
        ring: None,
        generation: None,
        endpoints: None,
        packages: None,
        until,
        note: String::new(),
    };
    Some(match &event.fact {
        Fact::StatementAccepted {
            ring,
            generation,
            decision,
            approver,
            endpoints,
            packages,
            not_after,
            attested,
            imported_by_approver,
            ..
        } => {
            let what = match decision {
                Decision::Approve => "approved",
                Decision::Withdraw => "taken back",
            };
            let note = match (attested, imported_by_approver) {
                (true, _) => "attested by the appliance only; no agent obeys it",
                (false, true) => "four eyes were off: the approver had imported it",
                (false, false) => "",
            };
            rows::Decision {
                ring: Some(ring.to_string()),
                generation: Some(*generation),
                endpoints: Some(*endpoints),
                packages: Some(*packages),
                note: note.to_owned(),
                ..row(what, approver, Some(*not_after))
            }
        }
        Fact::WaiverAccepted { approver, endpoints, not_after, .. } => rows::Decision {
            endpoints: Some(*endpoints),
            note: "changed without a proven way back".to_owned(),
            ..row("waived", approver, Some(*not_after))
        },
        Fact::UpdateDeclined { ring, package, version, not_after, .. } => {
            let fleet::Actor::Person { person, .. } = &event.actor else { return None };
            rows::Decision {
                ring: Some(ring.to_string()),
                note: format!("{package} {version}"),
                ..row("declined", person, Some(*not_after))
            }
        }
        _ => return None,
    })
}

/// Every endpoint with an agent, as the log leaves it. `names` are those that may leave the site.
pub(super) fn endpoints(
    told: &Told,
    names: &dyn Fn(&ids::Digest) -> Option<String>,
    witnesses: &[Witness],
) -> Vec<rows::Endpoint> {
    let vouched: BTreeMap<&RecordId, &Witness> =
        witnesses.iter().map(|witness| (&witness.endpoint, witness)).collect();
    let row = |(id, endpoint): (&RecordId, &fleet::Endpoint)| rows::Endpoint {
        id: id.clone(),
        name: names(&endpoint.name),
        ring: endpoint.ring.to_string(),
        standing: endpoint.standing.word(),
        job: endpoint.job.as_ref().map(fleet::Job::word),
        job_at: endpoint.job.as_ref().map(|job| job.at),
        approval: endpoint.job.as_ref().map(|job| job.approval),
        certificate_ends: endpoint.certificates.iter().map(|(_, not_after)| *not_after).max(),
        vouches_for: vouched.get(id).map(|witness| witness.size),
        seen_at: vouched.get(id).map(|witness| witness.seen_at),
        doubts_the_log: endpoint.doubt.is_some(),
    };
    told.state.endpoints.iter().map(row).collect()
}

/// The decisions as the page shows them, newest first.
pub(super) fn decision_lines(told: &Told) -> Vec<[String; 6]> {
    let number = |n: Option<u64>, noun| n.map(|n| count(n, noun));
    let line = |row: &rows::Decision| {
        let about = [number(row.packages, "package"), number(row.endpoints, "endpoint")];
        let about: Vec<String> = about.into_iter().flatten().collect();
        [
            row.entry.to_string(),
            time(row.at),
            format!("{} by {}", row.what, row.who),
            row.ring.clone().unwrap_or_else(|| "every ring".to_owned()),
            row.until.map(time).unwrap_or_default(),
            [about.join(" for "), row.note.clone()].join(" ").trim().to_owned(),
        ]
    };
    told.decisions.iter().rev().map(line).collect()
}

/// The endpoints as the page shows them.
pub(super) fn endpoint_lines(told: &Told) -> Vec<[String; 5]> {
    let line = |row: &rows::Endpoint| {
        let vouches = match (row.doubts_the_log, row.vouches_for) {
            (true, _) => "DOUBTS THE LOG".to_owned(),
            (false, Some(size)) => format!("{}, seen {}", count(size, "entry"), at(row.seen_at)),
            (false, None) => "nothing yet".to_owned(),
        };
        let job = row.job.map(|job| format!("{job}, {} by its own clock", at(row.job_at)));
        [
            row.name.clone().unwrap_or_else(|| row.id.to_string()),
            row.ring.clone(),
            row.standing.to_owned(),
            job.unwrap_or_else(|| "none".to_owned()),
            vouches,
        ]
    };
    told.endpoints.iter().map(line).collect()
}

fn at(moment: Option<Timestamp>) -> String {
    moment.map(time).unwrap_or_default()
}

/// Who vouches for the log, in one sentence.
pub(super) fn vouching(told: &Told) -> String {
    let vouching = told.endpoints.iter().filter(|row| row.vouches_for.is_some());
    let sizes: Vec<u64> = vouching.filter_map(|row| row.vouches_for).collect();
    let doubting = told.endpoints.iter().filter(|row| row.doubts_the_log).count() as u64;
    let doubts = match doubting {
        0 => String::new(),
        n => format!(" ALARM: {} doubt the log.", count(n, "endpoint")),
    };
    match (sizes.iter().min(), sizes.iter().max()) {
        (Some(least), Some(most)) => {
            let span = if least == most { String::new() } else { format!("{least} to ") };
            format!(
                "{} held signed checkpoints of {span}{}, all of this history; they would notice \
                 another one.{doubts}",
                count(sizes.len() as u64, "endpoint"),
                count(*most, "entry")
            )
        }
        _ => format!(
            "None yet: no endpoint holds a checkpoint, so keep this bundle: a later one must continue \
             its checkpoint.{doubts}"
        ),
    }
}

/// Whether the site asked for four eyes, as its newest root says.
pub(super) fn four_eyes(events: &[Event]) -> &'static str {
    let newest = events.iter().rev().find_map(|event| match event.fact {
        Fact::SiteRootAccepted { four_eyes, .. } => Some(four_eyes),
        _ => None,
    });
    match newest {
        Some(true) => "On: nobody approves what they imported. It is in the site root.",
        Some(false) => "OFF, as the site root says: importers may approve what they imported.",
        None => {
            "Off. The site has no root yet, so there are no approvals: whoever imports is alone, and \
             rings that follow move by themselves."
        }
    }
}

/// How many approvals rest on the appliance's word alone.
pub(super) fn attested(events: &[Event]) -> String {
    let attested =
        |event: &&Event| matches!(event.fact, Fact::StatementAccepted { attested: true, .. });
    match events.iter().filter(attested).count() {
        0 => "None: every approval in this log carries its approver's own signature.".to_owned(),
        n => format!(
            "{} rest on the appliance's word alone. No agent obeys them.",
            count(n as u64, "statement")
        ),
    }
}
