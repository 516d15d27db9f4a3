//! `patchkeep endpoint token|list|confirm|retire`: endpoints with an agent.

use crate::{
    appliance::Appliance,
    control::{PeopleReply, PeopleRequest, ask_people, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::Args;
use fleet::Standing;
use ids::{EndpointName, RingName};
use site::{EndpointStatus, IssuedToken};
use std::fmt::Write as _;

#[derive(Args)]
pub(crate) struct TokenWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint's host name: no other may use the token.
    name: EndpointName,
    /// The ring that it joins.
    #[arg(long, default_value = "broad")]
    ring: RingName,
    /// For how many hours it counts.
    #[arg(long, default_value_t = site::TOKEN_HOURS_MAX)]
    hours: u32,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct ListWords {
    #[command(flatten)]
    appliance: Appliance,
    /// Also those who have left.
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub(crate) struct ConfirmWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint.
    name: EndpointName,
    /// The fingerprint of its key, as its own screen shows it.
    #[arg(long, value_name = "SHA256:...")]
    key: String,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct RetireWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint.
    name: EndpointName,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    person: Person,
}

impl TokenWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { appliance, name, ring, hours, person } = self;
        let person = person.id(&appliance)?;
        let request = PeopleRequest::IssueToken { endpoint: name, ring, hours, person };
        let PeopleReply::Token(issued) = ask_people(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        let IssuedToken { token, endpoint, ring, not_after, ca_fingerprint, site_root } = &*issued;
        let said = format!(
            "For {endpoint} to join ring {ring}, once, until {not_after}. On that machine, as root:\n\n  \
             patchkeep-agent enrol --address https://PEOPLE'S-DOOR --endpoints \
             https://ENDPOINTS'-DOOR:8443 \\\n    --name {endpoint} --token {token} \\\n    \
             --ca-fingerprint {ca_fingerprint} \\\n    --site-root {site_root}\n\nIt shows the \
             fingerprint of its key; compare it there, and confirm it here:\n\n  patchkeep endpoint \
             confirm {endpoint} --key SHA256:... {appliance}"
        );
        screen.result(&issued, said);
        Ok(())
    }
}

impl ListWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let PeopleReply::Endpoints(mut all) =
            ask_people(&self.appliance, PeopleRequest::Endpoints, screen)?
        else {
            return Err(unexpected());
        };
        all.retain(|endpoint| self.all || endpoint.standing != Standing::Retired);
        let lines: Vec<String> = all.iter().map(line).collect();
        let said = if lines.is_empty() {
            "No endpoint has joined; `patchkeep endpoint token` begins it.".to_owned()
        } else {
            lines.join("\n")
        };
        screen.result(&all, said);
        Ok(())
    }
}

impl ConfirmWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { appliance, name, key, person } = self;
        let request =
            PeopleRequest::Confirm { endpoint: name, key, person: person.id(&appliance)? };
        one(&appliance, request, screen, "It belongs to the site from now on.")
    }
}

impl RetireWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { appliance, name, reason, person } = self;
        let request =
            PeopleRequest::Retire { endpoint: name, reason, person: person.id(&appliance)? };
        one(&appliance, request, screen, "It is refused from now on.")
    }
}

pub(super) fn one(
    appliance: &Appliance,
    request: PeopleRequest,
    screen: &Screen,
    said: &str,
) -> Result<(), Failure> {
    let PeopleReply::Endpoint(endpoint) = ask_people(appliance, request, screen)? else {
        return Err(unexpected());
    };
    screen.result(&endpoint, format!("{}\n{said}", line(&endpoint)));
    Ok(())
}

/// What people say of it, where they do.
fn described(endpoint: &EndpointStatus) -> String {
    let mut said: Vec<String> = Vec::new();
    if endpoint.standing == Standing::Active && !endpoint.elected {
        let since = endpoint.elected_since.map(|at| format!(" since {at}")).unwrap_or_default();
        said.push(format!("ELECTED OUT{since}"));
    }
    said.extend(endpoint.kind.map(|kind| kind.word().to_owned()));
    said.extend(endpoint.stateless.then(|| "stateless".to_owned()));
    said.extend(endpoint.never_back.map(|why| format!("{}: never put back by itself", why.word())));
    said.extend(endpoint.exposure.map(|how| how.word().to_owned()));
    said.extend(endpoint.owner.as_ref().map(|owner| format!("owned by {owner}")));
    said.extend(endpoint.provider.then(|| "snapshots by the appliance's provider".to_owned()));
    said.iter().map(|said| format!("; {said}")).collect()
}

fn line(endpoint: &EndpointStatus) -> String {
    let EndpointStatus { name, ring, standing, key, not_after, seen_at, vouches, .. } = endpoint;
    let mut text = format!("{name}  ring {ring}, {}", standing.word());
    // Writing to a String cannot fail.
    if *standing == Standing::Pending {
        let _ = write!(text, "; its key is {key}: compare it on its own screen");
    }
    text.push_str(&described(endpoint));
    if endpoint.token_misused {
        text.push_str("; ALARM: its token was used with another key too");
    }
    if let Some(seen_at) = seen_at {
        let _ = write!(text, "; seen {seen_at}");
    } else if *standing == Standing::Active {
        text.push_str("; never seen since the appliance started to note it");
    }
    if let Some(vouches) = vouches {
        let _ = write!(text, ", vouches for {} entries", vouches.size);
    }
    if let Some(job) = &endpoint.job {
        let _ = write!(text, "; approval {}: {}", job.approval.short(), job.word());
    }
    if let Some(not_after) = not_after {
        let _ = write!(text, "; certificate ends {not_after}");
    }
    if let Some(doubt) = &endpoint.doubt {
        let _ = write!(text, "; ALARM: it doubts the log: {doubt}");
    }
    text
}
