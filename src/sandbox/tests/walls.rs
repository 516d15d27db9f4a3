//! What a confined server cannot do any more, and what it still can. Each act is tried twice, in a process of its own:
//! without the walls, where it has to succeed, and behind them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rustix::process::{
    DumpableBehavior, PidfdFlags, PidfdGetfdFlags, Resource, dumpable_behavior, getpid, getppid,
    getrlimit, pidfd_getfd, pidfd_open, set_dumpable_behavior, test_kill_process,
};
use sandbox::server::{Needs, confine};
use std::{
    env,
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, exit},
};

const FOLDER: &str = "PATCHKEEP_TEST_FOLDER";
const ACT: &str = "PATCHKEEP_TEST_ACT";
const PORT: &str = "PATCHKEEP_TEST_PORT";
/// What the process ends with when it could, when it could not, and when the walls were not all had.
const COULD: i32 = 40;
const COULD_NOT: i32 = 41;
const NO_WALLS: i32 = 42;

/// Does one thing in a folder with `inside`, which may be written, and `outside`.
fn act(name: &str, folder: &Path) -> io::Result<()> {
    let (inside, outside) = (folder.join("inside"), folder.join("outside"));
    match name {
        "write inside" => {
            fs::create_dir(inside.join("new"))?;
            fs::write(inside.join("new/file"), "x")?;
            fs::rename(inside.join("new/file"), inside.join("file"))?;
            UnixListener::bind(inside.join("socket"))?;
            fs::remove_dir(inside.join("new"))
        }
        "write outside" => fs::write(outside.join("new"), "x"),
        "write over what is outside" => fs::write(outside.join("kept"), "x"),
        "truncate what is outside" => {
            File::options().write(true).truncate(true).open(outside.join("kept")).map(drop)
        }
        "remove what is outside" => fs::remove_file(outside.join("kept")),
        "move out" => {
            fs::write(inside.join("moved"), "x")?;
            fs::rename(inside.join("moved"), outside.join("moved"))
        }
        "link in what is outside" => fs::hard_link(outside.join("kept"), inside.join("linked")),
        "write through a link" => {
            symlink(&outside, inside.join("way"))?;
            fs::write(inside.join("way/new"), "x")
        }
        "read outside" => fs::read(outside.join("kept")).map(drop),
        "start a shell" => Command::new("/bin/sh").args(["-c", "true"]).status().map(drop),
        "start a program of its own making" => {
            fs::copy("/bin/true", inside.join("true"))?;
            Command::new(inside.join("true")).status().map(drop)
        }
        "start its own program" => {
            let mut own = Command::new(env::current_exe()?);
            own.env_remove(ACT).arg("--list").output().map(drop)
        }
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "connect" => {
            let port: u16 = env::var(PORT).unwrap().parse().unwrap();
            TcpStream::connect(("127.0.0.1", port)).map(drop)
        }
        "send datagrams" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "look into a process" => {
            let this = pidfd_open(getpid(), PidfdFlags::empty())?;
            pidfd_getfd(this, 0, PidfdGetfdFlags::empty()).map(drop).map_err(Into::into)
        }
        "signal another process" => test_kill_process(getppid().unwrap()).map_err(Into::into),
        "open itself for dumps" => {
            set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Into::into)
        }
        "write outside from a thread" => {
            std::thread::spawn(move || fs::write(outside.join("new"), "x")).join().unwrap()
        }
        "be dumped" => match (dumpable_behavior()?, getrlimit(Resource::Core).current) {
            (DumpableBehavior::NotDumpable, Some(0)) => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Ok(()),
        },
        _ => panic!("no such act: {name}"),
    }
}

/// The process that tries: nothing where no act is named.
#[test]
fn tries_an_act_that_is_named() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let Ok(name) = env::var(ACT) else { return };
    let name = match name.strip_prefix("confined: ") {
        Some(name) => {
            let needs = Needs {
                writes: vec![folder.join("inside")],
                starts: vec![env::current_exe().unwrap()],
            };
            let walls = confine(&needs);
            eprintln!("{walls}");
            if !walls.lack.is_empty() {
                exit(NO_WALLS);
            }
            name
        }
        None => &name,
    };
    match act(name, &folder) {
        Ok(()) => exit(COULD),
        Err(error) => {
            eprintln!("{error}");
            exit(COULD_NOT)
        }
    }
}

/// Tries an act in a process of its own, on a folder of its own; what came of it, and what it said.
fn tried(name: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["inside", "outside"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("outside/kept"), "kept").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--exact", "tries_an_act_that_is_named", "--nocapture"]);
    process.env(FOLDER, folder.path()).env(ACT, name);
    process.env(PORT, listener.local_addr().unwrap().port().to_string());
    let output = process.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_confined_server_does_its_work_and_nothing_else() {
    let could = ["write inside", "read outside", "start its own program"];
    for name in could {
        let (code, said) = tried(&format!("confined: {name}"));
        assert_eq!(code, Some(COULD), "{name}: {said}");
    }
    for (name, why) in [
        ("write outside", "Permission denied"),
        ("write over what is outside", "Permission denied"),
        ("truncate what is outside", "Permission denied"),
        ("remove what is outside", "Permission denied"),
        ("move out", "os error"),
        ("link in what is outside", "os error"),
        ("write through a link", "Permission denied"),
        ("write outside from a thread", "Permission denied"),
        ("start a shell", "Permission denied"),
        ("start a program of its own making", "Permission denied"),
        ("listen", "Permission denied"),
        ("connect", "Permission denied"),
        ("send datagrams", "not implemented"),
        ("look into a process", "not implemented"),
        ("signal another process", "not permitted"),
        ("open itself for dumps", "not implemented"),
        ("be dumped", "permission denied"),
    ] {
        let (code, said) = tried(name);
        assert_eq!(code, Some(COULD), "{name}, which nothing forbids: {said}");
        let (code, said) = tried(&format!("confined: {name}"));
        assert_eq!(code, Some(COULD_NOT), "{name}: {said}");
        assert!(said.contains(why), "{name}: {said}");
    }
}
