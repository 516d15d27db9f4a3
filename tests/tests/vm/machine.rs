//! A real virtual machine: QEMU under software emulation, a Debian root on a qcow2 disk, the agent in it.

use ids::Digest;
use serde_json::{Value, json};
use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{Debian, program, run, run_within, scratch};

/// What a guest says once it has booted; which boot it is and when (seconds since 1970) may follow.
pub(crate) const UP: &str = "guest is up";

/// How the guest reaches this machine's loopback.
pub(crate) const HOST: &str = "10.0.2.2";
/// Size of the disk, in bytes.
const DISK_BYTES: u64 = 1536 << 20;

/// What the guest runs as its first program: the agent, for ever. `run` ends by itself after a change.
const BEGIN: &str = "#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
echo guest is up
while :; do
  patchkeep-agent run || sleep 1
done
";

/// systemd's words for a guest that boots with it: all of its journal on the console, with each system call
/// that a unit's seccomp filter refuses.
const WITH_SYSTEMD: &str = "loglevel=6 SYSTEMD_LOG_SECCOMP=1 systemd.show_status=0 \
    systemd.journald.forward_to_console=1 systemd.mask=serial-getty@ttyS0.service";

/// A machine that runs; dropping it ends it.
pub(crate) struct Machine {
    folder: TempDir,
    child: Option<Child>,
    has_systemd: bool,
    /// Kept open: QEMU reads nothing more of who has hung up.
    desk: OnceCell<UnixStream>,
    /// While this listens, the machine's health check passes.
    service: Option<TcpListener>,
    service_address: String,
}

impl Machine {
    /// Puts a Debian root on a disk and starts it, with the agent as all that runs. Its health check asks for
    /// a service on this machine, as an application would for its database.
    pub(crate) fn start(root: &Debian) -> Self {
        let service = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = service.local_addr().unwrap();
        furnish(root, address.port());
        let mut machine = Self::new(root, false, Some(service), address.to_string());
        machine.boot();
        machine
    }

    /// Puts a Debian root on a disk and boots it with the systemd that is in it. It may restart itself.
    pub(crate) fn with_systemd(root: &Debian) -> Self {
        let mut machine = Self::new(root, true, None, String::new());
        machine.boot();
        machine
    }

    fn new(
        root: &Debian,
        has_systemd: bool,
        service: Option<TcpListener>,
        service_address: String,
    ) -> Self {
        let (folder, desk) = (on_disk(root), OnceCell::new());
        Self { folder, child: None, has_systemd, desk, service, service_address }
    }

