//! Snapshots of real QEMU machines: what was written before a snapshot is what is read after going back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use snapshot::{Answer, Depth, Error, How, IfNot, Kind, Level, Look, Made};
use std::fs;
use support::{Rig, open, order, run, script};

#[test]
fn memory_and_disks_go_back_to_one_moment() {
    let rig = Rig::new();
    let mut provider = rig.provider();
    rig.write("one", 1);
    rig.write("two", 2);
    rig.ask("cont", json!({}));

    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    assert_eq!((made.level, &made.fell_back, made.disks.len()), (Level::Memory, &None, 2));
    assert!(made.bytes_memory > 0 && made.machine.starts_with("web1 6d6e3a5e"), "{made:?}");
    let again: Made = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
    assert_eq!(again, made);
    let twice = provider.create(&order("before", Level::Memory, IfNot::Fail));
    assert!(matches!(twice, Err(Error::Exists { .. })), "{twice:?}");

    // The record was lost in a crash: the snapshot can be found again, and one that never was cannot.
    let found = provider.adopt(&made.name).unwrap().unwrap();
    assert_eq!((found.at, &found.disks, found.level), (made.at, &made.disks, Level::Memory));
    assert_eq!(provider.adopt(&"never-was".parse().unwrap()).unwrap(), None);

    let proof = provider.prove(&made, Depth::Content).unwrap();
    assert!(matches!(proof.content, Look::Good { bytes, .. } if bytes == 24 << 20), "{proof:?}");
    assert!(proof.listed.whole && proof.space.unwrap().bytes_free > 0);
    assert_eq!(proof.clone, Look::NotAsked);

    rig.write("one", 3);
    rig.write("two", 3);
    assert!(rig.reads("one", 3) && !rig.reads("one", 1));
    let restored = provider.restore(&made).unwrap();
    assert_eq!((restored.how, restored.running, restored.used_up), (How::Loaded, true, false));
    assert!(rig.reads("one", 1) && rig.reads("two", 2));
    assert_eq!(rig.status(), "running");
    // It is not used up.
    rig.write("two", 4);
    provider.restore(&made).unwrap();
    assert!(rig.reads("two", 2));

    provider.delete(&made).unwrap();
    provider.delete(&made).unwrap();
    assert_eq!(provider.list().unwrap(), []);
    let gone = provider.restore(&made);
    assert!(matches!(gone, Err(Error::NoSuch { .. })), "{gone:?}");
    assert_eq!((rig.status().as_str(), rig.reads("one", 1)), ("running", true));
}

#[test]
fn a_machine_that_stood_still_stands_still_afterwards() {
    let rig = Rig::new();
    let mut provider = rig.provider();
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    rig.write("one", 3);
    assert!(!provider.restore(&made).unwrap().running);
    assert!(rig.reads("one", 0));
}

#[test]
fn disks_alone_go_back_through_a_restart() {
    let rig = Rig::new();
    let mut provider = rig.provider();
    rig.write("one", 1);
    rig.write("two", 2);
    let made = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail)).unwrap();
    assert_eq!((made.level, made.bytes_memory), (Level::CrashConsistent, 0));
    provider.prove(&made, Depth::Content).unwrap();
    rig.write("one", 3);
    rig.write("two", 3);
    let restored = provider.restore(&made).unwrap();
    assert_eq!((restored.how, restored.used_up), (How::Restarted, false));
    assert!(rig.reads("one", 1) && rig.reads("two", 2));
    provider.delete(&made).unwrap();
    assert_eq!(provider.list().unwrap(), []);
}

