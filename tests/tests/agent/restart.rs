//! Restarts: services first, then the machine; in a window, with notice, put off a bounded number of times.

use crate::lab::{Lab, OFFERED, wanted};
use crate::people::{draft, minutes};
use std::fs;
use std::process::Command;
use std::time::Duration;
use trust::{Approval, Interval};

const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Stands in for systemd: says what it was asked.
const SYSTEMCTL: &str = "echo \"$@\" >> /var/lib/asked; exit 0";

/// A machine with a stand-in for systemd where kim is logged in, and whose patch asks for a restart.
fn lab(approve: impl FnOnce(&Lab)) -> Lab {
    let lab = Lab::enrolled();
    fs::create_dir_all(lab.machine.path("/run/systemd/system")).unwrap();
    lab.stand_in("systemctl", SYSTEMCTL);
    lab.stand_in("who", "echo 'kim pts/0 2026-11-24 10:00'");
    lab.stand_in("wall", "echo \"$1\" >> /var/lib/walls");
    boots(&lab, "first");
    approve(&lab);
    lab
}

fn boots(lab: &Lab, id: &str) {
    let path = lab.machine.path(BOOT);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, id).unwrap();
}

fn asked(lab: &Lab) -> usize {
    lab.text("/var/lib/asked").lines().filter(|line| *line == "reboot").count()
}

/// The announced moment has come.
fn let_time_pass(lab: &Lab) {
    lab.remember(|job| {
        let at = serde_json::to_value(minutes(-1)).unwrap();
        (job["restart"]["at"], job["restart"]["told_at"]) = (at.clone(), at);
    });
}

#[test]
fn a_service_with_old_files_is_restarted_and_nothing_else() {
    let lab = lab(|lab| {
        let packages = lab.vendor.offer(OFFERED);
        lab.say_approval(&draft(1, wanted(packages)));
    });
    // A program of beta's own, which the upgrade removes, and which runs on.
    let program = lab.machine.path("/usr/lib/beta/own");
    fs::copy(lab.machine.path("/bin/sleep"), &program).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let mut command = Command::new("chroot");
    command.arg(lab.machine.root()).args(["/usr/lib/beta/own", "300"]);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let systemctl = format!(
        "{}\ncase \"$1\" in\nstatus) echo '* own.service - Own' ;;\nrestart) kill -9 {} ;;\nesac",
        SYSTEMCTL.trim_end_matches("; exit 0"),
        child.id()
    );
    lab.stand_in("systemctl", &systemctl);
    // A killed child that nobody waits for would be there still.
    let waits = std::thread::spawn(move || child.wait().unwrap());
    lab.run().ok();
    waits.join().unwrap();
    assert_eq!(lab.end(), "effective");
    assert!(lab.text("/var/lib/asked").contains("restart own\n"));
    assert_eq!(asked(&lab), 0);
}

#[test]
fn the_machine_restarts_once_in_its_window_after_notice_and_deferral() {
    let lab = lab(|lab| lab.approve_with_script("touch /run/reboot-required"));
    // kim sits at a desktop too; her bus is a stand-in, and so is what speaks to it.
    let session = lab.machine.path("/run/user/1000");
    fs::create_dir_all(&session).unwrap();
    std::os::unix::fs::chown(&session, Some(1000), Some(1000)).unwrap();
    fs::write(session.join("bus"), "").unwrap();
    lab.stand_in("notify-send", "echo $(id -u) $DBUS_SESSION_BUS_ADDRESS >> /tmp/notified");
    lab.agent(&["defer"]).exits(4).says("no restart of this machine has been announced");
    lab.run_and_kill("awaiting-restart", Duration::from_millis(20));
    lab.run().ok().says("the machine restarts at").says("people have been told");
    assert!(lab.text("/var/lib/walls").contains("restarts in 15 minutes"));
    let notified = lab.text("/tmp/notified");
    assert!(notified.starts_with("1000 unix:path=/run/user/1000/bus\n"), "{notified}");
    lab.agent(&["status"]).ok().says("it can be put off 1 times").says("Window: from");
    let told = lab.text("/var/lib/walls");
    lab.run().ok();
    assert_eq!(lab.text("/var/lib/walls"), told, "told twice for nothing");
    lab.agent(&["defer"]).ok().says("0 times after this");
    lab.run().ok();
    assert!(lab.text("/var/lib/walls").contains("restarts in 45 minutes"));
    lab.agent(&["defer"]).exits(4).says("cannot be put off any more");
    assert_eq!(asked(&lab), 0);
    // With less time left, people are told again.
    lab.remember(|job| {
        let at = serde_json::to_value(minutes(4)).unwrap();
        (job["restart"]["at"], job["restart"]["told_at"]) = (at.clone(), at);
    });
    lab.run().ok();
    let walls = lab.text("/var/lib/walls");
    assert!(
        walls.contains("in 4 minutes") && walls.contains("cannot be put off any more"),
        "{walls}"
    );
    let_time_pass(&lab);
    lab.run().ok().says("the machine restarts now");
    lab.run().exits(7).says("a person has to look");
    assert_eq!(asked(&lab), 1, "asked twice in one boot");
    boots(&lab, "second");
    fs::remove_file(lab.machine.path("/run/reboot-required")).unwrap();
    lab.run().ok();
    assert_eq!(lab.end(), "effective");
    assert_eq!(asked(&lab), 1);
}

#[test]
fn the_machine_never_restarts_outside_a_window_nor_without_notice() {
    let lab = lab(|lab| {
        let offered: Vec<_> = OFFERED
            .iter()
            .map(|p| tests::Package {
                script: if p.name == "beta" { "touch /run/reboot-required" } else { "" },
                ..*p
            })
            .collect();
        let packages = wanted(lab.vendor.offer(&offered));
        let windows = vec![
            Interval { opens: minutes(-5), closes: minutes(10) },
            Interval { opens: minutes(600), closes: minutes(700) },
        ];
        let not_after = minutes(900);
        lab.say_approval(&Approval { windows, not_after, ..draft(1, packages) });
    });
    // Fifteen minutes of notice do not fit into this window any more.
    lab.run().ok().says("the machine restarts in the next window");
    assert_eq!((lab.text("/var/lib/walls").as_str(), asked(&lab)), ("", 0));
    // With nobody there the notice is shorter, and does.
    lab.stand_in("who", "exit 0");
    lab.run().ok().says("the machine restarts at");
    assert!(lab.text("/var/lib/walls").contains("restarts in 1 minutes"));
    // Quiet hours of the whole day are never over.
    let text =
        "[health]\nsettle_seconds = 0\n[restart]\nquiet = [\"00:00-12:00\", \"12:00-00:00\"]\n";
    lab.conduct(text);
    let_time_pass(&lab);
    lab.run().ok().says("the machine restarts in the next window");
    assert!(lab.text("/var/lib/walls").contains("does not restart now after all"));
    // Nor where those who are there cannot be told.
    lab.conduct("[health]\nsettle_seconds = 0\n[restart]\nnotice_minutes = 1\n");
    lab.stand_in("who", "echo kim pts/0");
    lab.stand_in("wall", "exit 1");
    lab.run().ok().says("nobody could be told of the restart");
    let_time_pass(&lab);
    lab.stand_in("wall", "echo \"$1\" >> /var/lib/walls");
    // An administrator may keep that to themselves.
    lab.conduct("[health]\nsettle_seconds = 0\n[restart]\nmachine = false\n");
    lab.run().ok().says("this machine's administrator restarts it");
    assert_eq!(asked(&lab), 0);
}
