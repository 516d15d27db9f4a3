//! Enrolment: tokens, endpoints that ask, the person who compares their keys, and leaving.

use crate::{Error, Held, Site, ca, keys};
use api::{Enrol, Enrolled};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use fleet::{
    Actor, Command, EndpointCommand, EndpointKind, Exposure, Fact, Job, NeverBack, Refused,
    Standing,
};
use ids::{Digest, EndpointName, RecordId, RingName, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use trust::Envelope;

/// How long a token counts at most, in hours.
pub const TOKEN_HOURS_MAX: u32 = 24;
const CERTIFICATE_BYTES_MAX: u64 = 16 << 10;

/// A token and what is handed over with it, on paper or by whoever sets the machine up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedToken {
    /// The secret. It is not kept.
    pub token: String,
    /// The only endpoint that may use it.
    pub endpoint: EndpointName,
    /// The ring that it joins.
    pub ring: RingName,
    /// When it counts no more.
    pub not_after: Timestamp,
    /// SHA-256 of the site's root certificate.
    pub ca_fingerprint: String,
    /// SHA-256 of the site's first root: what the agent pins.
    pub site_root: Digest,
}

/// An endpoint as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// Its name.
    pub name: EndpointName,
    /// Its id in events.
    pub id: RecordId,
    /// Its ring.
    pub ring: RingName,
    /// How it stands.
    pub standing: Standing,
    /// Its key's fingerprint, to be compared before it is confirmed.
    pub key: String,
    /// Whether its token came with another key too: somebody has a copy of it.
    pub token_misused: bool,
    /// When its newest certificate ends.
    pub not_after: Option<Timestamp>,
    /// When it was last seen.
    pub seen_at: Option<Timestamp>,
    /// The checkpoint that it held then: it vouches for the log up to there.
    pub vouches: Option<Held>,
    /// Why it doubts the log.
    pub doubt: Option<String>,
    /// Whether what it would apply is known.
    pub has_plan: bool,
    /// How far it says that its job is.
    pub job: Option<Job>,
    /// What it is, where people have said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EndpointKind>,
    /// Whether it holds nothing that a snapshot would take back with it.
    #[serde(default)]
    pub stateless: bool,
    /// Why it is never put back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_back: Option<NeverBack>,
    /// How it can be reached, where people have said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether the appliance's provider snapshots it.
    #[serde(default)]
    pub provider: bool,
    /// Whether it is patched and counted.
    #[serde(default)]
    pub elected: bool,
    /// Since when it is so, where that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elected_since: Option<Timestamp>,
}

impl Site {
    /// Issues a one-time token for one endpoint.
    ///
    /// # Errors
    /// [`Error::Input`] for more hours than [`TOKEN_HOURS_MAX`], or while the site has no root that an
    /// agent could pin; [`Error::Refused`].
    pub fn issue_token(
        &self,
        actor: Actor,
        endpoint: EndpointName,
        ring: RingName,
        hours: u32,
    ) -> Result<IssuedToken, Error> {
        if !(1..=TOKEN_HOURS_MAX).contains(&hours) {
            let message = format!("a token counts for 1 to {TOKEN_HOURS_MAX} hours, not {hours}");
            return Err(Error::Input(message));
        }
        let Some(root) = self.site_root()? else {
            let message = "the site has no root yet, so an agent would obey nobody: draw one up \
                with `patchkeep site draft` first";
            return Err(Error::Input(message.to_owned()));
        };
        let random = keys::random()?;
        let secret = u128::from_be_bytes(random[..16].try_into().unwrap_or_default());
        // As text without letters that look alike (Crockford's base 32).
        let secret = ulid::Ulid::from(secret).to_string();
        let not_after = self.now().saturating_add(SignedDuration::from_hours(hours.into()));
        let not_after = not_after.map_err(|e| Error::Input(e.to_string()))?;
        let alone = self.roster().alone(&endpoint);
        let (token, name) = (Digest::of(secret.as_bytes()), self.commit_to(&endpoint)?);
        let issue = EndpointCommand::IssueToken { token, name, ring: ring.clone(), not_after };
        self.heart().ask(actor, Command::Endpoint(issue))?;
        drop(alone);
        Ok(IssuedToken {
            token: secret,
            endpoint,
            ring,
            not_after,
            ca_fingerprint: self.authority()?.fingerprint(),
            site_root: root.pinned,
        })
    }

