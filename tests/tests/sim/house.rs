//! What agents and people of a simulated world have in common: the appliance, what was signed, the vendor's offers,
//! the clocks on the walls.

use crate::{
    Fault, Right, agent,
    appliance::{Answer, Appliance, told},
    chance::Chance,
    machine::Versions,
};
use api::{CheckIn, Orders};
use ids::{Digest, EndpointName, RingName, Timestamp};
use jiff::{SignedDuration, civil};
use merkle::VerifierKey;
use site::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use trust::{APPROVAL, Approval, Envelope, SiteRoot, Verified};

/// A statement that agents have judged, once for all of them.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) digest: Digest,
    pub(crate) approval: Verified<Approval>,
}

/// A ring's window on a wall in Berlin: on which weekdays (0 is Monday), when, and for how many minutes.
pub(crate) struct Wall {
    pub(crate) ring: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) days: &'static [i8],
    pub(crate) opens: (i8, i8),
    pub(crate) minutes: u32,
}

/// The rings in their order. The second one's hour is shown twice in autumn, and never in spring.
pub(crate) const WALLS: [Wall; 3] = [
    Wall {
        ring: "pilot",
        rule: "FREQ=DAILY",
        days: &[0, 1, 2, 3, 4, 5, 6],
        opens: (22, 0),
        minutes: 240,
    },
    Wall {
        ring: "office",
        rule: "FREQ=DAILY",
        days: &[0, 1, 2, 3, 4, 5, 6],
        opens: (2, 30),
        minutes: 150,
    },
    Wall {
        ring: "servers",
        rule: "FREQ=WEEKLY;BYDAY=WE,SU",
        days: &[2, 6],
        opens: (1, 0),
        minutes: 300,
    },
];

/// When the clocks of Berlin are changed, with the hours before and after: written down here by hand, so that
/// the product's own reckoning is held against another.
const CHANGES: [(&str, i64, i64); 2] =
    [("2026-10-25T01:00:00Z", 2, 1), ("2027-03-28T01:00:00Z", 1, 2)];

/// What all share.
pub(crate) struct House {
    pub(crate) appliance: Appliance,
    pub(crate) chance: Chance,
    pub(crate) fault: Fault,
    pub(crate) root: Option<Verified<SiteRoot>>,
    pub(crate) log_key: Option<VerifierKey>,
    statements: BTreeMap<Digest, Arc<Statement>>,
    /// What approvers really signed, and of which of it a run was started.
    pub(crate) signed: BTreeMap<Digest, Approval>,
    pub(crate) started: BTreeSet<Digest>,
    pub(crate) waivers: Vec<(BTreeSet<EndpointName>, Timestamp)>,
    /// What the vendor's bundles bring, from the first on.
    pub(crate) bundles: Vec<Versions>,
    repeats: Vec<(Timestamp, Digest, CheckIn)>,
    pub(crate) applied: u64,
    pub(crate) restarted: u64,
    pub(crate) restored: u64,
    pub(crate) check_ins: u64,
}

impl House {
    pub(crate) fn new(appliance: Appliance, chance: Chance, fault: Fault) -> Self {
        Self {
            appliance,
            chance,
            fault,
            root: None,
            log_key: None,
            statements: BTreeMap::new(),
            signed: BTreeMap::new(),
            started: BTreeSet::new(),
            waivers: Vec::new(),
            bundles: Vec::new(),
            repeats: Vec::new(),
            applied: 0,
            restarted: 0,
            restored: 0,
            check_ins: 0,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.appliance.now()
    }

    pub(crate) fn tick(&self) {
        self.appliance.tick();
    }

    pub(crate) const fn calm(&self) -> bool {
        self.appliance.calm
    }

    /// What the bundle with this number offers.
    pub(crate) fn offered(&self, sequence: u64) -> Versions {
        let place = usize::try_from(sequence).unwrap_or(0);
        place.checked_sub(1).and_then(|place| self.bundles.get(place)).copied().unwrap_or_default()
    }

    /// A check-in as it is sent; sent once more without its report where that is not believed.
    pub(crate) fn check_in(
        &mut self,
        name: &EndpointName,
        certificate: Digest,
        said: &CheckIn,
    ) -> Right<Option<Orders>> {
        self.check_ins += 1;
        let bare = CheckIn { report: None, ..said.clone() };
        match self.appliance.ask(|site| site.check_in(&certificate, said))? {
            Answer::Yes(orders) => Ok(Some(orders)),
            Answer::Away | Answer::No(Error::TooOften) => Ok(None),
            Answer::No(error) if said.report.is_none() => {
                Err(format!("{name} is not heard: {}", told(&error)))
            }
            Answer::No(_) => {
                Ok(self.appliance.ask(|site| site.check_in(&certificate, &bare))?.yes())
            }
        }
    }

    /// The network, or a copy of the machine, says the same once more some time.
    pub(crate) fn repeat(&mut self, certificate: Digest, said: CheckIn) {
        let minutes = if self.chance.one_in(3) {
            self.chance.between(600, 12_000)
        } else {
            self.chance.between(1, 90)
        };
        let after = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(1));
        let at = self.now().saturating_add(after).unwrap_or(Timestamp::MAX);
        self.repeats.push((at, certificate, said));
    }

