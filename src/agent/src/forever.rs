//! The endless loop: check in, wait, check in again, until this process is asked to stop.
//!
//! A request to stop (SIGTERM, SIGINT) is heard between two check-ins, never in the middle of one: whatever
//! dpkg is doing comes to its end first. Programs that the agent runs are in process groups of their own,
//! so a signal for the agent alone, or from its terminal, does not reach them.

use agent::{Agent, Came, Error, Machine, jittered, pause, told};
use std::{
    env,
    fs::File,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Checks in until it is asked to stop; failures make the pauses longer.
///
/// # Errors
/// [`Error::NotEnrolled`] and [`Error::Busy`], which no other try would mend.
pub(crate) fn check_in_for_ever(machine: &Machine) -> Result<(), Error> {
    let stop = stop_requests().map_err(|source| Error::File {
        act: "listen for",
        path: "requests to stop".into(),
        source,
    })?;
    let (mut failures, mut named) = (0u32, Duration::ZERO);
    loop {
        let came = Agent::start(machine).and_then(|mut agent| agent.check_in());
        let asked_to_stop = stop.try_recv().is_ok();
        match came {
            Ok(Came { sentence, again_in, changed, fault: _ }) => {
                println!("{sentence}");
                (failures, named) = (0, again_in);
                if changed && !asked_to_stop {
                    start_anew();
                }
            }
            Err(error @ (Error::NotEnrolled | Error::Busy)) => return Err(error),
            Err(error) => {
                eprintln!("patchkeep-agent: {}", told(&error));
                failures = failures.saturating_add(1);
            }
        }
        let pause = jittered(pause(failures, named), random());
        if failures > 0 && !asked_to_stop {
            eprintln!("patchkeep-agent: trying again in {:.1} s", pause.as_secs_f64());
        }
        if asked_to_stop || stop.recv_timeout(pause).is_ok() {
            println!("stopped, as asked");
            return Ok(());
        }
    }
}

/// Hears SIGTERM and SIGINT from now on.
fn stop_requests() -> io::Result<Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let (asked, asking) = channel();
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if asked.send(()).is_err() {
                    return;
                }
            }
        });
    });
    Ok(asking)
}

/// Takes the place of this process with a fresh one, which maps today's libraries.
fn start_anew() {
    let Ok(program) = env::current_exe() else { return };
    let path = program.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
    let error = Command::new(path).args(env::args_os().skip(1)).exec();
    // It goes on as it is; the libraries that it maps are old, and its own to forgive.
    eprintln!("patchkeep-agent: could not start anew: {error}");
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_or(u16::MAX / 2, |()| u16::from_le_bytes(bytes))
}
