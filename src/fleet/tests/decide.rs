//! What may happen: each rule as a user would meet it, and replay that never diverges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{Actor, AnchorKind, CarriedCommit, Command, Commit, Event, Fact, HeldBack, Lack};
use fleet::{ImportedSource, Refused, SourceFacts, State, VIEWS_KEPT, Verdict, decide};
use ids::{Digest, RecordId, RingName, SourceId, Timestamp};
use jiff::SignedDuration;
use std::collections::BTreeMap;

struct Site {
    state: State,
    now: Timestamp,
    events: Vec<Event>,
}

fn ring() -> RingName {
    "broad".parse().unwrap()
}

fn source() -> SourceId {
    "debian-bookworm-security".parse().unwrap()
}

fn record(n: u64) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ69{n:05}").parse().unwrap()
}

fn bundle(sequence: u64) -> Digest {
    Digest::of(&sequence.to_be_bytes())
}

impl Site {
    fn founded() -> Self {
        let now = "2026-11-22T08:00:00Z".parse().unwrap();
        let mut site = Self { state: State::default(), now, events: Vec::new() };
        let anchor =
            (AnchorKind::PublisherRoot, "publisher".to_owned(), Digest::of(b"root"), Vec::new());
        site.does(Command::CreateSite {
            site: "lab".parse().unwrap(),
            origin: "patchkeep.invalid/lab/epoch-1".into(),
            keys: vec![("log".into(), "vkey".into())],
            anchors: vec![anchor],
            ring: ring(),
        });
        site
    }

    fn asks(&mut self, command: Command) -> Result<Vec<Fact>, Refused> {
        let facts = decide(&self.state, command, self.now)?;
        for fact in &facts {
            let event = Event { at: self.now, actor: Actor::Appliance, fact: fact.clone() };
            self.state.evolve(&event);
            self.events.push(event);
        }
        Ok(facts)
    }

    fn does(&mut self, command: Command) -> Vec<Fact> {
        self.asks(command).unwrap()
    }

    fn begins(&mut self, sequence: u64) {
        let custody = record(sequence);
        self.does(Command::OpenCustody { custody: custody.clone(), record: Digest::of(b"c") });
        self.does(Command::StartImport { custody, bundle: bundle(sequence), sequence });
    }

    fn commits(&mut self, sequence: u64, missing: u64) -> Result<Vec<Fact>, Refused> {
        self.asks(Command::CommitImport(Box::new(commit(sequence, missing))))
    }

    fn imports(&mut self, sequence: u64, missing: u64) -> Vec<Fact> {
        self.begins(sequence);
        self.commits(sequence, missing).unwrap()
    }

    fn imports_held_back(&mut self, sequence: u64) -> Vec<Fact> {
        self.begins(sequence);
        let lack = Lack { packages: 2, endpoints: 1 };
        let held = HeldBack { ring: ring(), source: source(), lack, need: Digest::of(b"need") };
        let commit = Commit { held_back: vec![held], ..commit(sequence, 0) };
        self.does(Command::CommitImport(Box::new(commit)))
    }

    fn points_at(&self) -> Option<u64> {
        self.state.pointers.get(&(ring(), source())).map(|p| p.0)
    }
}

fn commit(sequence: u64, missing: u64) -> Commit {
    let date = "2026-11-20T00:00:00Z".parse().unwrap();
    Commit {
        custody: record(sequence),
        bundle: bundle(sequence),
        sequence,
        metadata: Digest::of(b"list"),
        publisher: trust::Publisher {
            roots: BTreeMap::from([(1, Digest::of(b"root"))]),
            timestamp: None,
            snapshot: None,
            latest_signed_at: None,
        },
        sources: vec![ImportedSource {
            source: source(),
            catalogue: Digest::of(b"catalogue"),
            vendor: SourceFacts {
                release: Digest::of(b"release"),
                release_date: date,
                valid_until: None,
                signature: None,
                signed_by: vec!["ED54".into()],
                anchor: "debian".into(),
            },
            files: 3,
            updates: 1,
            cves: 1,
            missing,
        }],
        payloads_new: 3,
        bytes_new: 300,
        signed_time: date,
        previous: None,
        held_back: Vec::new(),
    }
}

#[test]
fn nothing_happens_before_the_site_is_founded_and_it_is_founded_once() {
    let mut nowhere =
        Site { state: State::default(), now: Timestamp::UNIX_EPOCH, events: Vec::new() };
    let view = Command::ViewLog { filter: String::new(), entries: 0 };
    assert_eq!(nowhere.asks(view), Err(Refused::NoSite));
    let mut site = Site::founded();
    let again = Command::CreateSite {
        site: "other".parse().unwrap(),
        origin: String::new(),
        keys: Vec::new(),
        anchors: Vec::new(),
        ring: ring(),
    };
    assert!(matches!(site.asks(again), Err(Refused::SiteExists { .. })));
}

