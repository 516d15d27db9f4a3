//! libvirt, through `virsh`: one child process a question, its words read strictly.

use crate::{
    Alive, Answer, Depth, DiskState, Error, How, IfNot, Level, LibvirtBinding, Limits, Listed,
    Look, Made, Order, Proof, Provider, Restored, SnapshotName, Space, child,
    deadline::Deadline,
    error::harmless,
    guest::Quiet,
    image,
    machine::{answer, took},
};
use ids::{Fault, Timestamp};
use roxmltree::{Document, Node};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const WHO: &str = "libvirt";
/// The first version that is sure to go back to snapshots beside the files: it came during 9.x.
const GOES_BACK_OUTSIDE: (u64, u64) = (10, 0);

/// The domain of one binding.
pub(crate) struct Domain {
    binding: LibvirtBinding,
    limits: Limits,
}

/// What libvirt says of the domain.
struct Facts {
    /// Its name and UUID.
    machine: String,
    disks: Vec<(String, PathBuf)>,
    has_agent: bool,
    memory_bytes: u64,
}

/// A snapshot, and the state that the domain goes back to.
struct Found {
    listed: Listed,
    state: String,
    has_memory: bool,
}

impl Domain {
    pub(crate) fn new(binding: LibvirtBinding, limits: Limits) -> Self {
        Self { binding, limits }
    }

    /// One `virsh` command, with the domain as its first argument.
    fn virsh(&self, command: &str, words: &[&str], deadline: Deadline) -> Result<String, Error> {
        let domain = ["--domain", &self.binding.domain];
        self.run(command, &[&domain, words].concat(), deadline)
    }

    fn run(&self, command: &str, words: &[&str], deadline: Deadline) -> Result<String, Error> {
        let program = self.binding.virsh.as_deref().unwrap_or(Path::new("virsh"));
        let words =
            ["-q", "-c", &self.binding.uri, command].into_iter().chain(words.iter().copied());
        let ended = child::run(&format!("virsh {command}"), program, words, b"", deadline)?;
        if !ended.status.success() {
            let (who, act) = (WHO.into(), command.into());
            return Err(Error::Failed {
                who,
                act,
                reason: ended.reason(),
                fault: Fault::Unavailable,
            });
        }
        String::from_utf8(ended.answer).map_err(|_| garbage(command, "it is not UTF-8"))
    }

    fn facts(&self, deadline: Deadline) -> Result<Facts, Error> {
        let text = self.virsh("dumpxml", &[], deadline)?;
        let document = xml("dumpxml", &text, "domain")?;
        let root = document.root_element();
        let words = ["name", "uuid"].map(|tag| text_of(root, tag));
        let [Some(name), Some(uuid)] = words else {
            return Err(garbage("dumpxml", "a domain has no name or UUID"));
        };
        let kib = text_of(root, "memory").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let channels = root.descendants().filter(|node| node.has_tag_name("channel"));
        let has_agent = channels.filter_map(|node| child_of(node, "target")).any(|target| {
            target.attribute("name").is_some_and(|name| name.starts_with("org.qemu.guest_agent"))
        });
        let machine = harmless(&format!("{name} {uuid}"));
        Ok(Facts {
            machine,
            disks: disks(root)?,
            has_agent,
            memory_bytes: kib.saturating_mul(1024),
        })
    }

    fn state(&self, deadline: Deadline) -> Result<String, Error> {
        Ok(harmless(&self.virsh("domstate", &[], deadline)?))
    }

