//! A browser's security key as an SSH key: OpenSSH's own form of a WebAuthn signature (PROTOCOL.u2f,
//! `webauthn-sk-ecdsa-sha2-nistp256@openssh.com`), held to what OpenSSH holds it to, and to more.
//!
//! The challenge that the key answers is what any SSH signature is over (PROTOCOL.sshsig: namespace, digest's
//! name, digest), so stock `ssh-keygen -Y verify` checks an approval that was made in a browser. The key's
//! application is the name under which the browser knew the appliance (the relying party's id): what is signed
//! covers its digest. Counters are not compared: many keys do not count, and nothing is kept here.

use crate::{Denial, Denied, site::short};
use serde::Deserialize;
use ssh_key::{
    Algorithm, EcdsaCurve, HashAlg, PublicKey, Signature, SshSig,
    public::{EcdsaPublicKey, KeyData, SkEcdsaSha2NistP256},
    sec1::EncodedPoint,
    sha2::{Digest as _, Sha256},
};

/// How OpenSSH names the form.
const FORM: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
/// What an SSH signature begins with, and its version.
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
/// The digest of what is signed.
const DIGEST: &str = "sha512";
/// Longest part of a signature, in bytes: what browsers send has a few hundred.
const PART_BYTES_MAX: usize = 16 << 10;
/// What an authenticator's data begins with: the digest of the relying party's id, flags, a counter.
const HEAD_BYTES: usize = 37;
/// Flags (WebAuthn 6.1): somebody touched it, a new key is attached, extensions follow.
const PRESENT: u8 = 0x01;
const ATTACHED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

/// What a browser gives for a challenge, each part as the browser has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `signature`, ECDSA in DER.
    pub signature: Vec<u8>,
}

/// What a browser says of what it did (`clientDataJSON`). Fields that are not known are none of ours.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

/// Whether a browser says that it did this, with this challenge, on a page of this relying party, in nobody's
/// frame. `kind` is `webauthn.create` for a new key and `webauthn.get` for a signature. Gives the origin.
///
/// # Errors
/// [`Denied::SignatureInvalid`], with what is wrong.
pub fn browser_did(
    client_data: &[u8],
    kind: &str,
    challenge: &[u8],
    relying_party: &str,
) -> Result<String, Denial> {
    let said: ClientData = (client_data.len() <= PART_BYTES_MAX)
        .then(|| serde_json::from_slice(client_data).ok())
        .flatten()
        .ok_or_else(|| no("what the browser says of it cannot be read"))?;
    if said.kind != kind {
        return Err(no(&format!("the browser did {:?}, not {kind}", short(&said.kind))));
    }
    if said.challenge != base64url(challenge) {
        return Err(no("it answers another challenge"));
    }
    if !is_of(&said.origin, relying_party) {
        let origin = short(&said.origin);
        return Err(no(&format!("it was made on {origin:?}, which is no page of {relying_party}")));
    }
    if said.cross_origin == Some(true) || said.top_origin.is_some() {
        return Err(no("it was made in a frame of another page"));
    }
    Ok(said.origin)
}

/// An OpenSSH public key line for a browser's new key: the point's coordinates, and the relying party's id.
///
/// # Errors
/// [`Denied::Malformed`] when the point is not on the curve, or the id is no DNS name.
pub fn security_key(x: &[u8], y: &[u8], relying_party: &str) -> Result<String, Denial> {
    let malformed = |why: &str| Denial::new(Denied::Malformed, why);
    if !is_relying_party(relying_party) {
        return Err(malformed("the relying party's id is no DNS name in small letters"));
    }
    let (Ok(x), Ok(y)) = (<[u8; 32]>::try_from(x), <[u8; 32]>::try_from(y)) else {
        return Err(malformed("the key's coordinates are not of 32 bytes"));
    };
    let point = EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
    let key = SkEcdsaSha2NistP256::new(point, relying_party);
    // Nobody's signature holds under it, but only a point on the curve gets as far as being looked at.
    p256::ecdsa::VerifyingKey::from_encoded_point(key.ec_point())
        .map_err(|_| malformed("the key is no point on the curve P-256"))?;
    let line = PublicKey::new(KeyData::SkEcdsaSha2NistP256(key), "").to_openssh();
    line.map(|line| line.trim().to_owned()).map_err(|_| malformed("the key cannot be written"))
}

