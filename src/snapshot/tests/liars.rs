//! Programs that stand in for a hypervisor and lie, hang or answer nonsense: each is refused in one sentence, in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use snapshot::{
    Answer, Binding, CommandBinding, Depth, DiskState, Error, IfNot, Level, LibvirtBinding, Limits,
    Made, Provider, QmpBinding,
};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use support::{Rig, order, script};
use tempfile::TempDir;

const TIMED: Duration = Duration::from_secs(8);

fn short() -> Limits {
    Limits::default().at_most(Duration::from_millis(1500))
}

/// Checks that a call fails in time, with one line for people, and hands out the error.
fn refused<T: std::fmt::Debug>(call: impl FnOnce() -> Result<T, Error>) -> Error {
    let started = Instant::now();
    let error = call().unwrap_err();
    assert!(started.elapsed() < TIMED, "{error} came after {:?}", started.elapsed());
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 700, "{text}");
    let _ = error.fault();
    error
}

/// Stands in for a monitor: `serve` speaks on every connection.
fn listen(path: &Path, serve: impl Fn(UnixStream) + Send + Sync + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
}

fn qmp(socket: &Path, agent: Option<PathBuf>) -> Box<dyn Provider + Send> {
    let mut binding: QmpBinding = serde_json::from_value(json!({"socket": socket})).unwrap();
    binding.agent = agent;
    Binding::Qmp(binding).open(short()).unwrap()
}

/// Stands in for a monitor that answers every command from `answers`, with events in between.
fn monitor(path: &Path, answers: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static) {
    listen(path, move |mut stream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let greeting = json!({"QMP": {"version": {"qemu": {"major": 9}}, "capabilities": []}});
        let mut say = |value: &Value| writeln!(stream, "{value}").is_ok();
        say(&greeting);
        while let Some(Ok(line)) = lines.next() {
            let question: Value = serde_json::from_str(&line).unwrap();
            let command = question["execute"].as_str().unwrap();
            say(&json!({"event": "RTC_CHANGE", "data": {}, "timestamp": {}}));
            let Some(answer) = answers(command, &question["arguments"]) else { continue };
            let id = &question["id"];
            let said = match answer.get("error") {
                Some(error) => json!({"error": error, "id": id}),
                None => json!({"return": answer, "id": id}),
            };
            if !say(&said) {
                return;
            }
        }
    });
}

/// What a monitor of one qcow2 disk would say, with these snapshots in it.
fn usual(command: &str, snapshots: &Value) -> Value {
    match command {
        "query-name" => json!({"name": "web1"}),
        "query-uuid" => json!({"UUID": "00000000-0000-0000-0000-000000000000"}),
        "query-status" => json!({"status": "running", "running": true}),
        "query-memory-size-summary" => json!({"base-memory": 1024}),
        "query-jobs" => json!([]),
        "query-block" => json!([{"device": "one", "qdev": "", "inserted": {
            "ro": false, "drv": "qcow2", "node-name": "one",
            "image": {"filename": "/tmp/one.qcow2", "virtual-size": 1024, "snapshots": snapshots},
        }}]),
        _ => json!({}),
    }
}

fn entry(name: &str, memory: u64, clock: u64) -> Value {
    json!({"name": name, "id": "1", "vm-state-size": memory, "date-sec": 1000, "date-nsec": 0,
           "vm-clock-sec": clock, "vm-clock-nsec": 0})
}

fn made(name: &str) -> Made {
    Made {
        name: name.parse().unwrap(),
        machine: "web1".into(),
        at: "1970-01-01T00:16:40Z".parse().unwrap(),
        level: Level::Memory,
        fell_back: None,
        running: Some(true),
        disks: vec![DiskState {
            disk: "one".into(),
            file: "/tmp/one.qcow2".into(),
            overlay: None,
            written: None,
        }],
        bytes_memory: 7,
        frozen_ms: None,
        took_ms: 1,
    }
}

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qmp");
    (dir, path)
}

