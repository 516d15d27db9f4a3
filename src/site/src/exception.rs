//! Exceptions: asked for by one person, approved by another, listed with their owner and their end.

use crate::{Error, Site, keys};
use fleet::{Actor, Command, Excepted, Exception, ExceptionCommand};
use ids::{EndpointName, PersonId, RecordId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Longest text in bytes.
const TEXT_BYTES_MAX: usize = 2_000;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionWish {
    /// The ring.
    pub ring: RingName,
    /// Only this endpoint of it.
    pub endpoint: Option<EndpointName>,
    /// The binary package.
    pub package: String,
    /// The version that is not applied.
    pub version: String,
    /// Who owns the risk.
    pub owner: String,
    /// Why it is not applied.
    pub reason: String,
    /// What is done instead.
    pub control: String,
    /// When it counts no more.
    pub not_after: Timestamp,
}

/// An exception as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionStatus {
    /// Its id.
    pub id: RecordId,
    /// What it says.
    #[serde(flatten)]
    pub exception: Exception,
    /// The endpoint's name, where it is about one.
    pub endpoint_name: Option<EndpointName>,
    /// Who owns the risk, why, and what is done instead; `None` where that was erased.
    pub told: Option<[String; 3]>,
    /// Whether it counts now.
    pub counts: bool,
}

impl Site {
    /// Asks for an exception.
    ///
    /// # Errors
    /// [`Error::Input`] when owner, reason or control is left blank; [`Error::Refused`].
    pub fn request_exception(
        &self,
        actor: Actor,
        requested_by: PersonId,
        wish: ExceptionWish,
    ) -> Result<ExceptionStatus, Error> {
        let ExceptionWish { ring, endpoint, package, version, owner, reason, control, not_after } =
            wish;
        let blank = |text: &String| text.trim().is_empty() || text.len() > TEXT_BYTES_MAX;
        if [&owner, &reason, &control].into_iter().any(blank) {
            let message = format!(
                "an exception has an owner, a reason and a compensating control, each of at most \
                 {TEXT_BYTES_MAX} bytes"
            );
            return Err(Error::Input(message));
        }
        let endpoint = endpoint.map(|name| self.endpoint_named(&name)).transpose()?;
        let about = Excepted { ring, endpoint, package, version };
        let record =
            json!({ "owner": owner.trim(), "reason": reason.trim(), "control": control.trim() });
        let (exception, record) = (keys::record_id(self.now())?, self.commit(record)?);
        let id = exception.clone();
        let request =
            ExceptionCommand::Request { exception, about, record, requested_by, not_after };
        self.heart().ask(actor, Command::Exception(request))?;
        self.exception(&id)
    }

    /// Approves an exception that somebody else asked for.
    ///
    /// # Errors
    /// [`Error::Refused`] for one's own, or where there is none.
    pub fn approve_exception(
        &self,
        actor: Actor,
        approved_by: PersonId,
        exception: RecordId,
    ) -> Result<ExceptionStatus, Error> {
        let id = exception.clone();
        let approve = ExceptionCommand::Approve { exception, approved_by };
        self.heart().ask(actor, Command::Exception(approve))?;
        self.exception(&id)
    }

    /// Every exception that has not ended, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`] when an endpoint's name cannot be read.
    pub fn exceptions(&self) -> Result<Vec<ExceptionStatus>, Error> {
        let (state, now) = (self.state(), self.now());
        let open = state.exceptions.iter().filter(|(_, exception)| exception.not_after > now);
        open.map(|(id, exception)| self.exception_status(id, exception)).collect()
    }

    fn exception(&self, id: &RecordId) -> Result<ExceptionStatus, Error> {
        let state = self.state();
        let known = state.exceptions.get(id);
        self.exception_status(id, known.ok_or(Error::Refused(fleet::Refused::NoException))?)
    }

    fn exception_status(&self, id: &RecordId, known: &Exception) -> Result<ExceptionStatus, Error> {
        let endpoint = known.about.endpoint.as_ref();
        let endpoint = endpoint.map(|id| self.name_of(&self.known(id)?.name)).transpose()?;
        let told = self.evidence().get(&known.record).ok().map(|(_, value)| {
            ["owner", "reason", "control"]
                .map(|word| value[word].as_str().unwrap_or_default().to_owned())
        });
        Ok(ExceptionStatus {
            id: id.clone(),
            exception: known.clone(),
            endpoint_name: endpoint,
            told,
            counts: known.counts(self.now()),
        })
    }
}