    fn names(&self, deadline: Deadline) -> Result<Vec<String>, Error> {
        let text = self.virsh("snapshot-list", &["--name"], deadline)?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn found(&self, name: &str, facts: &Facts, deadline: Deadline) -> Result<Found, Error> {
        let text = self.virsh("snapshot-dumpxml", &["--snapshotname", name], deadline)?;
        let found = snapshot(&text, facts)?;
        if found.listed.name != name {
            return Err(garbage("snapshot-dumpxml", "it is of another snapshot"));
        }
        Ok(found)
    }

    /// The snapshot of a record: whole, of this domain, and not another one of the same name.
    fn find(&self, made: &Made, facts: &Facts, deadline: Deadline) -> Result<Found, Error> {
        if made.machine != facts.machine {
            let (recorded, found) = (made.machine.clone(), facts.machine.clone());
            return Err(Error::OtherMachine { recorded, found });
        }
        let missing =
            || Error::NoSuch { name: made.name.to_string(), machine: facts.machine.clone() };
        if !self.names(deadline)?.iter().any(|name| name == made.name.as_str()) {
            return Err(missing());
        }
        let found = self.found(made.name.as_str(), facts, deadline)?;
        if !found.listed.whole || found.listed.at != made.at {
            return Err(missing());
        }
        Ok(found)
    }

    /// Disk-only snapshots are of no use where libvirt cannot go back to them.
    fn way_back(&self, name: &str, deadline: Deadline) -> Result<(), Error> {
        let text = self.run("version", &["--daemon"], deadline)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Running against daemon:"));
        let mut numbers =
            line.unwrap_or("").trim().split('.').map(|n| n.parse::<u64>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version >= GOES_BACK_OUTSIDE {
            return Ok(());
        }
        let reason = format!(
            "libvirt {}.{} cannot go back to snapshots without memory, {}.{} can",
            version.0, version.1, GOES_BACK_OUTSIDE.0, GOES_BACK_OUTSIDE.1
        );
        Err(Error::NoWayBack { name: name.into(), reason })
    }

    fn with_memory(&self, order: &Order, deadline: Deadline) -> Result<Quiet, Error> {
        let state = self.state(deadline)?;
        let taken = match state.as_str() {
            "running" | "paused" => self.make(&order.name, &[], deadline),
            _ => {
                Err(Error::NotQuiet { reason: format!("the domain is {state}: it has no memory") })
            }
        };
        match (taken, order.if_not) {
            (Ok(()), _) => Ok(Quiet::as_ordered(Level::Memory)),
            (Err(error), IfNot::Fail) => Err(error),
            (Err(error), IfNot::CrashConsistent) => {
                self.way_back(order.name.as_str(), deadline)?;
                self.make(&order.name, &["--disk-only"], deadline)?;
                Ok(Quiet::crash_consistent(Some(error.chain())))
            }
        }
    }

    /// libvirt freezes and thaws by itself; that it thawed is asked for afterwards, and mended.
    fn frozen(&self, order: &Order, facts: &Facts, deadline: Deadline) -> Result<Quiet, Error> {
        let taken = match facts.has_agent {
            false => Err(Error::NotQuiet { reason: "the domain has no guest agent".into() }),
            true => {
                let status = self.fs_status(Deadline::after(self.limits.ask));
                match status {
                    Ok(word) if word == "frozen" => return Err(Error::FrozenBefore),
                    // Without an agent that answers nothing is tried, so nothing has to be thawed.
                    Err(error) => Err(error),
                    Ok(_) => {
                        let limit = deadline.sooner(self.limits.freeze);
                        let taken = self.make(&order.name, &["--disk-only", "--quiesce"], limit);
                        self.until_thawed(taken.is_ok())?;
                        taken
                    }
                }
            }
        };
        match (taken, order.if_not) {
            (Ok(()), _) => Ok(Quiet::as_ordered(Level::Frozen)),
            (Err(error), IfNot::Fail) => Err(Error::NotQuiet { reason: error.chain() }),
            (Err(error), IfNot::CrashConsistent) => {
                self.make(&order.name, &["--disk-only"], deadline)?;
                Ok(Quiet::crash_consistent(Some(error.chain())))
            }
        }
    }

    fn make(&self, name: &SnapshotName, how: &[&str], deadline: Deadline) -> Result<(), Error> {
        let words = [&["--name", name.as_str(), "--atomic"], how].concat();
        let made = self.virsh("snapshot-create-as", &words, deadline);
        if matches!(made, Err(Error::TimedOut { .. })) {
            // The daemon may still be at it; nothing half made shall appear later.
            let soon = Deadline::after(self.limits.ask);
            let _ = self.virsh("domjobabort", &[], soon);
        }
        made.map(drop)
    }

    fn fs_status(&self, deadline: Deadline) -> Result<String, Error> {
        let seconds = self.limits.ask.as_secs().max(1).to_string();
        let question = r#"{"execute":"guest-fsfreeze-status"}"#;
        let command = "qemu-agent-command";
        let words = ["--timeout", seconds.as_str(), "--cmd", question];
        let text = self.virsh(command, &words, deadline)?;
        let told: serde_json::Value =
            serde_json::from_str(&text).map_err(|_| garbage(command, "it is not JSON"))?;
        match told["return"].as_str() {
            Some(word @ ("thawed" | "frozen")) => Ok(word.into()),
            _ => Err(garbage(command, "a freeze status that is neither thawed nor frozen")),
        }
    }

    fn until_thawed(&self, made: bool) -> Result<(), Error> {
        let deadline = Deadline::after(self.limits.thaw);
        loop {
            let reason = match self.fs_status(deadline.sooner(self.limits.ask)) {
                Ok(word) if word == "thawed" => return Ok(()),
                Ok(_) => "it says that it is frozen".to_owned(),
                Err(error) => error.chain(),
            };
            let _ = self.virsh("domfsthaw", &[], deadline.sooner(self.limits.ask));
            if deadline.pause(Duration::from_millis(200), WHO).is_err() {
                return Err(Error::StillFrozen { made, reason });
            }
        }
    }

    /// The state that the domain is in after it went back, if libvirt says that it did.
    fn shown(&self, made: &Made, found: &Found, deadline: Deadline) -> Result<String, Error> {
        let wrong = |reason| Error::NotRestored { name: made.name.to_string(), reason };
        let current = self.virsh("snapshot-current", &["--name"], deadline);
        let current = current.map_err(|error| wrong(error.chain()))?;
        if current.trim() != made.name.as_str() {
            return Err(wrong(format!("libvirt names {} as the current one", harmless(&current))));
        }
        let state = self.state(deadline).map_err(|error| wrong(error.chain()))?;
        if found.has_memory && state != found.state {
            return Err(wrong(format!("the domain is {state}, and was {} then", found.state)));
        }
        Ok(state)
    }
}

impl Provider for Domain {
    fn create(&mut self, order: &Order) -> Result<Made, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.create);
        let facts = self.facts(deadline)?;
        let name = order.name.as_str();
        if self.names(deadline)?.iter().any(|known| known == name) {
            return Err(Error::Exists { name: name.into(), machine: facts.machine });
        }
        let quiet = match order.level {
            Level::Memory => self.with_memory(order, deadline)?,
            Level::Frozen => {
                self.way_back(name, deadline)?;
                self.frozen(order, &facts, deadline)?
            }
            Level::CrashConsistent => {
                self.way_back(name, deadline)?;
                self.make(&order.name, &["--disk-only"], deadline)?;
                Quiet::crash_consistent(None)
            }
        };
        let contradicted = |truth: String| {
            let act = format!("make snapshot {name}");
            Error::Contradicted { who: WHO.into(), act, truth }
        };
        if !self.names(deadline)?.iter().any(|known| known == name) {
            return Err(contradicted("does not list it".into()));
        }
        let found = self.found(name, &facts, deadline)?;
        if !found.listed.whole || found.has_memory != (quiet.level == Level::Memory) {
            return Err(contradicted("it does not cover what it should".into()));
        }
        Ok(Made {
            name: order.name.clone(),
            machine: facts.machine,
            at: found.listed.at,
            level: quiet.level,
            fell_back: quiet.fell_back,
            running: found.has_memory.then_some(found.state == "running"),
            disks: found.listed.disks,
            bytes_memory: 0,
            frozen_ms: quiet.frozen_ms,
            took_ms: took(started),
        })
    }

