//! `patchkeep exception`: updates that are knowingly not applied for a while.

use crate::{
    appliance::Appliance,
    control::{ReportReply, ReportRequest, ask_report, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
    site_root::days_from_now,
};
use clap::{Args, Subcommand};
use ids::{EndpointName, RecordId, RingName};
use site::{ExceptionStatus, ExceptionWish};

#[derive(Subcommand)]
pub(crate) enum ExceptionVerb {
    /// Ask for an exception; somebody else has to approve it.
    Request(RequestWords),
    /// Approve an exception that somebody else asked for.
    Approve {
        #[command(flatten)]
        appliance: Appliance,
        /// Its id.
        id: RecordId,
        #[command(flatten)]
        person: Person,
    },
    /// Exceptions that have not ended.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
}

#[derive(Args)]
pub(crate) struct RequestWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The binary package.
    package: String,
    /// The version that is not applied; a later one is not meant.
    #[arg(long)]
    version: String,
    /// The ring.
    #[arg(long, default_value = "broad")]
    ring: RingName,
    /// Only this endpoint of the ring.
    #[arg(long)]
    endpoint: Option<EndpointName>,
    /// Who owns the risk.
    #[arg(long)]
    owner: String,
    /// Why it is not applied.
    #[arg(long)]
    reason: String,
    /// What is done instead.
    #[arg(long)]
    control: String,
    /// How many days it lasts; then the update is open again.
    #[arg(long, default_value_t = 30)]
    days: u32,
    #[command(flatten)]
    person: Person,
}

impl ExceptionVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (request, appliance) = match self {
            Self::List { appliance } => (ReportRequest::Exceptions, appliance),
            Self::Approve { appliance, id, person } => (
                ReportRequest::ApproveException { exception: id, person: person.id(&appliance)? },
                appliance,
            ),
            Self::Request(words) => {
                let RequestWords { appliance, package, version, ring, endpoint, .. } = words;
                let (owner, reason, control) = (words.owner, words.reason, words.control);
                let not_after = days_from_now(words.days)?;
                let wish = Box::new(ExceptionWish {
                    ring,
                    endpoint,
                    package,
                    version,
                    owner,
                    reason,
                    control,
                    not_after,
                });
                (
                    ReportRequest::RequestException { wish, person: words.person.id(&appliance)? },
                    appliance,
                )
            }
        };
        let ReportReply::Exceptions(exceptions) = ask_report(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        let lines: Vec<String> = exceptions.iter().map(line).collect();
        let said =
            if lines.is_empty() { "There is no exception.".to_owned() } else { lines.join("\n") };
        screen.result(&exceptions, said);
        Ok(())
    }
}

fn line(status: &ExceptionStatus) -> String {
    let exception = &status.exception;
    let about = &exception.about;
    let whom = status.endpoint_name.as_ref().map_or_else(
        || format!("all of ring {}", about.ring),
        |name| format!("{name} of ring {}", about.ring),
    );
    let stands = match &exception.approved_by {
        Some(person) => format!("approved by {person}"),
        None => format!(
            "WAITS for somebody other than {} to approve it: patchkeep exception approve {}",
            exception.requested_by, status.id
        ),
    };
    let told = match &status.told {
        Some([owner, reason, control]) => {
            format!("owned by {owner}; because {reason}; instead: {control}")
        }
        None => "what was said of it was erased".to_owned(),
    };
    format!(
        "{}  {} {} on {whom}, until {}; asked for by {}; {stands}\n  {told}",
        status.id, about.package, about.version, exception.not_after, exception.requested_by
    )
}