#[test]
fn overlays_take_the_changes_and_are_put_aside() {
    let rig = Rig::new();
    let mut binding = rig.binding();
    binding.kind = Kind::External;
    let mut provider = open(&binding);
    rig.write("one", 1);
    let made = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail)).unwrap();
    let overlay = rig.path("one.before.qcow2");
    assert_eq!(made.disks[0].overlay.as_ref(), Some(&overlay));
    rig.write("one", 3);
    provider.prove(&made, Depth::Content).unwrap();
    let second = provider.create(&order("second", Level::CrashConsistent, IfNot::Fail));
    assert!(
        matches!(second, Err(Error::Exists { ref name, .. }) if name == "before"),
        "{second:?}"
    );

    let restored = provider.restore(&made).unwrap();
    assert_eq!((restored.how, restored.used_up), (How::Restarted, true));
    assert!(rig.reads("one", 1));
    assert!(!overlay.exists() && rig.path("one.before.qcow2.dropped").exists());
    let again = provider.restore(&made);
    assert!(matches!(again, Err(Error::NoSuch { .. })), "{again:?}");
    provider.delete(&made).unwrap();
    assert!(!rig.path("one.before.qcow2.dropped").exists());
}

#[test]
fn deleting_an_overlay_keeps_what_was_written_since() {
    let rig = Rig::new();
    let mut binding = rig.binding();
    binding.kind = Kind::External;
    let mut provider = open(&binding);
    rig.write("one", 1);
    rig.write("two", 1);
    let made = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail)).unwrap();
    rig.write("one", 3);
    provider.delete(&made).unwrap();
    provider.delete(&made).unwrap();
    assert!(!rig.path("one.before.qcow2").exists() && !rig.path("two.before.qcow2").exists());
    assert!(rig.reads("one", 3) && rig.reads("two", 1));
    assert_eq!(provider.list().unwrap(), []);
    // The machine can be started as ever: nothing is left in an overlay.
    rig.kill();
    run(&rig.text("start"), &[]);
    assert!(rig.reads("one", 3));
}

#[test]
fn a_machine_whose_process_is_gone_goes_back_too() {
    for kind in [Kind::Internal, Kind::External] {
        let rig = Rig::new();
        let mut binding = rig.binding();
        binding.kind = kind;
        let mut provider = open(&binding);
        rig.write("one", 1);
        rig.ask("cont", json!({}));
        let made = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail)).unwrap();
        rig.write("one", 3);
        rig.kill();
        let restored = provider.restore(&made).unwrap();
        assert_eq!((restored.how, restored.running), (How::Restarted, true));
        assert!(rig.reads("one", 1));
    }
    let rig = Rig::new();
    let mut provider = rig.provider();
    rig.write("one", 1);
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    rig.write("one", 3);
    rig.kill();
    assert_eq!(provider.restore(&made).unwrap().how, How::Loaded);
    assert!(rig.reads("one", 1));
}

#[test]
fn what_is_below_an_overlay_may_not_have_changed() {
    let rig = Rig::new();
    let mut binding = rig.binding();
    binding.kind = Kind::External;
    let mut provider = open(&binding);
    let made = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail)).unwrap();
    run("touch", &[&rig.text("one.qcow2")]);
    let proven = provider.prove(&made, Depth::Listed);
    assert!(matches!(proven, Err(Error::Unproven { .. })), "{proven:?}");
    // Nor is the machine started on it: that would write below the overlay.
    let restored = provider.restore(&made);
    assert!(matches!(restored, Err(Error::NotRestored { .. })), "{restored:?}");
    assert!(rig.path("one.before.qcow2").exists());
    assert!(matches!(provider.probe().unwrap().machine, Answer::Silent { .. }));
}

#[test]
fn what_cannot_go_back_is_refused_before_anything_is_touched() {
    let rig = Rig::with(
        "-drive if=none,format=raw,file=$(dirname \"$0\")/boot.raw,id=vars -device virtio-blk-pci,drive=vars",
    );
    let mut provider = rig.provider();
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail));
    assert!(matches!(made, Err(Error::Uncovered { ref disk, .. }) if disk == "vars"), "{made:?}");

    let mut binding = rig.binding();
    binding.leave_out = vec!["vars".into()];
    binding.start = None;
    let mut provider = open(&binding);
    let disks_only = provider.create(&order("before", Level::CrashConsistent, IfNot::Fail));
    assert!(matches!(disks_only, Err(Error::NoWayBack { .. })), "{disks_only:?}");
    // A writable raw disk stands in the way of memory too, by QEMU's own rule or by ours.
    let frozen = provider.create(&order("before", Level::Frozen, IfNot::CrashConsistent));
    assert!(matches!(frozen, Err(Error::NoWayBack { .. })), "{frozen:?}");
    assert_eq!(provider.list().unwrap(), []);

    // A record of another machine, and of a snapshot that never was.
    let mut made = provider.create(&order("mine", Level::Memory, IfNot::Fail)).unwrap();
    let name = std::mem::replace(&mut made.name, "never-was".parse().unwrap());
    rig.write("one", 7);
    let never = provider.restore(&made);
    assert!(matches!(never, Err(Error::NoSuch { .. })), "{never:?}");
    (made.name, made.machine) = (name, "web2".into());
    for outcome in [provider.restore(&made).map(drop), provider.delete(&made)] {
        assert!(matches!(outcome, Err(Error::OtherMachine { .. })), "{outcome:?}");
    }
    assert!(rig.reads("one", 7));
}