    fn adopt(&mut self, name: &SnapshotName) -> Result<Option<Made>, Error> {
        let deadline = Deadline::after(self.limits.ask);
        let facts = self.facts(deadline)?;
        if !self.names(deadline)?.iter().any(|known| known == name.as_str()) {
            return Ok(None);
        }
        let Found { listed, state, has_memory } = self.found(name.as_str(), &facts, deadline)?;
        let running = has_memory.then_some(state == "running");
        let adopted = listed.whole.then(|| listed.adopted(&facts.machine, has_memory, running));
        Ok(adopted.flatten())
    }

    fn prove(&mut self, made: &Made, depth: Depth) -> Result<Proof, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.prove);
        let facts = self.facts(deadline)?;
        let found = self.find(made, &facts, deadline)?;
        if found.has_memory != (made.level == Level::Memory) {
            let reason = "its memory is not what was kept".into();
            return Err(Error::Unproven { name: made.name.to_string(), reason });
        }
        if !found.has_memory {
            self.way_back(made.name.as_str(), deadline)?;
        }
        let files: Vec<(&Path, bool)> =
            found.listed.disks.iter().map(|d| (d.file.as_path(), d.overlay.is_none())).collect();
        let content = match depth {
            Depth::Listed => Look::NotAsked,
            Depth::Content | Depth::Clone => image::look(&made.name, &files, deadline)?,
        };
        let clone = match depth {
            Depth::Clone => {
                let scratch = self.binding.scratch.as_deref();
                let program = self.binding.try_clone.as_deref();
                image::try_copies(&made.name, &files, scratch, program, deadline)?
            }
            Depth::Listed | Depth::Content => Look::NotAsked,
        };
        let space = self.space().ok();
        let (listed, took_ms) = (found.listed, took(started));
        Ok(Proof { at: Timestamp::now(), listed, space, content, clone, took_ms })
    }

    fn restore(&mut self, made: &Made) -> Result<Restored, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.restore);
        let facts = self.facts(deadline)?;
        let found = self.find(made, &facts, deadline)?;
        if !found.has_memory {
            self.way_back(made.name.as_str(), deadline)?;
        }
        let ran = self.state(deadline)? == "running";
        let words = ["--snapshotname", made.name.as_str()];
        self.virsh("snapshot-revert", &words, deadline).map_err(|error| Error::NotRestored {
            name: made.name.to_string(),
            reason: error.chain(),
        })?;
        let mut state = self.shown(made, &found, deadline)?;
        if !found.has_memory && ran && state == "shut off" {
            self.virsh("start", &[], deadline)?;
            state = self.state(deadline)?;
        }
        Ok(Restored {
            name: made.name.clone(),
            at: Timestamp::now(),
            how: if found.has_memory { How::Loaded } else { How::Restarted },
            running: state == "running",
            shown_by: "libvirt names it as the current snapshot, and the domain is as it was"
                .into(),
            used_up: false,
            took_ms: took(started),
        })
    }

    fn delete(&mut self, made: &Made) -> Result<(), Error> {
        let deadline = Deadline::after(self.limits.delete);
        let facts = self.facts(deadline)?;
        if made.machine != facts.machine {
            let (recorded, found) = (made.machine.clone(), facts.machine);
            return Err(Error::OtherMachine { recorded, found });
        }
        let name = made.name.as_str();
        let listed = |names: Vec<String>| names.iter().any(|known| known == name);
        if !listed(self.names(deadline)?) {
            return Ok(());
        }
        self.virsh("snapshot-delete", &["--snapshotname", name], deadline)?;
        if listed(self.names(deadline)?) {
            let (who, act) = (WHO.into(), format!("delete snapshot {name}"));
            return Err(Error::Contradicted { who, act, truth: "it still lists it".into() });
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<Listed>, Error> {
        let deadline = Deadline::after(self.limits.ask);
        let facts = self.facts(deadline)?;
        let names = self.names(deadline)?;
        names.iter().map(|name| Ok(self.found(name, &facts, deadline)?.listed)).collect()
    }

    fn space(&mut self) -> Result<Space, Error> {
        let deadline = Deadline::after(self.limits.ask);
        let facts = self.facts(deadline)?;
        let mut worst = facts.memory_bytes;
        for (dev, _) in &facts.disks {
            let text = self.virsh("domblkinfo", &["--device", dev], deadline)?;
            let capacity = text.lines().find_map(|line| line.strip_prefix("Capacity:"));
            worst += capacity.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        let rooms = facts.disks.iter().map(|(_, file)| image::space(file, worst));
        let rooms = rooms.collect::<Result<Vec<_>, _>>()?;
        let tightest = rooms.into_iter().min_by_key(|space| space.bytes_free);
        tightest.ok_or_else(|| garbage("dumpxml", "the domain has no disk"))
    }

    fn probe(&mut self) -> Result<Alive, Error> {
        let ask = || Deadline::after(self.limits.ask);
        let machine = answer(self.state(ask()));
        let guest = match self.facts(ask()) {
            Ok(facts) if !facts.has_agent => Answer::Absent,
            Ok(_) => answer(self.fs_status(ask())),
            Err(error) => answer(Err(error)),
        };
        Ok(Alive { at: Timestamp::now(), machine, guest })
    }

    fn thaw(&mut self) -> Result<(), Error> {
        let facts = self.facts(Deadline::after(self.limits.ask))?;
        if facts.has_agent { self.until_thawed(false) } else { Ok(()) }
    }
}

fn garbage(command: &str, reason: &str) -> Error {
    Error::Garbage { who: format!("virsh {command}"), reason: reason.to_owned() }
}

fn xml<'a>(command: &str, text: &'a str, root: &str) -> Result<Document<'a>, Error> {
    match Document::parse(text) {
        Ok(document) if document.root_element().has_tag_name(root) => Ok(document),
        Ok(_) => Err(garbage(command, "it is other XML than was asked for")),
        Err(error) => Err(garbage(command, &format!("it is not XML ({error})"))),
    }
}

