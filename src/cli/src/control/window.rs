//! Requests about maintenance windows.

use crate::{failure::Failure, person::doing, remote::Remote};
use fleet::{Operation, Window};
use ids::{PersonId, WindowName};
use serde::{Deserialize, Serialize};
use serde_json::json;
use site::{Site, WindowStatus};

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum WindowRequest {
    Windows,
    Preview { name: WindowName },
    Set { name: WindowName, window: Window, person: PersonId },
    Remove { name: WindowName, person: PersonId },
}

impl WindowRequest {
    /// Whether it is nothing for an appliance that only reads.
    pub(super) const fn writes(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::Remove { .. })
    }

    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Windows => Operation::Windows,
            Self::Preview { .. } => Operation::PreviewWindow,
            Self::Set { .. } => Operation::SetWindow,
            Self::Remove { .. } => Operation::RemoveWindow,
        }
    }
}

/// Calls the use case: the windows that were asked for.
pub(super) fn perform(site: &Site, request: WindowRequest) -> Result<Vec<WindowStatus>, Failure> {
    let operation = request.operation();
    Ok(match request {
        WindowRequest::Windows => site.windows()?,
        WindowRequest::Preview { name } => vec![site.window(&name)?],
        WindowRequest::Set { name, window, person } => {
            vec![site.set_window(doing(&person, operation)?, name, window)?]
        }
        WindowRequest::Remove { name, person } => {
            site.remove_window(doing(&person, operation)?, name)?;
            Vec::new()
        }
    })
}

/// Asks for the same over the API.
pub(super) fn over_api(
    remote: &Remote,
    request: WindowRequest,
) -> Result<Vec<WindowStatus>, Failure> {
    Ok(match request {
        WindowRequest::Windows => remote.all(&["windows"])?,
        WindowRequest::Preview { name } => vec![remote.get(&["windows", name.as_str()])?],
        WindowRequest::Set { name, window, .. } => {
            let Window { ring, rule, start, zone, minutes } = window;
            let said = json!({
                "ring": ring, "rule": rule, "start": start, "zone": zone, "minutes": minutes,
            });
            vec![remote.put(&["windows", name.as_str()], &said)?]
        }
        WindowRequest::Remove { name, .. } => {
            remote.delete(&["windows", name.as_str()])?;
            Vec::new()
        }
    })
}
