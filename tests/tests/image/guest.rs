//! The appliance's image in QEMU: software emulation always, a disk that outlives a guest, its screen, its power button.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{run, scratch};

/// A guest ends by itself after so many seconds, whatever became of its test.
const GUEST_SECONDS_MAX: &str = "900";

/// Another address that it may have: the first one is what QEMU's DHCP server lends, 10.0.2.15.
pub(crate) const OTHER: &str = "10.0.2.20";

/// Whose keys the firmware is told that these are; any will do.
const OWNER: &str = "7a0c5c4e-5b1f-4e0b-9c55-0c1f0e4b6a10";

/// The image that `just test-image` names, or nothing, which is said.
pub(crate) fn image() -> Option<PathBuf> {
    let named = std::env::var_os("PATCHKEEP_IMAGE").map(PathBuf::from);
    if named.is_none() {
        eprintln!(
            "SKIPPED: there is no image: none was named, or the mirror no longer has what image/lock names; \
             `just test-image` builds one and boots it"
        );
    }
    named
}

/// The one file in a folder that ends so.
pub(crate) fn only(folder: &Path, ending: &str) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut fitting = entries.filter(|path| path.display().to_string().ends_with(ending));
    let one = fitting.next().unwrap_or_else(|| panic!("{} has no {ending}", folder.display()));
    assert!(fitting.next().is_none(), "{} has several {ending}", folder.display());
    one
}

/// What a machine is made of, and goes on being when it is switched off.
pub(crate) struct Hardware {
    image: PathBuf,
    folder: TempDir,
    /// Starts the disk as real firmware does, with Secure Boot on; else the kernel is booted directly.
    pub(crate) has_firmware: bool,
    /// Words on the kernel's command line, where it is booted directly.
    pub(crate) words: &'static str,
    pub(crate) has_disk: bool,
    /// Its memory, in MiB. Half of it may hold what the image unpacks.
    pub(crate) memory: u16,
    /// Has a drive for discs, without one in it.
    pub(crate) has_drive: bool,
    /// Has a TPM 2.0 (swtpm), which keeps what it knows while the machine is off.
    pub(crate) has_tpm: bool,
    /// A folder that is a FAT stick.
    pub(crate) medium: Option<PathBuf>,
    /// Where the disk under its layer lies, if that is its own.
    pub(crate) base: Option<TempDir>,
}

impl Hardware {
    /// One whose disk is as the image's own, on a layer of its own.
    pub(crate) fn new(image: &Path) -> Self {
        let image = image.canonicalize().unwrap();
        let disk = only(&image, ".img");
        Self::with_disk(image, &disk)
    }

    pub(crate) fn with_disk(image: PathBuf, disk: &Path) -> Self {
        let folder = scratch();
        let mut layer = Command::new("qemu-img");
        layer.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(disk);
        run(layer.arg(folder.path().join("disk.qcow2"))).ok();
        let words = "patchkeep.address=10.0.2.15/24 patchkeep.gateway=10.0.2.2";
        Self {
            image,
            folder,
            has_firmware: false,
            words,
            has_disk: true,
            memory: 512,
            has_drive: false,
            has_tpm: false,
            medium: None,
            base: None,
        }
    }

    /// One with firmware that boots what the development key signed, and nothing else.
    pub(crate) fn with_secure_boot(image: &Path, disk: &Path) -> Self {
        let mut machine = Self::with_disk(image.canonicalize().unwrap(), disk);
        machine.has_firmware = true;
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let certificate = project.join("keys/DEVELOPMENT-ONLY.secure-boot.crt");
        let certificate = certificate.display().to_string();
        let mut vars = Command::new(project.join("target/image/venv/bin/virt-fw-vars"));
        vars.args(["--input", "/usr/share/OVMF/OVMF_VARS_4M.fd", "--output"])
            .arg(machine.folder.path().join("vars.fd"));
        for list in ["--set-pk", "--add-kek", "--add-db"] {
            vars.args([list, OWNER, &certificate]);
        }
        run(vars.arg("--sb")).ok();
        machine
    }

    /// Puts a file in the place of one of its EFI partition's, while the machine is off.
    pub(crate) fn replace(&self, file: &str, with: &Path) {
        let raw = self.raw();
        let partition = format!("{}@@{}", raw.display(), begins(&raw, "patchkeep-esp"));
        let mut copy = Command::new("mcopy");
        run(copy.args(["-o", "-i", &partition]).arg(with).arg(format!("::{file}"))).ok();
        self.take_back(&raw);
    }

