//! Runs over endpoints that say what real agents say: what holds them back, what lets them go on.

use crate::house::House;
use api::{Job, JobEnd, JobPhase, Orders, WayBack};
use fleet::{Event, Fact, PauseCause, RunEnd};
use ids::{Digest, Timestamp};
use merkle::VerifierKey;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tests::{Drone, Said, Swarm, swarm};
use vendor_apt::Inventory;

/// A site whose endpoints have said what they would apply.
pub(crate) struct Yard {
    pub(crate) house: House,
    swarm: Swarm,
    drones: Vec<Drone>,
    log: VerifierKey,
    /// The step that was said last, and since when: an agent says when it got there.
    last: Option<(Step, Timestamp)>,
}

/// A job's report, as far as tests differ.
pub(crate) type Step = (JobPhase, Option<WayBack>, Option<JobEnd>);

/// A step of a job.
pub(crate) const fn step(phase: JobPhase, way_back: Option<WayBack>, end: Option<JobEnd>) -> Step {
    (phase, way_back, end)
}

const WAITING: Step = (JobPhase::WaitingForWindow, None, None);
const APPLYING: Step = (JobPhase::Applying, Some(WayBack::Own), None);
const UNDECIDED: Step = (JobPhase::AwaitingDecision, Some(WayBack::Own), None);
const FAILED: Step = (JobPhase::Ended, Some(WayBack::Own), Some(JobEnd::Failed));
const RESTORED: Step = (JobPhase::Ended, Some(WayBack::Own), Some(JobEnd::Restored));
const EFFECTIVE: Step = (JobPhase::Ended, Some(WayBack::Own), Some(JobEnd::Effective));

impl Yard {
    pub(crate) fn new(count: usize) -> Self {
        let house = House::new();
        let swarm = Swarm::new(&house.appliance, &house.here().people, &house.here().endpoints);
        let offered = house.offered;
        let joined = swarm.joined((0..count).map(|n| format!("web{n}")));
        let mut drones = swarm.all(joined, |mut drone| async move {
            let said = api::CheckIn {
                inventory: Some(swarm::inventory(&drone.name)),
                plan: Some(swarm::plan(offered)),
                ..swarm::quiet()
            };
            drone.check_in(&said).await.map(|_| drone)
        });
        drones.sort_by(|a, b| a.name.cmp(&b.name));
        let log = drones[0].log().unwrap().clone();
        Self { house, swarm, drones, log, last: None }
    }

    pub(crate) fn verb(&self, verb: &[&str], rest: &[&str]) -> Said {
        self.house.appliance.verb(verb, rest)
    }

    pub(crate) fn operator(&self, verb: &str, rest: &[&str]) -> Said {
        self.verb(&["run", verb], &[rest, &["--as", "oscar"]].concat())
    }

    pub(crate) fn plan(&self, words: &[&str]) {
        self.operator("plan", &[&["--approver", "kim"], words].concat()).ok();
    }

    pub(crate) fn approve(&self) -> Said {
        let key = self.house.key("kim");
        self.verb(&["run", "approve"], &["broad", "--key", &key, "--yes", "--as", "kim"])
    }

