//! The sentences of backups and of the seam between two epochs.

use super::{super::seam, bytes, count};
use fleet::{Epoch, Fact};

/// The sentence of a fact about backups or epochs; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    match fact {
        Fact::BackupMade { manifest, entries, bytes: length, recipients, .. } => Some(format!(
            "{who} backed up {} ({}), encrypted for {}; its manifest is {}",
            count(*entries, "entry"),
            bytes(*length),
            count(*recipients, "key"),
            manifest.short()
        )),
        Fact::EpochOpened(epoch) => Some(opened(epoch, who)),
        _ => None,
    }
}

fn opened(epoch: &Epoch, who: &str) -> String {
    let lacks: u64 = epoch.missing.iter().map(|(_, _, files)| files).sum();
    let files = match lacks {
        0 => String::new(),
        n => format!("; {} of the views that it kept are to be imported again", count(n, "file")),
    };
    format!(
        "{who} opened epoch {} in the log {}, with the signatures of two people or more: {}{files}",
        epoch.epoch,
        epoch.origin,
        seam::words(epoch),
    )
}
