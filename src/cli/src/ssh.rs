//! SSH keys of people: read public ones, and have the stock `ssh-keygen` sign with private ones, so that
//! passphrases, agents and security keys work as their owners know them.

use crate::failure::Failure;
use ids::Fault;
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
    process::Command,
};
use trust::{Envelope, Purpose};

/// Longest public key file, in bytes.
const KEY_BYTES_MAX: u64 = 16 << 10;

/// The public key in a file, as OpenSSH writes it, without its comment.
pub(crate) fn public_key(path: &Path) -> Result<String, Failure> {
    let unread = |e: io::Error| Failure::file("read", path, &e);
    if fs::metadata(path).map_err(unread)?.len() > KEY_BYTES_MAX {
        return Err(unread(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(unread)?;
    let odd = |why: String| Failure::say(Fault::Input, format!("{}: {why}", path.display()));
    let key = trust::parse_public_key(&text).map_err(|denial| odd(denial.to_string()))?;
    key.to_openssh().map_err(|e| odd(e.to_string()))
}

/// Shows what is to be signed, and asks: at a terminal for the word `yes`, elsewhere for `--yes`.
pub(crate) fn agree(text: &str, yes: bool) -> Result<(), Failure> {
    eprint!("{text}");
    if yes {
        return Ok(());
    }
    let no = |why: &str| Failure::say(Fault::Refused, format!("{why}; nothing was signed"));
    if !io::stdin().is_terminal() {
        return Err(no("nobody is there to read this: say --yes to sign it"));
    }
    eprint!("Sign exactly this? Type yes: ");
    drop(io::stderr().flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|e| no(&e.to_string()))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(no("the answer was not yes")) }
}

/// Signs an envelope's payload with a private key, or with the agent's or security key whose public
/// half is in the file.
pub(crate) fn sign(envelope: &mut Envelope, purpose: Purpose, key: &Path) -> Result<(), Failure> {
    let place = tempfile::tempdir()
        .map_err(|e| Failure::say(Fault::Unavailable, format!("cannot make a folder: {e}")))?;
    let file = place.path().join("message");
    let message = envelope.message(purpose)?;
    fs::write(&file, message).map_err(|e| Failure::file("write", &file, &e))?;
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", purpose.namespace, "-f"]).arg(key).arg(&file);
    let ended = command.output().map_err(|e| {
        let message = format!("cannot run ssh-keygen ({e}): install package openssh-client");
        Failure::say(Fault::Unavailable, message)
    })?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let said = said.lines().next().unwrap_or("it did not say why").to_owned();
        let message = format!("ssh-keygen did not sign with {}: {said}", key.display());
        return Err(Failure::say(Fault::Input, message));
    }
    let signature = file.with_extension("sig");
    let pem = fs::read_to_string(&signature);
    envelope.add(purpose, &pem.map_err(|e| Failure::file("read", &signature, &e))?)?;
    Ok(())
}
