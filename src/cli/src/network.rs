//! `patchkeep network`: how the appliance is reached, and changing it on trial.

use crate::{
    appliance::Appliance,
    control::{
        ApplianceReply as Reply, ApplianceRequest as Request, about_appliance as ask, unexpected,
    },
    failure::Failure,
    person::Person,
    screen::Screen,
};
use ::network::{Addressing, Became, Interface, Name, Outcome, Settings, Status, Vlan};
use clap::Subcommand;
use ids::{Fault, RecordId};
use site::NetworkStatus;
use std::net::IpAddr;

#[derive(Subcommand)]
pub(crate) enum NetworkVerb {
    /// How the appliance is reached, and what became of the last change.
    Show {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Change it: the appliance takes it within seconds, and puts back what held before unless it is confirmed.
    Set {
        #[command(flatten)]
        appliance: Appliance,
        /// `dhcp`, or an address with the length of its prefix, such as 192.0.2.10/24.
        address: Addressing,
        /// The router to everywhere else, where the address does not come from DHCP.
        #[arg(long, value_name = "ADDRESS")]
        gateway: Option<IpAddr>,
        /// The interface; without it, the first wired one.
        #[arg(long, value_name = "NAME")]
        interface: Option<Interface>,
        /// The VLAN on it, 1 to 4094.
        #[arg(long, value_name = "NUMBER")]
        vlan: Option<Vlan>,
        /// A host name by which people and endpoints reach the appliance; may be given more than once.
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<Name>,
        #[command(flatten)]
        person: Person,
    },
    /// Confirm a change, once the appliance is reached with it: it is kept.
    Confirm {
        #[command(flatten)]
        appliance: Appliance,
        /// The change, as `set` and `show` print it.
        change: RecordId,
        #[command(flatten)]
        person: Person,
    },
}

impl NetworkVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Show { appliance } => {
                let Reply::Network(status) = ask(&appliance, Request::Network, screen)? else {
                    return Err(unexpected());
                };
                screen.result(&status, show(&status));
            }
            Self::Set { appliance, address, gateway, interface, vlan, names, person } => {
                let person = person.id(&appliance)?;
                let settings = Settings::new(address, gateway, interface, vlan, names)
                    .map_err(|wrong| Failure::say(Fault::Input, wrong.to_string()))?;
                let request = Request::AskNetworkChange { settings, person };
                let Reply::NetworkRequest(change) = ask(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                let told = format!(
                    "The appliance takes it within seconds: {}. Reach it so, and confirm it there, or what held before \
                     comes back: patchkeep network confirm {}",
                    change.settings, change.change
                );
                screen.result(&change, told);
            }
            Self::Confirm { appliance, change, person } => {
                let person = person.id(&appliance)?;
                let request = Request::ConfirmNetworkChange { change, person };
                let Reply::NetworkTrial(trial) = ask(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                screen.result(&trial, format!("It is kept: {}.", trial.settings));
            }
        }
        Ok(())
    }
}

fn show(NetworkStatus { now, waits, last }: &NetworkStatus) -> String {
    let mut lines = match now {
        Some(now) => status(now),
        None => vec!["this appliance runs on another system, which has its own network".to_owned()],
    };
    if *waits {
        lines.push("  a change was asked for a moment ago and is being taken".to_owned());
    }
    lines.extend(last.as_ref().map(|last| format!("  the last change: {}", end(last))));
    lines.join("\n")
}

fn status(now: &Status) -> Vec<String> {
    let Status { settings, address, interface, interfaces, trouble, trial } = now;
    let on = interface.as_deref().unwrap_or("no interface");
    let mut lines = vec![match address {
        Some(address) => format!("{address} on {on}"),
        None => format!("no address: {}", trouble.as_deref().unwrap_or("none was lent yet")),
    }];
    lines.push(format!("  set: {settings}"));
    lines.push(format!("  wired interfaces: {}", interfaces.join(", ")));
    lines.extend(trial.as_ref().map(|trial| {
        format!(
            "  ON TRIAL until {:.0}: {}\n  keep it: patchkeep network confirm {}",
            trial.until, trial.settings, trial.change
        )
    }));
    lines
}

fn end(Outcome { became, settings, why, settled, .. }: &Outcome) -> String {
    let why = why.as_deref().unwrap_or("nobody knows why");
    match became {
        Became::Kept => format!("{settings}, kept at {settled:.0}"),
        Became::SetThere => format!("{settings}, set at the machine at {settled:.0}"),
        Became::PutBack => format!("{settings}, put back at {settled:.0}: {why}"),
        Became::Refused => format!("{settings}, refused at {settled:.0}: {why}"),
    }
}