#[test]
fn a_ring_follows_complete_views_only() {
    let mut site = Site::founded();
    site.imports(1, 0);
    assert_eq!(site.points_at(), Some(1));
    site.imports(2, 5);
    assert_eq!(site.points_at(), Some(1), "view 2 lacks files");
    let refused = site.asks(Command::PointRing {
        ring: ring(),
        source: source(),
        sequence: Some(2),
        lack: None,
    });
    assert!(matches!(refused, Err(Refused::Incomplete { missing: 5, .. })));
}

#[test]
fn a_ring_stays_while_a_view_lacks_what_its_endpoints_need() {
    let mut site = Site::founded();
    site.imports(1, 0);
    let facts = site.imports_held_back(2);
    assert!(matches!(facts[1], Fact::RingHeldBack { sequence: 2, packages: 2, endpoints: 1, .. }));
    assert_eq!((site.points_at(), facts.len()), (Some(1), 2));
    assert_eq!(site.state.held_back[&(ring(), source())].sequence, 2);
    let lack = Some(Lack { packages: 2, endpoints: 1 });
    let point =
        |sequence, lack| Command::PointRing { ring: ring(), source: source(), sequence, lack };
    let refused = site.asks(point(None, lack)).unwrap_err();
    assert_eq!(refused.fault(), ids::Fault::Refused);
    let said = refused.to_string();
    for part in ["lacks 2 packages", "what 1 endpoint in ring broad", "--sequence 2`"] {
        assert!(said.contains(part), "{said}");
    }
    // What it points at already is no move.
    assert_eq!(site.does(point(Some(1), lack)), []);
    site.imports(3, 0);
    assert_eq!(site.points_at(), Some(3));
    assert!(site.state.held_back.is_empty());
}

#[test]
fn a_carrier_that_completes_a_view_moves_the_ring() {
    let mut site = Site::founded();
    site.imports(2, 5);
    assert_eq!(site.points_at(), None);
    site.begins(1);
    let carried = |missing| {
        Command::CommitCarried(CarriedCommit {
            custody: record(1),
            bundle: bundle(1),
            sequence: 1,
            payloads_new: 5,
            bytes_new: 50,
            missing: vec![(source(), missing)],
            held_back: Vec::new(),
        })
    };
    site.does(carried(0));
    assert_eq!(site.points_at(), Some(2));
    assert_eq!(site.state.newest.unwrap().0, 2, "its metadata was left alone");
}

#[test]
fn an_older_bundle_cannot_be_committed_over_a_newer_one() {
    let mut site = Site::founded();
    site.begins(3);
    site.imports(4, 0);
    assert!(matches!(site.commits(3, 0), Err(Refused::Overtaken { sequence: 3, newest: 4 })));
}

#[test]
fn numbers_that_stolen_keys_pushed_up_are_left_behind_by_a_new_root() {
    let mut site = Site::founded();
    site.imports(1, 0);
    site.imports(90_000, 0);
    assert_eq!(site.points_at(), Some(90_000));
    let recovered = |sequence, missing| {
        let mut commit = commit(sequence, missing);
        commit.publisher.roots.insert(2, Digest::of(b"second root"));
        Command::CommitImport(Box::new(commit))
    };
    site.begins(2);
    assert!(matches!(site.commits(2, 0), Err(Refused::Overtaken { .. })), "by the old root");
    site.does(recovered(2, 4));
    assert_eq!(site.state.newest_view(&source()).unwrap().0, 2);
    assert_eq!(site.points_at(), Some(90_000), "view 2 lacks files");
    site.begins(3);
    site.does(recovered(3, 0));
    assert_eq!(site.points_at(), Some(3));
    // What is left of the pushed-up number is the oldest view, and the first to go.
    site.begins(4);
    site.does(recovered(4, 0));
    let kept: Vec<u64> = site.state.views.keys().map(|(_, sequence)| *sequence).collect();
    assert_eq!(kept, [2, 3, 4]);
    // The old root's word is an older one again; a number that is in use is not used twice.
    site.begins(5);
    site.does(recovered(5, 0));
    let mut third = commit(3, 0);
    third.publisher.roots.extend([(2, Digest::of(b"second root")), (3, Digest::of(b"third"))]);
    site.begins(3);
    let taken = site.asks(Command::CommitImport(Box::new(third)));
    assert_eq!(taken, Err(Refused::NumberTaken { sequence: 3 }));
}

