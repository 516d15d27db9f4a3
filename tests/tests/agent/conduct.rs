//! The administrator's own word on the machine: hooks, health, and what becomes of a machine that is not well.

use crate::lab::{Lab, OFFERED, wanted};
use crate::people::draft;
use api::{JobPhase, Resolution};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A check of the administrator's own that does not like version 2.
const PICKY: &str = "[health]\nsettle_seconds = 0\n[[health.command]]\nrun = [\"picky\"]\n";
const PICKY_SCRIPT: &str =
    "grep -q 1 /usr/lib/alpha/version || { echo 'no till answers' >&2; exit 1; }";

/// A machine that applied what was approved and is not well since.
fn ill() -> Lab {
    let lab = Lab::enrolled();
    lab.conduct(PICKY);
    lab.stand_in("picky", PICKY_SCRIPT);
    lab.approve_with_script("echo order > /var/lib/orders");
    lab
}

#[test]
fn hooks_run_around_the_change_in_order() {
    let lab = Lab::approved();
    let trace = "echo $0 $PATCHKEEP_HOOK $(cat /usr/lib/alpha/version) >> /var/lib/trace";
    for name in ["before.d/20-b", "before.d/10-a", "after.d/10-c", "after.d/x.dpkg-old"] {
        lab.hook(name, trace);
    }
    lab.run().ok();
    let trace = lab.text("/var/lib/trace").replace("/etc/patchkeep/hooks/", "");
    let told = "before.d/10-a before 1\nbefore.d/20-b before 1\nafter.d/10-c after 2\n";
    assert_eq!(trace, told);
}

#[test]
fn a_hook_that_says_no_ends_the_job_before_anything_is_changed() {
    let lab = Lab::approved();
    lab.hook("before.d/10-drain", "echo drained >> /var/lib/trace");
    lab.hook("before.d/20-no", "echo the month is being closed >&2; exit 3");
    lab.hook("after.d/10-fill", "echo filled $PATCHKEEP_STANDING >> /var/lib/trace");
    lab.run().exits(4).says("a hook says no").says("the month is being closed");
    assert_eq!(lab.end(), "refused");
    lab.is_untouched();
    assert_eq!(lab.text("/var/lib/trace"), "drained\nfilled refused\n");
}

#[test]
fn what_others_than_root_could_have_written_is_not_run() {
    let lab = Lab::approved();
    lab.hook("before.d/10-open", "touch /var/lib/ran");
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    let hook = lab.machine.path("/etc/patchkeep/hooks/before.d/10-open");
    fs::set_permissions(&hook, mode(0o757)).unwrap();
    lab.run().exits(4).says("10-open is not root's alone");
    fs::set_permissions(&hook, mode(0o755)).unwrap();
    let folder = lab.machine.path("/etc/patchkeep/hooks/before.d");
    fs::set_permissions(&folder, mode(0o777)).unwrap();
    lab.run().exits(4).says("before.d is not root's alone");
    fs::set_permissions(&folder, mode(0o755)).unwrap();
    std::os::unix::fs::chown(&hook, Some(1000), None).unwrap();
    lab.run().exits(4).says("10-open is not root's alone");
    assert!(!lab.machine.path("/var/lib/ran").exists());
    lab.is_untouched();
    std::os::unix::fs::chown(&hook, Some(0), None).unwrap();
    lab.run().ok();
    lab.is_patched();
}

#[test]
fn a_conduct_that_is_not_understood_stops_the_job_until_it_is_mended() {
    let lab = Lab::approved();
    lab.conduct("[health]\nsetle_seconds = 1\n");
    lab.run().exits(3).says("conduct.toml cannot be used: line 2: unknown field `setle_seconds`");
    assert_eq!(lab.memory()["job"]["phase"], "waiting-for-window");
    lab.is_untouched();
    lab.conduct("[health]\nsettle_seconds = 0\n");
    lab.run().ok();
    lab.is_patched();
}

#[test]
fn services_have_their_time_to_settle() {
    let lab = Lab::approved();
    lab.conduct("");
    lab.run().ok().says("services have 30 s to settle");
    lab.remember(|job| job["at"] = "2026-01-01T00:00:00Z".into());
    lab.run().ok().says("units were not looked at: systemd does not answer here");
    assert_eq!(lab.end(), "effective");
}