/// Concludes whatever job was asked for last, as `end` says.
fn jobs(
    end: impl Fn(&str) -> Value + Send + Sync + 'static,
) -> impl Fn(&str, &Value) -> Option<Value> {
    let last = Mutex::new(Value::Null);
    move |command, arguments| {
        if !arguments["job-id"].is_null() {
            *last.lock().unwrap() = arguments["job-id"].clone();
            return Some(json!({}));
        }
        let mut job = end(command);
        (command == "query-jobs").then(|| {
            job["id"] = last.lock().unwrap().clone();
            json!([job])
        })
    }
}

#[test]
fn a_monitor_that_says_nothing_or_nonsense_is_given_up() {
    let (_dir, path) = folder();
    let mut provider = qmp(&path, None);
    assert!(matches!(refused(|| provider.list()), Error::Reach { .. }));
    listen(&path, |stream| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    });
    let error = refused(|| provider.list());
    assert!(
        matches!(error, Error::TimedOut { .. }) && error.to_string().contains("another client")
    );
    assert!(matches!(provider.probe().unwrap().machine, Answer::Silent { .. }));

    type Speech = fn(UnixStream);
    let drips: Speech = |mut stream| {
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    };
    let nonsense: Speech = |mut stream| drop(writeln!(stream, "220 mail ready"));
    let other: Speech = |mut stream| drop(writeln!(stream, "{{\"hello\": 1}}"));
    let endless: Speech = |mut stream| while stream.write_all(&[b'x'; 65536]).is_ok() {};
    let hangs_up: Speech = drop;
    for (speech, kind) in [
        (drips, "TimedOut"),
        (nonsense, "Garbage"),
        (other, "Garbage"),
        (endless, "Garbage"),
        (hangs_up, "Talk"),
    ] {
        let (_dir, path) = folder();
        listen(&path, speech);
        let error = refused(|| qmp(&path, None).list());
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
    }
}

