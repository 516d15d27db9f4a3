//! An executable that keeps to `COMMAND.md`: what it says is checked as far as its own list goes.

use crate::{
    Alive, Answer, CommandBinding, Depth, Error, How, IfNot, Level, Limits, Listed, Look, Made,
    Order, Proof, Provider, Restored, SnapshotName, Space, child, deadline::Deadline,
    error::harmless, machine::took,
};
use ids::{Fault, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The version of the contract.
const CONTRACT: u8 = 1;

/// The executable of one binding.
pub(crate) struct External {
    binding: CommandBinding,
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    snapshots: Vec<Listed>,
    #[serde(default)]
    current: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Created {
    level: Level,
    #[serde(default)]
    fell_back: Option<String>,
    #[serde(default)]
    frozen_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proven {
    content: Look,
    clone: Look,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    how: How,
    running: bool,
    used_up: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Probed {
    machine: Answer,
    guest: Answer,
}

impl External {
    pub(crate) fn new(binding: CommandBinding, limits: Limits) -> Self {
        Self { binding, limits }
    }

    fn who(&self) -> String {
        self.binding.program.display().to_string()
    }

    fn ask<T: DeserializeOwned>(
        &self,
        verb: &str,
        mut question: Value,
        limit: Duration,
        deadline: Deadline,
    ) -> Result<T, Error> {
        let deadline = deadline.sooner(limit);
        question["contract"] = json!(CONTRACT);
        question["machine"] = json!(self.binding.machine);
        question["seconds"] = json!(limit.as_secs());
        let (who, program) = (format!("{} {verb}", self.who()), &self.binding.program);
        let words = [verb, self.binding.machine.as_str()];
        let ended = child::run(&who, program, words, question.to_string().as_bytes(), deadline)?;
        if !ended.status.success() {
            let fault = match ended.status.code() {
                Some(3) => Fault::Input,
                Some(4) => Fault::Refused,
                Some(5) => Fault::Conflict,
                Some(6) => Fault::Unavailable,
                _ => Fault::Broken,
            };
            let (who, act) = (self.who(), verb.to_owned());
            return Err(Error::Failed { who, act, reason: ended.reason(), fault });
        }
        serde_json::from_slice(&ended.answer)
            .map_err(|error| Error::Garbage { who, reason: harmless(&error.to_string()) })
    }

    fn listed(&self, deadline: Deadline) -> Result<List, Error> {
        self.ask("list", json!({}), self.limits.ask, deadline)
    }

    fn find(&self, made: &Made, deadline: Deadline) -> Result<Listed, Error> {
        if made.machine != self.binding.machine {
            let (recorded, found) = (made.machine.clone(), self.binding.machine.clone());
            return Err(Error::OtherMachine { recorded, found });
        }
        let same = |listed: &Listed| {
            listed.whole && listed.name == made.name.as_str() && listed.at == made.at
        };
        let (name, machine) = (made.name.to_string(), made.machine.clone());
        let mut snapshots = self.listed(deadline)?.snapshots.into_iter();
        snapshots.find(same).ok_or(Error::NoSuch { name, machine })
    }

    fn contradicted(&self, act: String, truth: &str) -> Error {
        Error::Contradicted { who: self.who(), act, truth: truth.into() }
    }
}

impl Provider for External {
    fn create(&mut self, order: &Order) -> Result<Made, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.create);
        let name = order.name.as_str();
        let machine = self.binding.machine.clone();
        if self.listed(deadline)?.snapshots.iter().any(|listed| listed.name == name) {
            return Err(Error::Exists { name: name.into(), machine });
        }
        let question = json!({"name": name, "level": order.level, "if_not": order.if_not});
        let created: Created = self.ask("create", question, self.limits.create, deadline)?;
        let mut snapshots = self.listed(deadline)?.snapshots.into_iter();
        let Some(listed) = snapshots.find(|listed| listed.whole && listed.name == name) else {
            return Err(
                self.contradicted(format!("make snapshot {name}"), "does not list it whole")
            );
        };
        let made = Made {
            name: order.name.clone(),
            machine,
            at: listed.at,
            level: created.level,
            fell_back: created.fell_back.as_deref().map(harmless),
            running: None,
            disks: listed.disks,
            bytes_memory: listed.bytes_memory,
            frozen_ms: created.frozen_ms,
            took_ms: took(started),
        };
        if made.level != order.level && order.if_not == IfNot::Fail {
            self.delete(&made)?;
            let reason = "what was made is not of the level that was ordered, and was deleted";
            return Err(Error::NotQuiet { reason: reason.into() });
        }
        Ok(made)
    }

    fn adopt(&mut self, name: &SnapshotName) -> Result<Option<Made>, Error> {
        let mut snapshots = self.list()?.into_iter();
        let listed = snapshots.find(|listed| listed.whole && listed.name == name.as_str());
        Ok(listed.and_then(|listed| {
            let has_memory = listed.bytes_memory > 0;
            listed.adopted(&self.binding.machine, has_memory, None)
        }))
    }

    fn prove(&mut self, made: &Made, depth: Depth) -> Result<Proof, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.prove);
        let listed = self.find(made, deadline)?;
        let question = json!({"name": made.name, "depth": depth});
        let proven = match depth {
            Depth::Listed => Proven { content: Look::NotAsked, clone: Look::NotAsked },
            _ => self.ask("prove", question, self.limits.prove, deadline)?,
        };
        let Proven { content, clone } = proven;
        let space = self.space().ok();
        let took_ms = took(started);
        Ok(Proof { at: Timestamp::now(), listed, space, content, clone, took_ms })
    }

    fn restore(&mut self, made: &Made) -> Result<Restored, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.restore);
        self.find(made, deadline)?;
        let question = json!({"name": made.name});
        let wrong = |reason| Error::NotRestored { name: made.name.to_string(), reason };
        let back: Back = self
            .ask("restore", question, self.limits.restore, deadline)
            .map_err(|error| wrong(error.chain()))?;
        // The time may be used up by now: whether it is there is asked all the same.
        let now = self.listed(Deadline::after(self.limits.ask));
        let current = now.map_err(|error| wrong(error.chain()))?.current;
        if current.as_deref() != Some(made.name.as_str()) {
            let named = current.as_deref().map_or("none".into(), harmless);
            return Err(wrong(format!("{} names {named} as the current one", self.who())));
        }
        Ok(Restored {
            name: made.name.clone(),
            at: Timestamp::now(),
            how: back.how,
            running: back.running,
            shown_by: format!("{} names it as the current snapshot", self.who()),
            used_up: back.used_up,
            took_ms: took(started),
        })
    }

    fn delete(&mut self, made: &Made) -> Result<(), Error> {
        let deadline = Deadline::after(self.limits.delete);
        let has = |list: &List| list.snapshots.iter().any(|l| l.name == made.name.as_str());
        if !has(&self.listed(deadline)?) {
            return Ok(());
        }
        let question = json!({"name": made.name});
        let Nothing {} = self.ask("delete", question, self.limits.delete, deadline)?;
        if has(&self.listed(deadline)?) {
            let act = format!("delete snapshot {}", made.name);
            return Err(self.contradicted(act, "it still lists it"));
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<Listed>, Error> {
        Ok(self.listed(Deadline::after(self.limits.ask))?.snapshots)
    }

    fn space(&mut self) -> Result<Space, Error> {
        self.ask("space", json!({}), self.limits.ask, Deadline::after(self.limits.ask))
    }

    fn probe(&mut self) -> Result<Alive, Error> {
        let limit = self.limits.ask;
        let Probed { machine, guest } =
            self.ask("probe", json!({}), limit, Deadline::after(limit))?;
        Ok(Alive { at: Timestamp::now(), machine, guest })
    }

    fn thaw(&mut self) -> Result<(), Error> {
        let limit = self.limits.thaw;
        let thawed: Result<Nothing, _> = self.ask("thaw", json!({}), limit, Deadline::after(limit));
        match thawed {
            Ok(Nothing {}) => Ok(()),
            Err(error) => Err(Error::StillFrozen { made: false, reason: error.chain() }),
        }
    }
}
