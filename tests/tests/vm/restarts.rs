//! A machine that boots with systemd, where kim is logged in at a terminal. The agent came to it as a package
//! and runs under that package's own unit. The update is one that running programs map, systemd's own among
//! them: only a restart of the machine makes it effective. Nothing here is a stand-in.

use crate::{
    LIBRARY, PACKAGE, Site,
    machine::{Machine, UP},
};
use ids::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;
use tests::{Debian, Said, run_within};

/// Besides the library: apt, whose maintainers' scripts speak to systemd and make an account.
const PACKAGES: &[&str] = &[PACKAGE, "apt", "libapt-pkg6.0"];
/// The limits under which the agent's hooks, and so maintainers' scripts, ran.
const LIMITS: &str = "/var/lib/limits";
/// Numbers of capabilities (capability.h).
const CAP_SYS_BOOT: u32 = 22;
const CAP_SYS_TIME: u32 = 25;

/// Says which boot this is, and when.
const TOLD: &str = "[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo \"UP $$(cat /proc/sys/kernel/random/boot_id) $$(date +%%s)\"'
[Install]
WantedBy=multi-user.target
";

/// A terminal at which kim is logged in: a real session, of login, PAM and logind. `serial-getty@` would
/// wait for udev, which this machine has not.
const DESK: &str = "[Unit]
After=systemd-user-sessions.service
[Service]
ExecStart=-/sbin/agetty --autologin kim --local-line --noclear ttyS1 linux
Restart=always
UtmpIdentifier=S1
TTYPath=/dev/ttyS1
StandardInput=tty
StandardOutput=tty
[Install]
WantedBy=multi-user.target
";

/// Keeps the unit's limits, and tries what they forbid: the clock's refusal shows that refusals are logged.
const HOOK: &str = "#!/bin/sh
grep -E '^(CapBnd|Seccomp):' /proc/self/status >/var/lib/limits
sync
! date --set=@0 2>/dev/null
";

