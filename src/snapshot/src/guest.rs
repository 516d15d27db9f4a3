//! The agent in the guest: is it there, freeze, and a thaw that always comes.

use crate::{Error, IfNot, Level, Limits, deadline::Deadline, error::harmless, lines::Lines};
use ids::Fault;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const WHO: &str = "the guest's agent";

/// One conversation with the agent.
struct Agent {
    lines: Lines,
}

impl Agent {
    /// Connects and throws away what an earlier conversation may have left in the channel.
    fn connect(path: &Path, deadline: Deadline) -> Result<Self, Error> {
        let lines = Lines::connect(WHO, path, deadline)?;
        let mut agent = Self { lines };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = u64::from(now.subsec_nanos()) + (now.as_secs() % 100_000) * 1_000_000_000;
        let sync = json!({"execute": "guest-sync-delimited", "arguments": {"id": id}});
        agent.lines.send(&[0xff], &sync, deadline)?;
        loop {
            // Half a line of an earlier conversation is no JSON, and no harm.
            match agent.lines.receive(deadline, WHO) {
                Ok(answer) if answer["return"] == id => return Ok(agent),
                Ok(_) | Err(Error::Garbage { .. }) => {}
                Err(error) => return Err(error),
            }
            deadline.left(WHO)?;
        }
    }

    fn ask(&mut self, command: &str, deadline: Deadline) -> Result<Value, Error> {
        self.lines.send(b"", &json!({"execute": command}), deadline)?;
        let mut answer = self.lines.receive(deadline, &format!("{command} of {WHO}"))?;
        if let Some(error) = answer.get("error") {
            let reason = harmless(error["desc"].as_str().unwrap_or("no reason given"));
            let (who, act) = (WHO.into(), command.into());
            return Err(Error::Failed { who, act, reason, fault: Fault::Unavailable });
        }
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(self.lines.garbage(format!("{command} has no return value"))),
        }
    }

    fn status(&mut self, deadline: Deadline) -> Result<String, Error> {
        let status = self.ask("guest-fsfreeze-status", deadline)?;
        match status.as_str() {
            Some(word @ ("thawed" | "frozen")) => Ok(word.to_owned()),
            _ => {
                Err(self.lines.garbage("a freeze status that is neither thawed nor frozen".into()))
            }
        }
    }
}

/// What the agent says of the guest's file systems: `thawed` or `frozen`.
pub(crate) fn status(path: &Path, deadline: Deadline) -> Result<String, Error> {
    Agent::connect(path, deadline)?.status(deadline)
}

/// Thaws, as often as it takes, until the agent says that nothing is frozen.
pub(crate) fn thaw(path: &Path, limits: Limits, made: bool) -> Result<(), Error> {
    let deadline = Deadline::after(limits.thaw);
    loop {
        let one = deadline.sooner(limits.ask);
        let tried = Agent::connect(path, one).and_then(|mut agent| {
            // A thaw of what is thawed is an error with some agents: only the status counts.
            let thawed = agent.ask("guest-fsfreeze-thaw", one);
            match (agent.status(one)?.as_str(), thawed) {
                ("thawed", _) => Ok(()),
                (_, Err(error)) => Err(error),
                (_, Ok(_)) => Err(agent.lines.garbage("it thawed, and is still frozen".into())),
            }
        });
        let Err(error) = tried else { return Ok(()) };
        if deadline.pause(Duration::from_millis(100), WHO).is_err() {
            return Err(Error::StillFrozen { made, reason: error.chain() });
        }
    }
}

/// Thaws when it is dropped, so that not even a panic leaves a guest frozen.
struct Thaw<'a> {
    path: &'a Path,
    limits: Limits,
    armed: bool,
}

impl Thaw<'_> {
    fn now(mut self, made: bool) -> Result<(), Error> {
        self.armed = false;
        thaw(self.path, self.limits, made)
    }
}

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        if self.armed {
            // Only a panic comes this way; it is loud enough.
            let _ = thaw(self.path, self.limits, false);
        }
    }
}

/// What was done at which level.
pub(crate) struct Quiet {
    pub(crate) level: Level,
    pub(crate) fell_back: Option<String>,
    pub(crate) frozen_ms: Option<u64>,
}

impl Quiet {
    pub(crate) fn as_ordered(level: Level) -> Self {
        Self { level, fell_back: None, frozen_ms: None }
    }

    pub(crate) fn crash_consistent(fell_back: Option<String>) -> Self {
        Self { level: Level::CrashConsistent, fell_back, frozen_ms: None }
    }
}

/// Does `work` while the guest is frozen; where it cannot be frozen, fails or does it all the same. A
/// guest that did not stay frozen gives a lower level, whatever was ordered: the caller looks.
pub(crate) fn frozen(
    agent: Option<&PathBuf>,
    limits: Limits,
    if_not: IfNot,
    mut work: impl FnMut() -> Result<(), Error>,
) -> Result<Quiet, Error> {
    let reason = match agent {
        None => "no guest agent is named for this machine".to_owned(),
        Some(path) => match while_frozen(path, limits, &mut work)? {
            Ok((true, frozen_ms)) => {
                return Ok(Quiet {
                    frozen_ms: Some(frozen_ms),
                    ..Quiet::as_ordered(Level::Frozen)
                });
            }
            Ok((false, _)) => {
                // Made, but not of a frozen guest. Whoever ordered it decides.
                let reason = "the guest did not stay frozen until the snapshot stood".to_owned();
                return Ok(Quiet::crash_consistent(Some(reason)));
            }
            Err(reason) => reason,
        },
    };
    if if_not == IfNot::Fail {
        return Err(Error::NotQuiet { reason });
    }
    work()?;
    Ok(Quiet::crash_consistent(Some(reason)))
}

/// The inner error is why the guest could not be frozen (and is shown not to be); the outer one is loud.
/// Done: with whether the guest stayed frozen, and for how long.
fn while_frozen(
    path: &Path,
    limits: Limits,
    work: &mut impl FnMut() -> Result<(), Error>,
) -> Result<Result<(bool, u64), String>, Error> {
    let ask = || Deadline::after(limits.ask);
    let mut agent = match Agent::connect(path, ask()) {
        Ok(agent) => agent,
        Err(error) => return Ok(Err(error.chain())),
    };
    match agent.status(ask()) {
        Ok(word) if word == "frozen" => return Err(Error::FrozenBefore),
        Ok(_) => {}
        Err(error) => return Ok(Err(error.chain())),
    }
    let guard = Thaw { path, limits, armed: true };
    let started = Instant::now();
    let froze = agent.ask("guest-fsfreeze-freeze", Deadline::after(limits.freeze));
    let refusal = match &froze {
        Ok(count) if count.as_u64().is_some_and(|count| count > 0) => None,
        Ok(_) => Some("the agent froze no file system".to_owned()),
        Err(error) => Some(error.chain()),
    };
    if let Some(reason) = refusal {
        drop(agent);
        guard.now(false)?;
        return Ok(Err(reason));
    }
    let done = work();
    let held = agent.status(ask()).is_ok_and(|word| word == "frozen");
    drop(agent);
    guard.now(done.is_ok())?;
    let frozen_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    done?;
    Ok(Ok((held, frozen_ms)))
}