    fn boot(&mut self) {
        let made = made();
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-machine", "q35,accel=tcg", "-cpu", "max", "-m", "512"]);
        command.args(["-display", "none", "-nodefaults"]);
        command.arg("-serial").arg(format!("file:{}", path("console")));
        command.arg("-kernel").arg(made.join("vmlinuz")).arg("-initrd").arg(made.join("initrd"));
        let mut words = "console=ttyS0 quiet panic=1".to_owned();
        if self.has_systemd {
            let (socket, log) = (path("desk"), path("desk.log"));
            let desk = format!("socket,id=desk,path={socket},server=on,wait=off,logfile={log}");
            command.args(["-chardev", &desk, "-serial", "chardev:desk"]);
            words = format!("{words} {WITH_SYSTEMD}");
        } else {
            command.arg("-no-reboot");
        }
        command.args(["-append", &words]);
        let disk = path("disk.qcow2");
        command
            .arg("-blockdev")
            .arg(format!("driver=qcow2,node-name=root,file.driver=file,file.filename={disk}"));
        command.args(["-device", "virtio-blk-pci,drive=root", "-netdev", "user,id=n0"]);
        command.args(["-device", "virtio-net-pci,netdev=n0,romfile="]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", path("qmp")));
        let log = File::create(self.folder.path().join("qemu.log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.unwrap());
        self.until("the guest is up", Duration::from_secs(120), |machine| {
            machine.console().contains(UP).then_some(())
        });
    }

    /// Who makes its snapshots, as `endpoint set --provider` takes it.
    pub(crate) fn provider(&self) -> Value {
        json!({ "provider": "qmp", "socket": self.folder.path().join("qmp") })
    }

    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.folder.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The boots that it has told of, each with its id and its time in seconds since 1970.
    pub(crate) fn boots(&self) -> Vec<(String, i64)> {
        let told = |line: &str| {
            let (_, words) = line.split_once(UP)?;
            let mut words = words.split_ascii_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        };
        self.console().lines().filter_map(told).collect()
    }

    /// What was shown on the terminal of a machine with systemd, at which somebody may be logged in.
    pub(crate) fn desk(&self) -> String {
        let bytes = fs::read(self.folder.path().join("desk.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Types a line there.
    pub(crate) fn type_at_desk(&self, line: &str) {
        let connect = || {
            let stream = UnixStream::connect(self.folder.path().join("desk")).unwrap();
            // Unread, a few hundred bytes fill it, since each comes alone, and the terminal stands still.
            let mut unread = stream.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut unread, &mut std::io::sink()));
            stream
        };
        self.desk.get_or_init(connect).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The service goes away, or is there again.
    pub(crate) fn let_service(&mut self, run: bool) {
        self.service = run.then(|| TcpListener::bind(&self.service_address).unwrap());
    }

    /// Waits for something; ends the test with what the guest said when it does not come.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn(&Self) -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(self) {
                eprintln!("{what}: after {:.1} s", begun.elapsed().as_secs_f64());
                return found;
            }
            let log = || fs::read_to_string(self.folder.path().join("qemu.log")).unwrap();
            assert!(begun.elapsed() < limit, "not: {what}\n{}\n{}", self.desk(), log());
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Digests of files on its disk.
    pub(crate) fn digests(&self, files: &[&str]) -> Vec<Option<Digest>> {
        let digest = |bytes: Option<Vec<u8>>| bytes.map(|bytes| Digest::of(&bytes));
        self.files(files).into_iter().map(digest).collect()
    }

    /// Files on its disk that are not empty, while the machine stands still.
    pub(crate) fn files(&self, files: &[&str]) -> Vec<Option<Vec<u8>>> {
        self.ask("stop");
        let raw = self.folder.path().join("look.raw");
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-U", "-f", "qcow2", "-O", "raw"]);
        convert.arg(self.folder.path().join("disk.qcow2")).arg(&raw);
        run_within(Duration::from_secs(120), &mut convert).ok();
        self.ask("cont");
        // What the guest had not written yet is in its journal.
        run(Command::new("e2fsck").args(["-p", "-E", "journal_only"]).arg(&raw));
        let read = |file: &&str| {
            let out = self.folder.path().join("look.file");
            let _ = fs::remove_file(&out);
            let dump = format!("dump {file} {}", out.display());
            run(Command::new("debugfs").args(["-R", &dump]).arg(&raw));
            fs::read(&out).ok().filter(|bytes| !bytes.is_empty())
        };
        let read = files.iter().map(read).collect();
        fs::remove_file(&raw).unwrap();
        read
    }

    fn ask(&self, command: &str) {
        // The monitor takes one client at a time, and the appliance's provider may be one.
        let begun = Instant::now();
        while self.try_ask(command).is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the monitor does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn try_ask(&self, command: &str) -> Option<()> {
        let mut stream = UnixStream::connect(self.folder.path().join("qmp")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        lines.next()?.ok()?;
        for execute in ["qmp_capabilities", command] {
            writeln!(stream, "{}", json!({ "execute": execute })).ok()?;
            loop {
                let line: Value = serde_json::from_str(&lines.next()?.ok()?).ok()?;
                if line.get("return").is_some() {
                    break;
                }
                assert!(line.get("error").is_none(), "{line}");
            }
        }
        Some(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.console());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What boots a guest, made once.
fn made() -> PathBuf {
    let made = tests::cache().join("vm");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/guest.sh");
    run_within(Duration::from_secs(180), Command::new(script).arg(&made)).ok();
    made
}

/// A folder with the root on a disk.
fn on_disk(root: &Debian) -> TempDir {
    let folder = scratch();
    let raw = folder.path().join("disk.raw");
    File::create(&raw).unwrap().set_len(DISK_BYTES).unwrap();
    let mut format = Command::new("mke2fs");
    format.args(["-q", "-t", "ext4", "-d"]).arg(root.root()).arg(&raw);
    run_within(Duration::from_secs(120), &mut format).ok();
    let disk = folder.path().join("disk.qcow2");
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2"]).arg(&raw).arg(&disk);
    run_within(Duration::from_secs(120), &mut convert).ok();
    fs::remove_file(&raw).unwrap();
    folder
}

/// What the root needs to boot without systemd and to be asked how it is.
fn furnish(root: &Debian, port: u16) {
    let begin = root.path("/sbin/init");
    fs::write(&begin, BEGIN).unwrap();
    fs::set_permissions(&begin, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(program("patchkeep-agent"), root.path("/usr/local/bin/patchkeep-agent")).unwrap();
    let ask = format!(
        "use IO::Socket::INET; exit(IO::Socket::INET->new(PeerAddr => \"{HOST}:{port}\", Timeout => 5) ? 0 : 1)"
    );
    let run = json!(["/usr/bin/perl", "-e", ask]);
    let conduct =
        format!("[health]\nsettle_seconds = 1\n\n[[health.command]]\nrun = {run}\nseconds = 30\n");
    fs::write(root.path("/etc/patchkeep/conduct.toml"), conduct).unwrap();
    let etc: PathBuf = root.path("/etc/hostname");
    fs::write(etc, "vm1\n").unwrap();
}
