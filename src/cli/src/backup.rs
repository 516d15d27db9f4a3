//! `patchkeep backup` and `patchkeep restore`: all but payloads in one encrypted file, and back.

use crate::{
    appliance::Appliance,
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::{Screen, bytes},
};
use clap::Args;
use ids::{Digest, Fault};
use site::{BackedUp, Folder, RestoreOrder, Restored};
use std::{fs, path::PathBuf};

/// Longest identity or recipients file, in bytes.
const KEYS_BYTES_MAX: u64 = 1 << 20;

#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    appliance: Appliance,
    /// The file to write; it must not be there yet.
    #[arg(long)]
    into: PathBuf,
    /// An age recipient who can open it (age1...). May be repeated.
    #[arg(long = "recipient", value_name = "AGE1...")]
    recipients: Vec<String>,
    /// A file of recipients, one a line. May be repeated.
    #[arg(long = "recipients-file", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    person: Person,
}

impl Backup {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let mut recipients = self.recipients;
        for file in &self.files {
            let text = String::from_utf8_lossy(&read_keys(file)?).into_owned();
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            recipients.extend(lines.map(str::to_owned));
        }
        // A running server has another working folder.
        let into = std::path::absolute(&self.into);
        let into = into.map_err(|e| Failure::file("find", &self.into, &e))?;
        let request =
            Request::Backup { into, recipients, person: self.person.id(&self.appliance)? };
        let Reply::Backup(done) = ask(&self.appliance, request, screen)? else {
            return Err(unexpected());
        };
        let BackedUp { manifest, entries, files, bytes: length, written, .. } = &done;
        let text = format!(
            "Backed up {entries} entries of the log: {files} files, {}, encrypted for {} into {} \
             ({}).\nNot in it: {} payloads, {}, which bundles bring back; it lists them.\nWrite down \
             which backup this is, for `patchkeep restore --manifest`:\n  {manifest}",
            bytes(*length),
            keys(done.recipients),
            self.into.display(),
            bytes(*written),
            done.payloads,
            bytes(done.payload_bytes),
        );
        screen.result(&done, text);
        Ok(())
    }
}

fn keys(count: u64) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(long)]
    from: PathBuf,
    /// An age identity that it was made for: a file with AGE-SECRET-KEY-1...
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The data folder to make; it must be empty, or not there.
    #[arg(long)]
    data: PathBuf,
    /// The backup's manifest (SHA-256), as it was written down; another backup is refused.
    #[arg(long, value_name = "HEX")]
    manifest: Option<Digest>,
}

impl Restore {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let identity = read_keys(&self.identity)?;
        let order = RestoreOrder { from: self.from, identity, manifest: self.manifest };
        let folder = Folder::at(&self.data);
        let restored = site::restore(&folder, &order, &mut |p| screen.progress(&p))?;
        let Restored { site, backup_at, entries, manifest, payloads, payload_bytes, .. } =
            &restored;
        let data = self.data.display();
        let text = format!(
            "Site {site} was restored in {data} from the backup of {backup_at}: {entries} entries of \
             the log, each verified. Its manifest is {manifest}.\nIt only reads for now, and endpoints \
             are told nothing, because its log may have gone back. To go on:\n  \
             1. patchkeep site draft --data {data} --into ROOT      (it names the next epoch's log)\n  \
             2. patchkeep site sign ROOT --key KEY                  (two administrators)\n  \
             3. patchkeep site accept ROOT --data {data} [--held CHECKPOINT]\n  \
             4. import the bundles that carry its {payloads} payloads ({}) again\n\
             Decide again what was decided after {backup_at}: endpoints put out, approvals withdrawn.",
            bytes(*payload_bytes),
        );
        screen.result(&restored, text);
        Ok(())
    }
}

fn read_keys(file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let unread = |e: std::io::Error| Failure::file("read", file, &e);
    if fs::metadata(file).map_err(unread)?.len() > KEYS_BYTES_MAX {
        let message = format!("{} is too large for a file of keys", file.display());
        return Err(Failure::say(Fault::Input, message));
    }
    fs::read(file).map_err(unread)
}
