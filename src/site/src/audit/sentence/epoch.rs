//! The sentences of backups and of the seam between two epochs.

use super::{bytes, count, thousands, time};
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
    let Epoch { previous_origin, previous_size, newest_held, backup_at, .. } = epoch;
    let lacks: u64 = epoch.missing.iter().map(|(_, _, files)| files).sum();
    let files = match lacks {
        0 => String::new(),
        n => format!("; {} of the views that it kept are to be imported again", count(n, "file")),
    };
    format!(
        "{who} opened epoch {} in the log {}, with the signatures of two administrators or more: the \
         appliance was restored from a backup of {}, which had {} of {previous_origin}; {}{files}",
        epoch.epoch,
        epoch.origin,
        time(*backup_at),
        count(*previous_size, "entry"),
        lost(*previous_size, *newest_held),
    )
}

/// What is known of entries after those that the backup had.
pub(in super::super) fn lost(previous_size: u64, newest_held: u64) -> String {
    match newest_held.saturating_sub(previous_size) {
        0 => "nobody is known to hold a newer checkpoint of it".to_owned(),
        1 => format!(
            "entry {} is LOST: somebody holds a checkpoint over it",
            thousands(previous_size + 1)
        ),
        n => format!(
            "entries {} to {} are LOST, {} of them: somebody holds a checkpoint over all",
            thousands(previous_size + 1),
            thousands(newest_held),
            thousands(n)
        ),
    }
}
