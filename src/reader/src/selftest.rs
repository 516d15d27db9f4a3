//! Attempts at what the sandbox must stop, so that a test can see it hold.

use sandbox::child::{Answer, Body};
use std::{fs, hint, io::Write, net, os::unix, process, thread};

/// Tries one forbidden thing. Coming back with [`Answer::Escaped`] means that the sandbox leaks.
pub(crate) fn attempt(what: &str, body: &mut Body<'_>) -> Result<Answer, String> {
    let said = |e: std::io::Error| e.to_string();
    match what {
        "open" => drop(fs::read("/etc/passwd").map_err(said)?),
        "write" => fs::write("/tmp/patchkeep-reader-escaped", b"x").map_err(said)?,
        "list" => drop(fs::read_dir("/").map_err(said)?),
        "tcp" => drop(net::TcpListener::bind("127.0.0.1:0").map_err(said)?),
        "unix" => drop(unix::net::UnixDatagram::unbound().map_err(said)?),
        "exec" => drop(process::Command::new("/bin/true").status().map_err(said)?),
        "thread" => thread::spawn(|| ()).join().map_err(|_| "panicked".to_owned())?,
        "memory" => drop(hint::black_box(vec![1_u8; 4 << 30])),
        "spin" => loop {
            hint::spin_loop();
        },
        "flood" => loop {
            body.write_all(&[0; 4096]).map_err(said)?;
        },
        _ => return Err("an unknown attempt".into()),
    }
    Ok(Answer::Escaped)
}
