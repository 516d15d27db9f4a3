//! The job: applied once, gone on with after kills, put back when it fails.

use crate::lab::{Lab, OFFERED, wanted};
use crate::people::{draft, withdrawal};
use api::{JobEnd, JobPhase};
use std::fs;
use std::process::Command;
use std::time::Duration;
use tests::Mounted;
use tests::Package;

/// Packages of which one takes its time, so that a kill falls into it.
fn slow() -> Vec<Package<'static>> {
    with_script("sleep 2; echo once >> /var/lib/slow")
}

/// What is offered, but beta runs this script when it is installed.
fn with_script(script: &str) -> Vec<Package<'_>> {
    OFFERED.iter().map(|p| if p.name == "beta" { Package { script, ..*p } } else { *p }).collect()
}

#[test]
fn what_is_approved_is_applied_and_reported_to_its_end() {
    let lab = Lab::approved();
    lab.run().ok().says("3 packages are installed and in use");
    lab.is_patched();
    assert_eq!(lab.end(), "effective");
    assert_eq!(lab.inside("apt-mark showauto").ok().out, "alpha\ngamma\n");
    let heard = lab.lying.heard();
    let plan = heard.iter().find_map(|said| said.plan.clone()).unwrap();
    let names: Vec<_> = plan.packages.iter().map(|p| p.package.package.as_str()).collect();
    assert_eq!((names, plan.kept_back), (vec!["alpha", "beta", "gamma"], vec!["held".to_owned()]));
    let phases: Vec<JobPhase> =
        heard.iter().filter_map(|said| Some(said.report.as_ref()?.job.phase)).collect();
    assert!(phases.is_sorted(), "{phases:?}");
    for phase in [JobPhase::Snapshotting, JobPhase::WayBackProven, JobPhase::Applying] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
    let last = heard.iter().filter_map(|said| said.report.as_ref()).next_back().unwrap();
    assert_eq!(last.job.end, Some(JobEnd::Effective));
    // Nothing is sent, applied or asked for twice.
    lab.run().ok();
    let heard = lab.lying.heard();
    assert!(heard.iter().all(|said| said.plan.is_none() || said.inventory.is_none()), "{heard:?}");
    assert!(heard.iter().all(|said| said.report.is_none()));
}

#[test]
fn a_kill_at_any_phase_is_gone_on_from() {
    let lab = Lab::enrolled();
    let packages = lab.vendor.offer(&slow());
    lab.say_approval(&draft(1, wanted(packages)));
    lab.run_and_kill("snapshotting", Duration::from_millis(100));
    lab.is_untouched();
    lab.run_and_kill("way-back-proven", Duration::ZERO);
    lab.run_and_kill("applying", Duration::from_millis(900));
    lab.run().ok();
    lab.is_patched();
    assert_eq!(lab.end(), "effective");
    let ran = fs::read_to_string(lab.machine.path("/var/lib/slow")).unwrap();
    assert_eq!(ran, "once\n", "its script ran more than once");
}

#[test]
fn what_was_withdrawn_after_a_kill_is_not_gone_on_with() {
    let lab = Lab::enrolled();
    let packages = lab.vendor.offer(OFFERED);
    lab.say_approval(&draft(1, wanted(packages)));
    // Long before anything is applied: the copy of the machine takes a second at least.
    lab.run_and_kill("snapshotting", Duration::from_millis(50));
    lab.say_approval(&withdrawal(2));
    lab.run();
    lab.is_untouched();
    assert_eq!(lab.end(), "expired");
}

#[test]
fn an_upgrade_that_fails_is_put_back_and_data_stays() {
    let lab = Lab::enrolled();
    let script = "echo half > /usr/lib/beta/made; echo new > /var/lib/data; mkdir -p /opt/later; \
                  for i in $(seq 200); do [ -e /opt/later/own ] && exit 1; sleep 0.1; done; exit 1";
    let failing = with_script(script);
    let packages = lab.vendor.offer(&failing);
    fs::write(lab.machine.path("/var/lib/data"), "old").unwrap();
    lab.say_approval(&draft(1, wanted(packages)));
    // Something is mounted where packages put files, after the copy was made: it is nobody's to clear.
    let later = lab.machine.path("/opt/later");
    let mounts = std::thread::spawn(move || {
        while !later.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        tests::run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&later)).ok();
        fs::write(later.join("own"), "precious\n").unwrap();
        Mounted(later)
    });
    lab.run().says("failed, and put back as it was before");
    let _mounted = mounts.join().unwrap();
    assert_eq!(lab.end(), "restored");
    lab.is_untouched();
    let text = |path: &str| fs::read_to_string(lab.machine.path(path)).ok();
    assert_eq!(text("/usr/lib/alpha/version").as_deref(), Some("1"));
    assert_eq!(text("/usr/lib/beta/own").as_deref(), Some("old"));
    assert_eq!(text("/opt/later/own").as_deref(), Some("precious\n"));
    assert_eq!((text("/usr/lib/beta/made"), text("/usr/lib/gamma/version")), (None, None));
    assert_eq!(text("/var/lib/data").as_deref(), Some("new\n"), "a server's data is its own");
    // The same approval is not tried again.
    lab.run().ok();
    assert_eq!(lab.end(), "restored");
    lab.is_untouched();
}