#[test]
fn a_monitor_with_a_long_queue_does_not_hold_us_in_connect() {
    let (_dir, path) = folder();
    let listener = UnixListener::bind(&path).unwrap();
    // Nobody accepts. A blocking connect beyond the queue would never come back.
    rustix::net::listen(&listener, 0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    let error = refused(|| qmp(&path, None).list());
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

#[test]
fn a_snapshot_that_is_not_listed_was_not_made() {
    let (_dir, path) = folder();
    let done = jobs(|_| json!({"status": "concluded"}));
    monitor(&path, move |command, arguments| {
        done(command, arguments).or_else(|| Some(usual(command, &json!([]))))
    });
    let error = refused(|| qmp(&path, None).create(&order("before", Level::Memory, IfNot::Fail)));
    assert!(matches!(error, Error::Contradicted { .. }), "{error:?}");
    // Nor is a machine put back to it.
    let error = refused(|| qmp(&path, None).restore(&made("before")));
    assert!(matches!(error, Error::NoSuch { .. }), "{error:?}");
}

#[test]
fn a_job_that_fails_hangs_or_vanishes_is_told() {
    let ends = [
        (json!({"status": "concluded", "error": "No space left on device"}), "Failed"),
        (json!({"status": "running"}), "TimedOut"),
    ];
    for (end, kind) in ends {
        let (_dir, path) = folder();
        let job = jobs(move |_| end.clone());
        monitor(&path, move |c, a| job(c, a).or_else(|| Some(usual(c, &json!([])))));
        let error =
            refused(|| qmp(&path, None).create(&order("before", Level::Memory, IfNot::Fail)));
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
    }
    let (_dir, path) = folder();
    monitor(&path, |command, _| Some(usual(command, &json!([]))));
    let error = refused(|| qmp(&path, None).create(&order("before", Level::Memory, IfNot::Fail)));
    assert!(matches!(error, Error::Garbage { .. }), "{error:?}");
    // QEMU answers nothing while it saves memory: that is within the time of the call, not of a question.
    let (_dir, path) = folder();
    let job = jobs(|_| json!({"status": "concluded"}));
    monitor(&path, move |command, arguments| {
        if command == "query-jobs" {
            thread::sleep(Duration::from_millis(700));
        }
        job(command, arguments).or_else(|| Some(usual(command, &json!([]))))
    });
    let binding: QmpBinding = serde_json::from_value(json!({"socket": path})).unwrap();
    let limits = Limits { ask: Duration::from_millis(300), ..short() };
    let mut slow = Binding::Qmp(binding).open(limits).unwrap();
    let error = refused(|| slow.create(&order("before", Level::Memory, IfNot::Fail)));
    assert!(matches!(error, Error::Contradicted { .. }), "{error:?}");
    // A command that is never answered.
    let (_dir, path) = folder();
    monitor(&path, |c, _| (c != "query-block").then(|| usual(c, &json!([]))));
    let error = refused(|| qmp(&path, None).list());
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

#[test]
fn a_machine_whose_clock_did_not_go_back_is_not_restored() {
    for (clock, good) in [(500, true), (900, false), (499, false)] {
        let (_dir, path) = folder();
        let done = jobs(|_| json!({"status": "concluded"}));
        monitor(&path, move |command, arguments| {
            if command == "blockdev-snapshot-delete-internal-sync" {
                return Some(entry("patchkeep-clock", 0, clock));
            }
            let listed = json!([entry("before", 7, 500)]);
            done(command, arguments).or_else(|| Some(usual(command, &listed)))
        });
        let restored = qmp(&path, None).restore(&made("before"));
        match good {
            true => assert!(restored.is_ok(), "{restored:?}"),
            false => assert!(matches!(restored, Err(Error::NotRestored { .. })), "{restored:?}"),
        }
    }
}

/// Stands in for an agent in a guest: a real one would freeze this machine. `lies` may answer instead.
fn agent(
    path: &Path,
    lies: impl Fn(&str) -> Option<Value> + Send + Sync + 'static,
) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (log, frozen) = (Arc::clone(&heard), Mutex::new(false));
    listen(path, move |mut stream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text: Vec<u8> = line.drain(..).filter(|byte| *byte != 0xff).collect();
            let question: Value = serde_json::from_slice(&text).unwrap();
            let command = question["execute"].as_str().unwrap().to_owned();
            log.lock().unwrap().push(command.clone());
            let answer = lies(&command).unwrap_or_else(|| match command.as_str() {
                "guest-fsfreeze-freeze" => {
                    *frozen.lock().unwrap() = true;
                    json!({"return": 2})
                }
                "guest-fsfreeze-thaw" => {
                    *frozen.lock().unwrap() = false;
                    json!({"return": 2})
                }
                "guest-fsfreeze-status" => {
                    json!({"return": if *frozen.lock().unwrap() { "frozen" } else { "thawed" }})
                }
                _ => json!({"return": question["arguments"]["id"]}),
            });
            if answer == "hang" {
                thread::sleep(Duration::from_secs(20));
            }
            let mark: &[u8] = if command == "guest-sync-delimited" { &[0xff] } else { &[] };
            let said = [mark, answer.to_string().as_bytes(), b"\n"].concat();
            if stream.write_all(&said).is_err() {
                return;
            }
        }
    });
    heard
}

fn with_agent(rig: &Rig, limits: Limits) -> Box<dyn Provider + Send> {
    let mut binding = rig.binding();
    binding.agent = Some(rig.path("agent"));
    Binding::Qmp(binding).open(limits).unwrap()
}

#[test]
fn a_frozen_guest_is_thawed_after_the_snapshot() {
    let rig = Rig::new();
    let heard = agent(&rig.path("agent"), |_| None);
    let mut provider = with_agent(&rig, support::limits());
    let made = provider.create(&order("before", Level::Frozen, IfNot::Fail)).unwrap();
    assert_eq!((made.level, made.fell_back.clone()), (Level::Frozen, None));
    assert!(made.frozen_ms.is_some());
    let words = ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw", "guest-fsfreeze-status"];
    let heard: Vec<_> = heard.lock().unwrap().clone();
    let at = words.map(|word| heard.iter().rposition(|h| h == word).unwrap());
    assert!(at[0] < at[1] && at[1] < at[2], "{heard:?}");
    assert_eq!(provider.probe().unwrap().guest, Answer::Yes { says: "thawed".into() });
    // The name is taken: the guest is not troubled for nothing.
    refused(|| provider.create(&order("before", Level::Frozen, IfNot::Fail)));
}