#[test]
fn a_machine_that_is_not_well_waits_for_a_person_who_puts_it_back() {
    let lab = ill();
    let said = lab.run().exits(7).says("a person decides").says("no till answers");
    // The facts by which that is decided.
    said.says("files of data").says("/var/lib/orders");
    lab.run().exits(7);
    assert_eq!(lab.memory()["job"]["phase"], "awaiting-decision");
    lab.is_patched();
    lab.asks(|run| run.resolution = Some(Resolution::Restore));
    lab.run_and_kill("restoring", Duration::from_millis(200));
    lab.run().exits(7).says("put back as it was before").says("4 of 4 files of theirs are equal");
    assert_eq!(lab.end(), "restored");
    lab.is_untouched();
    assert_eq!(lab.text("/var/lib/orders"), "order\n", "a server's data is its own");
    let heard = lab.lying.heard();
    let phases: Vec<JobPhase> =
        heard.iter().filter_map(|said| Some(said.report.as_ref()?.job.phase)).collect();
    assert!(phases.contains(&JobPhase::AwaitingDecision) && phases.contains(&JobPhase::Restoring));
}

#[test]
fn a_machine_that_is_not_well_is_kept_where_a_person_says_so() {
    let lab = ill();
    lab.run_and_kill("awaiting-decision", Duration::ZERO);
    lab.asks(|run| run.resolution = Some(Resolution::Keep));
    lab.run().exits(7).says("kept as it is by a person");
    assert_eq!(lab.end(), "failed");
    lab.is_patched();
}

#[test]
fn a_stateless_machine_that_is_not_well_is_put_back_by_itself() {
    let lab = ill();
    lab.asks(|run| run.stateless = true);
    lab.run().exits(7).says("put back as it was before");
    assert_eq!(lab.end(), "restored");
    lab.is_untouched();
}

#[test]
fn a_waived_machine_that_is_not_well_has_failed() {
    let lab = ill();
    fs::write(lab.machine.path("/var/lib/patchkeep/way-back"), "in the way").unwrap();
    lab.lying.says().waivers = vec![lab.people.waive("web1")];
    lab.run().exits(7).says("there is no way back (waived)").says("no till answers");
    assert_eq!(lab.end(), "failed");
}

#[test]
fn a_kill_while_health_is_looked_at_is_gone_on_from() {
    let lab = Lab::approved();
    lab.conduct("[health]\nsettle_seconds = 0\n[[health.command]]\nrun = [\"sleep\", \"2\"]\n");
    lab.run_and_kill("confirming", Duration::from_millis(500));
    lab.run().ok().says("1 checks passed");
    assert_eq!(lab.end(), "effective");
}

#[test]
fn a_kill_among_the_hooks_is_gone_on_from() {
    let lab = Lab::approved();
    lab.hook("before.d/10-slow", "echo before >> /var/lib/trace; sleep 2");
    lab.hook("after.d/10-slow", "echo after >> /var/lib/trace; sleep 2");
    lab.run_and_kill_when(|job| job["hooks"]["owed"] == true, Duration::from_millis(500));
    lab.is_untouched();
    let confirms = |job: &serde_json::Value| job["phase"] == "confirming";
    lab.run_and_kill_when(confirms, Duration::from_millis(500));
    lab.run().ok();
    assert_eq!(lab.end(), "effective");
    let trace = lab.text("/var/lib/trace");
    // Each may run twice where it was stopped; none is left out, nor runs out of turn.
    assert!(trace.starts_with("before\nbefore\nafter\n"), "{trace}");
    assert!(trace.lines().count() <= 4, "{trace}");
}

/// Something that listens in the machine until it is killed; gives its port.
fn listener(lab: &Lab) -> (Child, u16) {
    let port = 20000 + u16::try_from(std::process::id() % 10000).unwrap();
    let line = format!(
        "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); \
         bind(S, pack_sockaddr_in({port}, INADDR_LOOPBACK)) or die; listen(S, 1); sleep 300"
    );
    let mut command = Command::new("chroot");
    command.arg(lab.machine.root()).args(["perl", "-e", &line]).stdin(Stdio::null());
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    (child, port)
}

#[test]
fn units_that_failed_newly_and_ports_that_closed_count() {
    let lab = Lab::enrolled();
    let (mut child, port) = listener(&lab);
    // Stands in for systemd: one unit was ill before, another is with version 2.
    fs::create_dir_all(lab.machine.path("/run/systemd/system")).unwrap();
    lab.stand_in(
        "systemctl",
        "[ \"$1\" = list-units ] || exit 0\necho old.service loaded failed failed Old\n\
         grep -q 2 /usr/lib/alpha/version && echo web.service loaded failed failed Web\nexit 0",
    );
    let packages = lab.vendor.offer(OFFERED);
    lab.say_approval(&draft(1, wanted(packages)));
    let kill = format!("kill -9 {}", child.id());
    lab.hook("after.d/10-kill", &kill);
    let said = lab.run().exits(7).says("failed since: web.service");
    said.says(&format!("nobody listens any more on tcp/{port} (perl)"));
    child.wait().unwrap();
}