fn child_of<'a, 'i>(node: Node<'a, 'i>, tag: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(tag))
}

fn text_of<'a>(node: Node<'a, '_>, tag: &str) -> Option<&'a str> {
    child_of(node, tag)?.text()
}

/// The disks that a domain writes to. One that is no file cannot be looked at, so it is refused.
fn disks(domain: Node<'_, '_>) -> Result<Vec<(String, PathBuf)>, Error> {
    let devices = child_of(domain, "devices");
    let all = devices.into_iter().flat_map(|node| node.children());
    let written = all.filter(|node| {
        node.has_tag_name("disk")
            && node.attribute("device").unwrap_or("disk") == "disk"
            && child_of(*node, "readonly").is_none()
    });
    let mut disks = Vec::new();
    for disk in written {
        let dev = child_of(disk, "target").and_then(|target| target.attribute("dev"));
        let dev = dev.ok_or_else(|| garbage("dumpxml", "a disk has no name"))?;
        let file = child_of(disk, "source").and_then(|source| source.attribute("file"));
        let Some(file) = file else {
            let reason = "it is not in a file".to_owned();
            return Err(Error::Uncovered { disk: harmless(dev), reason });
        };
        disks.push((harmless(dev), PathBuf::from(file)));
    }
    Ok(disks)
}

