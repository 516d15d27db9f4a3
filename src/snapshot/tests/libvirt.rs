//! Snapshots through a real libvirt, in mount and process namespaces of its own, with its own settings: nothing of this
//! machine's libvirt is touched, and all of it ends with the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use snapshot::{Answer, Binding, Depth, Error, How, IfNot, Level, LibvirtBinding, Look, Provider};
use std::{
    fs,
    process::{Child, Command, Stdio},
};
use support::{limits, order, run, script, seconds, until};
use tempfile::TempDir;

struct Libvirt {
    dir: TempDir,
    uri: String,
    child: Child,
}

impl Libvirt {
    /// With a domain that runs no operating system.
    fn new() -> Self {
        Self::with("", "", |one| {
            run("qemu-img", &["create", "-q", "-f", "qcow2", one, "16M"]);
        })
    }

    /// With a domain that has more in its `<os>` and `<devices>`, and a first disk that `fill` makes.
    fn with(os: &str, devices: &str, fill: impl FnOnce(&str)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path().to_str().unwrap().to_owned();
        for folder in ["etc", "lib", "run", "cache", "log"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let socket =
            "unix_sock_dir = \"/run/libvirt\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n";
        fs::write(dir.path().join("etc/libvirtd.conf"), socket).unwrap();
        let qemu = "user = \"root\"\ngroup = \"root\"\nstdio_handler = \"file\"\n\
                    security_driver = \"none\"\nremember_owner = 0\ncgroup_controllers = [ ]\nnamespaces = [ ]\n";
        fs::write(dir.path().join("etc/qemu.conf"), qemu).unwrap();
        // A shell is process 1 there, since it takes leave of the dead.
        let text = format!(
            "mkdir -p /etc/libvirt /var/lib/libvirt /run/libvirt /var/cache/libvirt /var/log/libvirt && \
             mount --bind {d}/etc /etc/libvirt && mount --bind {d}/lib /var/lib/libvirt && \
             mount --bind {d}/run /run/libvirt && mount --bind {d}/cache /var/cache/libvirt && \
             mount --bind {d}/log /var/log/libvirt || exit 1\n\
             libvirtd -f /etc/libvirt/libvirtd.conf -p {d}/pid >{d}/out 2>&1 & wait"
        );
        script(&dir.path().join("start"), &text);
        let words = ["-m", "-p", "--fork", "--kill-child", "--mount-proc", "/bin/sh"];
        let mut unshare = Command::new("unshare");
        unshare.args(words).arg(dir.path().join("start")).stdin(Stdio::null());
        let child = unshare.spawn().expect("unshare: tests/setup.sh installs it");
        let uri = format!("qemu:///system?socket={d}/run/libvirt-sock");
        let rig = Self { dir, uri, child };
        until("libvirtd's socket", seconds(20), || {
            rig.dir.path().join("run/libvirt-sock").exists().then_some(())
        });
        let one = rig.path("one.qcow2");
        fill(&one);
        let memory = if os.is_empty() { 64 } else { 256 };
        let domain = format!(
            "<domain type='qemu'><name>web1</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='pc'>hvm</type>{os}</os><devices>{devices}\
             <emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='disk'>\
             <driver name='qemu' type='qcow2'/><source file='{one}'/><target dev='vda' bus='virtio'/>\
             </disk></devices></domain>"
        );
        fs::write(rig.path("domain.xml"), domain).unwrap();
        rig.virsh(&["define", &rig.path("domain.xml")]);
        rig.virsh(&["start", "web1"]);
        rig
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn virsh(&self, words: &[&str]) -> String {
        run("virsh", &[&["-q", "-c", self.uri.as_str()], words].concat())
    }

    fn major(&self) -> u32 {
        let version = self.virsh(&["version", "--daemon"]);
        let line = version.lines().find_map(|l| l.strip_prefix("Running against daemon: "));
        line.unwrap().split('.').next().unwrap().parse().unwrap()
    }

    fn provider(&self) -> Box<dyn Provider + Send> {
        let (uri, domain) = (self.uri.clone(), "web1".to_owned());
        let binding = LibvirtBinding { uri, domain, virsh: None, scratch: None, try_clone: None };
        Binding::Libvirt(binding).open(limits()).unwrap()
    }

    /// What lies in the file of a machine that is off.
    fn holds(&self, byte: u8) -> bool {
        let read = format!("read -P {byte} 0 64k");
        let list = self.virsh(&["domblklist", "web1"]);
        let one = list
            .lines()
            .find_map(|line| line.trim().strip_prefix("vda"))
            .unwrap()
            .trim()
            .to_owned();
        let output =
            Command::new("qemu-io").args(["-r", "-f", "qcow2", "-c", &read, &one]).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("read 65536"), "{text}{output:?}");
        !text.contains("verification failed")
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        // The namespace's first process ends with it, and everything else with that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_domain_goes_back_with_its_memory() {
    let rig = Libvirt::new();
    let mut provider = rig.provider();
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    assert_eq!((made.level, made.disks[0].disk.as_str()), (Level::Memory, "vda"));
    let twice = provider.create(&order("before", Level::Memory, IfNot::Fail));
    assert!(matches!(twice, Err(Error::Exists { .. })), "{twice:?}");
    assert_eq!(provider.adopt(&made.name).unwrap().map(|found| found.at), Some(made.at));
    let proof = provider.prove(&made, Depth::Content).unwrap();
    assert!(matches!(proof.content, Look::Good { bytes, .. } if bytes == 16 << 20), "{proof:?}");
    assert!(proof.space.unwrap().bytes_worst >= 80 << 20);
    let alive = provider.probe().unwrap();
    assert_eq!(alive.machine, Answer::Yes { says: "running".into() });
    assert_eq!(alive.guest, Answer::Absent);

    // The disk of a machine that is off, written to behind its back: what a patch would do, only shorter.
    rig.virsh(&["destroy", "web1"]);
    run("qemu-io", &["-f", "qcow2", "-c", "write -P 3 0 64k", &rig.path("one.qcow2")]);
    assert!(rig.holds(3));
    let restored = provider.restore(&made).unwrap();
    assert_eq!((restored.how, restored.running), (How::Loaded, true));
    rig.virsh(&["destroy", "web1"]);
    assert!(!rig.holds(3) && rig.holds(0));

    let mut never = made.clone();
    never.name = "never-was".parse().unwrap();
    let refused = provider.restore(&never);
    assert!(matches!(refused, Err(Error::NoSuch { .. })), "{refused:?}");
    provider.delete(&made).unwrap();
    provider.delete(&made).unwrap();
    assert_eq!(provider.list().unwrap(), []);
    // A domain that is off has no memory to keep.
    let off = provider.create(&order("off", Level::Memory, IfNot::Fail));
    assert!(matches!(off, Err(Error::NotQuiet { .. })), "{off:?}");
}

#[test]
fn a_snapshot_that_this_libvirt_cannot_go_back_to_is_not_made() {
    let rig = Libvirt::new();
    let mut provider = rig.provider();
    let made = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail));
    if rig.major() < 10 {
        assert!(matches!(made, Err(Error::NoWayBack { .. })), "{made:?}");
        assert_eq!(provider.list().unwrap(), []);
        return;
    }
    // A newer one: the round trip.
    let made = made.unwrap();
    provider.prove(&made, Depth::Content).unwrap();
    rig.virsh(&["destroy", "web1"]);
    let overlay = made.disks[0].overlay.as_ref().unwrap().to_str().unwrap();
    run("qemu-io", &["-f", "qcow2", "-c", "write -P 3 0 64k", overlay]);
    assert!(rig.holds(3));
    rig.virsh(&["start", "web1"]);
    let restored = provider.restore(&made).unwrap();
    assert_eq!((restored.how, restored.running), (How::Restarted, true));
    rig.virsh(&["destroy", "web1"]);
    assert!(!rig.holds(3) && rig.holds(0));
    provider.delete(&made).unwrap();
    assert_eq!(provider.list().unwrap(), []);
}

