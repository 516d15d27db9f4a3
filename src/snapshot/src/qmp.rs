//! QEMU's monitor: greeting, capabilities, commands with ids, events in between, jobs.

use crate::{Error, deadline::Deadline, error::harmless, lines::Lines};
use ids::Fault;
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) const WHO: &str = "the machine's monitor";

/// One conversation with the monitor. It takes one client at a time, so none is kept for long.
pub(crate) struct Qmp {
    lines: Lines,
    asked: u64,
    /// How long one question may take.
    ask: Duration,
}

impl Qmp {
    pub(crate) fn connect(path: &Path, ask: Duration, deadline: Deadline) -> Result<Self, Error> {
        let deadline = deadline.sooner(ask);
        let mut lines = Lines::connect(WHO, path, deadline)?;
        let what = "the greeting of the machine's monitor (another client may hold it)";
        let greeting = lines.receive(deadline, what)?;
        if !greeting["QMP"]["version"]["qemu"].is_object() {
            return Err(lines.garbage("it does not greet as QEMU does".into()));
        }
        let mut qmp = Self { lines, asked: 0, ask };
        qmp.execute("qmp_capabilities", json!({}), deadline)?;
        Ok(qmp)
    }

    /// A question and its answer, within the time of a question.
    pub(crate) fn execute(
        &mut self,
        command: &str,
        arguments: Value,
        deadline: Deadline,
    ) -> Result<Value, Error> {
        self.act(command, arguments, deadline.sooner(self.ask))
    }

    /// A command that may take as long as the whole call, and its answer; events that come in between are
    /// passed over. QEMU answers nothing while it saves or loads memory, so questions about that count too.
    pub(crate) fn act(
        &mut self,
        command: &str,
        arguments: Value,
        deadline: Deadline,
    ) -> Result<Value, Error> {
        self.asked += 1;
        let id = json!(self.asked);
        let question = json!({"execute": command, "arguments": arguments, "id": id});
        self.lines.send(b"", &question, deadline)?;
        loop {
            let mut answer = self.lines.receive(deadline, &format!("{command} of {WHO}"))?;
            if answer.get("event").is_some() {
                continue;
            }
            if let Some(error) = answer.get("error") {
                let reason = harmless(error["desc"].as_str().unwrap_or("no reason given"));
                return Err(failed(command, reason));
            }
            if answer.get("id") != Some(&id) {
                return Err(self
                    .lines
                    .garbage(format!("it answers another question than {command}")));
            }
            return match answer.get_mut("return") {
                Some(value) => Ok(value.take()),
                None => Err(self.lines.garbage(format!("{command} has no return value"))),
            };
        }
    }

    /// A command that starts a job: the command's own answer says nothing about how the job ends.
    pub(crate) fn job(
        &mut self,
        command: &str,
        mut arguments: Value,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("patchkeep-{}", now.as_nanos());
        arguments["job-id"] = json!(id);
        self.act(command, arguments, deadline)?;
        let ended = self.until_concluded(command, &id, deadline);
        if ended.is_err() {
            // The limit fired: nobody waits for it any more.
            let soon = Deadline::after(self.ask);
            let _ = self.execute("job-cancel", json!({"id": id}), soon);
        }
        let _ = self.execute("job-dismiss", json!({"id": id}), Deadline::after(self.ask));
        match ended? {
            None => Ok(()),
            Some(reason) => Err(failed(command, reason)),
        }
    }

    /// The job's error text, if it has one.
    fn until_concluded(
        &mut self,
        command: &str,
        id: &str,
        deadline: Deadline,
    ) -> Result<Option<String>, Error> {
        let mut pause = Duration::from_millis(2);
        let mut completed = false;
        loop {
            let jobs = self.act("query-jobs", json!({}), deadline)?;
            let job = jobs.as_array().and_then(|jobs| jobs.iter().find(|job| job["id"] == id));
            let Some(job) = job else {
                return Err(self
                    .lines
                    .garbage(format!("the job of {command} is not among its jobs")));
            };
            match job["status"].as_str() {
                Some("concluded") => {
                    return Ok(job.get("error").map(|e| harmless(e.as_str().unwrap_or("?"))));
                }
                Some("ready") if !completed => {
                    self.act("job-complete", json!({"id": id}), deadline)?;
                    completed = true;
                }
                Some(_) => {}
                None => return Err(self.lines.garbage("a job has no status".into())),
            }
            deadline.pause(pause, &format!("{command} of {WHO}"))?;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Ends the machine's process and waits until its monitor is gone.
    pub(crate) fn quit(mut self, deadline: Deadline) -> Result<(), Error> {
        self.act("quit", json!({}), deadline)?;
        loop {
            match self.lines.receive(deadline, "the end of the machine's process") {
                Ok(_) => {}
                Err(Error::Talk { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn garbage(&self, reason: &str) -> Error {
        self.lines.garbage(reason.to_owned())
    }
}

fn failed(command: &str, reason: String) -> Error {
    Error::Failed { who: WHO.into(), act: command.into(), reason, fault: Fault::Unavailable }
}
