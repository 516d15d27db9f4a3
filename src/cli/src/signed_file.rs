//! Documents that people sign, in files: read, written, and signed with a key of theirs.

use crate::{failure::Failure, ssh};
use clap::Args;
use ids::Fault;
use std::{
    fs,
    path::{Path, PathBuf},
};
use trust::{ENVELOPE_BYTES_MAX, Envelope, Purpose};

/// What to sign, and with what.
#[derive(Args)]
pub(crate) struct SignWords {
    /// The draft; the signature is added to it.
    pub(crate) file: PathBuf,
    /// Your private key, or the public half of one that is in ssh-agent or a security key.
    #[arg(long)]
    key: PathBuf,
    /// Sign without being asked; what is signed is still printed.
    #[arg(long)]
    yes: bool,
}

impl SignWords {
    /// Shows what is to be signed, signs it, and writes it back; says so.
    pub(crate) fn sign(
        &self,
        mut envelope: Envelope,
        purpose: Purpose,
        text: &str,
    ) -> Result<String, Failure> {
        let Self { file, key, yes } = self;
        ssh::agree(text, *yes)?;
        ssh::sign(&mut envelope, purpose, key)?;
        write(file, &envelope)?;
        Ok(format!("{} was signed with {}.", file.display(), key.display()))
    }
}

/// Says when a file that is to be written is there already.
pub(crate) fn must_be_new(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        let message = format!("{} is there already; nothing was written", file.display());
        return Err(Failure::say(Fault::Input, message));
    }
    Ok(())
}

pub(crate) fn read(file: &Path) -> Result<Envelope, Failure> {
    let unread = |e: std::io::Error| Failure::file("read", file, &e);
    if fs::metadata(file).map_err(unread)?.len() > ENVELOPE_BYTES_MAX as u64 {
        let message = format!("{} is too large for a signed document", file.display());
        return Err(Failure::say(Fault::Input, message));
    }
    Ok(Envelope::parse(&fs::read(file).map_err(unread)?)?)
}

pub(crate) fn write(file: &Path, envelope: &Envelope) -> Result<(), Failure> {
    use durable::Disk as _;
    let written = durable::RealDisk.write_atomic(file, &envelope.to_bytes());
    written.map_err(|e| Failure::file("write", file, &e))
}