    /// Has its disk be what was made of [`Self::raw`].
    fn take_back(&self, raw: &Path) {
        let layer = self.folder.path().join("disk.qcow2");
        let mut convert = Command::new("qemu-img");
        run(convert.args(["convert", "-O", "qcow2"]).arg(raw).arg(&layer)).ok();
    }

    /// Switches Secure Boot off: the firmware forgets its keys.
    pub(crate) fn forget_keys(&self) {
        fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", self.folder.path().join("vars.fd")).unwrap();
    }

    /// The data partition's first bytes, while the machine is off.
    pub(crate) fn data_begins(&self) -> Vec<u8> {
        let raw = self.raw();
        let mut file = File::open(&raw).unwrap();
        file.seek(SeekFrom::Start(begins(&raw, "patchkeep-data"))).unwrap();
        let mut bytes = vec![0; 4096];
        file.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Has its data partition begin with what is nobody's, while the machine is off.
    pub(crate) fn spoil_data(&self) {
        let raw = self.raw();
        let mut file = File::options().write(true).open(&raw).unwrap();
        file.seek(SeekFrom::Start(begins(&raw, "patchkeep-data"))).unwrap();
        file.write_all(&tests::noise(7, 4096)).unwrap();
        drop(file);
        self.take_back(&raw);
    }

    /// What lies in a file of the data partition, while the machine is off.
    pub(crate) fn data(&self, file: &str) -> String {
        let raw = self.raw();
        let partition = format!("{}?offset={}", raw.display(), begins(&raw, "patchkeep-data"));
        run(Command::new("debugfs").args(["-R", &format!("cat {file}"), &partition])).ok().out
    }

    /// Puts half of an image where a whole one lay, while the machine is off.
    pub(crate) fn tear(&self, file: &str) {
        let torn = self.folder.path().join("torn");
        let whole = fs::read(only(&self.image, ".efi")).unwrap();
        fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
        self.replace(file, &torn);
    }

    /// Gives it a larger disk, with the same on it, while the machine is off.
    pub(crate) fn is_as_large_as(&self, size: &str) {
        let layer = self.folder.path().join("disk.qcow2");
        run(Command::new("qemu-img").args(["resize", "-q"]).arg(layer).arg(size)).ok();
    }

    /// Changes what lies on the data partition, while the machine is off.
    pub(crate) fn with_data(&self, change: impl FnOnce(&Path)) {
        let (raw, at) = (self.raw(), self.folder.path().join("mounted"));
        fs::create_dir_all(&at).unwrap();
        let options = format!("loop,offset={}", begins(&raw, "patchkeep-data"));
        run(Command::new("mount").args(["-o", &options]).args([&raw, &at])).ok();
        change(&at);
        run(Command::new("umount").arg(&at)).ok();
        self.take_back(&raw);
    }

    fn raw(&self) -> PathBuf {
        let (layer, raw) =
            (self.folder.path().join("disk.qcow2"), self.folder.path().join("disk.raw"));
        run(Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&layer, &raw])).ok();
        raw
    }

    /// Switches it on.
    pub(crate) fn boot(&self) -> Guest {
        let own = |name: &str| self.folder.path().join(name).display().to_string();
        let [door, other_door, plain_door, endpoints] = free_ports();
        let mut qemu = Command::new("timeout");
        let memory = self.memory.to_string();
        qemu.args([GUEST_SECONDS_MAX, "qemu-system-x86_64", "-cpu", "max", "-m", &memory]);
        let (keyboard, screen) = (own("keyboard"), own("screen"));
        let serial =
            format!("socket,id=serial,path={keyboard},server=on,wait=off,logfile={screen}");
        qemu.args(["-display", "none", "-nodefaults"]);
        qemu.args(["-chardev", &serial, "-serial", "chardev:serial"]);
        if self.has_firmware {
            self.add_firmware(&mut qemu);
        } else {
            self.add_kernel(&mut qemu);
        }
        let doors = format!(
            "hostfwd=tcp:127.0.0.1:{door}-:443,hostfwd=tcp:127.0.0.1:{other_door}-{OTHER}:443,\
             hostfwd=tcp:127.0.0.1:{plain_door}-:80,hostfwd=tcp:127.0.0.1:{endpoints}-:8443"
        );
        qemu.args(["-netdev", &format!("user,id=n0,restrict=on,{doors}")]);
        let frames =
            format!("filter-dump,id=frames,netdev=n0,maxlen=64,file={}", own("frames.pcap"));
        qemu.args(["-object", &frames]);
        qemu.args([
            "-device",
            "virtio-net-pci,netdev=n0,romfile=",
            "-device",
            "i6300esb",
            "-action",
            "watchdog=reset",
        ]);
        qemu.args(["-qmp", &format!("unix:{},server=on,wait=off", own("qmp"))]);
        if self.has_disk {
            let disk = format!(
                "driver=qcow2,node-name=disk,file.driver=file,file.filename={}",
                own("disk.qcow2")
            );
            qemu.args(["-blockdev", &disk, "-device", "virtio-blk-pci,drive=disk"]);
        }
        if self.has_drive {
            qemu.args(["-device", "ide-cd,id=drive"]);
        }
        if self.has_tpm {
            self.add_tpm(&mut qemu);
        }
        qemu.args(["-device", "qemu-xhci,id=xhci"]);
        if let Some(medium) = &self.medium {
            let stick =
                format!("driver=vvfat,node-name=stick,read-only=on,dir={}", medium.display());
            qemu.args(["-blockdev", &stick]);
            qemu.args(["-device", "usb-storage,bus=xhci.0,drive=stick"]);
        }
        let _ = fs::remove_file(own("screen"));
        let log = File::create(own("qemu.log")).unwrap();
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let folder = self.folder.path().to_owned();
        let child = Running(child);
        Guest { child, folder, door, other_door, plain_door, endpoints, begun: Instant::now() }
    }

    /// Its own TPM, which ends with the machine.
    fn add_tpm(&self, qemu: &mut Command) {
        let own = |name: &str| self.folder.path().join(name).display().to_string();
        let (state, socket) = (own("tpm"), own("tpm.sock"));
        fs::create_dir_all(&state).unwrap();
        let mut tpm = Command::new("swtpm");
        tpm.args(["socket", "--tpm2", "--daemon", "--tpmstate", &format!("dir={state}")]);
        run(tpm.args(["--ctrl", &format!("type=unixio,path={socket}")])).ok();
        qemu.args(["-chardev", &format!("socket,id=tpm,path={socket}")]);
        qemu.args(["-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"]);
    }

    fn add_kernel(&self, qemu: &mut Command) {
        let part = |name: &str| self.image.join("parts").join(name).display().to_string();
        let words =
            format!("{} {}", fs::read_to_string(part("cmdline")).unwrap().trim(), self.words);
        qemu.args(["-machine", "q35,accel=tcg", "-no-reboot"]);
        qemu.args(["-kernel", &part("vmlinuz"), "-initrd", &part("initramfs"), "-append", &words]);
    }

    fn add_firmware(&self, qemu: &mut Command) {
        let code =
            "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
        let vars = format!(
            "if=pflash,format=raw,unit=1,file={}",
            self.folder.path().join("vars.fd").display()
        );
        qemu.args([
            "-machine",
            "q35,smm=on,accel=tcg",
            "-global",
            "driver=cfi.pflash01,property=secure,value=on",
        ]);
        qemu.args(["-global", "ICH9-LPC.disable_s3=1", "-drive", code, "-drive", &vars]);
    }
}

