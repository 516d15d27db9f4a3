//! Where the agent stands, for people and scripts.

use crate::{
    Error, Machine,
    conduct::Conduct,
    state::{Identity, Lock, Memory},
};
use api::{JobEnd, JobPhase};
use ids::{EndpointName, RingName, SiteName, Timestamp};
use merkle::{Checkpoint, Note};
use serde::Serialize;
use std::fmt::Write as _;
use trust::{APPROVAL, Approval, Envelope};

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The site that it obeys.
    pub site: SiteName,
    /// Its own name.
    pub endpoint: EndpointName,
    /// Its ring.
    pub ring: RingName,
    /// Generation of the site root that it follows; 0 where it has none.
    pub root_generation: u64,
    /// Newest generation that it has seen for its ring.
    pub approval_generation: u64,
    /// Size of the log in the checkpoint that it holds.
    pub witnessed: Option<u64>,
    /// Why nothing is applied until a person resets.
    pub alarm: Option<String>,
    /// The last check-in and what came of it.
    pub last_at: Option<Timestamp>,
    /// One sentence.
    pub last: Option<String>,
    /// How far its job is.
    pub phase: Option<JobPhase>,
    /// How the job ended.
    pub end: Option<JobEnd>,
    /// One sentence: what it waits for, or what came of it.
    pub job: Option<String>,
    /// When the next window opens in which the job's approval may be applied; one that is open has begun.
    pub next_window: Option<Timestamp>,
    /// When the machine is to restart, where that was announced.
    pub restart_at: Option<Timestamp>,
    /// How often people may put that off.
    pub deferrals_left: Option<u32>,
}

/// Where the agent of a machine stands. Does not disturb one that is at work.
///
/// # Errors
/// [`Error::NotEnrolled`], or which file cannot be used.
pub fn standing(machine: &Machine) -> Result<Standing, Error> {
    let identity = Identity::load(machine)?;
    // Only whoever holds the lock sets a damaged memory aside.
    let memory = match Lock::take(machine) {
        Ok(_lock) => Memory::load(machine, &identity)?,
        Err(Error::Busy) => Memory::glance(machine)?,
        Err(error) => return Err(error),
    };
    let root = identity.newest_root(&memory.roots)?;
    let checkpoint = memory.held.as_ref().and_then(|held| {
        let note = Note::parse(held.note.as_bytes()).ok()?;
        Checkpoint::parse(note.text()).ok()
    });
    let Identity { site, endpoint, ring, .. } = identity;
    let seen = memory.seen.get(&ring).map_or(0, |seen| seen.generation);
    let job = memory.job.as_ref();
    let going = job.filter(|job| job.phase != JobPhase::Ended);
    let restart = going.and_then(|job| job.restart.at.map(|at| (at, job.restart.deferrals)));
    let conduct = Conduct::load(machine).unwrap_or_default();
    Ok(Standing {
        site,
        endpoint,
        ring,
        root_generation: root.map_or(0, |root| root.generation),
        approval_generation: seen,
        witnessed: checkpoint.map(|checkpoint| checkpoint.size),
        alarm: memory.alarm,
        last_at: memory.last.as_ref().map(|last| last.at),
        last: memory.last.map(|last| last.sentence),
        phase: job.map(|job| job.phase),
        end: job.and_then(|job| job.end),
        job: job.map(|job| job.message.clone()),
        next_window: going.and_then(|job| next_window(&job.approval)),
        restart_at: restart.map(|(at, _)| at),
        deferrals_left: restart.map(|(_, used)| conduct.deferrals().saturating_sub(used)),
    })
}

/// The first window of an approval that has not closed. It was judged when it was heard.
fn next_window(approval: &Envelope) -> Option<Timestamp> {
    let payload = approval.unverified_payload(APPROVAL).ok()?;
    let approval: Approval = serde_json::from_slice(&payload).ok()?;
    let now = Timestamp::now();
    approval.windows.iter().filter(|window| window.closes > now).map(|window| window.opens).min()
}

impl Standing {
    /// The same in lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { site, endpoint, ring, root_generation, approval_generation, .. } = self;
        let mut text = format!("{endpoint} at site {site}, ring {ring}\n");
        if let Some(alarm) = &self.alarm {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "ALARM, nothing is applied: {alarm}");
        }
        let witnessed = self.witnessed.map_or("none".into(), |size| format!("{size} entries"));
        let _ = writeln!(
            text,
            "Site root {root_generation}, newest approval {approval_generation}, log seen: {witnessed}"
        );
        match (&self.last_at, &self.last) {
            (Some(at), Some(last)) => drop(writeln!(text, "Last check-in {at}: {last}")),
            _ => text.push_str("It has not checked in yet\n"),
        }
        if let (Some(phase), Some(job)) = (self.phase, &self.job) {
            let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let phase = serde_json::to_value(phase).map(word).unwrap_or_default();
            let end = self.end.and_then(|end| serde_json::to_value(end).ok()).map(word);
            let end = end.map(|end| format!(", {end}")).unwrap_or_default();
            let _ = writeln!(text, "Job: {phase}{end}: {job}");
        }
        if let Some(window) = self.next_window {
            let _ = writeln!(text, "Window: from {window}");
        }
        if let (Some(at), Some(left)) = (self.restart_at, self.deferrals_left) {
            let _ = writeln!(text, "The machine restarts at {at}; it can be put off {left} times");
        }
        text
    }
}
