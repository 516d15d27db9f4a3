//! One run over many endpoints, through the appliance's own use cases: every endpoint says every state of its
//! job, each word in a check-in of its own, each event durable before it is answered.

use crate::fill::{each, fill};
use api::{Job, JobEnd, JobPhase, WayBack};
use ids::{Digest, Timestamp};
use serde_json::json;
use site::{Folder, Site};
use std::fs;
use std::time::Instant;
use tests::{Workshop, scratch, swarm};

/// What each endpoint says of its job, in order.
const STATES: [JobPhase; 6] = [
    JobPhase::WaitingForWindow,
    JobPhase::Snapshotting,
    JobPhase::WayBackProven,
    JobPhase::Applying,
    JobPhase::Confirming,
    JobPhase::Ended,
];

/// Prints what a run of so many endpoints takes.
pub(crate) fn measure(count: usize) {
    let (workshop, people) = (Workshop::new(), scratch());
    let appliance = workshop.appliance();
    let packages = ["package-0", "package-1"].map(|name| (2, name.as_bytes().to_vec()));
    workshop.collect(&workshop.draft_of(1, packages.into()));
    let bundle = workshop.build("bundle", &[]);
    appliance.verb(&["import"], &[bundle.to_str().unwrap(), "--as", "oscar"]).ok();
    appliance.give_people(people.path(), &[]);
    let certificates = fill(&appliance, count);
    let timed = |verb: &[&str], rest: &[&str]| {
        let begun = Instant::now();
        let said = appliance.verb(verb, rest).ok();
        (begun.elapsed().as_secs_f64(), said)
    };
    let kim = people.path().join("kim-key").display().to_string();
    let (plan, _) = timed(&["run", "plan"], &["--approver", "kim", "--as", "oscar"]);
    let words = ["broad", "--key", &kim, "--yes", "--as", "kim"];
    let (approve, _) = timed(&["run", "approve"], &words);
    let (start, _) = timed(&["run", "start"], &["broad", "--as", "oscar"]);
    let begun = Instant::now();
    let resident = work(&appliance.data(), &certificates);
    let run = begun.elapsed().as_secs_f64();
    let (report, said) = timed(&["run", "report"], &["broad", "--json"]);
    assert_eq!(said.json()["stands"], "complete", "not every endpoint came to its end");
    println!(
        "{}",
        json!({
            "what": format!("one run of {count} endpoints, {} states each", STATES.len()),
            "plan_seconds": plan, "approve_seconds": approve, "start_seconds": start,
            "run_seconds": run, "report_seconds": report,
            "check_ins_per_second": (count * STATES.len()) as f64 / run,
            "resident_mib": resident as f64 / 1_048_576.0,
        })
    );
}

/// Has every endpoint say every state; resident memory afterwards, in bytes.
fn work(data: &std::path::Path, certificates: &[Digest]) -> u64 {
    let site = Site::open(&Folder::at(data), None).unwrap();
    let approval = site.runs().unwrap()[0].statement;
    for phase in STATES {
        each(certificates.len(), |number| {
            let way_back = (phase >= JobPhase::WayBackProven).then_some(WayBack::Own);
            let end = (phase == JobPhase::Ended).then_some(JobEnd::Effective);
            let job = Job { approval, phase, at: Timestamp::now(), way_back, end };
            let orders = site.check_in(&certificates[number], &swarm::report(job)).unwrap();
            let own = orders.run.is_some_and(|run| run.approval == approval);
            assert!(own || phase == JobPhase::Ended, "it was told of no run");
        });
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    site.close().unwrap();
    kib * 1024
}
