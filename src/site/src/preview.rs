//! What would be if people changed what the site goes by: judged by the same rules, and nothing is changed.

use crate::{Error, LevelReport, PolicyStanding, Site, WindowStatus};
use fleet::{Calendar, Command, Policy, PolicyCommand, RunCommand, Window, WindowCommand};
use ids::{EndpointName, RingName, WindowName};
use serde_json::Value;
use snapshot::Binding;

/// What a provider would do for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPreview {
    /// What makes its snapshots, in words.
    pub maker: &'static str,
    /// Where it is reached.
    pub reached: String,
    /// Whether the way back would be tried on throw-away copies.
    pub tries_copies: bool,
}

impl Site {
    /// How the service levels would stand by another calendar.
    ///
    /// # Errors
    /// [`Error::Refused`] for what is no calendar; as [`Site::level_report`].
    pub fn calendar_preview(&self, calendar: Calendar) -> Result<LevelReport, Error> {
        let after = self.heart().would(Command::SetCalendar(calendar), self.now())?;
        self.level_report_by(after.calendar.unwrap_or_default())
    }

    /// When a window would open next, and for whom.
    ///
    /// # Errors
    /// [`Error::Refused`] for what is no window; [`Error::Store`] when an endpoint's name cannot be read.
    pub fn window_preview(&self, name: &WindowName, window: Window) -> Result<WindowStatus, Error> {
        let set = WindowCommand::Set { name: name.clone(), window: window.clone() };
        drop(self.heart().would(Command::Window(set), self.now())?);
        self.window_status(name, &window)
    }

    /// Which endpoints of a ring would be held back from their plans by a floor: they would go past it.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no version or package; [`Error::Refused`] when there is no such ring.
    pub fn floor_preview(
        &self,
        ring: &RingName,
        package: &str,
        version: Option<&str>,
    ) -> Result<Vec<EndpointName>, Error> {
        crate::run::check_floor(package, version)?;
        let (package, version) = (package.to_owned(), version.map(str::to_owned));
        let set = RunCommand::SetFloor { ring: ring.clone(), package: package.clone(), version };
        let after = self.heart().would(Command::Run(set), self.now())?;
        self.below_floor(&after, ring, &package)
    }

    /// How the site would stand under a policy.
    ///
    /// # Errors
    /// [`Error::Refused`] for a policy that does not hold together; as [`Site::standings`].
    pub fn policy_preview(&self, policy: &Policy) -> Result<PolicyStanding, Error> {
        let set = PolicyCommand::Set { policy: policy.clone() };
        drop(self.heart().would(Command::Policy(set), self.now())?);
        let none = || Error::Input("the policy cannot be judged".to_owned());
        self.standings_of(vec![policy.clone()])?.pop().ok_or_else(none)
    }
}

/// What settings of a provider say, as the appliance would use them.
///
/// # Errors
/// [`Error::Input`] that says what is not understood of them.
pub fn provider_preview(settings: &Value) -> Result<ProviderPreview, Error> {
    let binding: Binding = serde_json::from_value(settings.clone())
        .map_err(|e| Error::Input(format!("these settings cannot be used: {e}")))?;
    let (maker, reached, tries_copies) = match binding {
        Binding::Qmp(qmp) => {
            ("QEMU, through its monitor", qmp.socket.display().to_string(), qmp.try_clone.is_some())
        }
        Binding::Libvirt(libvirt) => (
            "libvirt",
            format!("{}, domain {}", libvirt.uri, libvirt.domain),
            libvirt.try_clone.is_some(),
        ),
        Binding::Command(command) => (
            "an executable",
            format!("{}, machine {}", command.program.display(), command.machine),
            true,
        ),
    };
    Ok(ProviderPreview { maker, reached, tries_copies })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_say_who_makes_snapshots_or_what_is_wrong_with_them() {
        let settings = json!({ "provider": "libvirt", "uri": "qemu:///system", "domain": "web1" });
        let said = provider_preview(&settings).unwrap();
        assert_eq!((said.maker, said.reached.as_str()), ("libvirt", "qemu:///system, domain web1"));
        assert!(!said.tries_copies);
        let wrong = provider_preview(&json!({ "provider": "qmp" })).unwrap_err().to_string();
        assert!(wrong.contains("socket"), "{wrong}");
    }
}
