//! A small real guest: Debian's kernel, a mounted ext4 that is always written to, and the real QEMU guest agent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use snapshot::{Answer, Depth, How, IfNot, Kind, Level};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};
use support::{Rig, open, order, run, seconds, until};

/// The guest, up and writing.
fn guest() -> Rig {
    let made = concat!(env!("CARGO_TARGET_TMPDIR"), "/guest");
    run(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest.sh"), &[made]);
    let more = format!(
        "-m 256 -no-shutdown -kernel {made}/vmlinuz -initrd {made}/initrd -append 'console=ttyS0 quiet' \
         -serial file:$(dirname \"$0\")/console -device virtio-serial-pci \
         -chardev socket,path=$(dirname \"$0\")/agent,server=on,wait=off,id=agent \
         -device virtserialport,chardev=agent,name=org.qemu.guest_agent.0"
    );
    let rig = Rig::on(&more, |raw| {
        fs::File::create(raw).unwrap().set_len(64 << 20).unwrap();
        run("mke2fs", &["-q", "-t", "ext4", raw.to_str().unwrap()]);
    });
    rig.ask("cont", json!({}));
    is_up(&rig);
    rig
}

fn is_up(rig: &Rig) {
    until("the guest", seconds(60), || {
        let console = fs::read(rig.path("console")).unwrap_or_default();
        String::from_utf8_lossy(&console).contains("guest is up").then_some(())
    });
    let mut provider = with_agent(rig, Kind::Internal);
    let thawed = Answer::Yes { says: "thawed".into() };
    until("the guest's agent", seconds(30), || {
        (provider.probe().unwrap().guest == thawed).then_some(())
    });
}

fn with_agent(rig: &Rig, kind: Kind) -> Box<dyn snapshot::Provider + Send> {
    let mut binding = rig.binding();
    binding.agent = Some(rig.path("agent"));
    binding.kind = kind;
    open(&binding)
}

/// Whether a program in the guest ends well.
fn in_guest(rig: &Rig, line: &str) -> bool {
    let mut stream = UnixStream::connect(rig.path("agent")).unwrap();
    stream.set_read_timeout(Some(seconds(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |command: &str, arguments: Value| {
        writeln!(stream, "{}", json!({"execute": command, "arguments": arguments})).unwrap();
        let said: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(said.get("return").is_some(), "{said}");
        said["return"].clone()
    };
    let started = ask("guest-exec", json!({"path": "/bin/sh", "arg": ["-c", line]}));
    until("a program in the guest", seconds(20), || {
        let status = ask("guest-exec-status", json!({"pid": started["pid"]}));
        (status["exited"] == true).then(|| status["exitcode"] == 0)
    })
}

/// Says so to the guest; there is nobody left to answer.
fn power_off(rig: &Rig) {
    let mut stream = UnixStream::connect(rig.path("agent")).unwrap();
    let arguments = json!({"path": "/bin/poweroff", "arg": ["-f"]});
    writeln!(stream, "{}", json!({"execute": "guest-exec", "arguments": arguments})).unwrap();
    until("the end of the guest", seconds(30), || (rig.status() == "shutdown").then_some(()));
}

/// Whether the ext4 in a copy was at rest: a journal that has to be replayed says that it was not.
fn at_rest(image: &[&str], rig: &Rig) -> bool {
    let copy = rig.text("copy.raw");
    run("qemu-img", &[&["convert", "-U", "-f", "qcow2", "-O", "raw"], image, &[&copy]].concat());
    !run("dumpe2fs", &["-h", &copy]).contains("needs_recovery")
}

#[test]
fn a_frozen_guest_rests_in_its_snapshot_and_writes_on_afterwards() {
    let rig = guest();
    let mut provider = with_agent(&rig, Kind::Internal);
    let one = rig.text("one.qcow2");

    let frozen = provider.create(&order("frozen", Level::Frozen, IfNot::Fail)).unwrap();
    assert_eq!((frozen.level, frozen.fell_back.clone()), (Level::Frozen, None));
    assert!(frozen.frozen_ms.unwrap() < 10_000, "{frozen:?}");
    assert!(at_rest(&["-l", "snapshot.name=frozen", &one], &rig));
    assert_eq!(provider.probe().unwrap().guest, Answer::Yes { says: "thawed".into() });
    assert!(in_guest(&rig, "echo after >/mnt/after && sync"));

    // The same without a freeze, for comparison.
    provider.create(&order("power-cut", Level::CrashConsistent, IfNot::Fail)).unwrap();
    assert!(!at_rest(&["-l", "snapshot.name=power-cut", &one], &rig));
    provider.prove(&frozen, Depth::Content).unwrap();

    // Back to the frozen one, through a restart; what came after it is gone.
    fs::write(rig.path("console"), b"").unwrap();
    assert_eq!(provider.restore(&frozen).unwrap().how, How::Restarted);
    is_up(&rig);
    assert!(in_guest(&rig, "[ -s /mnt/beats ] && [ ! -e /mnt/after ]"));
}

#[test]
fn a_running_guest_goes_back_with_its_memory_and_overlays_rest_too() {
    let rig = guest();
    let mut provider = with_agent(&rig, Kind::Internal);
    assert!(in_guest(&rig, "echo before >/run/memory"));
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    assert!(in_guest(&rig, "echo patched | tee /run/memory >/mnt/patched; sync"));
    let restored = provider.restore(&made).unwrap();
    assert_eq!((restored.how, restored.running), (How::Loaded, true));
    assert!(in_guest(&rig, "[ ! -e /mnt/patched ] && grep -q before /run/memory"));

    // A patch after which the machine powered itself off: it runs again, as it did before.
    power_off(&rig);
    assert!(provider.restore(&made).unwrap().running);
    assert!(in_guest(&rig, "grep -q before /run/memory"));
    provider.delete(&made).unwrap();

    let mut provider = with_agent(&rig, Kind::External);
    let made = provider.create(&order("outside", Level::Frozen, IfNot::Fail)).unwrap();
    assert_eq!(made.level, Level::Frozen);
    assert!(at_rest(&[&rig.text("one.qcow2")], &rig));
    assert!(in_guest(&rig, "echo after >/mnt/after && sync"));
    provider.delete(&made).unwrap();
    assert!(in_guest(&rig, "[ -s /mnt/after ]"));
}
