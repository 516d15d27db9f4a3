//! What the endpoints of a ring lack, by number: each distinct update has one, and of each endpoint its numbers are
//! kept. What judges or counts a whole ring judges each update once, however many endpoints lack it.

use crate::{
    Error, Site,
    applies::{Aim, Told},
    approval::{KnownUpdate, KnownUpdates},
    level::facts_of,
};
use catalogue::VendorSeverity;
use fleet::{Exception, Exposure, Policy, PolicyStatus, State};
use ids::{Digest, RecordId, RingName, Timestamp};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};
use vendor_apt::{Applicable, Package};

/// Ways in which an endpoint can be reached; the first is that it is not known.
pub(crate) const WAYS: [Option<Exposure>; 5] = [
    None,
    Some(Exposure::Internet),
    Some(Exposure::Connected),
    Some(Exposure::Internal),
    Some(Exposure::AirGapped),
];

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
    /// What is known of each number.
    updates: Vec<Option<KnownUpdate>>,
    /// How severe each number is, and whether it is known to be exploited.
    ratings: Vec<(Option<VendorSeverity>, bool)>,
    /// Numbers of which the same is known have the same kind, so that a policy judges each kind once.
    kinds: Vec<u32>,
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

/// The endpoints of a ring that are elected in, of those that sent an inventory, and how many lack what.
pub(crate) struct Elected<'a> {
    pub(crate) ring: &'a Lacks,
    /// Each with the place in [`WAYS`] of how it is reached.
    pub(crate) members: Vec<(Member<'a>, usize)>,
    /// By way, then by number: how many lack it.
    lacking: [Vec<u32>; WAYS.len()],
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
    /// By the way that endpoints are reached, then by kind: how it stands on them but for exceptions.
    judged: [Vec<Option<Stands>>; WAYS.len()],
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

    /// What is known of what the numbers are.
    pub(crate) fn updates(&self) -> &[Option<KnownUpdate>] {
        &self.updates
    }

    /// How severe what the numbers are is, and whether it is known to be exploited.
    pub(crate) fn ratings(&self) -> &[(Option<VendorSeverity>, bool)] {
        &self.ratings
    }
}

/// The kind of each: those of which policies see the same facts are alike.
fn kinds(updates: &[Option<KnownUpdate>]) -> Vec<u32> {
    let mut kinds = HashMap::new();
    let kind = |known: &Option<KnownUpdate>| {
        let (_, facts) = facts_of(known.as_ref(), None);
        let next = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
        *kinds.entry(facts).or_insert(next)
    };
    updates.iter().map(kind).collect()
}

impl<'a> Elected<'a> {
    pub(crate) fn new(ring: &'a Lacks, state: &State) -> Self {
        let elected = |member: Member<'a>| {
            let known = state.endpoints.get(member.id).filter(|known| known.is_elected())?;
            Some((member, way(known.description.exposure)))
        };
        let members: Vec<_> = ring.members().filter_map(elected).collect();
        let mut lacking: [Vec<u32>; WAYS.len()] = Default::default();
        for (member, way) in &members {
            let counts = &mut lacking[*way];
            counts.resize(ring.distinct.len(), 0);
            for number in member.numbers {
                counts[*number as usize] += 1;
            }
        }
        Self { ring, members, lacking }
    }

    /// Each number that an endpoint lacks, with the way that it is reached and how many lack it so.
    pub(crate) fn lacked(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        self.lacking.iter().enumerate().flat_map(|(way, counts)| {
            let counts = (0_u32..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0);
            counts.map(move |(number, count)| (way, number, count))
        })
    }

    /// How the numbers stand that endpoints lack: on how many, and of these on how many an exception counts. Of all numbers,
    /// only those that are wanted.
    pub(crate) fn stand(
        &self,
        judge: &mut Judge<'_>,
        wanted: impl Fn(u32) -> bool,
    ) -> Vec<(u32, Stands, u32, u32)> {
        let mut spared: HashMap<(usize, u32), u32> = HashMap::new();
        if !judge.exceptions.is_empty() {
            for (member, way) in &self.members {
                for number in member.numbers.iter().filter(|number| wanted(**number)) {
                    let stands = judge.stands(member.id, *way, *number);
                    if stands.status == PolicyStatus::Excepted {
                        *spared.entry((*way, *number)).or_default() += 1;
                    }
                }
            }
        }
        let one = |(way, number, count)| {
            let spared = spared.get(&(way, number)).copied().unwrap_or(0);
            (number, judge.alike(way, number), count, spared)
        };
        self.lacked().filter(|(_, number, _)| wanted(*number)).map(one).collect()
    }
}

/// The place of a way in [`WAYS`].
fn way(exposure: Option<Exposure>) -> usize {
    exposure.map_or(0, |exposure| 1 + exposure as usize)
}

impl Stands {
    /// Whether an exception makes a difference.
    const fn is_open(self) -> bool {
        matches!(self.status, PolicyStatus::Due | PolicyStatus::Overdue)
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
        let kinds = lacks.kinds.iter().max().map_or(0, |last| *last as usize + 1);
        let judged = std::array::from_fn(|_| vec![None; kinds]);
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

    /// How the update with this number stands on endpoints that are reached so, but for exceptions.
    pub(crate) fn alike(&mut self, way: usize, number: u32) -> Stands {
        let kind = self.lacks.kinds[number as usize];
        *self.judged[way][kind as usize].get_or_insert_with(|| {
            let known = self.lacks.updates[number as usize].as_ref();
            let (_, facts) = facts_of(known, WAYS[way]);
            let judged = self.policy.judge(&facts, None, false, self.now);
            let due_at = judged.deadline.and_then(|deadline| deadline.due_at);
            Stands { status: judged.status, due_at }
        })
    }

    /// How the update with this number stands on an endpoint that is reached so.
    pub(crate) fn stands(&mut self, endpoint: &RecordId, way: usize, number: u32) -> Stands {
        let mut stands = self.alike(way, number);
        if stands.is_open() && self.excepted(endpoint, number) {
            stands.status = PolicyStatus::Excepted;
        }
        stands
    }
}

impl Site {
    /// What the endpoints of each ring lack, in the rings' order.
    ///
    /// # Errors
    /// As [`Self::lacks`].
    pub(crate) fn lacks_of_all(&self) -> Result<Vec<Arc<Lacks>>, Error> {
        self.state().rings.keys().map(|ring| self.lacks(ring)).collect()
    }

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
        let of = |update: &Applicable| known.get(&update.candidate().sha256).cloned();
        let updates: Vec<_> = distinct.iter().map(of).collect();
        let rated = |known: &Option<KnownUpdate>| {
            let known = known.as_ref();
            let exploited = known.and_then(KnownUpdate::is_exploited) == Some(true);
            (known.and_then(KnownUpdate::severity), exploited)
        };
        let lacks = Arc::new(Lacks {
            ratings: updates.iter().map(rated).collect(),
            kinds: kinds(&updates),
            ring,
            known,
            aims,
            members,
            told,
            ranges,
            numbers,
            distinct,
            updates,
        });
        kept().insert(lacks.ring.clone(), Arc::clone(&lacks));
        Ok(lacks)
    }
}
