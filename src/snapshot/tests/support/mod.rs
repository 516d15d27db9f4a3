//! A real machine: QEMU without hardware help, two disks, no operating system. It is started by a script, as a
//! site would, so that a provider can start it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

use serde_json::{Value, json};
use snapshot::{Binding, IfNot, Kind, Level, Limits, Order, Provider, QmpBinding};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A boot sector: writes 0x10 to port 0x501, where a test may put a device that ends the machine, and rests.
const BOOT: &[u8] = &[0xfa, 0xba, 0x01, 0x05, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd];

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn limits() -> Limits {
    Limits::default().at_most(seconds(30))
}

pub fn order(name: &str, level: Level, if_not: IfNot) -> Order {
    Order { name: name.parse().unwrap(), level, if_not }
}

pub fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| {
        panic!("{program} cannot be run ({error}): tests/setup.sh installs it")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {words:?}: {text}{output:?}");
    text
}

pub fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder with a machine in it, which ends with it.
pub struct Rig {
    pub dir: TempDir,
}

impl Rig {
    /// A machine that stands still, with its clock at 0.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with more words on QEMU's command line.
    pub fn with(more: &str) -> Self {
        Self::on(more, |raw| {
            let mut sector = BOOT.to_vec();
            sector.resize(510, 0);
            sector.extend([0x55, 0xaa]);
            sector.resize(16 << 20, 0);
            fs::write(raw, sector).unwrap();
        })
    }

    /// The same with other content of the first disk, which `fill` writes into a file.
    pub fn on(more: &str, fill: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rig = Self { dir };
        fill(&rig.path("boot.raw"));
        let (raw, one) = (rig.text("boot.raw"), rig.text("one.qcow2"));
        run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &raw, &one]);
        run("qemu-img", &["create", "-q", "-f", "qcow2", &rig.text("two.qcow2"), "8M"]);
        rig.start_script(more);
        run(&rig.text("start"), &[]);
        rig.status();
        rig
    }

    pub fn start_script(&self, more: &str) {
        let d = self.dir.path().display();
        let disk = |name: &str| {
            format!(
                "-blockdev driver=qcow2,node-name={name},file.driver=file,file.filename={d}/{name}.qcow2 \
                 -device virtio-blk-pci,drive={name},id=disk-{name},share-rw=on "
            )
        };
        // QEMU prints what qemu-io reads: into a file, line by line.
        let text = format!(
            "rm -f {d}/qmp {d}/mine\n\
             stdbuf -oL qemu-system-x86_64 -machine q35,accel=tcg -m 64 -S -display none -nodefaults \
             -name web1 -uuid 6d6e3a5e-0f0e-4f0f-9d0c-2f7c4c1b7a11 -pidfile {d}/pid \
             -qmp unix:{d}/qmp,server=on,wait=off -qmp unix:{d}/mine,server=on,wait=off {}{}{more} \
             </dev/null >>{d}/log 2>&1 &\n\
             until [ -S {d}/qmp ] && [ -S {d}/mine ]; do kill -0 $! || exit 1; sleep 0.02; done",
            disk("one"),
            disk("two"),
        );
        script(&self.path("start"), &text);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn binding(&self) -> QmpBinding {
        QmpBinding {
            socket: self.path("qmp"),
            agent: None,
            kind: Kind::Internal,
            start: Some(vec![self.text("start")]),
            leave_out: Vec::new(),
            scratch: None,
            try_clone: None,
        }
    }

    pub fn provider(&self) -> Box<dyn Provider + Send> {
        open(&self.binding())
    }

    /// A command on the test's own monitor.
    pub fn ask(&self, command: &str, arguments: Value) -> Value {
        ask(&self.path("mine"), command, arguments)
    }

    /// Writes a byte over the second 64 KiB of a disk, through the machine.
    pub fn write(&self, disk: &str, byte: u8) {
        let told = self.io(disk, &format!("write -P {byte} 64k 64k"));
        assert!(told.contains("wrote 65536"), "{told}");
    }

    /// Whether the machine reads that byte there.
    pub fn reads(&self, disk: &str, byte: u8) -> bool {
        let told = self.io(disk, &format!("read -P {byte} 64k 64k"));
        assert!(told.contains("read 65536"), "{told}");
        !told.contains("verification failed")
    }

    fn io(&self, disk: &str, what: &str) -> String {
        // The active node: an overlay, where there is one.
        let blocks = self.ask("query-block", json!({}));
        let suffix = format!("disk-{disk}/virtio-backend");
        let entry = blocks
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["qdev"].as_str().unwrap_or("").ends_with(&suffix));
        let node = entry.unwrap()["inserted"]["node-name"].as_str().unwrap().to_owned();
        let line = format!("qemu-io {node} \"{what}\"");
        let before = fs::metadata(self.path("log")).unwrap().len();
        self.ask("human-monitor-command", json!({"command-line": line}));
        let log = fs::read(self.path("log")).unwrap();
        String::from_utf8(log[usize::try_from(before).unwrap()..].to_vec()).unwrap()
    }

    pub fn status(&self) -> String {
        self.ask("query-status", json!({}))["status"].as_str().unwrap().to_owned()
    }

    pub fn kill(&self) {
        let Ok(pid) = fs::read_to_string(self.path("pid")) else { return };
        let _ = Command::new("kill").args(["-9", pid.trim()]).output();
        // A dead process may wait for somebody to take leave of it; its files are free by then.
        let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        until("the end of a killed machine", seconds(10), || {
            fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")).then_some(())
        });
        let _ = fs::remove_file(self.path("pid"));
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn open(binding: &QmpBinding) -> Box<dyn Provider + Send> {
    Binding::Qmp(binding.clone()).open(limits()).unwrap()
}

pub fn ask(socket: &Path, command: &str, arguments: Value) -> Value {
    // A machine that was just started has its socket a moment before it listens.
    let mut stream = until("a monitor", seconds(10), || UnixStream::connect(socket).ok());
    stream.set_read_timeout(Some(seconds(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    next();
    let questions = [
        json!({"execute": "qmp_capabilities"}),
        json!({"execute": command, "arguments": arguments}),
    ];
    let mut answer = Value::Null;
    for question in questions {
        writeln!(stream, "{question}").unwrap();
        answer = loop {
            let said = next();
            if said.get("event").is_none() {
                break said;
            }
        };
    }
    assert!(answer.get("return").is_some(), "{command}: {answer}");
    answer["return"].take()
}