    /// Answers an agent that asks to join. The same question may come again.
    ///
    /// # Errors
    /// [`Error::Refused`] for a token that does not count; [`Error::Authority`] for a bad request.
    pub fn enrol(&self, asked: &Enrol) -> Result<Enrolled, Error> {
        if asked.token.is_empty() {
            return self.enrol_again(asked);
        }
        let refused = || Error::Refused(Refused::NoToken);
        let token = Digest::of(asked.token.trim().as_bytes());
        let _alone = self.roster().alone(&asked.endpoint);
        let known = self.state().tokens.get(&token).cloned().ok_or_else(refused)?;
        if self.name_of(&known.name)? != asked.endpoint {
            return Err(refused());
        }
        let key = ca::request_key(&asked.endpoint, &asked.request).map_err(Error::Authority)?;
        if known.used_by != Some(key) {
            self.ask_to_join(asked, token, known.name, key)?;
        }
        let state = self.state();
        let asking = state.endpoints.values().find(|e| e.token == token);
        self.answer(asking.ok_or_else(refused)?)
    }

    /// Answers an endpoint whose certificate has ended and that has no token: it is known by its key.
    fn enrol_again(&self, asked: &Enrol) -> Result<Enrolled, Error> {
        let _alone = self.roster().alone(&asked.endpoint);
        let refused = |_| Error::Refused(Refused::NoToken);
        let endpoint = self.endpoint_named(&asked.endpoint).map_err(refused)?;
        let key = ca::request_key(&asked.endpoint, &asked.request).map_err(Error::Authority)?;
        let known = self.known(&endpoint)?;
        // Nothing is kept for somebody else, and what was confirmed a moment ago is only handed over.
        if known.key != key {
            return Err(Error::Refused(Refused::NoToken));
        }
        let newest = known.certificates.last().map(|(_, not_after)| *not_after);
        let good = known.standing == Standing::Active && newest.is_some_and(|end| end > self.now());
        if !good && known.standing != Standing::Pending {
            let request = self.keep(asked.request.as_bytes())?;
            let actor = Actor::Endpoint { endpoint: endpoint.clone() };
            let ask = EndpointCommand::AskAgain { endpoint: endpoint.clone(), key, request };
            self.heart().ask(actor, Command::Endpoint(ask))?;
        }
        self.answer(&self.known(&endpoint)?)
    }

    /// How an endpoint that asks to join stands.
    fn answer(&self, asking: &fleet::Endpoint) -> Result<Enrolled, Error> {
        let refused = || Error::Refused(Refused::NoToken);
        match asking.standing {
            Standing::Pending => Ok(Enrolled::Pending { fingerprint: fingerprint(&asking.key) }),
            Standing::Active => {
                let (newest, _) = asking.certificates.last().ok_or_else(refused)?;
                Ok(Enrolled::Certified {
                    certificate: ca::certificate_pem(&self.kept_certificate(newest)?),
                    site: self.name()?,
                    ring: asking.ring.clone(),
                    roots: self.roots_after(0)?,
                })
            }
            Standing::Retired => Err(refused()),
        }
    }

    fn ask_to_join(
        &self,
        asked: &Enrol,
        token: Digest,
        name: Digest,
        key: Digest,
    ) -> Result<(), Error> {
        let endpoint = keys::record_id(self.now())?;
        let used = self.state().tokens.get(&token).is_some_and(|token| token.used_by.is_some());
        let (actor, request) = if used {
            // Somebody's, not the endpoint's: nothing of it is kept.
            (Actor::Appliance, Digest::of(asked.request.as_bytes()))
        } else {
            let actor = Actor::Endpoint { endpoint: endpoint.clone() };
            (actor, self.keep(asked.request.as_bytes())?)
        };
        let ask = EndpointCommand::Ask { endpoint, token, name, key, request };
        let done = self.heart().ask(actor, Command::Endpoint(ask))?;
        let misused =
            |fact: &Fact| matches!(fact, Fact::EnrolmentTokenMisused { .. }).then_some(());
        match done.find(misused) {
            Some(()) => Err(Error::Refused(Refused::NoToken)),
            None => Ok(()),
        }
    }

    /// Lets a pending endpoint join, after a person has compared its key's fingerprint.
    ///
    /// # Errors
    /// [`Error::Input`] when the fingerprint is not its key's; [`Error::Refused`] when it is not pending.
    pub fn confirm_endpoint(
        &self,
        actor: Actor,
        name: &EndpointName,
        compared: &str,
    ) -> Result<EndpointStatus, Error> {
        let endpoint = self.endpoint_named(name)?;
        let known = self.known(&endpoint)?;
        let own = fingerprint(&known.key);
        if compared.trim().trim_end_matches('=') != own {
            let message = format!(
                "the key of {name} has the fingerprint {own}, not the one that was given; nothing was \
                 confirmed: if its own screen shows another, retire it and issue a new token"
            );
            return Err(Error::Input(message));
        }
        if known.standing == Standing::Pending {
            let request = self.store().read(&known.request, ca::REQUEST_BYTES_MAX as u64);
            let request = request.map_err(Error::Store)?;
            let request = String::from_utf8_lossy(&request);
            let (certificate, not_after) = self.certify(name, &request)?;
            let confirm =
                EndpointCommand::Confirm { endpoint: endpoint.clone(), certificate, not_after };
            self.heart().ask(actor, Command::Endpoint(confirm))?;
        } else if known.standing == Standing::Retired {
            return Err(Error::Refused(Refused::Standing { is: known.standing }));
        }
        self.endpoint_status(&endpoint)
    }

