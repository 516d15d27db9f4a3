//! Who sits at the command line.

use crate::{appliance::Appliance, failure::Failure};
use fleet::{Actor, Door, Operation, Role};
use ids::{Fault, PersonId};

/// Words that say who acts.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Person {
    /// Your person id, as events will name you; your account's name unless given. With `--appliance` it is the
    /// token's person, and nobody else.
    #[arg(long = "as", value_name = "PERSON")]
    pub(crate) person: Option<PersonId>,
}

impl Person {
    /// Who acts there: the token's person over the API; elsewhere the id that was given, or the account's name in
    /// its form.
    pub(crate) fn id(&self, appliance: &Appliance) -> Result<PersonId, Failure> {
        match appliance {
            Appliance::Here(_) => self.here(),
            Appliance::There(remote) => {
                let own = remote.me()?;
                match &self.person {
                    Some(said) if said != own => {
                        let message = format!(
                            "the token acts as {own}, not as {said}: leave --as out, or use a token of {said}'s; \
                             nothing was changed"
                        );
                        Err(Failure::say(Fault::Refused, message))
                    }
                    _ => Ok(own.clone()),
                }
            }
        }
    }

    /// The id that was given, or the account's name in its form.
    pub(crate) fn here(&self) -> Result<PersonId, Failure> {
        if let Some(person) = &self.person {
            return Ok(person.clone());
        }
        let names = ["SUDO_USER", "USER", "LOGNAME"];
        let account = names.iter().find_map(|name| std::env::var(name).ok());
        let account =
            account.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
        let plain = account.to_lowercase().replace(['_', '@', ' '], "-");
        plain.parse().map_err(|e: ids::NameError| {
            Failure::say(Fault::Input, format!("{e}; say who you are with --as"))
        })
    }
}

/// The actor that events name.
pub(crate) fn actor(person: &PersonId, role: Role) -> Actor {
    Actor::Person { person: person.clone(), role, door: Door::CommandLine }
}

/// The same, in the role in which this operation is done.
pub(crate) fn doing(person: &PersonId, operation: Operation) -> Result<Actor, Failure> {
    let role = operation.role().ok_or_else(|| {
        Failure::say(Fault::Broken, format!("nobody acts in a role in {operation:?}"))
    })?;
    Ok(actor(person, role))
}