#[test]
fn a_snapshot_that_fails_in_a_frozen_guest_still_thaws_it() {
    let rig = Rig::new();
    let heard = agent(&rig.path("agent"), |_| None);
    let mut binding = rig.binding();
    binding.agent = Some(rig.path("agent"));
    binding.kind = snapshot::Kind::External;
    // QEMU cannot make the overlay: its place is taken by a folder that appears while it is frozen.
    let (folder, slow) = (rig.path("two.before.qcow2"), rig.path("agent2"));
    agent(&slow, move |word| {
        if word == "guest-fsfreeze-freeze" {
            fs::create_dir(&folder).unwrap();
        }
        None
    });
    binding.agent = Some(slow.clone());
    let mut provider = Binding::Qmp(binding).open(support::limits()).unwrap();
    let error =
        refused(|| provider.create(&order("before", Level::Frozen, IfNot::CrashConsistent)));
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
    assert_eq!(provider.probe().unwrap().guest, Answer::Yes { says: "thawed".into() });
    assert_eq!(provider.list().unwrap(), []);
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn a_guest_that_cannot_be_frozen_fails_or_is_recorded_as_the_order_says() {
    let refusal = || json!({"error": {"class": "GenericError", "desc": "Command is disabled"}});
    let rig = Rig::new();
    agent(&rig.path("agent"), move |word| (word == "guest-fsfreeze-freeze").then(refusal));
    let mut provider = with_agent(&rig, short());
    let error = refused(|| provider.create(&order("before", Level::Frozen, IfNot::Fail)));
    assert!(matches!(error, Error::NotQuiet { .. }), "{error:?}");
    assert_eq!(provider.list().unwrap(), []);
    let made = provider.create(&order("before", Level::Frozen, IfNot::CrashConsistent)).unwrap();
    assert_eq!(made.level, Level::CrashConsistent);
    assert!(made.fell_back.unwrap().contains("disabled"));
    // No agent at all is the same.
    let made =
        rig.provider().create(&order("other", Level::Frozen, IfNot::CrashConsistent)).unwrap();
    assert!(made.level == Level::CrashConsistent && made.fell_back.is_some());
}

#[test]
fn a_guest_that_did_not_stay_frozen_was_not_frozen() {
    let rig = Rig::new();
    agent(&rig.path("agent"), |word| {
        (word == "guest-fsfreeze-freeze").then(|| json!({"return": 2}))
    });
    let mut provider = with_agent(&rig, short());
    let error = refused(|| provider.create(&order("before", Level::Frozen, IfNot::Fail)));
    assert!(matches!(error, Error::NotQuiet { .. }), "{error:?}");
    assert_eq!(provider.list().unwrap(), []);
    let made = provider.create(&order("before", Level::Frozen, IfNot::CrashConsistent)).unwrap();
    assert_eq!(made.level, Level::CrashConsistent);
}

#[test]
fn a_guest_that_may_still_be_frozen_is_told_aloud() {
    let liars: [fn(&str) -> Option<Value>; 2] = [
        // Freezing never comes back, and nothing is answered afterwards.
        |word| {
            (word == "guest-fsfreeze-freeze" || word == "guest-fsfreeze-thaw")
                .then(|| json!("hang"))
        },
        // It says that it thawed, and stays frozen.
        |word| (word == "guest-fsfreeze-thaw").then(|| json!({"return": 2})),
    ];
    for lies in liars {
        let rig = Rig::new();
        agent(&rig.path("agent"), lies);
        let mut provider = with_agent(&rig, short());
        let error =
            refused(|| provider.create(&order("before", Level::Frozen, IfNot::CrashConsistent)));
        // A guest whose status is asked in between may show itself thawed: then nothing was frozen.
        match &error {
            Error::StillFrozen { .. } => assert_eq!(error.fault(), ids::Fault::Broken),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_guest_that_others_froze_is_left_to_them_and_thawed_when_asked() {
    let rig = Rig::new();
    let first = Mutex::new(true);
    agent(&rig.path("agent"), move |word| {
        let mut first = first.lock().unwrap();
        *first &= word != "guest-fsfreeze-thaw";
        (word == "guest-fsfreeze-status" && *first).then(|| json!({"return": "frozen"}))
    });
    let mut provider = with_agent(&rig, short());
    let error =
        refused(|| provider.create(&order("before", Level::Frozen, IfNot::CrashConsistent)));
    assert!(matches!(error, Error::FrozenBefore), "{error:?}");
    assert_eq!(provider.probe().unwrap().guest, Answer::Yes { says: "frozen".into() });
    provider.thaw().unwrap();
    assert_eq!(provider.probe().unwrap().guest, Answer::Yes { says: "thawed".into() });
}

/// Stands in for an executable of a site's own; `cases` is the inside of a shell's `case "$1"`.
fn external(dir: &Path, cases: &str) -> Box<dyn Provider + Send> {
    let program = dir.join("program");
    script(&program, &format!("cat >{}/asked.$1\ncase \"$1\" in\n{cases}\nesac", dir.display()));
    let binding = CommandBinding { program, machine: "web1".into() };
    Binding::Command(binding).open(short()).unwrap()
}

const ONE: &str = r#"{"snapshots":[{"name":"before","at":"1970-01-01T00:16:40Z","whole":true,"bytes_memory":7,"disks":[]}]"#;

#[test]
fn an_executable_that_keeps_to_the_contract_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().display();
    let cases = format!(
        r#"list) if [ -e {d}/made ]; then cat {d}/made; else echo '{{"snapshots":[]}}'; fi;;
create) echo '{ONE}}}' >{d}/made; echo '{{"level":"memory"}}';;
prove) echo '{{"content":{{"look":"good","how":"read","bytes":5}},"clone":{{"look":"not-asked"}}}}';;
restore) echo '{ONE},"current":"before"}}' >{d}/made; echo '{{"how":"loaded","running":true,"used_up":false}}';;
delete) rm {d}/made; echo '{{}}';;
space) echo '{{"folder":"/","bytes_free":1,"bytes_total":2,"bytes_worst":3}}';;
probe) echo '{{"machine":{{"answer":"yes","says":"on"}},"guest":{{"answer":"absent"}}}}';;
thaw) echo '{{}}';;"#
    );
    let mut provider = external(dir.path(), &cases);
    let made = provider.create(&order("before", Level::Memory, IfNot::Fail)).unwrap();
    assert_eq!(made.bytes_memory, 7);
    assert_eq!(provider.adopt(&made.name).unwrap().map(|found| found.at), Some(made.at));
    let asked: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("asked.create")).unwrap())
            .unwrap();
    assert_eq!(
        (&asked["contract"], &asked["level"], &asked["if_not"]),
        (&json!(1), &json!("memory"), &json!("fail"))
    );
    let proof = provider.prove(&made, Depth::Content).unwrap();
    assert_eq!(proof.space.unwrap().bytes_free, 1);
    assert!(provider.restore(&made).unwrap().running);
    assert_eq!(provider.probe().unwrap().guest, Answer::Absent);
    provider.thaw().unwrap();
    provider.delete(&made).unwrap();
    provider.delete(&made).unwrap();
}

