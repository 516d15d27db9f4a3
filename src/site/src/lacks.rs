//! What the endpoints of a ring lack, by number: each distinct update has one, and of each endpoint its numbers are
//! kept. What judges or counts a whole ring judges each update once, however many endpoints lack it.

use crate::{
    Error, Site,
    applies::{Aim, Told},
    approval::KnownUpdates,
    level::facts_of,
};
use fleet::{Exception, Exposure, Policy, PolicyStatus};
use ids::{Digest, RecordId, RingName, Timestamp};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};
use vendor_apt::{Applicable, Package};

/// Ways in which an endpoint can be reached, with that it is not known.
const EXPOSURES: usize = 5;

/// What was numbered last of each ring.
#[derive(Debug, Default)]
pub(crate) struct Numbered(Mutex<HashMap<RingName, Arc<Lacks>>>);

/// What the active endpoints of a ring lack, of those that sent an inventory.
#[derive(Debug)]
pub(crate) struct Lacks {
    pub(crate) ring: RingName,
    /// What the catalogues say that the ring points at.
    pub(crate) known: Arc<KnownUpdates>,
    aims: Vec<Aim>,
    /// The endpoints, with the inventories by which they were judged.
    members: Vec<(RecordId, Digest)>,
    told: Vec<Told>,
    /// Where each endpoint's numbers are.
    ranges: Vec<Range<usize>>,
    numbers: Vec<u32>,
    /// What each number is, as the first endpoint that lacks it has it.
    distinct: Vec<Applicable>,
}

/// An endpoint of a ring.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) id: &'a RecordId,
    /// What it lacks, or why that cannot be told.
    pub(crate) told: &'a Told,
    /// The numbers of what it lacks, in its order.
    pub(crate) numbers: &'a [u32],
}

/// How one update stands on endpoints that are reached alike.
#[derive(Clone, Copy)]
pub(crate) struct Stands {
    pub(crate) status: PolicyStatus,
    pub(crate) due_at: Option<Timestamp>,
}

/// Judges what a ring lacks under a policy.
pub(crate) struct Judge<'a> {
    lacks: &'a Lacks,
    policy: &'a Policy,
    now: Timestamp,
    exceptions: Vec<&'a Exception>,
    /// By number: whether an exception is about it, on some endpoint.
    touched: Vec<bool>,
    /// By number: how it stands on endpoints that are reached so.
    judged: Vec<[Option<Stands>; EXPOSURES]>,
}

impl Lacks {
    /// The endpoints, in the order of their ids.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let places = self.told.iter().zip(&self.ranges);
        self.members.iter().zip(places).map(|((id, _), (told, range))| Member {
            id,
            told,
            numbers: &self.numbers[range.clone()],
        })
    }

    /// What the numbers are.
    pub(crate) fn distinct(&self) -> &[Applicable] {
        &self.distinct
    }
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        lacks: &'a Lacks,
        policy: &'a Policy,
        exceptions: impl Iterator<Item = &'a Exception>,
        now: Timestamp,
    ) -> Self {
        let exceptions = exceptions.filter(|one| one.counts(now) && one.about.ring == lacks.ring);
        let exceptions: Vec<&Exception> = exceptions.collect();
        let touches = |update: &Applicable| {
            let (name, version) = (update.name(), &update.candidate().version);
            let about =
                |one: &&Exception| one.about.package == name && one.about.version == *version;
            exceptions.iter().any(about)
        };
        let touched = lacks.distinct.iter().map(touches).collect();
        let judged = vec![[None; EXPOSURES]; lacks.distinct.len()];
        Self { lacks, policy, now, exceptions, touched, judged }
    }

    /// Whether an exception counts for the update with this number on this endpoint.
    pub(crate) fn excepted(&self, endpoint: &RecordId, number: u32) -> bool {
        self.touched[number as usize] && {
            let update = &self.lacks.distinct[number as usize];
            let (name, version) = (update.name(), &update.candidate().version);
            self.exceptions.iter().any(|one| one.covers(&self.lacks.ring, endpoint, name, version))
        }
    }

    /// How the update with this number stands on an endpoint that is reached so.
    pub(crate) fn stands(
        &mut self,
        endpoint: &RecordId,
        exposure: Option<Exposure>,
        number: u32,
    ) -> Stands {
        let way = exposure.map_or(0, |exposure| 1 + exposure as usize);
        let place = &mut self.judged[number as usize][way];
        let mut stands = *place.get_or_insert_with(|| {
            let sha256 = self.lacks.distinct[number as usize].candidate().sha256;
            let (_, facts) = facts_of(self.lacks.known.get(&sha256), exposure);
            let judged = self.policy.judge(&facts, None, false, self.now);
            let due_at = judged.deadline.and_then(|deadline| deadline.due_at);
            Stands { status: judged.status, due_at }
        });
        let open = matches!(stands.status, PolicyStatus::Due | PolicyStatus::Overdue);
        if open && self.excepted(endpoint, number) {
            stands.status = PolicyStatus::Excepted;
        }
        stands
    }
}

impl Site {
    /// What the endpoints of a ring lack, kept until one sends another inventory or the ring points elsewhere.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Input`] when a catalogue or an index cannot be read.
    pub(crate) fn lacks(&self, ring: &RingName) -> Result<Arc<Lacks>, Error> {
        let (aims, members) = (self.aims(ring), self.inventories(ring));
        let kept = || self.numbered().0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(ring).cloned();
        if let Some(known) = known.filter(|known| known.aims == aims && known.members == members) {
            return Ok(known);
        }
        let inventories: Vec<Digest> = members.iter().map(|(_, inventory)| *inventory).collect();
        let (known, told) = match members.is_empty() {
            true => (Arc::default(), Vec::new()),
            false => (self.known_updates(ring)?, self.answers(ring, &inventories)?),
        };
        let mut places: HashMap<*const Package, u32> = HashMap::new();
        let (mut numbers, mut ranges, mut distinct) = (Vec::new(), Vec::new(), Vec::new());
        for told in &told {
            let begin = numbers.len();
            for update in told.iter().flat_map(|updates| updates.iter()) {
                numbers.push(*places.entry(update.candidate()).or_insert_with(|| {
                    distinct.push(update.clone());
                    u32::try_from(distinct.len() - 1).unwrap_or(u32::MAX)
                }));
            }
            ranges.push(begin..numbers.len());
        }
        let ring = ring.clone();
        let lacks = Lacks { ring, known, aims, members, told, ranges, numbers, distinct };
        let lacks = Arc::new(lacks);
        kept().insert(lacks.ring.clone(), Arc::clone(&lacks));
        Ok(lacks)
    }
}
