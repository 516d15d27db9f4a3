//! `patchkeep keys`: the publisher's ceremony, and what replaces a lost key.

use crate::{failure::Failure, screen::Screen};
use clap::Subcommand;
use collect::{Ceremonial, Ceremony, KeyName, Keyring, Rotation, add_source_key, rotate_root};
use ids::{Fault, SourceId};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Make the publisher's keys and the first root. Move the root keys to separate, offline media
    /// afterwards; builds do not need them.
    Ceremony {
        /// The folder to make.
        #[arg(long)]
        into: PathBuf,
        /// How many root keys.
        #[arg(long, default_value_t = 3)]
        roots: u8,
        /// How many of them must sign a root.
        #[arg(long, default_value_t = 2)]
        threshold: u8,
        /// For how many days the root is good.
        #[arg(long, default_value_t = 1098)]
        days: u32,
        /// A source for which to make a key at once; may be given more than once.
        #[arg(long = "source", value_name = "SOURCE")]
        sources: Vec<SourceId>,
    },
    /// Make a key for a source, or the next one when it was lost.
    AddSource {
        /// The key folder.
        #[arg(long)]
        keys: PathBuf,
        /// The source.
        source: SourceId,
    },
    /// Sign the next root with the old and the new threshold of root keys: renews it, and replaces
    /// keys that were lost.
    RotateRoot {
        /// The key folder, with enough root keys in it.
        #[arg(long)]
        keys: PathBuf,
        /// A key to replace (root-1 ..., targets, snapshot, timestamp); may be given more than once.
        #[arg(long = "replace", value_name = "KEY")]
        replace: Vec<String>,
        /// For how many days the new root is good.
        #[arg(long, default_value_t = 1098)]
        days: u32,
    },
    /// Print the fingerprint of the first root, as it goes on paper.
    Fingerprint {
        /// The key folder.
        #[arg(long)]
        keys: PathBuf,
    },
}

impl Keys {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let now = site::now();
        match self {
            Self::Ceremony { into, roots, threshold, days, sources } => {
                let ceremony = Ceremony { root_keys: roots, threshold, root_days: days, sources };
                let held = ceremony.hold(&into, now)?;
                told(&held, &into, screen);
            }
            Self::AddSource { keys, source } => {
                add_source_key(&keys, &source)?;
                screen.result(&source, format!("{} has a key for {source}.", keys.display()));
            }
            Self::RotateRoot { keys, replace, days } => {
                let names: Result<Vec<KeyName>, _> =
                    replace.iter().map(|name| name.parse()).collect();
                let replace = names.map_err(|_| {
                    let message = "--replace takes root-1 ..., targets, snapshot or timestamp";
                    Failure::say(Fault::Input, message)
                })?;
                let rotated = rotate_root(&keys, &Rotation { replace, root_days: days }, now)?;
                told(&rotated, &keys, screen);
            }
            Self::Fingerprint { keys } => {
                let fingerprint = Keyring::open(&keys)?.fingerprint();
                screen.result(&fingerprint, collect::fingerprint_groups(&fingerprint));
            }
        }
        Ok(())
    }
}

fn told(held: &Ceremonial, folder: &Path, screen: &Screen) {
    let groups = collect::fingerprint_groups(&held.fingerprint);
    let value = serde_json::json!({
        "root_version": held.root_version, "fingerprint": held.fingerprint, "expires": held.expires,
    });
    let text = format!(
        "Root {} was signed in {} and is good until {}.\nFingerprint of the first root, for the \
         paper that goes with every appliance:\n  {groups}",
        held.root_version,
        folder.display(),
        held.expires
    );
    screen.result(&value, text);
}
