//! The radar: what will stop working before the next courier can come.
//!
//! Asked at each import, in the status, and once a day while the appliance serves.

use crate::{Error, Site, VALID_UNTIL_MIN_SECS, clock, rows};
use fleet::Standing;
use ids::{Digest, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// How far the radar looks: a media cycle.
pub const RADAR_REACH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Most certificates that are looked at.
const CERTIFICATES_MAX: usize = 1_000_000;

/// Something that ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// What it means, and what to do before.
    pub then: String,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what, then } = self;
        let verb = if *at <= clock::now() { "ended" } else { "ends" };
        write!(f, "{what} {verb} {}: {then}", at.strftime("%-d %B %Y, %H:%M UTC"))
    }
}

impl Site {
    /// What ends within [`RADAR_REACH`], or has ended, soonest first.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Views`], [`Error::Authority`] or [`Error::Denied`] when what is kept
    /// cannot be read.
    pub fn radar(&self) -> Result<Vec<Ending>, Error> {
        let mut endings = self.vendors_endings();
        endings.extend(self.publishers_ending()?);
        endings.extend(self.certificates_ending()?);
        if let Some(status) = self.site_root()? {
            endings.push(Ending {
                at: status.root.not_after,
                what: format!("site root {}", status.root.generation),
                then: "no approval is obeyed from then on; draw up the next one before".to_owned(),
            });
        }
        let authority = self.authority()?.not_after();
        endings.push(Ending {
            at: authority,
            what: "the site's certificate authority".to_owned(),
            then: "no endpoint can reach this appliance from then on".to_owned(),
        });
        let reach = self.now().saturating_add(RADAR_REACH).unwrap_or(Timestamp::MAX);
        endings.retain(|ending| ending.at <= reach);
        endings.sort();
        Ok(endings)
    }

    /// How long endpoints take what rings point at: as long as the vendor says, but for a media cycle
    /// and fifteen days at least.
    fn vendors_endings(&self) -> Vec<Ending> {
        let state = self.state();
        let pointed: BTreeSet<_> =
            state.pointers.iter().map(|((_, source), (at, _))| (source, at)).collect();
        let mut endings = Vec::new();
        for (source, sequence) in pointed {
            let Some(view) = state.views.get(&(source.clone(), *sequence)) else { continue };
            let vendor = &view.source.vendor;
            let Some(until) = vendor.valid_until else { continue };
            let least = SignedDuration::from_secs(VALID_UNTIL_MIN_SECS.cast_signed());
            let least = vendor.release_date.saturating_add(least).unwrap_or(until);
            endings.push(Ending {
                at: until.max(least),
                what: format!("the vendor's release of {source} in bundle {sequence}"),
                then: "endpoints refuse it from then on; import a newer bundle before".to_owned(),
            });
        }
        endings
    }

    /// When the publisher's trusted root ends.
    fn publishers_ending(&self) -> Result<Option<Ending>, Error> {
        let Some(root) = self.trusted_root()? else { return Ok(None) };
        Ok(root.expires.map(|at| Ending {
            at,
            what: format!("the publisher's root {}", root.version),
            then: "bundles are kept out from then on; ask the publisher for the next root".into(),
        }))
    }

    /// The first of the endpoints' certificates to end, and how many do within reach.
    fn certificates_ending(&self) -> Result<Option<Ending>, Error> {
        let now = self.now();
        let reach = now.saturating_add(RADAR_REACH).unwrap_or(Timestamp::MAX);
        let all = self.heart().views().rows::<rows::CertificateRow>(
            rows::CERTIFICATES,
            b"",
            CERTIFICATES_MAX,
        );
        let mut all = all.map_err(Error::Views)?;
        let state = self.state();
        // Of an endpoint with an agent only the newest one counts, as long as it has not left.
        all.retain(|(key, _)| {
            let digest = <[u8; 32]>::try_from(key.as_slice()).map(Digest::from_bytes);
            let owner = digest.as_ref().ok().and_then(|digest| state.certificates.get(digest));
            owner.and_then(|id| state.endpoints.get(id)).is_none_or(|endpoint| {
                let newest = endpoint.certificates.iter().max_by_key(|(_, not_after)| *not_after);
                endpoint.standing == Standing::Active
                    && newest.is_some_and(|(newest, _)| digest.as_ref().ok() == Some(newest))
            })
        });
        let soon: Vec<Timestamp> = all
            .iter()
            .map(|(_, row)| row.not_after)
            .filter(|end| (now..=reach).contains(end))
            .collect();
        Ok(soon.iter().min().map(|first| Ending {
            at: *first,
            what: match soon.len() {
                1 => "an endpoint's certificate".to_owned(),
                n => format!("the first of {n} endpoints' certificates"),
            },
            then:
                "it cannot reach this appliance from then on, unless it got a newer one: an agent \
                renews by itself; for stock apt, an administrator makes one"
                    .to_owned(),
        }))
    }
}