#[test]
fn an_executable_that_lies_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let yes = "create) echo '{\"level\":\"memory\"}';;\nrestore) echo '{\"how\":\"loaded\",\"running\":true,\"used_up\":false}';;\ndelete) echo '{}';;";
    let mut none = external(dir.path(), &format!("list) echo '{{\"snapshots\":[]}}';;\n{yes}"));
    let error = refused(|| none.create(&order("before", Level::Memory, IfNot::Fail)));
    assert!(matches!(error, Error::Contradicted { .. }), "{error:?}");
    assert!(matches!(refused(|| none.restore(&made("before"))), Error::NoSuch { .. }));
    let mut one = external(dir.path(), &format!("list) echo '{ONE}}}';;\n{yes}"));
    assert!(matches!(refused(|| one.restore(&made("before"))), Error::NotRestored { .. }));
    assert!(matches!(refused(|| one.delete(&made("before"))), Error::Contradicted { .. }));
    let error = refused(|| one.create(&order("before", Level::Memory, IfNot::Fail)));
    assert!(matches!(error, Error::Exists { .. }), "{error:?}");
}

#[test]
fn an_executable_that_hangs_chatters_or_dies_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    for (cases, kind) in [
        // Its children die with it: they hold its output open.
        ("*) sleep 47 & sleep 47;;", "TimedOut"),
        ("*) yes;;", "TimedOut"),
        ("*) head -c 6000000 /dev/zero;;", "Garbage"),
        ("*) echo '{\"snapshots\":[]} and more';;", "Garbage"),
        ("*) echo '{\"snapshots\":[],\"unknown\":1}';;", "Garbage"),
        ("*) ;;", "Garbage"),
        ("*) echo 'not today' >&2; exit 6;;", "Failed"),
        ("*) kill -9 $$;;", "Failed"),
    ] {
        let error = refused(|| external(dir.path(), cases).list());
        assert!(format!("{error:?}").starts_with(kind), "{cases}: {error:?}");
    }
    let running = std::process::Command::new("pgrep").args(["-f", "^sleep 47$"]).output().unwrap();
    assert_eq!(running.stdout, b"", "children outlived their time limit");
    let error = refused(|| external(dir.path(), "*) echo 'not today' >&2; exit 6;;").list());
    assert_eq!(error.fault(), ids::Fault::Unavailable);
    assert!(error.to_string().contains("not today"), "{error}");
}