    /// Brings the repeated words whose time has come.
    pub(crate) fn bring_repeats(&mut self) -> Right<u64> {
        let now = self.now();
        let (due, later) = self.repeats.drain(..).partition(|(at, _, _)| *at <= now);
        self.repeats = later;
        let due: Vec<(Timestamp, Digest, CheckIn)> = due;
        let count = due.len() as u64;
        for (_, certificate, said) in due {
            self.appliance.ask(|site| site.check_in(&certificate, &said))?;
        }
        Ok(count)
    }

    /// A statement as agents judge it: under the root that they pinned.
    pub(crate) fn statement(&mut self, envelope: &Envelope) -> Right<Arc<Statement>> {
        let payload = envelope.unverified_payload(APPROVAL).map_err(|e| e.to_string())?;
        let digest = Digest::of(&payload);
        if let Some(known) = self.statements.get(&digest) {
            return Ok(Arc::clone(known));
        }
        let root = self.root.as_ref().ok_or("the site has no root")?;
        let approval = Approval::verify(root, envelope, self.now());
        let approval =
            approval.map_err(|e| format!("agents are told of what nobody signed: {e}"))?;
        let statement = Arc::new(Statement { digest, approval });
        self.statements.insert(digest, Arc::clone(&statement));
        Ok(statement)
    }

    pub(crate) fn waived(&self, waivers: &[Envelope], name: &EndpointName) -> bool {
        let now = self.now();
        self.root.as_ref().is_some_and(|root| agent::waives(root, waivers, name, now))
    }

    /// Remembers of which approvals a run was started.
    pub(crate) fn note_started(&mut self) {
        let Some(state) = self.appliance.state() else { return };
        let begun = |run: &&fleet::Run| {
            matches!(run.standing, fleet::RunStanding::Started | fleet::RunStanding::Paused(_))
        };
        self.started.extend(state.runs.values().filter(begun).map(|run| run.statement));
    }

    /// Whether a ring's window is open, by the clocks on the walls of Berlin.
    pub(crate) fn wall_is_open(&self, ring: &RingName, at: Timestamp) -> bool {
        let Some(wall) = WALLS.iter().find(|wall| wall.ring == ring.as_str()) else { return false };
        let Some(today) = at.as_second().checked_div(24 * 60 * 60) else { return false };
        (today - 1..=today + 1).any(|day| {
            let date = civil::date(1970, 1, 1).saturating_add(SignedDuration::from_hours(24 * day));
            let weekday = date.weekday().to_monday_zero_offset();
            let (hour, minute) = wall.opens;
            let Some(opens) = instant(date.at(hour, minute, 0, 0)) else { return false };
            let closes = opens.saturating_add(SignedDuration::from_mins(wall.minutes.into()));
            wall.days.contains(&weekday) && opens <= at && closes.is_ok_and(|closes| at < closes)
        })
    }
}

/// When the walls of Berlin show this: the first time where they do twice, as by the old hours where they never do.
fn instant(local: civil::DateTime) -> Option<Timestamp> {
    let utc = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let by = |hours: i64| utc.checked_sub(SignedDuration::from_hours(hours)).ok();
    let near = CHANGES.iter().filter_map(|(at, before, after)| {
        let at: Timestamp = at.parse().ok()?;
        Some((at, *before, *after))
    });
    let (change, before, after) = near.min_by_key(|(at, _, _)| at.duration_since(utc).abs())?;
    let (first, second) = (by(before)?, by(after)?);
    Some(if first < change || second < change { first } else { second })
}