#[test]
fn a_btrfs_subvolume_goes_back_to_a_snapshot() {
    let lab = Lab::enrolled();
    let _mounted = lab.machine.onto_btrfs();
    let script = "exit 1";
    let failing = with_script(script);
    let packages = lab.vendor.offer(&failing);
    lab.say_approval(&draft(1, wanted(packages)));
    lab.run().says("failed, and put back as it was before");
    assert_eq!(lab.memory()["job"]["way_back"]["kind"], "btrfs");
    lab.is_untouched();
    let packages = lab.vendor.offer(OFFERED);
    lab.say_approval(&draft(2, wanted(packages)));
    lab.run().ok();
    lab.is_patched();
}

#[test]
fn a_kill_while_putting_back_is_gone_on_from_too() {
    let lab = Lab::enrolled();
    let script = "exit 1";
    let failing = with_script(script);
    let packages = lab.vendor.offer(&failing);
    lab.say_approval(&draft(1, wanted(packages)));
    lab.run_and_kill_when(|job| job["phase"] == "restoring", Duration::from_millis(300));
    lab.run().says("put back as it was before");
    assert_eq!(lab.end(), "restored");
    lab.is_untouched();
}

#[test]
fn a_machine_whose_dpkg_is_broken_is_left_as_it_is() {
    let lab = Lab::approved();
    let status = lab.machine.path("/var/lib/dpkg/status");
    let text = fs::read_to_string(&status).unwrap();
    let at = text.find("Package: alpha\n").unwrap();
    let broken = text[at..].replacen("install ok installed", "install ok half-configured", 1);
    let broken = format!("{}{broken}", &text[..at]);
    fs::write(&status, &broken).unwrap();
    lab.run().says("dpkg is not in order, and nothing was changed");
    assert_eq!(fs::read_to_string(&status).unwrap(), broken);
    assert!(lab.machine.version("gamma").is_none());
}

#[test]
fn without_a_way_back_only_a_waiver_lets_it_through() {
    let lab = Lab::approved();
    // A way back cannot be made where its folder cannot be.
    fs::write(lab.machine.path("/var/lib/patchkeep/way-back"), "in the way").unwrap();
    lab.run().says("there is no way back, and nothing was changed");
    assert_eq!(lab.end(), "refused");
    lab.is_untouched();
    let packages = wanted(lab.vendor.offer(OFFERED));
    lab.say_approval(&draft(2, packages.clone()));
    let other = lab.people.waive("db1");
    lab.lying.says().waivers = vec![other];
    lab.run().says("does not name web1");
    lab.is_untouched();
    lab.say_approval(&draft(3, packages));
    let own = lab.people.waive("web1");
    lab.lying.says().waivers = vec![own];
    lab.run().ok();
    lab.is_patched();
    let heard = lab.lying.heard();
    let waived = |r: &api::Report| r.job.phase == JobPhase::Waived;
    assert!(heard.iter().filter_map(|said| said.report.as_ref()).any(waived));
}

#[test]
fn what_runs_with_old_files_awaits_a_restart() {
    let lab = Lab::approved();
    // A program of alpha's own, which the upgrade removes, and which runs on.
    let program = lab.machine.path("/usr/lib/beta/own");
    fs::copy(lab.machine.path("/bin/sleep"), &program).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let mut command = Command::new("chroot");
    command.arg(lab.machine.root()).args(["/usr/lib/beta/own", "300"]);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    lab.run().ok().says("a restart is awaited of own");
    assert_eq!(lab.memory()["job"]["phase"], "awaiting-restart");
    lab.is_patched();
    child.kill().unwrap();
    child.wait().unwrap();
    lab.run().ok();
    assert_eq!(lab.end(), "effective");
}