/// Where a disk's partition of this name begins, in bytes.
pub(crate) fn begins(disk: &Path, name: &str) -> u64 {
    let table = run(Command::new("sfdisk").arg("--json").arg(disk)).ok().json();
    let partitions = table["partitiontable"]["partitions"].as_array().unwrap();
    let found = partitions.iter().find(|partition| partition["name"] == name).unwrap();
    found["start"].as_u64().unwrap() * 512
}

/// Different ones: each is held until all are known.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A machine that runs; dropping it pulls its plug.
pub(crate) struct Guest {
    child: Running,
    folder: PathBuf,
    door: u16,
    /// Its door where it has the address [`OTHER`].
    other_door: u16,
    /// Its door without TLS.
    plain_door: u16,
    /// Its door for endpoints, as a port of this machine.
    pub(crate) endpoints: u16,
    begun: Instant,
}

impl Guest {
    /// Looks for it at its other address from now on.
    pub(crate) fn moves(&mut self) {
        std::mem::swap(&mut self.door, &mut self.other_door);
    }

    /// Types lines on its serial line, each after it asked something that holds these words.
    pub(crate) fn types(&mut self, lines: &[(&str, &str)], limit: Duration) {
        self.types_as(lines, limit, true);
    }

    /// The same with lines that must not be seen.
    pub(crate) fn types_unseen(&mut self, lines: &[(&str, &str)], limit: Duration) {
        self.types_as(lines, limit, false);
        for (_, line) in lines {
            assert!(!self.screen().contains(line), "{line} is seen:\n{}", self.screen());
        }
    }

