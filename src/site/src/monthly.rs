//! The monthly statement: servers and workstations under management at a month's end, the list behind each number,
//! and machines that were seen and are not managed.
//!
//! What became of endpoints is read from the log's own rows, so that a past month says what held then. Endpoints that
//! were carried over from a log before this one stand as they stand now.

use crate::{Asset, Error, Site, rows};
use fleet::{EndpointKind, Standing};
use ids::{Digest, EndpointName, RecordId, RingName, Timestamp};
use jiff::{SignedDuration, civil::Date};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};
use views::Views;

/// Most rows of the views that are looked at.
const ROWS_MAX: usize = 10_000_000;

/// A statement of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthlyStatement {
    /// The month, as `2026-11`.
    pub month: String,
    /// When it began, in the site's zone.
    pub from: Timestamp,
    /// As of when: its end, or now where it has not ended.
    pub at: Timestamp,
    /// As of which entry of the log.
    pub entries: u64,
    /// When the register of machines came that counts then, and how many it lists; none: nobody had given one.
    pub register: Option<(Timestamp, u64)>,
    /// Each list, by name.
    pub lists: BTreeMap<MachineList, Vec<MachineRow>>,
}

/// What a machine is listed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineList {
    /// A server that is elected in.
    Servers,
    /// A workstation that is elected in.
    Workstations,
    /// It is elected in, and nobody has said what it is.
    KindNotSaid,
    /// It has an agent and is elected out.
    ElectedOut,
    /// It joined in the month.
    Joined,
    /// It left in the month.
    Left,
    /// It asked to join, and nobody has confirmed it.
    Pending,
    /// It has a certificate for stock apt, and no agent: it sees what is served, and nothing is known of it.
    ViewOnly,
    /// Only the register of machines knows of it.
    RegisterOnly,
}

impl MachineList {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Servers,
        Self::Workstations,
        Self::KindNotSaid,
        Self::ElectedOut,
        Self::Joined,
        Self::Left,
        Self::Pending,
        Self::ViewOnly,
        Self::RegisterOnly,
    ];

    /// The word for it in addresses and files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Workstations => "workstations",
            Self::KindNotSaid => "kind-not-said",
            Self::ElectedOut => "elected-out",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Pending => "pending",
            Self::ViewOnly => "view-only",
            Self::RegisterOnly => "register-only",
        }
    }
}

/// A machine of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MachineRow {
    /// Its name, or the id in the log of an endpoint whose name was erased.
    pub name: String,
    /// Whether there is a page about it.
    pub endpoint: bool,
    /// Its ring, where it has one.
    pub ring: Option<RingName>,
    /// What it is, where that was said.
    pub kind: Option<EndpointKind>,
    /// Since when it is listed so, where that is known.
    pub since: Option<Timestamp>,
}

/// What became of which endpoint, in the views.
#[derive(Deserialize)]
struct MemberRow {
    id: RecordId,
    #[serde(flatten)]
    became: Became,
}

/// What became of an endpoint.
#[derive(Debug, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum Became {
    Asked { at: Timestamp, name: Digest, ring: RingName },
    Joined { at: Timestamp },
    Elected { at: Timestamp, elected: bool },
    Described { at: Timestamp, kind: Option<EndpointKind> },
    Left { at: Timestamp },
}

/// What became of each endpoint, as far as the views were read.
#[derive(Debug, Default)]
pub(crate) struct Memberships(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// The entry from which on rows were not read.
    next: u64,
    became: BTreeMap<RecordId, Vec<Became>>,
}

/// What tells of machines that are not managed, in the views.
#[derive(Deserialize)]
#[serde(untagged)]
enum SeenRow {
    Register { at: Timestamp, register: Digest },
    Certificate { at: Timestamp, name: Digest, not_after: Timestamp },
}

/// An endpoint as it stood.
struct Stood {
    name: Digest,
    ring: RingName,
    asked: Option<Timestamp>,
    joined: Option<Timestamp>,
    left: Option<Timestamp>,
    elected: bool,
    elected_since: Option<Timestamp>,
    kind: Option<EndpointKind>,
}

impl Stood {
    fn new(name: Digest, ring: RingName, asked: Option<Timestamp>) -> Self {
        let (joined, left, elected_since, kind) = (None, None, None, None);
        Self { name, ring, asked, joined, left, elected: true, elected_since, kind }
    }

    const fn is_there(&self) -> bool {
        self.joined.is_some() && self.left.is_none()
    }
}

