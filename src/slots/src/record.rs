//! What is remembered from one start to the next, and what follows from it.

use crate::{Slot, Started};
use ids::{Digest, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

/// What lies on the data partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The slot that firmware is told to start.
    pub default: Slot,
    /// The newest version that was blessed here, since an older one was last: nothing older is tried by itself.
    pub floor: Version,
    /// The image that is to be tried, or is on trial.
    pub trial: Option<Trial>,
}

/// An image on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Where it lies.
    pub slot: Slot,
    /// The version that ran before it.
    pub from: Version,
    /// Its own.
    pub to: Version,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Whether it came so far as to say so.
    pub began: bool,
    /// Why it gave up, by its own word.
    pub gave_up: Option<String>,
    /// Whether somebody at the machine said that it may be older than what was blessed here.
    #[serde(default)]
    pub may_be_older: bool,
}

/// What a start is, by the slot that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The slot that is always started.
    Usual,
    /// The image on trial: it is to be blessed, or to give up.
    OnTrial,
    /// The old image, after a trial that was not blessed. The trial, and why as far as it is known.
    CameBack(Trial, String),
    /// Not what firmware was told to start, though nothing is on trial. Why, as far as it is known.
    Elsewhere(String),
}

impl Record {
    /// That of an appliance that starts for the first time.
    #[must_use]
    pub fn first(running: &Version) -> Self {
        Self { default: Slot::A, floor: running.clone(), trial: None }
    }

    /// What this start is; the record is then as it is to be kept.
    pub fn at_start(&mut self, started: Started, running: &Version) -> Standing {
        let Some(mut trial) = self.trial.take() else {
            return match started {
                Started::Slot(slot) if slot != self.default => Standing::Elsewhere(format!(
                    "slot {} did not load: its file is torn, or not signed with a key that the firmware knows",
                    self.default
                )),
                _ => Standing::Usual,
            };
        };
        if started == Started::Slot(trial.slot) {
            if *running == trial.to {
                trial.began = true;
                self.trial = Some(trial);
                return Standing::OnTrial;
            }
            let why = format!("slot {} holds version {running}", trial.slot);
            return Standing::CameBack(trial, why);
        }
        let why = match (&trial.gave_up, trial.began) {
            (Some(why), _) => why.clone(),
            (None, true) => "it started, and ended before its server had answered: it broke down, hung, or lost its power".to_owned(),
            (None, false) => "it did not get so far as to open the data partition: its file is torn, it is not signed with a \
                 key that the firmware knows, or it broke down before"
                .to_owned(),
        };
        Standing::CameBack(trial, why)
    }

    /// The image on trial is the one from now on; the trial that it was.
    pub fn bless(&mut self) -> Option<Trial> {
        let trial = self.trial.take()?;
        self.default = trial.slot;
        if trial.may_be_older || trial.to > self.floor {
            self.floor = trial.to.clone();
        }
        Some(trial)
    }
}

/// What became of an image that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It runs, and is started from now on.
    Blessed,
    /// It was tried, and the old image came back by itself.
    FellBack,
    /// It was never tried.
    Refused,
}