/// Stands in for `virsh`.
fn virsh(dir: &Path, cases: &str) -> Box<dyn Provider + Send> {
    let program = dir.join("virsh");
    let domain = "<domain><name>web1</name><uuid>u</uuid><memory unit='KiB'>1</memory><devices><disk type='file' device='disk'>\
                  <source file='/tmp/one.qcow2'/><target dev='vda'/></disk></devices></domain>";
    let text = format!(
        "[ \"$1 $2 $3\" = '-q -c test:///' ] || exit 9\ncase \"$4\" in\n{cases}\ndumpxml) echo \"{domain}\";;\n\
         domstate) echo running;;\nsnapshot-dumpxml) echo \"<domainsnapshot><name>before</name><state>running</state>\
         <creationTime>1000</creationTime><memory snapshot='internal'/><disks><disk name='vda' snapshot='internal'/></disks>\
         {domain}</domainsnapshot>\";;\nesac"
    );
    script(&program, &text);
    let (uri, domain) = ("test:///".to_owned(), "web1".to_owned());
    let binding =
        LibvirtBinding { uri, domain, virsh: Some(program), scratch: None, try_clone: None };
    Binding::Libvirt(binding).open(short()).unwrap()
}

#[test]
fn a_virsh_that_lies_hangs_or_answers_nonsense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut record = made("before");
    record.machine = "web1 u".into();
    let mut none = virsh(dir.path(), "snapshot-list) ;;");
    let error = refused(|| none.create(&order("before", Level::Memory, IfNot::Fail)));
    assert!(matches!(error, Error::Contradicted { .. }), "{error:?}");
    assert!(matches!(refused(|| none.restore(&record)), Error::NoSuch { .. }));
    // It went back, it says; and names another snapshot as the current one.
    let mut other =
        virsh(dir.path(), "snapshot-list) echo before;;\nsnapshot-current) echo after;;");
    assert!(matches!(refused(|| other.restore(&record)), Error::NotRestored { .. }));
    assert!(matches!(refused(|| other.delete(&record)), Error::Contradicted { .. }));
    for (cases, kind) in [
        ("dumpxml) sleep 30;;", "TimedOut"),
        ("dumpxml) echo '<domain>';;", "Garbage"),
        (
            "dumpxml) echo '<!DOCTYPE a [<!ENTITY x \"y\">]><domain><name>&x;</name></domain>';;",
            "Garbage",
        ),
        ("dumpxml) echo '<html/>';;", "Garbage"),
        ("dumpxml) echo 'error: no such domain' >&2; exit 1;;", "Failed"),
        ("snapshot-list) echo before;;\nsnapshot-dumpxml) echo '<domainsnapshot/>';;", "Garbage"),
    ] {
        let error = refused(|| virsh(dir.path(), cases).list());
        assert!(format!("{error:?}").starts_with(kind), "{cases}: {error:?}");
    }
}