/// libvirt's description of a snapshot (`<domainsnapshot>`).
fn snapshot(text: &str, facts: &Facts) -> Result<Found, Error> {
    let command = "snapshot-dumpxml";
    let document = xml(command, text, "domainsnapshot")?;
    let root = document.root_element();
    let words = ["name", "state", "creationTime"].map(|tag| text_of(root, tag));
    let [Some(name), Some(state), Some(at)] = words else {
        return Err(garbage(command, "half a snapshot"));
    };
    let at = at.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or_else(|| garbage(command, "a snapshot of no date"))?;
    let memory = child_of(root, "memory").and_then(|memory| memory.attribute("snapshot"));
    let before = match child_of(root, "domain") {
        Some(domain) => disks(domain)?,
        None => Vec::new(),
    };
    let mut found = Vec::new();
    for disk in child_of(root, "disks").into_iter().flat_map(|disks| disks.children()) {
        let Some(dev) = disk.attribute("name") else { continue };
        let file = before.iter().find(|(known, _)| known == dev).map(|(_, file)| file.clone());
        let Some(file) = file else { continue };
        let overlay = child_of(disk, "source").and_then(|source| source.attribute("file"));
        match (disk.attribute("snapshot"), overlay) {
            (Some("internal"), _) => {
                found.push(DiskState { disk: dev.into(), file, overlay: None, written: None });
            }
            (Some("external"), Some(overlay)) => {
                let overlay = Some(PathBuf::from(overlay));
                found.push(DiskState { disk: dev.into(), file, overlay, written: None });
            }
            _ => {}
        }
    }
    let whole = !found.is_empty()
        && facts.disks.iter().all(|(dev, _)| found.iter().any(|disk| disk.disk == *dev));
    let listed = Listed { name: harmless(name), at, whole, bytes_memory: 0, disks: found };
    let has_memory = matches!(memory, Some("internal" | "external"));
    Ok(Found { listed, state: harmless(state), has_memory })
}