/// What became of the image that was handed over last, as JSON, for the server to read:
///
/// `{"became": "blessed", "from": "0.1.0", "to": "0.2.0", "slot": "b", "sha256": "<64 hexadecimal digits>",
/// "why": null, "at": "2026-11-28T17:00:00Z"}`
///
/// `to` and `slot` are null where an image was refused; `why` is a sentence for people, and null where it was blessed. The
/// time is the appliance's own. A later image's outcome takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What.
    pub became: Became,
    /// The version that ran before.
    pub from: Version,
    /// The version that was tried.
    pub to: Option<Version>,
    /// Where it lies.
    pub slot: Option<Slot>,
    /// The image's SHA-256, as it was announced.
    pub sha256: Option<Digest>,
    /// Why not, as far as it is known.
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Outcome {
    /// That of a trial: blessed where there is no reason why not.
    #[must_use]
    pub fn of(trial: Trial, why: Option<String>, at: Timestamp) -> Self {
        let became = if why.is_none() { Became::Blessed } else { Became::FellBack };
        let Trial { slot, from, to, sha256, .. } = trial;
        Self { became, from, to: Some(to), slot: Some(slot), sha256: Some(sha256), why, at }
    }

    /// That of an image that was not tried.
    #[must_use]
    pub fn refused(from: Version, sha256: Option<Digest>, why: String, at: Timestamp) -> Self {
        Self { became: Became::Refused, from, to: None, slot: None, sha256, why: Some(why), at }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const OLD: Version = Version::new(1, 0, 0);
    const NEW: Version = Version::new(1, 1, 0);

    fn on_trial() -> Record {
        let trial = Trial {
            slot: Slot::B,
            from: OLD,
            to: NEW,
            sha256: Digest::of(b"b"),
            began: false,
            gave_up: None,
            may_be_older: false,
        };
        Record { trial: Some(trial), ..Record::first(&OLD) }
    }

    #[test]
    fn a_trial_is_blessed_and_only_then_is_it_the_default_and_the_floor() {
        let mut record = on_trial();
        assert_eq!(record.at_start(Started::Slot(Slot::B), &NEW), Standing::OnTrial);
        assert_eq!((record.default, &record.floor), (Slot::A, &OLD));
        assert!(record.trial.as_ref().unwrap().began);
        let trial = record.bless().unwrap();
        assert_eq!(record, Record { default: Slot::B, floor: NEW, trial: None });
        assert_eq!(record.at_start(Started::Slot(Slot::B), &NEW), Standing::Usual);
        assert!(record.bless().is_none(), "there is nothing left to bless");
        let outcome = Outcome::of(trial, None, Timestamp::UNIX_EPOCH);
        let text = serde_json::to_string(&outcome).unwrap();
        assert!(
            text.starts_with(r#"{"became":"blessed","from":"1.0.0","to":"1.1.0","slot":"b","#),
            "{text}"
        );
    }

    #[test]
    fn whatever_else_was_started_the_trial_is_over_and_why_is_said() {
        for (began, gave_up, says) in [
            (false, None, "torn"),
            (true, None, "broke down"),
            (true, Some("its server did not answer".to_owned()), "did not answer"),
        ] {
            for started in [Started::Slot(Slot::A), Started::Spare] {
                let mut record = on_trial();
                let trial = record.trial.as_mut().unwrap();
                (trial.began, trial.gave_up) = (began, gave_up.clone());
                let Standing::CameBack(trial, why) = record.at_start(started, &OLD) else {
                    panic!("not back")
                };
                assert!(trial.to == NEW && why.contains(says), "{why}");
                assert_eq!(
                    record,
                    Record::first(&OLD),
                    "the floor and the default are what they were"
                );
            }
        }
    }

    #[test]
    fn another_image_in_the_slot_on_trial_is_not_blessed() {
        let mut record = on_trial();
        assert!(matches!(record.at_start(Started::Slot(Slot::B), &OLD), Standing::CameBack(..)));
        assert!(record.bless().is_none());
    }

    #[test]
    fn a_slot_that_no_longer_loads_is_told_without_a_trial() {
        let mut record = Record::first(&OLD);
        assert_eq!(record.at_start(Started::Spare, &OLD), Standing::Usual);
        assert_eq!(record.at_start(Started::Slot(Slot::A), &OLD), Standing::Usual);
        let Standing::Elsewhere(why) = record.at_start(Started::Slot(Slot::B), &OLD) else {
            panic!("usual")
        };
        assert!(why.contains("slot A did not load"), "{why}");
    }

    #[test]
    fn a_blessed_reinstallation_of_the_same_version_leaves_the_floor() {
        let mut record = on_trial();
        record.floor = Version::new(2, 0, 0);
        record.at_start(Started::Slot(Slot::B), &NEW);
        record.bless();
        assert_eq!(record.floor, Version::new(2, 0, 0));
    }

    #[test]
    fn the_floor_is_lowered_only_by_an_older_one_that_was_allowed_and_blessed() {
        let mut record = on_trial();
        record.floor = Version::new(2, 0, 0);
        record.trial.as_mut().unwrap().may_be_older = true;
        record.at_start(Started::Slot(Slot::B), &NEW);
        assert_eq!(record.floor, Version::new(2, 0, 0), "it was not blessed yet");
        record.bless();
        assert_eq!(record.floor, NEW);
    }
}
