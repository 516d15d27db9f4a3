//! Requests about the appliance itself: its images, and how it is reached.

use crate::{failure::Failure, person::doing, remote::Remote};
use fleet::Operation;
use ids::{PersonId, RecordId};
use network::Settings;
use serde::{Deserialize, Serialize};
use serde_json::json;
use site::{ImageStatus, NetworkStatus, Site, StartedImage};

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum ApplianceRequest {
    Images,
    StartImage { version: String, person: PersonId },
    Network,
    AskNetworkChange { settings: Settings, person: PersonId },
    ConfirmNetworkChange { change: RecordId, person: PersonId },
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", content = "is", rename_all = "kebab-case")]
pub(crate) enum ApplianceReply {
    Images(Box<ImageStatus>),
    Image(Box<StartedImage>),
    Network(Box<NetworkStatus>),
    NetworkRequest(network::Request),
    NetworkTrial(network::Trial),
}

impl ApplianceRequest {
    /// Whether it is nothing for an appliance that only reads.
    pub(super) const fn writes(&self) -> bool {
        !matches!(self, Self::Images | Self::Network)
    }

    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Images => Operation::Images,
            Self::StartImage { .. } => Operation::StartImage,
            Self::Network => Operation::Network,
            Self::AskNetworkChange { .. } => Operation::AskNetworkChange,
            Self::ConfirmNetworkChange { .. } => Operation::ConfirmNetworkChange,
        }
    }
}

/// Calls the use case.
pub(super) fn perform(site: &Site, request: ApplianceRequest) -> Result<ApplianceReply, Failure> {
    use ApplianceRequest as Q;
    let operation = request.operation();
    Ok(match request {
        Q::Images => ApplianceReply::Images(Box::new(site.images()?)),
        Q::StartImage { version, person } => {
            let started = site.start_image(doing(&person, operation)?, &version)?;
            ApplianceReply::Image(Box::new(started))
        }
        Q::Network => ApplianceReply::Network(Box::new(site.network()?)),
        Q::AskNetworkChange { settings, person } => ApplianceReply::NetworkRequest(
            site.ask_network_change(doing(&person, operation)?, settings)?,
        ),
        Q::ConfirmNetworkChange { change, person } => ApplianceReply::NetworkTrial(
            site.confirm_network_change(doing(&person, operation)?, &change)?,
        ),
    })
}

/// Asks for the same over the API.
pub(super) fn over_api(
    remote: &Remote,
    request: ApplianceRequest,
) -> Result<ApplianceReply, Failure> {
    use ApplianceRequest as Q;
    Ok(match request {
        Q::Images => ApplianceReply::Images(remote.get(&["images"])?),
        Q::StartImage { version, .. } => {
            ApplianceReply::Image(remote.post_bare(&["images", &version, "start"])?)
        }
        Q::Network => ApplianceReply::Network(remote.get(&["network"])?),
        Q::AskNetworkChange { settings, .. } => {
            ApplianceReply::NetworkRequest(remote.post(&["network"], &json!(settings))?)
        }
        Q::ConfirmNetworkChange { change, .. } => {
            let change = json!({ "change": change });
            ApplianceReply::NetworkTrial(remote.post(&["network", "confirm"], &change)?)
        }
    })
}
