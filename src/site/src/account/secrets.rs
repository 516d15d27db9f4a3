//! What people sign in with: one file a person beside the log, which holds a password's hash, an authenticator's
//! secret, or the hash of a one-time code. None of it counts unless the log says that the person has it.

use crate::{Error, Folder, keys};
use argon2::{
    Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _, password_hash::SaltString,
};
use durable::Disk;
use ids::{Digest, PersonId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{io, path::PathBuf};
use totp_rs::{Algorithm, Secret, TOTP};

/// Shortest password, in characters (NIST SP 800-63B: no rules of composition).
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Digits of an authenticator's number, and the seconds for which it stands (RFC 6238).
const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// Groups and letters a group of a one-time code: 20 letters of 32 are 100 bits.
const CODE_GROUPS: usize = 4;
const CODE_LETTERS: usize = 5;
/// Crockford's base 32: no letter that looks like another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What one person signs in with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// A one-time code, until it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Code>,
    /// Argon2id in PHC's string form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    /// The authenticator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authenticator: Option<Authenticator>,
    /// Security keys that their browser signs statements with; nobody signs in with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<BrowserKey>,
}

/// A one-time code: a hundred bits, so its plain SHA-256 gives nothing away.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    pub(crate) sha256: Digest,
    pub(crate) until: Timestamp,
}

/// A security key as a browser finds it again. None of it is secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrowserKey {
    /// The credential's id, base64url: what the browser is asked for.
    pub(crate) credential: String,
    /// Its OpenSSH public key line, whose application is the name that the browser knew the appliance by.
    pub(crate) key: String,
    pub(crate) added_at: Timestamp,
}

/// A secret that is shared with an authenticator.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authenticator {
    /// Base 32 without padding, as people type it.
    pub(crate) secret: String,
    /// The newest step whose number was used: none counts twice.
    #[serde(default)]
    pub(crate) used: u64,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("used", &self.used).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// A new one.
    pub(crate) fn make() -> Result<Self, Error> {
        let secret = Secret::Raw(keys::random()?[..20].to_vec()).to_encoded();
        Ok(Self { secret: secret.to_string(), used: 0 })
    }

    fn totp(&self, site: &str, person: &PersonId) -> Option<TOTP> {
        let secret = Secret::Encoded(self.secret.clone()).to_bytes().ok()?;
        let issuer = Some(format!("Patchkeep {site}"));
        TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP_SECONDS, secret, issuer, person.to_string()).ok()
    }

    /// The address that authenticators read from a QR code (`otpauth://totp/...`).
    pub(crate) fn address(&self, site: &str, person: &PersonId) -> Option<String> {
        Some(self.totp(site, person)?.get_url())
    }

    /// The step whose number this is, a step early or late allowed, if it was not used yet.
    pub(crate) fn step(
        &self,
        site: &str,
        person: &PersonId,
        number: &str,
        now: Timestamp,
    ) -> Option<u64> {
        let number: String = number.chars().filter(char::is_ascii_digit).collect();
        let totp = self.totp(site, person)?;
        let this = u64::try_from(now.as_second()).ok()? / STEP_SECONDS;
        let steps = [this, this.saturating_sub(1), this + 1].into_iter();
        steps
            .filter(|step| *step > self.used)
            .find(|step| is_same(&totp.generate(step * STEP_SECONDS), &number))
    }
}