    fn types_as(&mut self, lines: &[(&str, &str)], limit: Duration, seen: bool) {
        let mut keyboard = UnixStream::connect(self.folder.join("keyboard")).unwrap();
        // What it says comes here too, and it stands still where nobody takes it.
        let mut said = keyboard.try_clone().unwrap();
        let taken = std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        for (asks, line) in lines {
            let before = self.screen();
            // What was asked by the line before may stand there already.
            let asked = before.lines().rev().find(|line| !line.trim().is_empty());
            if !asked.is_some_and(|asked| asked.contains(asks)) {
                self.until(asks, limit, |guest| {
                    guest.screen().strip_prefix(&*before)?.contains(asks).then_some(())
                });
            }
            let before = self.screen();
            writeln!(keyboard, "{line}").unwrap();
            // Its terminal gives back what it took; what is still on the way when the line is hung up is lost.
            let echo = if seen { format!("{line}\n") } else { "\n".to_owned() };
            self.until(line, limit, |guest| {
                guest.screen().strip_prefix(&*before)?.contains(&echo).then_some(())
            });
        }
        keyboard.shutdown(std::net::Shutdown::Both).unwrap();
        taken.join().unwrap().unwrap();
    }

    /// Waits until it switched itself off, or would start again.
    pub(crate) fn until_it_ends(mut self, limit: Duration) -> String {
        let begun = Instant::now();
        while self.child.0.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < limit, "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(100));
        }
        self.screen()
    }

    /// Whether a frame with the tag of a VLAN left or reached it (IEEE 802.1Q; plain pcap).
    pub(crate) fn has_seen_vlan(&self, vlan: u16) -> bool {
        let [high, low] = vlan.to_be_bytes();
        let frames = fs::read(self.folder.join("frames.pcap")).unwrap();
        frames.windows(4).any(|bytes| bytes == [0x81, 0x00, high, low])
    }

    /// Where its people's door is reached from here.
    pub(crate) fn address(&self) -> String {
        format!("https://localhost:{}", self.door)
    }

    /// All that its screen has said.
    pub(crate) fn screen(&self) -> String {
        let bytes = fs::read(self.folder.join("screen")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// What stands last on its screen after these words, in their line.
    pub(crate) fn says_after(&self, words: &str) -> String {
        let screen = self.screen();
        let line = screen.lines().rev().find_map(|line| line.trim_start().strip_prefix(words));
        line.unwrap_or_else(|| panic!("the screen does not say {words}:\n{screen}"))
            .trim()
            .to_owned()
    }

    /// Waits until the screen says something; how long that took since it was switched on.
    pub(crate) fn until_it_says(&mut self, words: &str, limit: Duration) -> Duration {
        self.until(words, limit, |guest| guest.screen().contains(words).then_some(()))
    }

    /// Waits until the screen says something after it has said something else; how long that took since it was switched on.
    pub(crate) fn until_it_says_after(
        &mut self,
        before: &str,
        words: &str,
        limit: Duration,
    ) -> Duration {
        self.until(words, limit, |guest| {
            let screen = guest.screen();
            screen.split_once(before)?.1.contains(words).then_some(())
        })
    }

    /// Waits until a page comes with 200; how long that took since it was switched on.
    pub(crate) fn until_it_serves(&mut self, path: &str, limit: Duration) -> (Duration, String) {
        let mut page = String::new();
        let took = self.until(path, limit, |guest| {
            page = guest.get(path)?;
            Some(())
        });
        (took, page)
    }

    fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Self) -> Option<()>,
    ) -> Duration {
        while look(self).is_none() {
            let ended = self.child.0.try_wait().unwrap();
            let late = self.begun.elapsed() > limit;
            let log = || fs::read_to_string(self.folder.join("qemu.log")).unwrap();
            assert!(
                ended.is_none() && !late,
                "not: {what} (ended: {ended:?})\n{}\n{}",
                self.screen(),
                log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        self.begun.elapsed()
    }

    /// A page of the console, if it comes with 200. Who answers is seen by the fingerprint on the screen.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.door);
        let said = run(Command::new("curl").args([
            "--silent",
            "--insecure",
            "--fail",
            "--max-time",
            "10",
            &url,
        ]));
        (said.code == Some(0)).then_some(said.out)
    }

    /// Where its door without TLS sends a browser.
    pub(crate) fn sends(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.plain_door);
        let words = ["--silent", "--output", "/dev/null", "--max-time", "10", "--write-out"];
        run(Command::new("curl").args(words).args(["%{http_code} %{redirect_url}", &url])).ok().out
    }

    /// Sends a form to the console, as a browser does; the page that comes, if it comes with 200.
    pub(crate) fn post(&self, path: &str, fields: &[String]) -> Option<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.door);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--fail", "--max-time", "120"]);
        fields.iter().for_each(|field| {
            curl.args(["--form", field]);
        });
        let said = run(curl.arg(&url));
        (said.code == Some(0)).then_some(said.out)
    }

    /// Tells QEMU things (QMP).
    #[track_caller]
    fn tell(&self, commands: &[(&str, Value)]) {
        let stream = UnixStream::connect(self.folder.join("qmp")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
        for (command, arguments) in [("qmp_capabilities", json!({}))].iter().chain(commands) {
            let line = json!({ "execute": command, "arguments": arguments });
            writeln!(&stream, "{line}").unwrap();
            let answer = answers.by_ref().map(|line| line.unwrap());
            let mut answer = answer.map(|line| serde_json::from_str::<Value>(&line).unwrap());
            // The greeting and events are no answers.
            let is_answer = |a: &Value| a.get("return").is_some() || a.get("error").is_some();
            let answer = answer.find(is_answer);
            assert!(answer.as_ref().is_some_and(|a| a["return"].is_object()), "{line}: {answer:?}");
        }
    }

    /// Plugs a stick in on USB: what is on it, its serial number, and how many bytes of it can be read each second.
    pub(crate) fn plug(&self, stick: &Path, serial: &str, pace: Option<u64>) {
        self.plug_as(stick, serial, pace, true);
    }

    /// The same with a stick that can be written to, so many times each second.
    pub(crate) fn plug_writable(&self, stick: &Path, serial: &str, pace: Option<u64>) {
        self.plug_as(stick, serial, pace, false);
    }

    fn plug_as(&self, stick: &Path, serial: &str, pace: Option<u64>, read_only: bool) {
        let file = json!({ "driver": "file", "filename": stick });
        let raw =
            json!({ "driver": "raw", "node-name": serial, "read-only": read_only, "file": file });
        let mut commands = vec![("blockdev-add", raw)];
        let mut drive = serial.to_owned();
        if let Some(pace) = pace {
            let group = format!("{serial}-pace");
            let limits = json!({ if read_only { "bps-read" } else { "iops-write" }: pace });
            let object = json!({ "qom-type": "throttle-group", "id": group, "limits": limits });
            commands.push(("object-add", object));
            drive = format!("{serial}-slow");
            let slow = json!({ "driver": "throttle", "node-name": drive, "read-only": read_only,
                "throttle-group": group, "file": serial });
            commands.push(("blockdev-add", slow));
        }
        commands.push((
            "device_add",
            json!({ "driver": "usb-storage", "bus": "xhci.0", "id": serial,
            "drive": drive, "serial": serial, "removable": true }),
        ));
        self.tell(&commands);
    }

    /// Puts a disc into its drive.
    pub(crate) fn insert(&self, disc: &Path) {
        let medium = json!({ "id": "drive", "filename": disc, "format": "raw", "read-only-mode": "read-only" });
        self.tell(&[("blockdev-change-medium", medium)]);
    }

    /// Plugs another thing in on USB.
    pub(crate) fn plug_other(&self, driver: &str, id: &str) {
        self.tell(&[("device_add", json!({ "driver": driver, "bus": "xhci.0", "id": id }))]);
    }

    /// Pulls it out.
    pub(crate) fn pull(&self, serial: &str) {
        self.tell(&[("device_del", json!({ "id": serial }))]);
    }

    /// Forgets a stick that was pulled out, so that it can be plugged in again.
    pub(crate) fn forget(&self, serial: &str, had_pace: bool) {
        let node = |name: String| ("blockdev-del", json!({ "node-name": name }));
        let mut commands = Vec::new();
        if had_pace {
            commands.push(node(format!("{serial}-slow")));
            commands.push(("object-del", json!({ "id": format!("{serial}-pace") })));
        }
        commands.push(node(serial.to_owned()));
        self.tell(&commands);
    }

    /// Presses the power button and waits until the machine is off.
    pub(crate) fn press_power_button(mut self) -> String {
        self.tell(&[("system_powerdown", json!({}))]);
        let pressed = Instant::now();
        while self.child.0.try_wait().unwrap().is_none() {
            assert!(
                pressed.elapsed() < Duration::from_secs(120),
                "it does not stop:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!(
            "off {:.1} s after the power button was pressed",
            pressed.elapsed().as_secs_f64()
        );
        self.screen()
    }
}

/// A QEMU under `timeout` that runs; dropping it pulls the plug.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` passes this on to QEMU.
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            let id = rustix::process::Pid::from_child(&self.0);
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            let _ = self.0.wait();
        }
    }
}