#[test]
fn a_damaged_snapshot_is_no_way_back() {
    let rig = Rig::new();
    rig.write("one", 1);
    let mut provider = rig.provider();
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    // The first table of the snapshot (qcow2.txt: the header says where snapshots are described, the
    // first words of a description where its table is).
    let mut bytes = fs::read(rig.path("one.qcow2")).unwrap();
    let number = |bytes: &[u8], at: usize| {
        usize::try_from(u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
    };
    let table = number(&bytes, number(&bytes, 64));
    bytes[table..table + 8].copy_from_slice(&[0x80, 0, 0, 0x10, 0x20, 0x30, 0x40, 0x51]);
    fs::write(rig.path("one.qcow2"), bytes).unwrap();
    assert!(provider.prove(&made, Depth::Listed).is_ok());
    let proven = provider.prove(&made, Depth::Content);
    assert!(matches!(proven, Err(Error::Unproven { .. })), "{proven:?}");
    // And gone from the file, whatever the machine still says.
    run("qemu-img", &["create", "-q", "-f", "qcow2", &rig.text("other.qcow2"), "16M"]);
    fs::rename(rig.path("other.qcow2"), rig.path("one.qcow2")).unwrap();
    let proven = provider.prove(&made, Depth::Content);
    assert!(matches!(proven, Err(Error::Unproven { .. })), "{proven:?}");
}

#[test]
fn a_throw_away_copy_boots() {
    let rig = Rig::new();
    rig.write("two", 1);
    let mut binding = rig.binding();
    fs::create_dir(rig.path("scratch")).unwrap();
    binding.scratch = Some(rig.path("scratch"));
    // The copy's own boot sector ends the machine through a device that only this machine has: 33.
    let trial = "timeout 20 qemu-system-x86_64 -machine pc,accel=tcg -m 32 -display none -nodefaults \
                 -device isa-debug-exit,iobase=0x501,iosize=1 -drive format=qcow2,file=\"$1\"; [ $? = 33 ]";
    script(&rig.path("trial"), trial);
    binding.try_clone = Some(vec![rig.text("trial")]);
    let mut provider = open(&binding);
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    let proof = provider.prove(&made, Depth::Clone).unwrap();
    assert!(matches!(proof.clone, Look::Good { .. }), "{proof:?}");
    assert_eq!(fs::read_dir(rig.path("scratch")).unwrap().count(), 0);

    script(&rig.path("trial"), "echo 'no boot sector' >&2; exit 1");
    let proven = provider.prove(&made, Depth::Clone);
    assert!(matches!(proven, Err(Error::Unproven { .. })), "{proven:?}");
    assert!(proven.unwrap_err().to_string().contains("no boot sector"));
    assert_eq!(fs::read_dir(rig.path("scratch")).unwrap().count(), 0);
}

#[test]
fn a_probe_tells_the_living_from_the_dead() {
    let rig = Rig::new();
    let mut provider = rig.provider();
    rig.ask("cont", json!({}));
    let alive = provider.probe().unwrap();
    assert_eq!(alive.machine, Answer::Yes { says: "running".into() });
    assert_eq!(alive.guest, Answer::Absent);
    assert!(provider.space().unwrap().bytes_worst > 64 << 20);
    rig.kill();
    let alive = provider.probe().unwrap();
    assert!(matches!(alive.machine, Answer::Silent { .. }), "{alive:?}");
}