    /// What `run report` says to scripts.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.verb(&["run", "report"], &["broad", "--json"]).ok().out).unwrap()
    }

    fn approval(&self) -> Digest {
        self.report()["statement"].as_str().unwrap().parse().unwrap()
    }

    /// These endpoints check in, each with this report; what they are told, in their order.
    pub(crate) fn say(&mut self, who: std::ops::Range<usize>, step: Step) -> Vec<Orders> {
        let (approval, (phase, way_back, end)) = (self.approval(), step);
        let at = match self.last {
            Some((last, at)) if last == step => at,
            _ => Timestamp::now(),
        };
        self.last = Some((step, at));
        let told = Arc::new(Mutex::new(Vec::new()));
        let after = self.drones.split_off(who.end);
        let speakers = self.drones.split_off(who.start);
        let spoken = self.swarm.all(speakers, |mut drone| {
            let told = Arc::clone(&told);
            async move {
                let job = Job { approval, phase, at, way_back, end };
                let orders = drone.check_in(&swarm::report(job)).await?;
                told.lock().unwrap().push((drone.name.clone(), orders));
                Ok(drone)
            }
        });
        self.drones.extend(spoken);
        self.drones.extend(after);
        self.drones.sort_by(|a, b| a.name.cmp(&b.name));
        let mut told = std::mem::take(&mut *told.lock().unwrap());
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told.into_iter().map(|(_, orders)| orders).collect()
    }

    /// The first endpoint says that it has the packages in this version.
    fn has(&mut self, version: &str) {
        let stanza = |(name, version): (&str, &str)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            )
        };
        let status = [("dpkg", "1.21.22"), ("package-0", version), ("package-1", version)];
        let status = status.map(stanza).concat();
        let first = self.drones.remove(0);
        let taken =
            Inventory::take(first.name.clone(), Timestamp::now(), status.as_bytes(), &[], vec![]);
        let said = api::CheckIn { inventory: Some(taken.unwrap()), ..swarm::quiet() };
        let said = Arc::new(said);
        let spoken = self.swarm.all(vec![first], |mut drone| {
            let said = Arc::clone(&said);
            async move { drone.check_in(&said).await.map(|_| drone) }
        });
        self.drones.splice(0..0, spoken);
    }

    /// Whether all of these may begin.
    fn may_begin(&mut self, who: std::ops::Range<usize>) -> Vec<Result<(), String>> {
        let orders = self.say(who, WAITING);
        orders
            .into_iter()
            .map(|orders| match orders.run {
                Some(run) if run.go => Ok(()),
                Some(run) => Err(run.why),
                None => Err("it is in no run".to_owned()),
            })
            .collect()
    }

    fn events(&self) -> Vec<Event> {
        // Whatever is said so far is published with the next check-in or half a minute later.
        self.verb(&["audit", "show"], &["--as", "eva"]).ok();
        self.house.events(&self.log)
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.events().iter().map(|event| event.fact.kind()).collect()
    }
}

#[test]
fn nobody_begins_before_a_planned_run_was_approved_and_started() {
    let mut yard = Yard::new(2);
    yard.plan(&[]);
    let refused = yard.operator("start", &["broad"]);
    assert!(refused.exits(5).has("planned, and not approved"));
    yard.approve().ok();
    for held in yard.may_begin(0..2) {
        assert!(held.is_err());
    }
    yard.operator("start", &["broad"]).ok();
    assert_eq!(yard.may_begin(0..2), [Ok(()), Ok(())]);
    assert_eq!(yard.report()["tally"]["members"], 2);

    yard.operator("pause", &["broad"]).ok();
    assert_eq!(yard.may_begin(0..1), [Err("its run is paused: a person paused it".into())]);
    yard.operator("resume", &["broad"]).ok();
    assert_eq!(yard.may_begin(0..1), [Ok(())]);

    yard.say(0..2, APPLYING);
    yard.say(0..2, EFFECTIVE);
    let report = yard.report();
    assert_eq!(report["stands"], "complete");
    assert_eq!(report["tally"]["ends"], serde_json::json!([["effective", 2]]));
    let watched = yard.verb(&["run", "watch"], &["broad"]).ok();
    assert!(watched.out.contains("2 endpoints: 2 effective, 0 failed"), "{}", watched.out);
}

#[test]
fn an_approval_that_nobody_planned_is_a_run_at_once() {
    let mut yard = Yard::new(1);
    let key = yard.house.key("kim");
    yard.verb(&["approve"], &["--key", &key, "--yes", "--as", "kim"]).ok();
    assert_eq!(yard.may_begin(0..1), [Ok(())]);
    yard.verb(&["withdraw"], &["--key", &key, "--yes", "--as", "kim", "--reason", "x"]).ok();
    assert_eq!(yard.report()["stands"], "overtaken by a newer statement");
}