/// The relying party's id of a key that a browser may have: its application. `ssh:` is of keys that `ssh-keygen` made.
///
/// # Errors
/// [`Denied::Malformed`] when it is no public key that is taken.
pub fn relying_party(key: &str) -> Result<Option<String>, Denial> {
    let key = crate::parse_public_key(key)?;
    let KeyData::SkEcdsaSha2NistP256(key) = key.key_data() else { return Ok(None) };
    let application = key.application();
    Ok(is_relying_party(application).then(|| application.to_owned()))
}

/// Whether a host's name can be a relying party's id: DNS labels in small letters, and no address.
#[must_use]
pub fn is_relying_party(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && last.bytes().any(|b| !b.is_ascii_digit())
}

/// Whether an origin is a page of a relying party: HTTPS, its very name or one below it, at any port.
fn is_of(origin: &str, relying_party: &str) -> bool {
    let Some(authority) = origin.strip_prefix("https://") else { return false };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|read| read.to_string() == port);
    let below = host.strip_suffix(relying_party).and_then(|before| before.strip_suffix('.'));
    is_relying_party(host)
        && is_relying_party(relying_party)
        && (host == relying_party || below.is_some())
        && port.is_none_or(is_port)
}

/// What a key is asked to sign over a message in a namespace: any SSH signature is over this.
pub(crate) fn challenge(namespace: &str, message: &[u8]) -> Result<Vec<u8>, Denial> {
    SshSig::signed_data(namespace, HashAlg::Sha512, message)
        .map_err(|_| no("what is to be signed cannot be written"))
}

/// An SSH signature in a browser's form, read and not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    key: PublicKey,
    namespace: String,
    reserved: Vec<u8>,
    digest: HashAlg,
    /// Two numbers, as SSH writes ECDSA signatures.
    ecdsa: Vec<u8>,
    flags: u8,
    counter: u32,
    origin: String,
    client_data: Vec<u8>,
    extensions: Vec<u8>,
}

impl Signed {
    /// An assertion as the signature of `key` in a namespace.
    pub(crate) fn new(key: PublicKey, namespace: &str, given: &Assertion) -> Result<Self, Denial> {
        let data = given.authenticator_data.as_slice();
        let unreadable = || no("what the security key says cannot be read");
        let (head, extensions) = data.split_at_checked(HEAD_BYTES).ok_or_else(unreadable)?;
        let (party, rest) = head.split_at(32);
        let [flags, counter @ ..] = rest else { return Err(unreadable()) };
        let counter = <[u8; 4]>::try_from(counter).map_err(|_| unreadable())?;
        if application(&key)?.1.as_slice() != party {
            return Err(no("it is of a key for another relying party"));
        }
        let said: ClientData = serde_json::from_slice(&given.client_data)
            .map_err(|_| no("what the browser says of it cannot be read"))?;
        let ecdsa = from_der(&given.signature).ok_or_else(unreadable)?;
        Ok(Self {
            key,
            namespace: namespace.to_owned(),
            reserved: Vec::new(),
            digest: HashAlg::Sha512,
            ecdsa,
            flags: *flags,
            counter: u32::from_be_bytes(counter),
            origin: said.origin,
            client_data: given.client_data.clone(),
            extensions: extensions.to_vec(),
        })
    }

    /// Reads the binary form, which is all of `blob`; `None` where it is no browser's.
    pub(crate) fn read(blob: &[u8]) -> Option<Self> {
        let mut rest = blob.strip_prefix(MAGIC)?;
        if number(&mut rest)? != VERSION {
            return None;
        }
        let key = PublicKey::from_bytes(part(&mut rest)?).ok()?;
        let namespace = text(&mut rest)?;
        let reserved = part(&mut rest)?.to_vec();
        let digest = text(&mut rest)?.parse().ok()?;
        let mut inner = part(&mut rest)?;
        if !rest.is_empty() || part(&mut inner)? != FORM.as_bytes() {
            return None;
        }
        let ecdsa = part(&mut inner)?.to_vec();
        let (flags, after) = inner.split_first()?;
        inner = after;
        let signed = Self {
            key,
            namespace,
            reserved,
            digest,
            ecdsa,
            flags: *flags,
            counter: number(&mut inner)?,
            origin: text(&mut inner)?,
            client_data: part(&mut inner)?.to_vec(),
            extensions: part(&mut inner)?.to_vec(),
        };
        inner.is_empty().then_some(signed)
    }

