//! A simulated machine: what is installed, what runs with old files, and the copies that lead back.

use ids::{Digest, EndpointName, Timestamp};
use trust::ApprovedPackage;
use vendor_apt::Inventory;

/// Packages of the made-up vendor.
pub(crate) const PACKAGES: usize = 4;

/// The version of each package; 0 is what the machine came with.
pub(crate) type Versions = [u64; PACKAGES];

/// A machine, without what its agent remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) installed: Versions,
    /// The approval for whose sake it was changed last.
    pub(crate) touched: Option<Digest>,
    /// Whether something runs with files that are gone.
    pub(crate) stale: bool,
    pub(crate) boots: u64,
}

/// A copy of a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy {
    pub(crate) machine: Machine,
    /// Whether it is any good.
    pub(crate) whole: bool,
}

impl Copy {
    /// Whether it leads back to before the job of this approval.
    pub(crate) fn leads_before(&self, approval: Digest) -> bool {
        self.whole && self.machine.touched != Some(approval)
    }
}

impl Machine {
    /// It is put back; it has started anew since the copy was made.
    pub(crate) const fn goes_back(&mut self, copy: &Copy) {
        let boots = self.boots + 1;
        *self = copy.machine;
        (self.boots, self.stale) = (boots, false);
    }

    pub(crate) const fn boot(&mut self) {
        (self.boots, self.stale) = (self.boots + 1, false);
    }

    pub(crate) fn has(&self, package: &ApprovedPackage) -> bool {
        number(package).is_some_and(|(n, version)| self.installed[n] == version)
    }

    pub(crate) fn install(&mut self, package: &ApprovedPackage) {
        if let Some((n, version)) = number(package) {
            self.installed[n] = version;
        }
    }

    pub(crate) fn inventory(&self, name: &EndpointName, at: Timestamp) -> Option<Inventory> {
        let stanza = |name: &str, version: &str| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            )
        };
        let own = (0..).zip(self.installed);
        let own = own.map(|(n, version)| stanza(&format!("package-{n}"), &version.to_string()));
        let status = stanza("dpkg", "1.21.22") + &own.collect::<String>();
        Inventory::take(name.to_string(), at, status.as_bytes(), &[], Vec::new()).ok()
    }
}

/// A package of the made-up vendor.
pub(crate) fn package(n: usize, version: u64) -> ApprovedPackage {
    ApprovedPackage {
        package: format!("package-{n}"),
        architecture: "amd64".into(),
        version: version.to_string(),
        sha256: Digest::of(&payload(n, version)),
    }
}

/// Its bytes.
pub(crate) fn payload(n: usize, version: u64) -> Vec<u8> {
    format!("package-{n} {version}").into_bytes()
}

fn number(package: &ApprovedPackage) -> Option<(usize, u64)> {
    let n: usize = package.package.strip_prefix("package-")?.parse().ok()?;
    Some((n, package.version.parse().ok()?)).filter(|(n, _)| *n < PACKAGES)
}