#[test]
fn too_many_failures_pause_a_run_until_a_person_lets_it_go_on() {
    let mut yard = Yard::new(6);
    yard.plan(&["--brake-failures", "2", "--brake-per-cent", "0"]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    yard.say(0..2, APPLYING);
    yard.say(0..1, UNDECIDED);
    assert_eq!(yard.may_begin(4..5), [Ok(())], "one failure is not too many");
    yard.say(1..2, FAILED);
    let braked = [Err("its run is paused: too many endpoints failed".into())];
    assert_eq!(yard.may_begin(4..5), braked);
    // What became of the first of them is no new failure.
    yard.operator("resume", &["broad"]).ok();
    yard.say(0..1, RESTORED);
    assert_eq!(yard.may_begin(4..5), [Ok(())]);
    yard.say(2..4, APPLYING);
    yard.say(2..4, FAILED);
    assert_eq!(yard.may_begin(4..5), braked, "two more since a person let it go on");
    let pauses = yard
        .events()
        .into_iter()
        .filter(|event| matches!(event.fact, Fact::RunPaused { cause: PauseCause::Brake, .. }));
    assert_eq!(pauses.count(), 2);
}

#[test]
fn what_cannot_have_happened_is_refused_recorded_and_loses_nothing() {
    let mut yard = Yard::new(2);
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    let unsecured = (JobPhase::Applying, None, None);
    assert!(yard.say(0..1, unsecured)[0].run.as_ref().is_some_and(|run| run.go), "it is answered");
    let snapshot = (JobPhase::Applying, Some(WayBack::Provided), None);
    yard.say(0..1, snapshot);
    assert_eq!(yard.report()["tally"]["begun"], 0);
    yard.say(0..1, APPLYING);
    yard.say(0..1, RESTORED);
    yard.say(0..1, EFFECTIVE);
    let report = yard.report();
    assert_eq!(report["endpoints"][0]["stands"], "restored");
    assert_eq!(report["tally"]["ends"], serde_json::json!([["restored", 1]]));
    let refused = yard.kinds().into_iter().filter(|kind| *kind == "report-refused").count();
    assert_eq!(refused, 3);
}

#[test]
fn a_ring_waits_until_the_one_before_it_has_soaked() {
    let mut yard = Yard::new(1);
    yard.verb(&["ring", "create"], &["pilot", "--as", "oscar"]).ok();
    let circle = yard.verb(&["ring", "place"], &["pilot", "--after", "pilot", "--as", "oscar"]);
    assert!(circle.exits(3).has("before itself"));
    let words = ["broad", "--after", "pilot", "--soak-hours", "24", "--as", "oscar"];
    yard.verb(&["ring", "place"], &words).ok();
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    let held = yard.may_begin(0..1).remove(0).unwrap_err();
    assert!(held.contains("ring pilot goes first"), "{held}");
    assert!(yard.report()["waits_for"].as_str().unwrap().contains("pilot"));
    // A person may do without, and it is on record.
    yard.operator("cancel", &["broad"]).ok();
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad", "--without-soak"]).ok();
    assert_eq!(yard.may_begin(0..1), [Ok(())]);
    let unsoaked = |fact: &Fact| matches!(fact, Fact::RunStarted { unsoaked: true, .. });
    assert!(yard.events().iter().any(|event| unsoaked(&event.fact)));
}

#[test]
fn a_cancelled_run_begins_nowhere_any_more_and_lets_what_has_begun_end() {
    let mut yard = Yard::new(2);
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    yard.say(0..1, APPLYING);
    yard.operator("cancel", &["broad"]).ok();
    let told = yard.say(0..2, WAITING);
    let over = |orders: &Orders| orders.run.as_ref().and_then(|run| run.over);
    assert_eq!([over(&told[0]), over(&told[1])], [None, Some(JobEnd::Cancelled)]);
    yard.say(0..1, EFFECTIVE);
    let ended = |event: &Event| matches!(event.fact, Fact::RunEnded { end: RunEnd::Cancelled, .. });
    assert!(yard.events().iter().any(ended));
    assert_eq!(yard.report()["endpoints"][0]["stands"], "effective");
}

#[test]
fn a_person_decides_about_what_failed_and_the_endpoint_hears_it() {
    let mut yard = Yard::new(1);
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    let early = yard.operator("restore", &["web0"]);
    assert!(early.exits(5).has("nothing is to be decided"));
    yard.say(0..1, APPLYING);
    assert_eq!(yard.say(0..1, UNDECIDED)[0].run.as_ref().unwrap().resolution, None);
    assert_eq!(yard.report()["endpoints"][0]["wants_decision"], true);
    yard.operator("restore", &["web0"]).ok();
    let told = yard.say(0..1, UNDECIDED).remove(0).run.unwrap();
    assert_eq!(told.resolution, Some(api::Resolution::Restore));
    yard.say(0..1, (JobPhase::Restoring, Some(WayBack::Own), None));
    yard.say(0..1, RESTORED);
    assert_eq!(yard.report()["stands"], "complete");
    assert_eq!(yard.report()["tally"]["failures"], 1);
}

#[test]
fn an_appliance_that_loses_its_power_in_any_state_of_a_run_goes_on_with_it() {
    let mut yard = Yard::new(1);
    yard.plan(&["--brake-failures", "0", "--brake-per-cent", "0"]);
    yard.house.power_cut();
    yard.approve().ok();
    yard.house.power_cut();
    yard.operator("start", &["broad"]).ok();
    yard.house.power_cut();
    let steps = [
        (WAITING, "waiting for window"),
        ((JobPhase::Snapshotting, None, None), "snapshotting"),
        ((JobPhase::WayBackProven, Some(WayBack::Own), None), "way back proven"),
        (APPLYING, "applying"),
        ((JobPhase::AwaitingRestart, Some(WayBack::Own), None), "awaiting restart"),
        ((JobPhase::Confirming, Some(WayBack::Own), None), "confirming"),
        (UNDECIDED, "awaiting decision"),
    ];
    for (step, word) in steps {
        yard.say(0..1, step);
        yard.house.power_cut();
        assert_eq!(yard.report()["endpoints"][0]["stands"], word);
        assert_eq!(yard.report()["stands"], "under way");
    }
    yard.operator("restore", &["web0"]).ok();
    yard.house.power_cut();
    let told = yard.say(0..1, UNDECIDED).remove(0).run.unwrap();
    assert_eq!(told.resolution, Some(api::Resolution::Restore));
    yard.say(0..1, (JobPhase::Restoring, Some(WayBack::Own), None));
    yard.house.power_cut();
    yard.say(0..1, RESTORED);
    yard.house.power_cut();
    assert_eq!(yard.report()["stands"], "complete");
    assert_eq!(yard.report()["tally"]["ends"], serde_json::json!([["restored", 1]]));
}

#[test]
fn a_fix_that_is_gone_again_is_open_again() {
    let mut yard = Yard::new(1);
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    yard.say(0..1, APPLYING);
    yard.say(0..1, EFFECTIVE);
    yard.has("2");
    assert!(yard.report()["endpoints"][0].get("reopened").is_none());
    yard.has("1");
    assert_eq!(yard.report()["endpoints"][0]["reopened"], true);
    yard.verb(&["audit", "show"], &["--as", "eva"]).ok().says("2 packages that approval");
}

#[test]
fn nobody_goes_past_a_version_that_may_not_be_left_out() {
    let yard = Yard::new(1);
    yard.verb(&["ring", "floor"], &["broad", "package-0", "1.5", "--as", "oscar"]).ok();
    let refused = yard.operator("plan", &["--approver", "kim"]);
    let refused = refused.exits(3).says("would apply nothing that is to be approved");
    drop(refused);
    let named = yard.operator("plan", &["--approver", "kim", "--endpoint", "web0"]);
    drop(named.exits(3).says("a version of package-0 that ring broad may not"));
    yard.verb(&["update", "lint"], &[]).ok().says("would leave out a version of package-0");
    yard.verb(&["ring", "floor"], &["broad", "package-0", "2", "--as", "oscar"]).ok();
    yard.plan(&[]);
}
