//! The encrypted data partition: LUKS2, as cryptsetup makes it and systemd's tools open it with the TPM. Any Linux with these
//! opens it with the recovery key.
//!
//! The TPM gives its key to what was measured at the start: PCR 7 (whether the firmware takes only what is signed, and whose
//! signature it took) and PCR 11 (the very image). An older image of the same signer is another one, so that it gets none.
//! An image on trial is let in before it is tried, and whichever stays shuts the other one out.
//!
//! Where there is no TPM, a person may have it encrypted with a passphrase, which is typed at each start.

use crate::{
    error::{Error, chain},
    program, screen,
};
use ids::Digest;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// The name of what lies behind the encryption, and where it is.
const NAME: &str = "patchkeep-data";
pub(crate) const INSIDE: &str = "/dev/mapper/patchkeep-data";
/// Its label as long as it is not whole: a power cut then leaves nothing that counts.
const UNFINISHED: &str = "patchkeep-unfinished";
/// Its label where a passphrase opens it.
const TYPED: &str = "patchkeep-passphrase";
const TPM: &str = "/dev/tpmrm0";
/// Where firmware tells of a TPM, before its driver has found it.
const TOLD: &str = "/sys/firmware/acpi/tables/TPM2";
const PCR: &str = "/sys/class/tpm/tpm0/pcr-sha256/11";
/// How long a TPM may take to turn up, and to test itself.
const TPM_WITHIN: Duration = Duration::from_secs(10);
/// Keys lie here for as long as a program reads them: memory, and PID 1's alone.
const KEY: &str = "/run/data.key";
/// Bytes of a key that nobody types.
const KEY_BYTES: usize = 32;
/// Longest text of a PCR, in bytes.
const PCR_BYTES_MAX: u64 = 128;
/// Where a LUKS2 header has its label, after its magic number, version, length and sequence (LUKS2 On-Disk Format, 2.1).
const LABEL_AT: usize = 24;
const LABEL_BYTES: usize = 48;
const MAGIC: [u8; 6] = *b"LUKS\xba\xbe";

/// What an encrypted partition begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Its making was cut short: nothing was ever in it.
    Unfinished,
    Whole,
    /// A passphrase opens it.
    Typed,
}

/// The header with which a partition begins, if it is one.
pub(crate) fn header(head: &[u8]) -> Option<Header> {
    let label = head.get(LABEL_AT..LABEL_AT + LABEL_BYTES)?;
    head.starts_with(&MAGIC).then(|| match label {
        label if label.starts_with(UNFINISHED.as_bytes()) => Header::Unfinished,
        label if label.starts_with(TYPED.as_bytes()) => Header::Typed,
        _ => Header::Whole,
    })
}

/// What the TPM says was started: its PCR 11, in hexadecimal digits; nothing where there is no TPM, or none was told.
pub(crate) fn measured() -> Option<String> {
    let begun = Instant::now();
    while Path::new(TOLD).exists() && !Path::new(TPM).exists() && begun.elapsed() < TPM_WITHIN {
        thread::sleep(Duration::from_millis(100));
    }
    let file = fs::File::open(PCR).ok()?;
    let mut text = String::new();
    // Files of the kernel's own say no length.
    file.take(PCR_BYTES_MAX).read_to_string(&mut text).ok()?;
    let measured: Digest = text.trim().to_lowercase().parse().ok()?;
    (measured != Digest::from_bytes([0; 32])).then(|| measured.to_hex())
}

/// Whether the data partition that is open is encrypted.
pub(crate) fn is_open() -> bool {
    Path::new(INSIDE).exists()
}

/// Whether it is encrypted, and a TPM may open it: without one a person does, each time.
fn has_tpm() -> bool {
    is_open() && measured().is_some() && !is_typed()
}

/// Whether a passphrase opens the data partition that is open.
pub(crate) fn is_typed() -> bool {
    let read = || {
        let mut head = [0; LABEL_AT + LABEL_BYTES];
        fs::File::open(crate::data::find().ok()?).ok()?.read_exact(&mut head).ok()?;
        header(&head)
    };
    is_open() && read() == Some(Header::Typed)
}