#[test]
fn nothing_is_committed_that_was_not_begun() {
    let mut site = Site::founded();
    assert!(matches!(site.commits(1, 0), Err(Refused::NoImport { .. })));
    let nobody = Command::StartImport { custody: record(9), bundle: bundle(9), sequence: 9 };
    assert!(matches!(site.asks(nobody), Err(Refused::NoCustody { .. })));
}

#[test]
fn an_import_that_goes_on_is_not_begun_twice() {
    let mut site = Site::founded();
    site.begins(1);
    let import = site.state.open_imports[&bundle(1)].import.clone();
    site.does(Command::PauseImport {
        bundle: bundle(1),
        reason: "medium-away".into(),
        missing_volumes: vec![2],
    });
    let custody = record(77);
    site.does(Command::OpenCustody { custody: custody.clone(), record: Digest::of(b"c") });
    let facts = site.does(Command::StartImport { custody, bundle: bundle(1), sequence: 1 });
    assert!(facts.is_empty());
    assert_eq!(site.state.open_imports[&bundle(1)].import, import, "what was read is found again");
    assert_eq!(site.state.open_imports[&bundle(1)].missing_volumes, Some(vec![2]));
}

#[test]
fn a_skipped_bundle_shows() {
    let mut site = Site::founded();
    site.imports(1, 0);
    site.begins(3);
    let facts = site
        .asks(Command::CommitImport(Box::new(Commit { previous: Some(2), ..commit(3, 0) })))
        .unwrap();
    assert!(matches!(&facts[0], Fact::BundleImported { skipped: true, previous: Some(1), .. }));
}

#[test]
fn a_clock_that_went_back_is_said_once_and_never_below_the_floor() {
    let mut site = Site::founded();
    site.imports(1, 0);
    let before = site.now;
    site.now = before - SignedDuration::from_hours(24 * 30);
    let facts = site.does(Command::ViewLog { filter: "x".into(), entries: 0 });
    assert!(matches!(facts[0], Fact::ClockWentBack { by_seconds: 2_592_000 }));
    let facts = site.does(Command::ViewLog { filter: "x".into(), entries: 0 });
    assert_eq!(facts.len(), 1);
    let floor = site.state.signed_floor.unwrap();
    assert_eq!(fleet::effective_now(&site.state, site.now), floor);
}

#[test]
fn old_views_go_but_not_those_that_a_ring_points_at() {
    let mut site = Site::founded();
    site.imports(1, 0);
    for sequence in 2..10 {
        site.imports(sequence, 1);
    }
    let kept: Vec<u64> = site.state.views.keys().map(|(_, n)| *n).collect();
    assert_eq!(kept.len(), VIEWS_KEPT + 1);
    assert_eq!(kept[0], 1, "the ring still points at it");
}

#[test]
fn a_custody_record_is_closed_once() {
    let mut site = Site::founded();
    site.does(Command::OpenCustody { custody: record(1), record: Digest::of(b"c") });
    let close = Command::CloseCustody {
        custody: record(1),
        record: Digest::of(b"d"),
        verdict: Verdict::Rejected,
    };
    site.does(close.clone());
    assert!(matches!(site.asks(close), Err(Refused::NoCustody { .. })));
}

proptest::proptest! {
    /// Whatever is asked in whatever order: generations only rise, pointers point at whole views,
    /// and a replay from any snapshot ends in the same state.
    #[test]
    fn replay_never_diverges(moves in proptest::collection::vec((0_u8..6, 1_u64..6, 0_u64..3), 1..60)) {
        let mut site = Site::founded();
        let mut generation = 0;
        for (act, sequence, missing) in moves {
            let result = match act {
                0 => { site.begins(sequence); Ok(Vec::new()) }
                1 => site.commits(sequence, missing),
                2 => site.asks(Command::PointRing { ring: ring(), source: source(), sequence: Some(sequence), lack: None }),
                3 => site.asks(Command::PointRing { ring: ring(), source: source(), sequence: None, lack: None }),
                4 => site.asks(Command::PauseImport { bundle: bundle(sequence), reason: "x".into(), missing_volumes: vec![1] }),
                _ => site.asks(Command::ViewLog { filter: String::new(), entries: 0 }),
            };
            drop(result);
            if let Some((at, now)) = site.state.pointers.get(&(ring(), source())) {
                proptest::prop_assert!(*now >= generation);
                generation = *now;
                let view = site.state.views.get(&(source(), *at));
                proptest::prop_assert!(view.is_some_and(|v| v.missing == 0));
            }
        }
        let half = site.events.len() / 2;
        let mut state = State::default();
        site.events[..half].iter().for_each(|e| state.evolve(e));
        let text = serde_json::to_vec(&state).unwrap();
        let mut state: State = serde_json::from_slice(&text).unwrap();
        site.events[half..].iter().for_each(|e| state.evolve(e));
        proptest::prop_assert_eq!(state, site.state);
    }
}