    /// Puts an endpoint out: from the next request on it is refused.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of this name.
    pub fn retire_endpoint(
        &self,
        actor: Actor,
        name: &EndpointName,
        reason: String,
    ) -> Result<EndpointStatus, Error> {
        let endpoint = self.endpoint_named(name)?;
        let retire = EndpointCommand::Retire { endpoint: endpoint.clone(), reason };
        self.heart().ask(actor, Command::Endpoint(retire))?;
        self.refuse_retired();
        self.endpoint_status(&endpoint)
    }

    /// Sees to it that the doors refuse the certificates of endpoints that have left.
    pub(crate) fn refuse_retired(&self) {
        let state = self.state();
        let left = state.endpoints.values().filter(|e| e.standing == Standing::Retired);
        self.revoked().set(left.flat_map(|e| e.certificates.iter().map(|(c, _)| *c)).collect());
    }

    /// Every endpoint with an agent, by name; those who left as well.
    ///
    /// # Errors
    /// [`Error::Store`] when a name cannot be read.
    pub fn endpoints(&self) -> Result<Vec<EndpointStatus>, Error> {
        let state = self.state();
        let all = state.endpoints.keys().map(|endpoint| self.endpoint_status(endpoint));
        let mut all: Vec<EndpointStatus> = all.collect::<Result<_, _>>()?;
        all.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(all)
    }

    pub(crate) fn endpoint_status(&self, id: &RecordId) -> Result<EndpointStatus, Error> {
        let (state, known) = (self.state(), self.known(id)?);
        let seen = self.roster().seen(id);
        let doubt = known.doubt.map(|record| {
            let told = self.evidence().get(&record).ok();
            told.and_then(|(_, value)| value["alarm"].as_str().map(str::to_owned))
                .unwrap_or_else(|| "what it saw was erased".to_owned())
        });
        let description = known.description;
        Ok(EndpointStatus {
            kind: description.kind,
            stateless: description.stateless,
            never_back: description.never_back,
            exposure: description.exposure,
            owner: self.owner_behind(description.owner),
            provider: description.provider.is_some(),
            elected: known.is_elected(),
            elected_since: known.election.map(|election| election.since),
            name: self.name_of(&known.name)?,
            id: id.clone(),
            standing: known.standing,
            key: fingerprint(&known.key),
            token_misused: state.tokens.get(&known.token).is_some_and(|token| token.misused),
            not_after: known.certificates.iter().map(|(_, not_after)| *not_after).max(),
            seen_at: seen.as_ref().map(|seen| seen.at),
            vouches: seen.and_then(|seen| seen.held),
            doubt,
            has_plan: known.plan.is_some(),
            ring: known.ring,
            job: known.job,
        })
    }

    pub(crate) fn known(&self, id: &RecordId) -> Result<fleet::Endpoint, Error> {
        let known = self.state().endpoints.get(id).cloned();
        known.ok_or(Error::Refused(Refused::NoEndpoint))
    }

    /// Issues a certificate for a request and keeps it; its digest and its end.
    pub(crate) fn certify(
        &self,
        name: &EndpointName,
        request: &str,
    ) -> Result<(Digest, Timestamp), Error> {
        let issued = self.authority()?.issue_for_request(name, request, self.now());
        let issued = issued.map_err(Error::Authority)?;
        Ok((self.keep(&issued.certificate)?, issued.not_after))
    }

    /// A certificate that was issued, DER.
    pub(crate) fn kept_certificate(&self, certificate: &Digest) -> Result<Vec<u8>, Error> {
        self.store().read(certificate, CERTIFICATE_BYTES_MAX).map_err(Error::Store)
    }

    /// The site roots after this generation, oldest first.
    pub(crate) fn roots_after(&self, generation: u64) -> Result<Vec<Envelope>, Error> {
        let state = self.state();
        let seen = usize::try_from(generation).unwrap_or(usize::MAX);
        let later = state.site_roots.iter().skip(seen);
        later.map(|digest| self.kept_envelope(digest)).collect()
    }

    /// A signed document that was kept.
    pub(crate) fn kept_envelope(&self, digest: &Digest) -> Result<Envelope, Error> {
        let max = trust::ENVELOPE_BYTES_MAX as u64;
        let bytes = self.store().read(digest, max).map_err(Error::Store)?;
        Envelope::parse(&bytes).map_err(Error::Denied)
    }
}

/// A key's fingerprint as both sides show it.
fn fingerprint(key: &Digest) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(key.as_bytes()))
}
