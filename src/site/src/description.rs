//! What people say of an endpoint: its kind, its owner, what can snapshot it; and electing it in or out.
//!
//! The owner and the provider's settings are evidence behind commitments; that there is a provider stands
//! in the clear.

use crate::{EndpointStatus, Error, Site};
use fleet::{Actor, Command, Description, EndpointCommand, EndpointKind, Exposure, NeverBack};
use ids::{Digest, EndpointName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest settings of a provider, as JSON, in bytes.
pub const PROVIDER_BYTES_MAX: usize = 16 << 10;
/// Longest name of an owner in bytes.
const OWNER_BYTES_MAX: usize = 200;

/// What is to be said of an endpoint; what is left out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Describe {
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EndpointKind>,
    /// Whether it holds nothing that a snapshot would take back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateless: Option<bool>,
    /// How it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Why it is never put back by itself.
    #[serde(default, skip_serializing_if = "Change::keeps")]
    pub never_back: Change<NeverBack>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Change::keeps")]
    pub owner: Change<String>,
    /// How the appliance's provider snapshots it: an object.
    #[serde(default, skip_serializing_if = "Change::keeps")]
    pub provider: Change<Value>,
}

/// What becomes of a detail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// There is none any more.
    Clear,
    /// It is this from now on.
    To(T),
}

impl<T> Change<T> {
    const fn keeps(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl Site {
    /// Says something of an endpoint.
    ///
    /// # Errors
    /// [`Error::Input`] for what is too long, or no object; [`Error::Refused`] when there is no such
    /// endpoint, or it cannot be both.
    pub fn describe_endpoint(
        &self,
        actor: Actor,
        name: &EndpointName,
        said: Describe,
    ) -> Result<EndpointStatus, Error> {
        let endpoint = self.endpoint_named(name)?;
        let known = self.known(&endpoint)?.description;
        let Describe { kind, stateless, exposure, never_back, owner, provider } = said;
        if let Change::To(owner) = &owner
            && (owner.trim().is_empty() || owner.len() > OWNER_BYTES_MAX)
        {
            let message = format!("an owner has 1 to {OWNER_BYTES_MAX} bytes");
            return Err(Error::Input(message));
        }
        if let Change::To(settings) = &provider {
            let bytes = serde_json::to_vec(settings).map_err(Error::State)?.len();
            if !settings.is_object() || bytes > PROVIDER_BYTES_MAX {
                let message = format!(
                    "a provider's settings are one JSON object of at most {PROVIDER_BYTES_MAX} bytes"
                );
                return Err(Error::Input(message));
            }
        }
        let description = Description {
            kind: kind.or(known.kind),
            stateless: stateless.unwrap_or(known.stateless),
            exposure: exposure.or(known.exposure),
            never_back: match never_back {
                Change::Keep => known.never_back,
                Change::Clear => None,
                Change::To(why) => Some(why),
            },
            owner: self.behind(known.owner, "owner", owner.map(|owner| owner.trim().into()))?,
            provider: self.behind(known.provider, "provider", provider)?,
        };
        let describe = EndpointCommand::Describe { endpoint: endpoint.clone(), description };
        self.heart().ask(actor, Command::Endpoint(describe))?;
        self.endpoint_status(&endpoint)
    }

    /// Elects an endpoint in or out. Electing out needs a reason.
    ///
    /// # Errors
    /// [`Error::Input`] without one; [`Error::Refused`] when there is no such endpoint.
    pub fn elect_endpoint(
        &self,
        actor: Actor,
        name: &EndpointName,
        elected: bool,
        reason: Option<&str>,
    ) -> Result<EndpointStatus, Error> {
        let endpoint = self.endpoint_named(name)?;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if !elected && reason.is_none() {
            return Err(Error::Input("electing an endpoint out needs a reason".to_owned()));
        }
        let same = self.known(&endpoint)?.election.is_some_and(|known| known.elected == elected);
        if !same {
            let record =
                reason.map(|reason| self.commit(json!({ "reason": reason }))).transpose()?;
            let elect = EndpointCommand::Elect { endpoint: endpoint.clone(), elected, record };
            self.heart().ask(actor, Command::Endpoint(elect))?;
        }
        self.endpoint_status(&endpoint)
    }

    /// How the appliance's provider snapshots an endpoint; `None` where none does.
    ///
    /// # Errors
    /// [`Error::Store`] when the settings were erased.
    pub fn endpoint_provider(&self, name: &EndpointName) -> Result<Option<Value>, Error> {
        let known = self.known(&self.endpoint_named(name)?)?;
        let settings = known.description.provider.map(|record| self.evidence().get(&record));
        let settings = settings.transpose().map_err(Error::Store)?;
        Ok(settings.map(|(_, mut value)| value["provider"].take()))
    }

    /// Who owns an endpoint; `None` where nobody has said, or it was erased.
    pub(crate) fn owner_behind(&self, record: Option<Digest>) -> Option<String> {
        let (_, value) = self.evidence().get(&record?).ok()?;
        value["owner"].as_str().map(str::to_owned)
    }

    /// The commitment to a detail: the one that is known as long as it says the same.
    fn behind(
        &self,
        known: Option<Digest>,
        word: &str,
        change: Change<Value>,
    ) -> Result<Option<Digest>, Error> {
        let value = match change {
            Change::Keep => return Ok(known),
            Change::Clear => return Ok(None),
            Change::To(value) => json!({ word: value }),
        };
        let before = known.and_then(|record| self.evidence().get(&record).ok());
        if before.is_some_and(|(_, before)| before == value) {
            return Ok(known);
        }
        self.commit(value).map(Some)
    }
}

impl<T> Change<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::To(value) => Change::To(with(value)),
        }
    }
}
