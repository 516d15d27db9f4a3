//! A thousand agents: every one is answered, what each says is recorded once, and a power cut in the middle
//! of their work takes nothing from any of them.

use crate::house::House;
use api::{Job, JobEnd, JobPhase, WayBack};
use fleet::{Actor, Fact};
use ids::{Digest, Timestamp};
use merkle::VerifierKey;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tests::{Drone, Swarm, patchkeep, swarm};
use trust::APPROVAL;

const AGENTS: usize = 1_000;
/// The way of a job that goes well.
const PHASES: [JobPhase; 5] = [
    JobPhase::WaitingForWindow,
    JobPhase::Snapshotting,
    JobPhase::WayBackProven,
    JobPhase::Applying,
    JobPhase::Ended,
];

#[test]
fn a_thousand_agents_are_answered_and_each_word_is_recorded_once() {
    // Ten thousand small files, each synced: in memory where there is some, for what a busy disk makes of
    // them is not the question here.
    if Path::new("/dev/shm").is_dir() {
        tempfile::env::override_temp_dir(Path::new("/dev/shm")).unwrap();
    }
    let mut house = House::new();
    let swarm = Swarm::new(&house.appliance, &house.here().people, &house.here().endpoints);
    let offered = house.offered;
    let drones = swarm.joined((0..AGENTS).map(|number| format!("m{number:04}")));
    let drones = swarm.all(drones, |mut drone| async move {
        let inventory = Some(swarm::inventory(&drone.name));
        drone.check_in(&api::CheckIn { inventory, ..swarm::quiet() }).await?;
        let plan = Some(swarm::plan(offered));
        drone.check_in(&api::CheckIn { plan, ..swarm::quiet() }).await?;
        let orders = drone.check_in(&swarm::quiet()).await?;
        assert!(!orders.wants_inventory, "{}", drone.name);
        Ok(drone)
    });
    let listed = house.appliance.verb(&["update", "list"], &["--json"]).ok().json();
    assert_eq!(listed["endpoints"].as_array().unwrap().len(), AGENTS);
    assert_eq!(listed["without_plan"], json!([]));
    house.approve(&[]).ok().says("package-0 2 amd64");
    let drones = report_through_a_power_cut(&mut house, &swarm, drones);
    let drones = swarm.all(drones, |mut drone| async {
        let orders = drone.check_in(&swarm::quiet()).await?;
        assert!(!orders.wants_inventory && orders.approval.is_some(), "{}", drone.name);
        Ok(drone)
    });
    assert!(drones.iter().all(|drone| drone.proofs > 0), "nobody saw the log grow");
    let all = house.appliance.verb(&["endpoint", "list"], &["--json"]).ok().json();
    let all = all.as_array().unwrap();
    let well = |endpoint: &&serde_json::Value| {
        endpoint["standing"] == "active"
            && endpoint["has_plan"] == true
            && endpoint["job"]["end"] == "effective"
            && endpoint["doubt"].is_null()
            && endpoint["vouches"]["size"].is_u64()
    };
    assert_eq!((all.len(), all.iter().filter(well).count()), (AGENTS, AGENTS));
    let zip = house.path("evidence.zip");
    house.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    let key = house.appliance.verb(&["audit", "key"], &["--json"]).ok().json();
    let verified = patchkeep(["audit", "verify", &zip, "--key", key.as_str().unwrap()]).ok();
    verified.says(&format!("the checkpoints that {AGENTS} endpoints held are signed by the log"));
    count(&house, drones[0].log().unwrap());
}

/// Every agent reports its job to the end; half way, the appliance loses its power.
fn report_through_a_power_cut(house: &mut House, swarm: &Swarm, drones: Vec<Drone>) -> Vec<Drone> {
    let answered = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        let reporting = scope.spawn(|| {
            swarm.all(drones, |mut drone| {
                let answered = Arc::clone(&answered);
                async move {
                    let orders = drone.insist(&swarm::quiet()).await?;
                    let envelope = orders.approval.unwrap();
                    let approval = Digest::of(&envelope.unverified_payload(APPROVAL).unwrap());
                    for phase in PHASES {
                        let end = (phase == JobPhase::Ended).then_some(JobEnd::Effective);
                        let way_back = (phase >= JobPhase::WayBackProven).then_some(WayBack::Own);
                        let job = Job { approval, phase, at: Timestamp::now(), way_back, end };
                        drone.insist(&swarm::report(job)).await?;
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(drone)
                }
            })
        });
        while answered.load(Ordering::Relaxed) < AGENTS * PHASES.len() / 2 {
            assert!(!reporting.is_finished(), "it ended before the power was cut");
            thread::sleep(Duration::from_millis(5));
        }
        house.power_cut();
        reporting.join().unwrap()
    })
}

/// What the ledger says of endpoints is what each said, once: a check-in that says nothing new leaves nothing.
fn count(house: &House, key: &VerifierKey) {
    let mut by_endpoint: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for event in house.events(key) {
        let Actor::Endpoint { endpoint } = event.actor else { continue };
        let word = match event.fact {
            Fact::JobReported { job, .. } => job.word().to_owned(),
            fact => fact.kind().to_owned(),
        };
        // The last of them ends the run, which is no word of its own.
        if word != "run-ended" {
            by_endpoint.entry(endpoint).or_default().push(word);
        }
    }
    assert_eq!(by_endpoint.len(), AGENTS);
    let once = [
        "endpoint-asked",
        "inventory-received",
        "plan-received",
        "waiting for window",
        "snapshotting",
        "way back proven",
        "applying",
        "effective",
    ];
    for (endpoint, words) in by_endpoint {
        assert_eq!(words, once, "{endpoint}");
    }
}
