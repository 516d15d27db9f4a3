//! The log: it may only grow, and whatever else it does stops everything until a person has looked.

use crate::lab::{Lab, OFFERED, wanted};
use crate::log::Log;
use crate::people::draft;
use std::fs;

/// The agent sees the lie, tells it, applies nothing, and goes on after `reset` only.
#[track_caller]
fn alarms(lie: impl FnOnce(&mut Log), words: &str) {
    let lab = Lab::enrolled();
    lab.run().ok();
    let log = lab.lying.says().log.clone();
    let packages = lab.vendor.offer(OFFERED);
    lab.say_approval(&draft(1, wanted(packages)));
    lie(&mut lab.lying.says().log);
    lab.lying.heard();
    lab.run().exits(4).says("until a person has run").says(words);
    let heard = lab.lying.heard();
    assert!(heard.iter().any(|said| said.alarm.as_ref().is_some_and(|a| a.contains(words))));
    // The right log again is no excuse.
    lab.lying.says().log = log;
    lab.run().exits(4).says(words);
    lab.agent(&["status"]).ok().says("ALARM").says(words);
    lab.is_untouched();
    lab.agent(&["reset"]).ok().says(words);
    lab.run().ok();
    lab.is_patched();
}

#[test]
fn a_log_that_went_back_stops_everything() {
    alarms(|log| log.go_back(1), "went back from 3 entries to 2");
}

#[test]
fn a_log_that_forked_stops_everything() {
    alarms(Log::rewrite, "has forked");
}

#[test]
fn a_log_that_grew_from_another_history_stops_everything() {
    let lie = |log: &mut Log| {
        log.rewrite();
        log.grow(4);
    };
    alarms(lie, "not shown to continue");
}

#[test]
fn a_checkpoint_by_another_key_stops_everything() {
    alarms(Log::lose_key, "its log did not sign");
}

#[test]
fn a_log_that_grows_is_followed_and_a_new_epoch_needs_the_site_root() {
    let lab = Lab::enrolled();
    for entries in [0, 1, 5, 200] {
        lab.lying.says().log.grow(entries);
        lab.run().ok();
    }
    assert_eq!(lab.agent(&["--json", "status"]).ok().json()["witnessed"], 209);
    // The same key under another origin, before anybody signed for it.
    let next = Log::new("lab.example/epoch-2", 1);
    let before = std::mem::replace(&mut lab.lying.says().log, next.clone());
    let root = lab.people.root(&lab.people.draft_root(2, 2, &next.verifier()));
    lab.lying.says().roots.push(root);
    lab.run().ok();
    let standing = lab.agent(&["--json", "status"]).ok().json();
    assert_eq!((&standing["witnessed"], &standing["root_generation"]), (&3.into(), &2.into()));
    lab.lying.says().log = before;
    lab.run().exits(4).says("its log did not sign");
}

#[test]
fn a_memory_that_is_damaged_or_gone_is_not_begun_anew_in_silence() {
    let lab = Lab::approved();
    let file = lab.memory_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    lab.run().exits(4).says("cannot be read").says("set aside as");
    assert_eq!(fs::read_to_string(file.with_extension("aside-1")).unwrap(), text[..text.len() / 2]);
    lab.run().exits(4).says("until a person has run `patchkeep-agent reset`");
    fs::remove_file(&file).unwrap();
    lab.run().exits(4).says("is missing");
    lab.is_untouched();
    lab.agent(&["reset"]).ok();
    lab.run().ok();
    lab.is_patched();
}