#[test]
fn a_domain_that_cannot_be_frozen_or_thawed_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let domain = "<domain><name>web1</name><uuid>u</uuid><devices><disk type='file' device='disk'><source \
                  file='/tmp/one.qcow2'/><target dev='vda'/></disk><channel type='unix'><target \
                  name='org.qemu.guest_agent.0'/></channel></devices></domain>";
    let with = |status: &str, made: &str| {
        let cases = format!(
            "dumpxml) echo \"{domain}\";;\nversion) echo 'Running against daemon: 10.0.0';;\n\
             snapshot-list) ;;\nsnapshot-create-as) {made};;\nqemu-agent-command) {status};;\n\
             domfsthaw) echo thaw >>{}/thaws;;",
            dir.path().display()
        );
        virsh(dir.path(), &cases)
    };
    let thawed = "echo '{\"return\":\"thawed\"}'";
    let fails = "echo 'error: Requested operation is not valid' >&2; exit 1";
    let frozen = order("before", Level::Frozen, IfNot::Fail);
    let error = refused(|| with(thawed, fails).create(&frozen));
    assert!(
        matches!(error, Error::NotQuiet { .. }) && error.to_string().contains("not valid"),
        "{error:?}"
    );
    let error = refused(|| with("exit 1", "exit 0").create(&frozen));
    assert!(matches!(error, Error::NotQuiet { .. }), "{error:?}");
    let error = refused(|| with("echo '{\"return\":\"frozen\"}'", "exit 0").create(&frozen));
    assert!(matches!(error, Error::FrozenBefore), "{error:?}");
    // Thawed when it is asked first, frozen ever after: libvirt hung while the guest was frozen.
    let d = dir.path().display();
    let stuck = format!(
        "if [ -e {d}/once ]; then echo '{{\"return\":\"frozen\"}}'; else touch {d}/once; {thawed}; fi"
    );
    let error = refused(|| with(&stuck, "sleep 30").create(&frozen));
    assert!(matches!(error, Error::StillFrozen { made: false, .. }), "{error:?}");
    assert!(dir.path().join("thaws").exists(), "nobody tried to thaw");
}

#[test]
fn bindings_that_cannot_be_meant_are_refused() {
    for bad in [
        json!({"provider": "qmp", "socket": "relative"}),
        json!({"provider": "qmp", "socket": "/a", "start": []}),
        json!({"provider": "qmp", "socket": "/a", "start": ["systemctl"]}),
        json!({"provider": "libvirt", "uri": "qemu:///system", "domain": "--all"}),
        json!({"provider": "libvirt", "uri": "", "domain": "web1"}),
        json!({"provider": "command", "program": "/p", "machine": "a\nb"}),
    ] {
        let binding: Binding = serde_json::from_value(bad.clone()).unwrap();
        assert!(matches!(binding.open(short()), Err(Error::Binding { .. })), "{bad}");
    }
    for bad in [
        json!({"provider": "qmp", "socket": "/a", "sockets": "/b"}),
        json!({"provider": "xen", "socket": "/a"}),
        json!({"provider": "command", "program": "/p"}),
    ] {
        assert!(serde_json::from_value::<Binding>(bad.clone()).is_err(), "{bad}");
    }
    for bad in ["", "1", "-a", "A", "a/b", "a b", "a.b", &"a".repeat(64)] {
        assert!(bad.parse::<snapshot::SnapshotName>().is_err(), "{bad}");
    }
}