/// Compares without telling by the time it takes where the first difference is.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// A new one-time code, as people read and type it.
pub(crate) fn new_code() -> Result<String, Error> {
    let random = keys::random()?;
    let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let letters: Vec<char> = letters.take(CODE_GROUPS * CODE_LETTERS).collect();
    let groups: Vec<String> =
        letters.chunks(CODE_LETTERS).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// The digest by which a one-time code is known, however it was typed.
pub fn code_digest(code: &str) -> Digest {
    let plain =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
    Digest::of(plain.collect::<String>().as_bytes())
}

/// The hash of a new password.
pub(crate) fn hash(password: &str) -> Result<String, Error> {
    let salt = SaltString::encode_b64(&keys::random()?[..16]);
    let hashed = salt.and_then(|salt| {
        Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
    });
    hashed.map_err(|e| Error::Input(format!("this password cannot be kept: {e}")))
}

/// Whether a password has this hash. Where there is no hash, it takes as long and says no.
pub(crate) fn is_password(password: &str, hash: Option<&str>) -> bool {
    /// The hash of no password that is known.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm90IGEgcGFzc3dvcmQ\
        $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let parsed = PasswordHash::new(hash.unwrap_or(NOBODY));
    let held = parsed
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    held && hash.is_some()
}

/// Whether a password may be chosen.
pub(crate) fn may_choose(person: &PersonId, password: &str) -> Result<(), Error> {
    let chars = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        let message = format!(
            "a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters, this one {chars}; three words \
             that do not belong together are a good one"
        );
        return Err(Error::Input(message));
    }
    let first = password.chars().next();
    if password.to_lowercase().contains(person.as_str())
        || password.chars().all(|c| Some(c) == first)
    {
        let message = "a password does not contain its owner's id and is not one letter many times: choose another";
        return Err(Error::Input(message.to_owned()));
    }
    Ok(())
}

fn path(folder: &Folder, person: &PersonId) -> PathBuf {
    folder.accounts().join(format!("{person}.json"))
}

/// What somebody signs in with; nothing where there is no file.
pub(crate) fn read(disk: &dyn Disk, folder: &Folder, person: &PersonId) -> Result<Secrets, Error> {
    let path = path(folder, person);
    match disk.read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Error::Key {
            path,
            reason: format!("not what a person signs in with: {e}"),
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Secrets::default()),
        Err(source) => Err(Error::Folder { path, source }),
    }
}

/// Keeps it, durably, for the owner of the folder only.
pub(crate) fn write(
    disk: &dyn Disk,
    folder: &Folder,
    person: &PersonId,
    secrets: &Secrets,
) -> Result<(), Error> {
    let path = path(folder, person);
    let bytes = serde_json::to_vec_pretty(secrets).map_err(Error::State)?;
    let write = || {
        disk.create_dir_all(&folder.accounts())?;
        disk.keep_private(&folder.accounts())?;
        disk.write_atomic(&path, &bytes)?;
        disk.keep_private(&path)
    };
    write().map_err(|source| Error::Folder { path: path.clone(), source })
}

/// Forgets it.
pub(crate) fn forget(disk: &dyn Disk, folder: &Folder, person: &PersonId) -> Result<(), Error> {
    write(disk, folder, person, &Secrets::default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let code = new_code().unwrap();
        assert_eq!(code.len(), 23);
        let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(code_digest(&code), code_digest(&typed));
        assert_ne!(code_digest(&code), code_digest(&new_code().unwrap()));
    }

    #[test]
    fn a_number_counts_once_and_a_step_early_or_late() {
        let mut known = Authenticator::make().unwrap();
        let ann: PersonId = "ann".parse().unwrap();
        let now: Timestamp = "2026-11-28T05:00:10Z".parse().unwrap();
        let at = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).unwrap();
        let totp = known.totp("lab", &ann).unwrap();
        let number = totp.generate(u64::try_from(now.as_second()).unwrap());
        for seconds in [-30, 0, 30] {
            assert!(known.step("lab", &ann, &number, at(seconds)).is_some(), "{seconds}");
        }
        assert!(known.step("lab", &ann, &number, at(90)).is_none());
        assert!(known.step("lab", &ann, "", now).is_none());
        known.used = known.step("lab", &ann, &format!(" {number} "), now).unwrap();
        assert!(known.step("lab", &ann, &number, now).is_none(), "the same number twice");
        assert!(
            known.address("lab", &ann).unwrap().starts_with("otpauth://totp/Patchkeep%20lab:ann?")
        );
        assert!(!format!("{known:?}").contains(&known.secret));
    }

    #[test]
    fn passwords_are_hashed_and_judged() {
        let ann: PersonId = "ann".parse().unwrap();
        for bad in ["short", "aaaaaaaaaaaaaaaa", "ann-loves-patches", &"x".repeat(129)] {
            assert!(may_choose(&ann, bad).is_err(), "{bad}");
        }
        assert!(may_choose(&ann, "correct horse battery").is_ok());
        let hash = hash("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_password("correct horse battery", Some(&hash)));
        assert!(!is_password("correct horse batterz", Some(&hash)));
        assert!(!is_password("correct horse battery", None));
    }
}