/// A machine with systemd, the packaged agent, and kim.
fn furnished(restart: &str) -> Debian {
    let root = Debian::with_systemd();
    let inside = |line: &str| -> Said {
        let mut command = Command::new("chroot");
        command.arg(root.root()).args(["env", "-i", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-ec", line]);
        run_within(Duration::from_secs(120), &mut command).ok()
    };
    // Where it is installed, nobody has written settings yet.
    fs::remove_dir_all(root.path("/etc/patchkeep")).unwrap();
    let package = tests::agent_package(&root.path("/tmp"), "");
    let package = package.file_name().unwrap().display();
    inside(&format!("dpkg --install /tmp/{package}; rm /tmp/{package}"));
    inside("systemctl is-enabled patchkeep-agent").says("enabled");
    let conduct = format!("[health]\nsettle_seconds = 1\n\n[restart]\n{restart}\n");
    fs::write(root.path("/etc/patchkeep/conduct.toml"), conduct).unwrap();
    let hook = root.path("/etc/patchkeep/hooks/after.d/limits");
    fs::write(&hook, HOOK).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in [("desk", DESK.to_owned()), ("told", TOLD.replace("UP", UP))] {
        fs::write(root.path(&format!("/etc/systemd/system/{name}.service")), text).unwrap();
    }
    fs::write(root.path("/etc/hostname"), "vm1\n").unwrap();
    inside("systemd-machine-id-setup; useradd --create-home --shell /bin/bash kim");
    inside("systemctl enable desk told");
    root
}

/// The site with that machine; somebody is logged in there.
fn site(restart: &str) -> Site {
    let site = Site::with(&furnished(restart), PACKAGES, Machine::with_systemd);
    site.machine.until("kim is logged in", Duration::from_secs(120), |machine| {
        machine.desk().contains("kim@vm1").then_some(())
    });
    site.await_plan();
    site
}

/// So many seconds from now.
fn from_now(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

/// It was kim who was told, by the real wall, and when.
fn told(site: &Site, words: &str) -> i64 {
    site.machine.until(words, Duration::from_secs(300), |machine| {
        machine.desk().contains(words).then(|| Timestamp::now().as_second())
    })
}

/// What ran under the agent's unit had its limits, and nothing but the hook met them.
fn limits_held(site: &Site) {
    let limits = site.machine.files(&[LIMITS]).remove(0).unwrap();
    let limits = String::from_utf8(limits).unwrap();
    let field = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(field("Seccomp:"), 2, "{limits}");
    for capability in [CAP_SYS_BOOT, CAP_SYS_TIME] {
        assert_eq!(field("CapBnd:") >> capability & 1, 0, "{limits}");
    }
    let console = site.machine.console();
    // systemd's own services have filters too, and try what these refuse.
    let is_ours =
        |line: &&str| line.contains("type=1326") && !line.contains("exe=\"/usr/lib/systemd/");
    let refused: Vec<&str> = console.lines().filter(is_ours).collect();
    assert!(!refused.is_empty(), "the clock's refusal is not logged, so that none would be");
    assert!(refused.iter().all(|line| line.contains("comm=\"date\"")), "{refused:#?}");
    assert!(!console.contains("Operation not permitted"), "{console}");
}

#[test]
fn a_machine_with_systemd_restarts_after_notice_and_ends_effective() {
    let site = site("notice_minutes = 1");
    site.provide();
    let before = site.machine.digests(&[LIBRARY]);
    let window = format!("{}/{}", from_now(0), from_now(3600));
    site.operator("plan", &["--approver", "kim", "--window", &window]).ok();
    site.approve_and_start();
    let at = told(&site, "This computer restarts in 1 minutes");
    site.stands("effective");
    let boots = site.machine.boots();
    let [first, second] = boots.as_slice() else { panic!("not one restart: {boots:?}") };
    assert_ne!(first.0, second.0);
    // Half a second may lie between the notice and its being seen here; a boot takes longer.
    assert!(second.1 >= at + 58, "told at {at}: {boots:?}");
    assert_ne!(site.machine.digests(&[LIBRARY]), before);
    limits_held(&site);
}

#[test]
fn a_restart_waits_for_its_window_and_for_kim_once() {
    if !tests::soak() {
        eprintln!("skipped: minutes of software emulation; `just soak` runs it");
        return;
    }
    let site = site("notice_minutes = 2\ndeferrals = 1\ndeferral_minutes = 1");
    // Two minutes of notice never fit into the first window: it is for the change only.
    let opens = from_now(240);
    let first = format!("{}/{}", from_now(0), from_now(110));
    let second = format!("{opens}/{}", from_now(3600));
    let windows = ["--window", first.as_str(), "--window", second.as_str()];
    site.operator("plan", &[&["--approver", "kim"], &windows[..]].concat()).ok();
    site.approve_and_start();
    let next = "the machine restarts in the next window";
    site.machine.until(next, Duration::from_secs(200), |_| {
        let part = site.part();
        let said = part["said"].as_str().is_some_and(|said| said.contains(next));
        (part["stands"] == "awaiting restart" && said).then_some(())
    });
    assert!(Timestamp::now() < opens, "too slow to see it wait");
    site.machine.type_at_desk("patchkeep-agent defer");
    told(&site, "no restart of this machine has been announced");
    // Nobody has been told of anything, and nothing restarts, as long as it is shut.
    while Timestamp::now() < opens {
        assert_eq!(site.machine.boots().len(), 1);
        assert!(!site.machine.desk().contains("This computer restarts"));
        std::thread::sleep(Duration::from_secs(1));
    }
    told(&site, "This computer restarts in 2 minutes");
    site.machine.type_at_desk("patchkeep-agent defer");
    told(&site, "0 times after this");
    let at = told(&site, "This computer restarts in 3 minutes");
    site.machine.type_at_desk("patchkeep-agent defer");
    told(&site, "cannot be put off any more\r");
    site.stands("effective");
    let boots = site.machine.boots();
    assert_eq!(boots.len(), 2, "{boots:?}");
    // Two minutes of notice and one of deferral.
    let earliest = opens.as_second() + 180;
    assert!(boots[1].1 >= earliest && boots[1].1 > at, "{opens}, {at}: {boots:?}");
    limits_held(&site);
}
