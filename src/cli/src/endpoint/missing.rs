//! `patchkeep endpoint missing|inventory-of`: what applies to endpoints, and what one has installed.

use crate::{
    appliance::Appliance,
    control::{PeopleReply, PeopleRequest, ask_people, unexpected},
    failure::Failure,
    screen::Screen,
};
use clap::Args;
use ids::{EndpointName, RingName};
use site::{EndpointMissing, MissingUpdate};
use std::fmt::Write as _;

#[derive(Args)]
pub(crate) struct MissingWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint; every endpoint of the ring, with how many apply, unless given.
    name: Option<EndpointName>,
    /// The ring whose endpoints are counted.
    #[arg(long, default_value = "broad", conflicts_with = "name")]
    ring: RingName,
}

#[derive(Args)]
pub(crate) struct InventoryOfWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint.
    name: EndpointName,
}

impl MissingWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let request = match &self.name {
            Some(endpoint) => PeopleRequest::Missing { endpoint: endpoint.clone() },
            None => PeopleRequest::MissingIn { ring: self.ring.clone() },
        };
        let PeopleReply::Missing(all) = ask_people(&self.appliance, request, screen)? else {
            return Err(unexpected());
        };
        match (self.name, all.first()) {
            (Some(_), Some(one)) => screen.result(one, list(one)),
            (Some(_), None) => return Err(unexpected()),
            (None, None) => {
                screen.result(&all, format!("No endpoint of ring {} has an inventory.", self.ring));
            }
            (None, Some(_)) => {
                let lines: Vec<String> = all.iter().map(line).collect();
                screen.result(&all, lines.join("\n"));
            }
        }
        Ok(())
    }
}

impl InventoryOfWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let request = PeopleRequest::Inventory { endpoint: self.name };
        let PeopleReply::Inventory(taken) = ask_people(&self.appliance, request, screen)? else {
            return Err(unexpected());
        };
        // A file for the collector, so people and scripts get the same.
        screen.result(&taken, serde_json::to_string(&taken)?);
        Ok(())
    }
}

fn line(missing: &EndpointMissing) -> String {
    match (&missing.updates, &missing.why) {
        (Some(updates), _) => {
            let held = updates.iter().filter(|update| update.held).count();
            format!("{}  {} apply, {held} of them held", missing.endpoint, updates.len())
        }
        (None, why) => {
            let why = why.as_deref().unwrap_or("its inventory is gone");
            format!("{}  cannot be told: {why}", missing.endpoint)
        }
    }
}

fn list(missing: &EndpointMissing) -> String {
    let updates = missing.updates.as_deref().unwrap_or_default();
    let EndpointMissing { endpoint, ring, .. } = missing;
    let mut text = format!("{endpoint}, ring {ring}: {} updates apply.\n", updates.len());
    for update in updates {
        let MissingUpdate { package, architecture, installed, candidate, .. } = update;
        let released = update.released_at.map(|at| at.strftime("%Y-%m-%d").to_string());
        let cves = match &update.cves {
            None => "CVEs unknown".to_owned(),
            Some(cves) if cves.is_empty() => "no CVE named".to_owned(),
            Some(cves) => cves.join(" "),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {package} {installed} -> {candidate} {architecture}{}  released {}, {cves}",
            if update.held { "  HELD" } else { "" },
            released.unwrap_or_else(|| "unknown".to_owned())
        );
    }
    text.trim_end().to_owned()
}