impl Site {
    /// The statement of a month, such as `2026-11`, or of the one that it is now.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no month, or one that has not begun; [`Error::Views`].
    pub fn monthly_statement(&self, month: Option<&str>) -> Result<MonthlyStatement, Error> {
        let (now, calendar) = (self.now(), self.calendar());
        let (from, to) = match month {
            None => calendar.month_of(now),
            Some(month) => first_day(month).and_then(|day| {
                let midnight = day.to_datetime(jiff::civil::Time::midnight());
                calendar.month_of(calendar.zone()?.instant(midnight)?)
            }),
        }
        .ok_or_else(|| Error::Input("give a month such as 2026-11".to_owned()))?;
        if from > now {
            return Err(Error::Input("that month has not begun: choose one that has".to_owned()));
        }
        let at = to.min(now);
        // What bears this very moment's time has happened, too.
        let before = to.min(now.saturating_add(SignedDuration::from_millis(1)).unwrap_or(now));
        let named = match (month, calendar.zone()) {
            (Some(month), _) => month.to_owned(),
            (None, Some(zone)) => zone.local(from).strftime("%Y-%m").to_string(),
            (None, None) => from.strftime("%Y-%m").to_string(),
        };
        let mut lists: BTreeMap<MachineList, BTreeSet<MachineRow>> =
            MachineList::ALL.map(|list| (list, BTreeSet::new())).into();
        let mut managed = BTreeSet::new();
        for (id, stood) in self.stood(before)? {
            let known = self.name_of(&stood.name).ok();
            if let Some(name) = known.as_ref().filter(|_| stood.is_there()) {
                managed.insert(name.clone());
            }
            list_endpoint(&mut lists, &id, known.as_ref(), &stood, from);
        }
        let register = self.list_seen(&mut lists, &managed, before)?;
        let lists = lists.into_iter().map(|(list, rows)| (list, rows.into_iter().collect()));
        let (entries, lists) = (self.state().entries, lists.collect());
        Ok(MonthlyStatement { month: named, from, at, entries, register, lists })
    }

    /// How endpoints stood just before `at`.
    fn stood(&self, at: Timestamp) -> Result<BTreeMap<RecordId, Stood>, Error> {
        let mut told = self.memberships().0.lock().unwrap_or_else(PoisonError::into_inner);
        told.read_on(self.heart().views())?;
        let of = |(id, became): (&RecordId, &Vec<Became>)| {
            let mut stood = None;
            for became in became {
                match (became, &mut stood) {
                    (Became::Asked { at: asked, name, ring }, _) if *asked < at => {
                        stood = Some(Stood::new(*name, ring.clone(), Some(*asked)));
                    }
                    (became, Some(stood)) => stood.become_so(became, at),
                    _ => {}
                }
            }
            Some((id.clone(), stood?))
        };
        let mut all: BTreeMap<RecordId, Stood> = told.became.iter().filter_map(of).collect();
        // Those of a log before this one.
        let state = self.state();
        for (id, known) in state.endpoints.iter().filter(|(id, _)| !told.was_asked(id)) {
            let mut stood = Stood::new(known.name, known.ring.clone(), None);
            let since = known.election.map(|election| election.since);
            let active = known.standing != Standing::Pending;
            stood.joined = active.then_some(since.unwrap_or(Timestamp::UNIX_EPOCH));
            stood.left = (known.standing == Standing::Retired).then_some(Timestamp::UNIX_EPOCH);
            stood.elected = known.election.is_none_or(|election| election.elected);
            stood.elected_since = since;
            stood.kind = known.description.kind;
            all.insert(id.clone(), stood);
        }
        Ok(all)
    }

    /// Lists machines that are not managed. Gives the register that counts.
    fn list_seen(
        &self,
        lists: &mut BTreeMap<MachineList, BTreeSet<MachineRow>>,
        managed: &BTreeSet<EndpointName>,
        at: Timestamp,
    ) -> Result<Option<(Timestamp, u64)>, Error> {
        let known: BTreeSet<&str> =
            managed.iter().flat_map(|name| both_names(name.as_str())).collect();
        let is_managed = |name: &str| both_names(name).any(|name| known.contains(name));
        let rows = self.heart().views().rows::<SeenRow>(rows::SEEN, b"", ROWS_MAX);
        let (mut register, mut certificates) = (None, BTreeMap::new());
        for (_, row) in rows.map_err(Error::Views)? {
            match row {
                SeenRow::Register { at: came, register: record } if came < at => {
                    register = Some((came, record));
                }
                SeenRow::Certificate { at: came, name, not_after }
                    if came < at && at < not_after =>
                {
                    if let Ok(name) = self.name_of(&name) {
                        certificates.entry(name.to_string()).or_insert(came);
                    }
                }
                _ => {}
            }
        }
        let row = |name: &str, kind: Option<EndpointKind>, since: Timestamp| MachineRow {
            name: name.to_owned(),
            endpoint: false,
            ring: None,
            kind,
            since: Some(since),
        };
        let seen = certificates.iter().filter(|(name, _)| !is_managed(name));
        let seen: BTreeSet<_> = seen.map(|(name, since)| row(name, None, *since)).collect();
        let assets = register.and_then(|(came, record)| Some((came, self.assets_behind(&record)?)));
        let (came, assets): (Option<Timestamp>, Vec<Asset>) =
            assets.map_or((None, Vec::new()), |(came, assets)| (Some(came), assets));
        let only = assets
            .iter()
            .filter(|asset| !is_managed(&asset.name) && !certificates.contains_key(&asset.name));
        let only = only.filter_map(|asset| Some(row(&asset.name, asset.kind, came?)));
        lists.insert(MachineList::RegisterOnly, only.collect());
        lists.insert(MachineList::ViewOnly, seen);
        Ok(came.map(|came| (came, assets.len() as u64)))
    }
}