    /// The binary form (PROTOCOL.sshsig).
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Denial> {
        let key = self.key.to_bytes().map_err(|_| no("the key cannot be written"))?;
        let mut inner = Vec::new();
        put(&mut inner, FORM.as_bytes());
        put(&mut inner, &self.ecdsa);
        inner.push(self.flags);
        inner.extend(self.counter.to_be_bytes());
        for part in [self.origin.as_bytes(), &self.client_data, &self.extensions] {
            put(&mut inner, part);
        }
        let mut all = [MAGIC, &VERSION.to_be_bytes()].concat();
        for part in [&key, self.namespace.as_bytes(), &self.reserved, DIGEST.as_bytes(), &inner] {
            put(&mut all, part);
        }
        Ok(all)
    }

    /// Whether it is by `key`, in the namespace, over the message, by touch, on a page of the key's relying party.
    pub(crate) fn holds(
        &self,
        key: &PublicKey,
        namespace: &str,
        message: &[u8],
    ) -> Result<(), Denial> {
        if self.namespace != namespace {
            return Err(no("it was made for another purpose"));
        }
        if self.key.key_data() != key.key_data() {
            return Err(no("it was made by another key"));
        }
        // Ours are made with this digest, and with nothing reserved.
        if self.digest != HashAlg::Sha512 || !self.reserved.is_empty() {
            return Err(no("it is not in the form that Patchkeep makes"));
        }
        if self.flags & PRESENT == 0 {
            return Err(no("it was made without a touch"));
        }
        if self.flags & ATTACHED != 0 || (self.flags & EXTENDED == 0) != self.extensions.is_empty()
        {
            return Err(no("the security key's flags and data do not fit together"));
        }
        let (party, digest) = application(key)?;
        let challenge = challenge(namespace, message)?;
        let origin =
            browser_did(&self.client_data, "webauthn.get", &challenge, party.application())?;
        // OpenSSH reads no JSON: it compares the beginning, which browsers write in this very form.
        let begins = format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"{}\",\"origin\":\"{origin}\"",
            base64url(&challenge)
        );
        if origin != self.origin || !self.client_data.starts_with(begins.as_bytes()) {
            return Err(no("the browser's words are not in the form that OpenSSH takes"));
        }
        let (flags, counter) = ([self.flags], self.counter.to_be_bytes());
        let client_data = Sha256::digest(&self.client_data);
        let signed = [&digest[..], &flags, &counter, &self.extensions, &client_data].concat();
        verify(party, &signed, &self.ecdsa).ok_or_else(|| no("it does not hold"))
    }
}

/// A browser's key, and the digest of its relying party's id.
fn application(key: &PublicKey) -> Result<(&SkEcdsaSha2NistP256, [u8; 32]), Denial> {
    match key.key_data() {
        KeyData::SkEcdsaSha2NistP256(key) => Ok((key, Sha256::digest(key.application()).into())),
        _ => Err(no("a key of its type does not sign in browsers")),
    }
}

/// ECDSA over P-256 with SHA-256.
fn verify(key: &SkEcdsaSha2NistP256, message: &[u8], ecdsa: &[u8]) -> Option<()> {
    use ed25519_dalek::Verifier as _;
    let signature = Signature::new(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }, ecdsa).ok()?;
    KeyData::Ecdsa(EcdsaPublicKey::NistP256(*key.ec_point())).verify(message, &signature).ok()
}

/// An ECDSA signature in DER (a sequence of two integers) as SSH writes it: the same integers, told apart by
/// lengths of four bytes.
fn from_der(der: &[u8]) -> Option<Vec<u8>> {
    let (head, mut rest) = der.split_first_chunk::<2>()?;
    if *head != [0x30, u8::try_from(rest.len()).ok().filter(|length| *length < 0x80)?] {
        return None;
    }
    let mut all = Vec::new();
    for _ in 0..2 {
        let ([0x02, length], after) = rest.split_first_chunk::<2>()? else { return None };
        let (integer, after) = after.split_at_checked(usize::from(*length))?;
        put(&mut all, integer);
        rest = after;
    }
    rest.is_empty().then_some(all)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*bytes))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok().filter(|length| *length <= PART_BYTES_MAX)?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(part(rest)?.to_vec()).ok()
}

/// A part with its length before it. Nothing that is written here is longer than four bytes can say.
fn put(all: &mut Vec<u8>, part: &[u8]) {
    all.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    all.extend(part);
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn no(why: &str) -> Denial {
    Denial::new(Denied::SignatureInvalid, why)
}
