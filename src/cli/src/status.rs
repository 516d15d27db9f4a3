//! `patchkeep status` and `patchkeep receipt`: what the appliance says of itself.

use crate::{
    appliance::Appliance,
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    ring, scanner,
    screen::{Screen, bytes},
};
use clap::Args;
use std::fmt::Write as _;

#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    appliance: Appliance,
}

impl Status {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Reply::Status(status) = ask(&self.appliance, Request::Status, screen)? else {
            return Err(unexpected());
        };
        let newest = status.sequence.map_or_else(|| "none yet".to_owned(), |n| n.to_string());
        let mut text = format!(
            "site {}: bundle {newest}, {} events in the log {}\nstore: {} payloads, {}; {} free",
            status.site,
            status.entries,
            status.origin,
            status.payloads,
            bytes(status.payload_bytes),
            bytes(status.available_bytes)
        );
        if let Some(restored) = &status.restored {
            let _ = write!(
                text,
                "\nRESTORED from a backup of {}, and only reading until a new epoch is open: \
                 `patchkeep site draft`",
                restored.backup_at
            );
        }
        for source in &status.sources {
            let _ = write!(
                text,
                "\n{}: bundle {}, vendor's release of {}, {} updates, {} files missing",
                source.source, source.sequence, source.release_date, source.updates, source.missing
            );
        }
        let _ = write!(text, "\n{}", ring::lines(&status.rings));
        let _ = write!(text, "\n{}", scanner::line(&status.scanner));
        if let Some(kept) = status.data_partition {
            let _ = write!(text, "\nData partition: {}", kept.says());
        }
        for (level, alarm) in &status.missed {
            let _ = write!(
                text,
                "\nMISSED since {}: {}, {} in the list: `patchkeep report levels`",
                alarm.since,
                level.word(),
                alarm.missed
            );
        }
        for ending in &status.radar {
            let _ = write!(text, "\nsoon: {ending}");
        }
        for sequence in &status.unfinished {
            let _ =
                write!(text, "\nbundle {sequence} was begun and is not finished: import it again");
        }
        screen.result(&status, text);
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Receipt {
    #[command(flatten)]
    appliance: Appliance,
}

impl Receipt {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Reply::Receipt(receipt) = ask(&self.appliance, Request::Receipt, screen)? else {
            return Err(unexpected());
        };
        // The receipt is a file for the publisher, so people and scripts get the same.
        let text = serde_json::to_string_pretty(&receipt)?;
        screen.result(&receipt, text);
        Ok(())
    }
}