impl Told {
    fn read_on(&mut self, views: &Views) -> Result<(), Error> {
        let rows = views.rows_from::<MemberRow>(rows::MEMBERS, &self.next.to_be_bytes(), ROWS_MAX);
        for (key, row) in rows.map_err(Error::Views)? {
            let entry = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            self.next = self.next.max(entry.saturating_add(1));
            self.became.entry(row.id).or_default().push(row.became);
        }
        Ok(())
    }

    /// Whether this log has it that the endpoint asked to join.
    fn was_asked(&self, id: &RecordId) -> bool {
        let first = self.became.get(id).and_then(|became| became.first());
        matches!(first, Some(Became::Asked { .. }))
    }
}

impl Stood {
    fn become_so(&mut self, became: &Became, end: Timestamp) {
        match became {
            Became::Joined { at } if *at < end => self.joined = Some(*at),
            Became::Elected { at, elected } if *at < end => {
                (self.elected, self.elected_since) = (*elected, Some(*at));
            }
            Became::Described { at, kind } if *at < end => self.kind = *kind,
            Became::Left { at } if *at < end => self.left = Some(*at),
            _ => {}
        }
    }
}

/// A machine's name, and the short one where it has a domain: registers have either.
fn both_names(name: &str) -> impl Iterator<Item = &str> {
    let short = name.split_once('.').map(|(short, _)| short);
    std::iter::once(name).chain(short)
}

fn first_day(month: &str) -> Option<Date> {
    (month.len() == 7).then(|| format!("{month}-01").parse().ok())?
}

/// Puts an endpoint into its lists.
fn list_endpoint(
    lists: &mut BTreeMap<MachineList, BTreeSet<MachineRow>>,
    id: &RecordId,
    name: Option<&EndpointName>,
    stood: &Stood,
    from: Timestamp,
) {
    let mut put = |list: MachineList, since: Option<Timestamp>| {
        let row = MachineRow {
            name: name.map_or_else(|| id.to_string(), ToString::to_string),
            endpoint: name.is_some(),
            ring: Some(stood.ring.clone()),
            kind: stood.kind,
            since: since.filter(|since| *since > Timestamp::UNIX_EPOCH),
        };
        lists.entry(list).or_default().insert(row);
    };
    if stood.joined.is_some_and(|joined| joined >= from) {
        put(MachineList::Joined, stood.joined);
    }
    if stood.joined.is_some() && stood.left.is_some_and(|left| left >= from) {
        put(MachineList::Left, stood.left);
    }
    match (stood.joined, stood.left) {
        (_, Some(_)) => {}
        (None, None) => put(MachineList::Pending, stood.asked),
        (Some(_), None) if !stood.elected => put(MachineList::ElectedOut, stood.elected_since),
        (Some(joined), None) => {
            let list = match stood.kind {
                Some(EndpointKind::Server) => MachineList::Servers,
                Some(EndpointKind::Workstation) => MachineList::Workstations,
                None => MachineList::KindNotSaid,
            };
            put(list, stood.elected_since.or(Some(joined)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_past_month_says_what_held_at_its_end() {
        let mut stood = Stood::new(
            Digest::of(b"web1"),
            "broad".parse().unwrap(),
            Some(at("2026-10-01T00:00:00Z")),
        );
        let end = at("2026-11-01T00:00:00Z");
        let server = Some(EndpointKind::Server);
        for became in [
            Became::Joined { at: at("2026-10-02T00:00:00Z") },
            Became::Elected { at: at("2026-10-02T00:00:00Z"), elected: true },
            Became::Described { at: at("2026-10-03T00:00:00Z"), kind: server },
            Became::Elected { at: at("2026-11-05T00:00:00Z"), elected: false },
            Became::Left { at: at("2026-11-20T00:00:00Z") },
        ] {
            stood.become_so(&became, end);
        }
        let name = "web1".parse().unwrap();
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let mut lists = BTreeMap::new();
        list_endpoint(&mut lists, &id, Some(&name), &stood, at("2026-10-01T00:00:00Z"));
        let held: Vec<_> = lists.keys().copied().collect();
        assert_eq!(held, [MachineList::Servers, MachineList::Joined]);
    }

    #[test]
    fn months_and_names_are_read_as_people_write_them() {
        assert!(first_day("2026-11").is_some());
        for wrong in ["2026-13", "2026", "November", "2026-11-01"] {
            assert!(first_day(wrong).is_none(), "{wrong}");
        }
        let names: Vec<_> = both_names("web1.lab.example").collect();
        assert_eq!(names, ["web1.lab.example", "web1"]);
    }
}
