//! The run: what it may hold back, what it has ended, and the way back that the appliance makes.

use crate::lab::{Lab, OFFERED, wanted};
use crate::people::draft;
use api::{JobEnd, JobPhase, Resolution, RunOrders, WayBack};
use std::fs;
use std::time::Duration;
use tests::Package;
use trust::Approval;

/// An approval for a machine whose way back the appliance makes, of what is offered with this script.
fn provided(lab: &Lab, script: &str) {
    let beta = |p: &Package<'static>| if p.name == "beta" { "beta" } else { "" };
    let offered: Vec<Package<'_>> = OFFERED
        .iter()
        .map(|p| if beta(p).is_empty() { *p } else { Package { script, ..*p } })
        .collect();
    let packages = wanted(lab.vendor.offer(&offered));
    let provided = vec!["web1".parse().unwrap()];
    lab.say_approval(&Approval { provided, ..draft(1, packages) });
    lab.asks(|run| run.provided = true);
}

#[test]
fn a_job_waits_until_its_run_says_go() {
    let lab = Lab::approved();
    lab.lying.says().run = None;
    lab.run().ok().says("no run of this approval has been started");
    lab.lying.says().run = Some(crate::lying::Says::go());
    lab.asks(|run| (run.go, run.why) = (false, "wave 2 waits for wave 1".into()));
    lab.run().ok().says("wave 2 waits for wave 1");
    assert_eq!(lab.memory()["job"]["phase"], "waiting-for-window");
    // Nor does a run of another approval say anything about this one.

    let other = lab.people.approve(&draft(7, Vec::new()));
    lab.asks(|run| run.go = true);
    lab.lying.says().run_of = Some(other);
    lab.run().ok().says("no run of this approval has been started");
    lab.is_untouched();
    lab.lying.says().run_of = None;
    lab.run().ok();
    lab.is_patched();
}

#[test]
fn a_job_that_changes_packages_does_not_stop_for_its_run() {
    let lab = Lab::enrolled();
    let script = "sleep 2";
    let slow = OFFERED.iter().map(|p| if p.name == "beta" { Package { script, ..*p } } else { *p });
    let packages = lab.vendor.offer(&slow.collect::<Vec<_>>());
    lab.say_approval(&draft(1, wanted(packages)));
    lab.run_and_kill("applying", Duration::from_millis(600));
    lab.lying.says().run = None;
    lab.run().ok();
    lab.is_patched();
    assert_eq!(lab.end(), "effective");
}

#[test]
fn a_cancelled_job_never_begins() {
    let lab = Lab::approved();
    lab.asks(|run| run.over = Some(JobEnd::Cancelled));
    lab.run().ok().says("a person took it out of its run");
    assert_eq!(lab.end(), "cancelled");
    lab.asks(|run| run.over = None);
    lab.run().ok();
    assert_eq!(lab.end(), "cancelled");
    lab.is_untouched();
    // And the appliance, which knows, is not told.
    assert!(lab.lying.heard().iter().all(|said| said.report.is_none()));
}

#[test]
fn the_appliance_makes_the_way_back_of_whom_the_approval_lists() {
    let lab = Lab::enrolled();
    provided(&lab, "");
    lab.run().ok().says("the appliance makes and proves the way back");
    assert_eq!(lab.memory()["job"]["phase"], "snapshotting");
    let way_back = lab.machine.path("/var/lib/patchkeep/way-back");
    assert!(fs::read_dir(way_back).is_err(), "it made one of its own");
    // What a restore returns to has everything that it needs.
    assert!(lab.machine.path("/var/lib/patchkeep/apt/archives/beta_2_amd64.deb").exists());
    lab.run().ok();
    lab.is_untouched();
    lab.asks(|run| run.proven = true);
    lab.run().ok();
    lab.is_patched();
    let heard = lab.lying.heard();
    let reports = heard.iter().filter_map(|said| said.report.as_ref());
    let last = reports.filter(|report| report.job.phase >= JobPhase::WayBackProven);
    assert!(last.clone().count() > 2);
    assert!(last.into_iter().all(|report| report.job.way_back == Some(WayBack::Provided)));
}

#[test]
fn the_appliances_word_for_a_way_back_counts_only_where_the_approver_signed_for_it() {
    let lab = Lab::approved();
    lab.asks(|run| (run.provided, run.proven) = (true, true));
    lab.run().ok();
    lab.is_patched();
    assert_eq!(lab.memory()["job"]["secured"], "own");
}

#[test]
fn a_machine_that_the_appliance_put_back_does_not_apply_again() {
    let lab = Lab::enrolled();
    provided(&lab, "exit 1");
    lab.run().ok();
    let old = lab.copy_of_root();
    lab.lying.says().log.grow(5);
    lab.asks(|run| run.proven = true);
    lab.run().exits(7).says("only the appliance can put it back");
    assert_eq!(lab.memory()["job"]["phase"], "awaiting-decision");
    // It stays, whatever it hears of others' ways back.
    lab.asks(|run| (run.stateless, run.resolution) = (true, Some(Resolution::Restore)));
    lab.run().exits(7);
    assert_eq!(lab.memory()["job"]["phase"], "awaiting-decision");
    // The whole machine goes back to the moment of the snapshot, the agent's memory with it.
    lab.put_root(old);
    assert_eq!(lab.memory()["job"]["phase"], "snapshotting");
    lab.asks(|run| run.over = Some(JobEnd::Restored));
    lab.run().ok().says("the appliance has put this machine back");
    assert_eq!(lab.end(), "restored");
    lab.asks(|run| run.over = None);
    lab.run().ok();
    assert_eq!(lab.end(), "restored");
    lab.is_untouched();
}

#[test]
fn a_provided_machine_is_kept_where_a_person_says_so() {
    let lab = Lab::enrolled();
    provided(&lab, "exit 1");
    lab.asks(|run| run.proven = true);
    lab.run().exits(7);
    let keep = |run: &mut RunOrders| run.resolution = Some(Resolution::Keep);
    lab.asks(keep);
    lab.run().exits(7).says("kept as it is by a person");
    assert_eq!(lab.end(), "failed");
}

#[test]
fn a_stop_while_the_appliance_makes_the_way_back_is_gone_on_from() {
    let lab = Lab::enrolled();
    provided(&lab, "");
    lab.run_and_kill("snapshotting", Duration::ZERO);
    lab.run().ok().says("the appliance makes and proves the way back");
    // Whoever takes it out of the run now ends it here.
    lab.asks(|run| run.over = Some(JobEnd::Cancelled));
    lab.run().ok();
    assert_eq!(lab.end(), "cancelled");
    lab.is_untouched();
}
