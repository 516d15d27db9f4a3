//! How the appliance is reached: how that stands, asking for a change, confirming it.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{At, Of, Record, Text, at_most, choices, text_of, words},
};
use ::network::{Addressing, Name, Settings, Vlan};
use fleet::Operation;
use serde::Deserialize;
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// Most host names.
const NAMES_MAX: usize = 16;

choices! {
    /// What became of a change of the network.
    NetworkEnd of ::network::Became { Kept, PutBack, Refused, SetThere, }
}

words! {
    /// How the appliance stands with its network.
    Network of site::NetworkStatus {
        /// What its first program says; null where the appliance runs on another system, which has its own network.
        now: Option<NetworkNow>,
        /// Whether a change was asked for and is not taken yet.
        waits: bool,
        /// What became of the last change.
        last: Option<NetworkOutcome>,
    }
    /// How it is reached now.
    NetworkNow of ::network::Status {
        /// What holds, but for a change on trial.
        settings: NetworkSettings,
        /// The address that it has, with its prefix; null while it has none.
        address: Option<String>,
        /// The interface that it is on.
        interface: Option<String>,
        /// Each wired interface.
        interfaces: Vec<String>,
        /// Why it has no address.
        trouble: Option<String>,
        /// A change on trial.
        trial: Option<NetworkTrial>,
    }
    /// A change on trial.
    NetworkTrial of ::network::Trial {
        /// The change.
        change: Record,
        /// What holds meanwhile.
        settings: NetworkSettings,
        /// When what held before comes back, unless it is confirmed.
        until: At,
    }
    /// What became of a change.
    NetworkOutcome of ::network::Outcome {
        /// The change; null where somebody set it at the machine.
        change: Option<Record>,
        /// What.
        became: NetworkEnd,
        /// What it set.
        settings: NetworkSettings,
        /// Why it does not hold.
        why: Option<String>,
        /// When that was settled.
        settled: At,
    }
    /// A change that was asked for.
    NetworkRequest of ::network::Request {
        /// Its id: it is confirmed with it.
        change: Record,
        /// What is to hold.
        settings: NetworkSettings,
    }
}

/// How the appliance is reached.
#[derive(Debug, Clone, serde::Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkSettings {
    /// `dhcp`, or an address with the length of its prefix, such as `192.0.2.10/24`.
    address: Text<1, 50>,
    /// The router to everywhere else.
    #[serde(default)]
    gateway: Option<Text<1, 50>>,
    /// The interface; the first wired one where none is given.
    #[serde(default)]
    interface: Option<Text<1, 15>>,
    /// The VLAN on it.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 4094)]
    vlan: Option<u16>,
    /// Host names by which people and endpoints reach it, for its certificate.
    #[serde(default)]
    #[schema(max_items = 16)]
    names: Vec<Text<1, 253>>,
}

impl Of<Settings> for NetworkSettings {
    fn of(from: Settings) -> Self {
        Self {
            address: Text(from.address().to_string()),
            gateway: from.gateway().map(|gateway| Text(gateway.to_string())),
            interface: from.interface().map(|interface| Text(interface.to_owned())),
            vlan: from.vlan().map(u16::from),
            names: from.names().iter().map(|name| Text(name.to_string())).collect(),
        }
    }
}

impl Of<::network::Address> for String {
    fn of(from: ::network::Address) -> Self {
        text_of(&from)
    }
}

impl NetworkSettings {
    fn own(self) -> Result<Settings, Problem> {
        fn read<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, Problem> {
            text.parse().map_err(|wrong: T::Err| Problem::input(wrong.to_string()))
        }
        let vlan = |vlan: u16| Vlan::try_from(vlan).map_err(|e| Problem::input(e.to_string()));
        let names = at_most(self.names, NAMES_MAX)?;
        let names: Result<Vec<Name>, Problem> = names.iter().map(|name| read(&name.0)).collect();
        Settings::new(
            read::<Addressing>(&self.address.0)?,
            self.gateway.map(|gateway| read(&gateway.0)).transpose()?,
            self.interface.map(|interface| read(&interface.0)).transpose()?,
            self.vlan.map(vlan).transpose()?,
            names?,
        )
        .map_err(|wrong| Problem::input(wrong.to_string()))
    }
}

/// Which change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NetworkChange {
    change: Record,
}

fn network(asking: &Asking, _: No, _: No, _: No) -> Result<Json<Network>, Problem> {
    Ok(Json(Of::of(asking.site().network()?)))
}

fn ask(
    asking: &Asking,
    _: No,
    _: No,
    Json(settings): Json<NetworkSettings>,
) -> Result<Json<NetworkRequest>, Problem> {
    let settings = settings.own()?;
    Ok(Json(Of::of(asking.site().ask_network_change(asking.actor(), settings)?)))
}

fn confirm(
    asking: &Asking,
    _: No,
    _: No,
    Json(of): Json<NetworkChange>,
) -> Result<Json<NetworkTrial>, Problem> {
    Ok(Json(Of::of(asking.site().confirm_network_change(asking.actor(), &of.change.0)?)))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/network"), O::Network, "How the appliance is reached", network);
    let asks = "Ask for another way to reach the appliance, which is taken on trial";
    table.add(("POST", "/network"), O::AskNetworkChange, asks, ask);
    let confirms = "Confirm the change on trial, so that it is kept";
    table.add(("POST", "/network/confirm"), O::ConfirmNetworkChange, confirms, confirm);
}