/// Encrypts a partition that nothing is in with a passphrase, and opens it. It counts once [`finish`] was called.
pub(crate) fn make_typed(device: &str, passphrase: &str) -> Result<(), Error> {
    with_key(passphrase.as_bytes(), |key| {
        // Guessing is slow, as far as this much memory can make it so: the machine has half a gigabyte at least.
        format(device, key, "argon2id --pbkdf-memory 131072 --pbkdf-parallel 1")?;
        open_by_file(device, key)
    })
}

/// Opens it with its passphrase.
pub(crate) fn open_typed(device: &str, passphrase: &str) -> Result<(), Error> {
    with_key(passphrase.as_bytes(), |key| open_by_file(device, key)).map_err(|error| {
        chain(&error).lines().for_each(screen::log);
        Error::WrongPassphrase
    })
}

/// Encrypts a partition that nothing is in, binds it to the TPM, and opens it. Gives the recovery key. It counts once
/// [`finish`] was called.
pub(crate) fn make(device: &str) -> Result<String, Error> {
    let mut key = [0; KEY_BYTES];
    let random = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut key));
    random.map_err(|source| Error::Read { path: "/dev/urandom".into(), source })?;
    with_key(&key, |key| {
        // The key is random: guessing it is as hard however often it is hashed.
        format(device, key, "pbkdf2 --pbkdf-force-iterations 1000")?;
        open_by_file(device, key)?;
        let unlock = format!("--unlock-key-file={key}");
        let recovery = program::output(enroll(&unlock).args(["--recovery-key", device]))?;
        bind(device, &unlock, "password")?;
        recovery_in(&recovery)
    })
}

/// Says that it is whole, and how it is opened: from now on it is, and never made anew.
pub(crate) fn finish(device: &str, whole: Header) -> Result<(), Error> {
    let label = if whole == Header::Typed { TYPED } else { NAME };
    let words = ["config", "--label", label, device];
    program::run(Command::new("/bin/cryptsetup").args(words), &[0]).map(drop)
}

/// Makes the header of a partition that nothing is in, with this key, hashed so.
fn format(device: &str, key: &str, hashed: &str) -> Result<(), Error> {
    let words = "luksFormat --batch-mode --type luks2 --cipher aes-xts-plain64 --key-size 512";
    let mut format = Command::new("/bin/cryptsetup");
    format.args(words.split_whitespace()).arg("--pbkdf").args(hashed.split_whitespace());
    format.args(["--label", UNFINISHED, "--key-file", key, device]);
    program::run(&mut format, &[0]).map(drop)
}

/// Opens it with the key that the TPM gives to what was started. What systemd's tool says of it goes to the kernel's log.
pub(crate) fn open(device: &str) -> Result<(), Error> {
    measured().ok_or(Error::Unmeasured)?;
    let options = format!("luks,tpm2-device={TPM},headless=true,tries=1");
    let mut attach = Command::new("/bin/systemd-cryptsetup");
    // Its own way to the TPM, rather than one by way of cryptsetup's plugins, which are not here.
    attach.env("SYSTEMD_CRYPTSETUP_USE_TOKEN_MODULE", "0");
    program::run(attach.args(["attach", NAME, device, "-", &options]), &[0]).map(drop).map_err(
        |error| {
            chain(&error).lines().for_each(screen::log);
            Error::Locked
        },
    )
}

/// Opens it with the recovery key, and binds it to what was started now. Gives why it could not be bound, if so.
pub(crate) fn recover(device: &str, typed: &str) -> Result<Option<Error>, Error> {
    with_key(grouped(typed).as_bytes(), |key| {
        open_by_file(device, key)?;
        Ok(bind(device, &format!("--unlock-key-file={key}"), "tpm2").err())
    })
}

/// Binds it, if a TPM can open it, to what was started now, and to nothing else.
pub(crate) fn bind_here() -> Result<(), Error> {
    if !has_tpm() {
        return Ok(());
    }
    bind(&outside()?, &format!("--unlock-tpm2-device={TPM}"), "tpm2")
}

/// Lets an image in, if a TPM can open it, that is to be tried, besides the one that runs. Its signature is taken as that of the one
/// that runs was.
pub(crate) fn let_in(measured: &Digest) -> Result<(), Error> {
    if !has_tpm() {
        return Ok(());
    }
    // What an earlier trial left is shut out.
    bind_here()?;
    let pcrs = format!("--tpm2-pcrs=7+11:sha256={}", measured.to_hex());
    let mut enroll = enroll(&format!("--unlock-tpm2-device={TPM}"));
    program::run(enroll.arg(tpm_word()).arg(pcrs).arg(outside()?), &[0]).map(drop)
}

