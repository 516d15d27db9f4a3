//! Who asks for a page: a person who is signed in, or nobody.
//!
//! There is no way to sign in yet, so that every page leads to where it will be.

use crate::{Console, Failure};
use axum::{
    body::Bytes,
    extract::{Form, FromRequest, FromRequestParts, Request},
    http::request::Parts,
    response::{IntoResponse, Redirect, Response},
};
use fleet::{Actor, Door, Operation, Role};
use ids::PersonId;
use serde::{Deserialize, de::DeserializeOwned};
use site::Site;
use std::sync::Arc;

/// A person who is signed in.
pub(crate) struct Visit {
    site: Arc<Site>,
    person: PersonId,
    roles: Vec<Role>,
    token: String,
}

impl Visit {
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    pub(crate) fn person(&self) -> &PersonId {
        &self.person
    }

    /// At least one.
    pub(crate) fn roles(&self) -> Vec<Role> {
        self.roles.clone()
    }

    /// Whether the table of roles lets this person do it: for showing what can be pressed.
    pub(crate) fn may(&self, operation: Operation) -> bool {
        operation.role().is_none_or(|role| self.roles.contains(&role))
    }

    /// The person in the role of an operation, as events name them.
    pub(crate) fn acting(&self, operation: Operation) -> Result<Actor, Failure> {
        let role = operation.role().filter(|role| self.roles.contains(role));
        let role = role.ok_or_else(|| Failure::refused("your roles do not let you do this"))?;
        Ok(Actor::Person { person: self.person.clone(), role, door: Door::CommandLine })
    }

    /// What each form carries back.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

impl FromRequestParts<Arc<Console>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Self::Rejection> {
        let known = stand_in(parts);
        let (person, roles) = known.ok_or_else(|| Redirect::to("/sign-in").into_response())?;
        let site = Arc::clone(console.site());
        Ok(Self { site, person, roles, token: "stand-in".to_owned() })
    }
}

/// Nobody is signed in; a test of the pages says who looks at them.
#[cfg(not(test))]
fn stand_in(_: &Parts) -> Option<(PersonId, Vec<Role>)> {
    None
}

#[cfg(test)]
fn stand_in(parts: &Parts) -> Option<(PersonId, Vec<Role>)> {
    parts.extensions.get::<(PersonId, Vec<Role>)>().cloned()
}

/// A form that was sent by a page of this session.
pub(crate) struct Sent<T>(pub(crate) Visit, pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Sent<T> {
    type Rejection = Response;

    async fn from_request(
        request: Request,
        console: &Arc<Console>,
    ) -> Result<Self, Self::Rejection> {
        #[derive(Deserialize)]
        struct Token {
            token: String,
        }
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, console).await?;
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), console).await;
        let bytes = bytes.map_err(IntoResponse::into_response)?;
        let again = || Request::from_parts(parts.clone(), bytes.clone().into());
        let old = || {
            Failure::refused("this form was not sent by a page of your session: open it again")
                .into_response()
        };
        let Form(Token { token }) =
            Form::from_request(again(), console).await.map_err(|_| old())?;
        if token != visit.token {
            return Err(old());
        }
        let Form(form) = Form::from_request(again(), console)
            .await
            .map_err(|error| Failure::input(error.body_text()).into_response())?;
        Ok(Self(visit, form))
    }
}
