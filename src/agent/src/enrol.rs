//! Enrolment: what a person brings on paper decides whom this machine will obey.
//!
//! The root certificate is taken from whoever answers and counts only when it has the fingerprint that
//! was handed over; the site root likewise. The key never leaves the machine, and a person compares its
//! fingerprint at the appliance.

use crate::{
    Error, Machine,
    certificate::{self, CERTIFICATE, ROOT},
    files::{put, read},
    state::{Identity, Lock, Memory},
    talk::Talk,
};
use api::{ENROL_PATH, Enrol, Enrolled};
use ids::{Digest, EndpointName};
use rcgen::KeyPair;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

/// Between two questions whether a person has confirmed.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// What a person brings.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The people's door.
    pub address: String,
    /// The endpoints' door.
    pub endpoints: String,
    /// SHA-256 of the site's root certificate: capital pairs with colons.
    pub ca_fingerprint: String,
    /// SHA-256 of the site's first root.
    pub site_root: Digest,
    /// The one-time token.
    pub token: String,
    /// The endpoint's name; its host name unless given.
    pub name: Option<EndpointName>,
    /// How long to wait for a person to confirm.
    pub wait: Duration,
}

/// Enrols a machine. `say` hears the key's fingerprint, for people to compare.
///
/// # Errors
/// What is not as it was handed over; [`Error::Pending`] when nobody confirmed in time: the same words
/// go on then.
pub fn enrol(
    machine: &Machine,
    asked: &Enrolment,
    say: &mut dyn FnMut(String),
) -> Result<Identity, Error> {
    let address = door(&asked.address)?;
    let endpoints = door(&asked.endpoints)?;
    let endpoint = name(machine, asked)?;
    let _lock = Lock::take(machine)?;
    match Identity::load(machine) {
        Ok(Identity { site, endpoint, .. }) => {
            let (site, endpoint) = (site.to_string(), endpoint.to_string());
            return Err(Error::Enrolled { site, endpoint });
        }
        Err(Error::NotEnrolled) => {}
        Err(error) => return Err(error),
    }
    let root_pem = Talk::unbelieved_root(&address)?;
    let found = certificate::fingerprint(&root_pem).unwrap_or_else(|| "no certificate".into());
    let pinned = asked.ca_fingerprint.trim().to_ascii_uppercase();
    if found != pinned {
        return Err(Error::Authority { found, pinned });
    }
    let talk = Talk::new(&root_pem, None)?;
    let key = certificate::key(machine)?;
    let ours = certificate::key_fingerprint(&key);
    say(format!("{endpoint} asks to join with key {ours}: compare it at the appliance"));
    let question = Enrol {
        token: asked.token.clone(),
        endpoint: endpoint.clone(),
        request: certificate::request(&key, endpoint.as_str())?,
    };
    let answer = poll(&talk, &format!("{address}{ENROL_PATH}"), &question, &ours, asked.wait)?;
    let Enrolled::Certified { certificate: pem, site, ring, roots } = answer else {
        return Err(Error::Pending(ours));
    };
    if !certificate::is_for(pem.as_bytes(), &key) {
        return Err(Error::Answer("its certificate is for another key than ours".into()));
    }
    let identity = Identity::new((site, endpoint, ring), endpoints, asked.site_root);
    identity.newest_root(&roots)?;
    keep(machine, &identity, &root_pem, &pem, &key)?;
    // The identity comes last: what a crash leaves before it is begun anew.
    Memory::new(roots).save(machine)?;
    identity.save(machine)?;
    Ok(identity)
}

/// Enrols a machine once more, with the key that it has: after its certificate has ended, or with a new
/// token after it was put out. What it remembers stays.
///
/// # Errors
/// [`Error::NotEnrolled`]; else as [`enrol`].
pub fn enrol_again(
    machine: &Machine,
    address: &str,
    token: Option<String>,
    wait: Duration,
    say: &mut dyn FnMut(String),
) -> Result<Identity, Error> {
    let address = door(address)?;
    let mut identity = Identity::load(machine)?;
    let _lock = Lock::take(machine)?;
    let path = machine.path(ROOT);
    let reason = "it is missing: this machine cannot know its site any more".to_owned();
    let root_pem = read(&path)?.ok_or(Error::Content { path, reason })?;
    let talk = Talk::new(&root_pem, None)?;
    let key = certificate::key(machine)?;
    let ours = certificate::key_fingerprint(&key);
    let endpoint = identity.endpoint.clone();
    say(format!("{endpoint} asks for a certificate with key {ours}: compare it at the appliance"));
    let request = certificate::request(&key, endpoint.as_str())?;
    let question = Enrol { token: token.unwrap_or_default(), endpoint, request };
    let answer = poll(&talk, &format!("{address}{ENROL_PATH}"), &question, &ours, wait)?;
    let Enrolled::Certified { certificate: pem, site, ring, .. } = answer else {
        return Err(Error::Pending(ours));
    };
    if !certificate::is_for(pem.as_bytes(), &key) || site != identity.site {
        return Err(Error::Answer("its certificate is for another key or site than ours".into()));
    }
    put(&machine.path(CERTIFICATE), pem.as_bytes(), 0o644, None)?;
    if identity.ring != ring {
        identity.ring = ring;
        identity.save(machine)?;
    }
    Ok(identity)
}

fn keep(
    machine: &Machine,
    identity: &Identity,
    root: &[u8],
    own: &str,
    key: &KeyPair,
) -> Result<(), Error> {
    // Whoever answers at the endpoints' door must be the same appliance before anything is kept.
    let pair = [own.as_bytes(), key.serialize_pem().as_bytes()].concat();
    drop(Talk::new(root, Some(&pair))?);
    let _ = door(&identity.endpoints)?;
    put(&machine.path(ROOT), root, 0o644, None)?;
    put(&machine.path(CERTIFICATE), own.as_bytes(), 0o644, None)?;
    certificate::hand_key_to_apt(machine, key)
}

/// Asks until a person has confirmed, or the time is over.
fn poll(
    talk: &Talk,
    address: &str,
    question: &Enrol,
    ours: &str,
    wait: Duration,
) -> Result<Enrolled, Error> {
    let begun = Instant::now();
    loop {
        let answer: Enrolled = talk.ask(address, question)?;
        let Enrolled::Pending { fingerprint } = &answer else { return Ok(answer) };
        if fingerprint.trim_end_matches('=') != ours {
            let theirs = fingerprint.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(Error::OtherKey { theirs, ours: ours.to_owned() });
        }
        let left = wait.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(answer);
        }
        thread::sleep(ASK_EVERY.min(left));
    }
}

fn name(machine: &Machine, asked: &Enrolment) -> Result<EndpointName, Error> {
    if let Some(name) = &asked.name {
        return Ok(name.clone());
    }
    let path = machine.path("/etc/hostname");
    let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let name = text.trim().to_ascii_lowercase().parse();
    name.map_err(|error: ids::NameError| Error::Words(format!("{error}; give one with --name")))
}

/// An address of the form `https://host[:port]`, without a slash at its end.
fn door(text: &str) -> Result<String, Error> {
    let bare = text.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    let rest = bare.strip_prefix("https://").filter(|rest| !rest.is_empty());
    match rest {
        Some(rest) if rest.bytes().all(plain) => Ok(bare.to_owned()),
        _ => Err(Error::Words(format!("{text:?} is not of the form https://host:port"))),
    }
}
