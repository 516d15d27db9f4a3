//! What would be if people changed what the site goes by: judged by the same rules, and nothing is changed.

use crate::{Error, LevelReport, PolicyStanding, Site, WindowStatus, applies::Aim, lacks::Elected};
use fleet::{Calendar, Command, Policy, PolicyCommand, RunCommand, Window, WindowCommand};
use ids::{EndpointName, RingName, SourceId, WindowName};
use serde_json::Value;
use snapshot::Binding;
use std::collections::{BTreeMap, HashMap};

/// A package in a version, on so many endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferChange {
    /// The package.
    pub package: String,
    /// The version.
    pub version: String,
    /// How many endpoints.
    pub endpoints: u64,
}

/// What a ring's endpoints would be offered if it pointed at another view of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingPreview {
    /// Its active endpoints of which that can be told.
    pub endpoints: u64,
    /// Those of which it cannot.
    pub untold: u64,
    /// Endpoints that lack something of what it offers now.
    pub lacking_now: u64,
    /// Endpoints that would.
    pub lacking_then: u64,
    /// What would be offered besides.
    pub comes: Vec<OfferChange>,
    /// What would be offered no more.
    pub goes: Vec<OfferChange>,
    /// Why the ring may not point there, where it may not.
    pub refused: Option<String>,
}

/// Whom an exception would be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionPreview {
    /// Endpoints that lack that version, and would be spared.
    pub spared: Vec<EndpointName>,
    /// Endpoints that lack the package in another version, which it would not be about.
    pub others: Vec<(EndpointName, String)>,
}

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

    /// What the endpoints of a ring would be offered if it pointed at this view.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such ring or view; as [`Site::missing_in`].
    pub fn ring_preview(
        &self,
        ring: &RingName,
        source: &SourceId,
        sequence: u64,
    ) -> Result<RingPreview, Error> {
        let state = self.state();
        let view = state.views.get(&(source.clone(), sequence));
        let (true, Some(view)) = (state.rings.contains_key(ring), view) else {
            let none = format!("there is no ring {ring}, or no view {sequence} of {source}");
            return Err(Error::Input(none));
        };
        let aim = Aim { source: source.clone(), sequence, catalogue: view.source.catalogue };
        let mut aims: Vec<Aim> =
            self.aims(ring).into_iter().filter(|known| known.source != *source).collect();
        aims.push(aim.clone());
        aims.sort();
        let then = self.indexed(&aims)?;
        let now = self.lacks(ring)?;
        let mut preview = RingPreview {
            endpoints: 0,
            untold: 0,
            lacking_now: 0,
            lacking_then: 0,
            comes: Vec::new(),
            goes: Vec::new(),
            refused: self.may_not_point(ring, aim)?,
        };
        let (mut answers, mut change) = (HashMap::new(), BTreeMap::<_, i64>::new());
        for (member, (_, inventory)) in now.members().zip(self.inventories(ring)) {
            let machine = answers.entry(inventory).or_insert_with(|| {
                let machine = self.machine(&inventory)?;
                Ok::<_, String>(then.offers.applicable_to(&machine))
            });
            let (Ok(will), Ok(does)) = (machine, member.told) else {
                preview.untold += 1;
                continue;
            };
            preview.endpoints += 1;
            preview.lacking_now += u64::from(!does.is_empty());
            preview.lacking_then += u64::from(!will.is_empty());
            for (all, sign) in [(will.as_slice(), 1), (does, -1)] {
                for update in all {
                    let key = (update.name().to_owned(), update.candidate().version.clone());
                    *change.entry(key).or_default() += sign;
                }
            }
        }
        for ((package, version), more) in change {
            let one = OfferChange { package, version, endpoints: more.unsigned_abs() };
            match more {
                1.. => preview.comes.push(one),
                0 => {}
                _ => preview.goes.push(one),
            }
        }
        Ok(preview)
    }

    /// Why a ring may not point at a view, where it may not.
    fn may_not_point(&self, ring: &RingName, aim: Aim) -> Result<Option<String>, Error> {
        let (source, sequence) = (aim.source.clone(), Some(aim.sequence));
        let lack = self.lack(ring, aim)?;
        let point = Command::PointRing { ring: ring.clone(), source, sequence, lack };
        match self.heart().would(point, self.now()) {
            Ok(_) => Ok(None),
            Err(Error::Refused(why)) => Ok(Some(why.to_string())),
            Err(other) => Err(other),
        }
    }

    /// Which endpoints an exception would be about.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no such ring or endpoint; as [`Site::missing_in`].
    pub fn exception_preview(
        &self,
        ring: &RingName,
        endpoint: Option<&EndpointName>,
        package: &str,
        version: &str,
    ) -> Result<ExceptionPreview, Error> {
        let state = self.state();
        if !state.rings.contains_key(ring) {
            return Err(Error::Input(format!("there is no ring {ring}")));
        }
        let only = endpoint.map(|name| self.endpoint_named(name)).transpose()?;
        let lacks = self.lacks(ring)?;
        let mut preview = ExceptionPreview { spared: Vec::new(), others: Vec::new() };
        for (member, _) in Elected::new(&lacks, &state).members {
            if only.as_ref().is_some_and(|only| only != member.id) {
                continue;
            }
            let all = member.numbers.iter().map(|number| &lacks.distinct()[*number as usize]);
            for update in all.filter(|update| update.name() == package) {
                let name = self.name_of(&self.known(member.id)?.name)?;
                let candidate = &update.candidate().version;
                match candidate == version {
                    true => preview.spared.push(name),
                    false => preview.others.push((name, candidate.clone())),
                }
            }
        }
        preview.spared.sort();
        preview.spared.dedup();
        preview.others.sort();
        Ok(preview)
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