#[test]
fn a_guest_is_asked_and_frozen_through_libvirt() {
    let guest = concat!(env!("CARGO_TARGET_TMPDIR"), "/guest");
    run(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest.sh"), &[guest]);
    let os = format!(
        "<kernel>{guest}/vmlinuz</kernel><initrd>{guest}/initrd</initrd><cmdline>console=ttyS0 quiet</cmdline>"
    );
    let channel =
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>";
    let rig = Libvirt::with(&os, channel, |one| {
        let raw = format!("{one}.raw");
        fs::File::create(&raw).unwrap().set_len(64 << 20).unwrap();
        run("mke2fs", &["-q", "-t", "ext4", &raw]);
        run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &raw, one]);
    });
    let mut provider = rig.provider();
    let thawed = Answer::Yes { says: "thawed".into() };
    until("the guest's agent", seconds(60), || {
        (provider.probe().unwrap().guest == thawed).then_some(())
    });
    provider.thaw().unwrap();
    // Somebody was killed while the guest was frozen.
    rig.virsh(&["domfsfreeze", "web1"]);
    assert_eq!(provider.probe().unwrap().guest, Answer::Yes { says: "frozen".into() });
    provider.thaw().unwrap();
    assert_eq!(provider.probe().unwrap().guest, thawed);

    let made = provider.create(&order("before", Level::Frozen, IfNot::Fail));
    assert_eq!(provider.probe().unwrap().guest, thawed);
    if rig.major() < 10 {
        assert!(matches!(made, Err(Error::NoWayBack { .. })), "{made:?}");
        return;
    }
    let made = made.unwrap();
    assert_eq!((made.level, &made.fell_back), (Level::Frozen, &None));
    let (one, copy) = (rig.path("one.qcow2"), rig.path("copy.raw"));
    run("qemu-img", &["convert", "-U", "-f", "qcow2", "-O", "raw", &one, &copy]);
    assert!(!run("dumpe2fs", &["-h", &copy]).contains("needs_recovery"));
}

#[test]
fn a_daemon_that_is_gone_is_silence_not_an_answer() {
    let (uri, domain) =
        ("qemu:///system?socket=/nowhere/libvirt-sock".to_owned(), "web1".to_owned());
    let binding = Binding::Libvirt(LibvirtBinding {
        uri,
        domain,
        virsh: None,
        scratch: None,
        try_clone: None,
    });
    let mut provider = binding.open(limits()).unwrap();
    assert!(matches!(provider.probe().unwrap().machine, Answer::Silent { .. }));
    let listed = provider.list();
    assert!(matches!(listed, Err(Error::Failed { .. })), "{listed:?}");
}