/// Makes a new recovery key; the one before opens nothing any more.
pub(crate) fn renew_recovery() -> Result<String, Error> {
    let mut enroll = enroll(&format!("--unlock-tpm2-device={TPM}"));
    recovery_in(&program::output(enroll.args([
        "--recovery-key",
        "--wipe-slot=recovery",
        &outside()?,
    ]))?)
}

/// Lets go of it, if it is encrypted.
pub(crate) fn close() -> Result<(), Error> {
    if !is_open() {
        return Ok(());
    }
    program::run(Command::new("/bin/cryptsetup").args(["close", NAME]), &[0]).map(drop)
}

fn open_by_file(device: &str, key: &str) -> Result<(), Error> {
    let words = ["open", "--type", "luks2", "--tries", "1", "--key-file", key, device, NAME];
    program::run(Command::new("/bin/cryptsetup").args(words), &[0]).map(drop)
}

/// Binds it to what was started now, and wipes all slots of a kind but the one that this makes.
fn bind(device: &str, unlock: &str, kind: &str) -> Result<(), Error> {
    let wiped = format!("--wipe-slot={kind}");
    let mut enroll = enroll(unlock);
    program::run(enroll.arg(tpm_word()).args(["--tpm2-pcrs=7+11", &wiped, device]), &[0]).map(drop)
}

fn enroll(unlock: &str) -> Command {
    let mut command = Command::new("/bin/systemd-cryptenroll");
    command.arg(unlock);
    command
}

fn tpm_word() -> String {
    format!("--tpm2-device={TPM}")
}

/// The partition that is encrypted.
fn outside() -> Result<String, Error> {
    Ok(crate::data::find()?.display().to_string())
}

/// Has a key lie in a file while something is done.
fn with_key<T>(key: &[u8], act: impl FnOnce(&str) -> Result<T, Error>) -> Result<T, Error> {
    let told = |source| Error::Write { path: KEY.into(), source };
    drop(fs::remove_file(KEY));
    let mut options = fs::File::options();
    let made = options.write(true).create_new(true).mode(0o400).open(KEY);
    made.and_then(|mut file| file.write_all(key)).map_err(told)?;
    let done = act(KEY);
    fs::remove_file(KEY).map_err(told)?;
    done
}

/// A recovery key as systemd writes it: eight groups of eight letters (modhex), however it was typed.
fn grouped(typed: &str) -> String {
    let letters: Vec<char> =
        typed.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect();
    let groups: Vec<String> = letters.chunks(8).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// The recovery key in what was said.
fn recovery_in(said: &str) -> Result<String, Error> {
    let is_key = |word: &&str| word.len() == 71 && grouped(word) == **word;
    let found = said.split_whitespace().find(is_key).map(str::to_owned);
    found.ok_or(Error::Program {
        program: "systemd-cryptenroll".to_owned(),
        code: "0".to_owned(),
        said: "no recovery key".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_encrypted_partition_is_known_and_whether_its_making_came_to_its_end() {
        let mut head = vec![0; 4096];
        assert_eq!(header(&head), None);
        head[..6].copy_from_slice(&MAGIC);
        assert_eq!(header(&head), Some(Header::Whole));
        head[LABEL_AT..LABEL_AT + TYPED.len()].copy_from_slice(TYPED.as_bytes());
        assert_eq!(header(&head), Some(Header::Typed));
        head[LABEL_AT..LABEL_AT + UNFINISHED.len()].copy_from_slice(UNFINISHED.as_bytes());
        assert_eq!(header(&head), Some(Header::Unfinished));
        assert_eq!(header(&head[..30]), None);
    }

    #[test]
    fn a_recovery_key_is_found_and_taken_as_people_type_it() {
        let key = "cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi";
        assert_eq!(recovery_in(&format!("A secret: {key}\nNew token.")).unwrap(), key);
        assert!(recovery_in("New token.").is_err());
        assert_eq!(grouped(&key.to_uppercase().replace('-', " ")), key);
        assert_eq!(grouped(&format!("  {} ", key.replace('-', ""))), key);
    }
}
