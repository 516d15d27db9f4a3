//! Words for how something stands, with the colour that goes with each. The word alone says it; the colour
//! only helps to find it.

use catalogue::VendorSeverity;
use fleet::{JobEnd, JobPhase, LevelStatus, PolicyStatus, Standing};

/// A word and its colour.
pub(crate) struct Tag {
    pub(crate) word: &'static str,
    /// Of the design system's tags; empty is the plain one.
    pub(crate) colour: &'static str,
}

const fn tag(word: &'static str, colour: &'static str) -> Tag {
    Tag { word, colour }
}

impl Tag {
    /// As HTML: a word of ours, without anything that came from outside.
    pub(crate) fn html(&self) -> String {
        let colour = match self.colour {
            "" => String::new(),
            colour => format!(" govuk-tag--{colour}"),
        };
        format!("<strong class=\"govuk-tag{colour}\">{}</strong>", self.word)
    }
}

pub(crate) const fn standing(standing: Standing, elected: bool) -> Tag {
    match (standing, elected) {
        (Standing::Pending, _) => tag("pending", "yellow"),
        (Standing::Active, true) => tag("active", "green"),
        (Standing::Active, false) => tag("elected out", "grey"),
        (Standing::Retired, _) => tag("retired", "grey"),
    }
}

pub(crate) fn job(job: &fleet::Job) -> Tag {
    let colour = match (job.end, job.phase) {
        (Some(JobEnd::Effective), _) => "green",
        (Some(JobEnd::Restored), _) => "orange",
        (Some(JobEnd::Expired | JobEnd::Cancelled), _) => "grey",
        (Some(_), _) => "red",
        (None, JobPhase::AwaitingDecision) => "red",
        (None, JobPhase::Restoring | JobPhase::AwaitingRestart) => "orange",
        (None, JobPhase::WaitingForWindow) => "grey",
        (None, _) => "teal",
    };
    tag(job.word(), colour)
}

/// How severe an update is: what its vendor says, or else the rating of its score.
pub(crate) const fn severity(severity: Option<&VendorSeverity>) -> Tag {
    match severity {
        Some(VendorSeverity::Critical) => tag("critical", "red"),
        Some(VendorSeverity::High) => tag("high", "orange"),
        Some(VendorSeverity::Medium) => tag("medium", "yellow"),
        Some(VendorSeverity::Low) => tag("low", "grey"),
        None => tag("not rated", "grey"),
    }
}

pub(crate) const fn policy(status: PolicyStatus) -> Tag {
    match status {
        PolicyStatus::Done => tag("done", "green"),
        PolicyStatus::Late => tag("late", "orange"),
        PolicyStatus::Due => tag("due", "yellow"),
        PolicyStatus::Overdue => tag("overdue", "red"),
        PolicyStatus::Excepted => tag("excepted", "grey"),
        PolicyStatus::NotAsked => tag("not asked", "grey"),
        PolicyStatus::Unknown => tag("release date unknown", "grey"),
    }
}

pub(crate) const fn level(status: LevelStatus) -> Tag {
    match status {
        LevelStatus::Met => tag("met", "green"),
        LevelStatus::Due => tag("due", "yellow"),
        LevelStatus::Missed => tag("missed", "red"),
        LevelStatus::Unknown => tag("not recorded", "grey"),
    }
}
