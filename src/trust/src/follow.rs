//! The client workflow: the numbered steps of the TUF specification, section 5, in their order.

use crate::envelope::Envelope;
use crate::publisher::{Listed, Publisher, Seen};
use crate::roles::{self, Delegation, ListRole, Listing, RootRole};
use crate::{Offered, ROOTS_MAX, Reason, Refusal, Repository, Role, Verified, clock, threshold};
use ids::{Digest, SourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a bundle's metadata turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Newer than all that is trusted: it may become what is trusted.
    Newer {
        /// What the bundle says.
        repository: Verified<Repository>,
        /// What to remember of the publisher once the import is committed.
        publisher: Publisher,
    },
    /// The very bundle that is trusted already: imported again, or resumed.
    Same(Verified<Repository>),
    /// A genuine bundle, but older than what is trusted. Payloads that *trusted* indexes name may
    /// be taken from it; nothing that its metadata says may be believed.
    Carrier(Verified<Repository>),
}

impl Outcome {
    /// What the bundle says, whatever that is worth.
    #[must_use]
    pub const fn repository(&self) -> &Verified<Repository> {
        match self {
            Self::Newer { repository, .. } | Self::Same(repository) | Self::Carrier(repository) => {
                repository
            }
        }
    }
}

/// Judges what a bundle offers against what is remembered of its publisher.
///
/// `trusted_root` is the root file of the version that `publisher` trusts; `now` the clock, never
/// below the floor of accepted signed times. Nothing is kept: a refusal leaves the site able to
/// take the next bundle.
///
/// # Errors
/// A [`Refusal`]; [`Refusal::is_quarantine`] tells expiry and far future from all others.
pub fn follow(
    publisher: &Publisher,
    trusted_root: &[u8],
    offered: &Offered,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    Judge { publisher, offered, now, expiry_waived: false }.judge(trusted_root)
}

/// As [`follow`], but expired metadata is let through: for a bundle in quarantine that two people
/// have decided to import. The decision must be in the ledger before this is called.
///
/// # Errors
/// As [`follow`], except [`Reason::Expired`].
pub fn unsafe_follow_expired(
    publisher: &Publisher,
    trusted_root: &[u8],
    offered: &Offered,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    Judge { publisher, offered, now, expiry_waived: true }.judge(trusted_root)
}

/// What the chain of roots came to.
struct Chain {
    root: RootRole,
    roots: BTreeMap<u64, Digest>,
    /// Keys of timestamp or snapshot changed on the way.
    rotated: bool,
    /// The bundle ends before the trusted root.
    superseded: bool,
    expires: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Newer,
    Same,
    Carrier,
}

struct Judge<'a> {
    publisher: &'a Publisher,
    offered: &'a Offered,
    // 5.1: the time is fixed for the whole workflow.
    now: Timestamp,
    expiry_waived: bool,
}

impl Judge<'_> {
    fn judge(&self, trusted_root: &[u8]) -> Result<Outcome, Refusal> {
        // 5.2: the trusted root comes from the site, never from the bundle.
        let trusted = self.trusted_root(trusted_root)?;
        // 5.3
        let chain = self.follow_roots(trusted)?;
        // 5.4
        let (envelope, timestamp, listing) = self.read_timestamp(&chain)?;
        let standing = self.standing(&chain, &envelope, timestamp.version)?;
        let signed_at = envelope.signed_at()?;
        if standing == Standing::Newer {
            // 5.3.10, postponed to here: an older bundle, even under an expired root, may carry.
            self.check_expiry(&format!("{}.root.json", chain.root.version), chain.expires)?;
            if !clock::is_plausible(signed_at, self.now) {
                return Err(clock::far_future(signed_at, self.now));
            }
            // 5.4.4
            self.check_expiry(&envelope.name, timestamp.expires)?;
        }
        // 5.5
        let snapshot = self.read_snapshot(&chain, listing, standing)?;
        // 5.6
        let (targets, sources) = self.read_all_targets(&chain, &snapshot, standing)?;
        let mut repository = Repository {
            root_version: chain.root.version,
            sequence: timestamp.version,
            bundle: envelope.sha256,
            signed_at,
            expires: targets.expires,
            snapshot_version: snapshot.version,
            files: file_names(&chain, &snapshot),
            targets,
            sources,
        };
        let lists = [chain.expires, timestamp.expires, snapshot.expires];
        repository.expires = roles::earliest_expiry(&repository, lists);
        Ok(match standing {
            Standing::Same => Outcome::Same(Verified::new(repository)),
            Standing::Carrier => Outcome::Carrier(Verified::new(repository)),
            Standing::Newer => {
                let publisher = self.remember(chain.roots, &repository, &snapshot);
                Outcome::Newer { repository: Verified::new(repository), publisher }
            }
        })
    }

    fn trusted_root(&self, bytes: &[u8]) -> Result<RootRole, Refusal> {
        let ours = |_| {
            let sentence = "the publisher's root that this site keeps is not the one it accepted";
            Refusal::new(Reason::TrustedRoot, sentence)
        };
        let seen = self.publisher.trusted_root().filter(|seen| seen.sha256 == Digest::of(bytes));
        let seen = seen.ok_or(()).map_err(ours)?;
        let envelope = Envelope::read("root.json", bytes).map_err(|_| ours(()))?;
        let root = roles::read_root(&envelope).map_err(|_| ours(()))?;
        if root.version == seen.version { Ok(root) } else { Err(ours(())) }
    }

    fn follow_roots(&self, trusted: RootRole) -> Result<Chain, Refusal> {
        let versions = self.offered.root_versions();
        let last = versions.last().copied().unwrap_or_default();
        if let Some(gap) = (1..=last.max(1))
            .zip(versions.iter().copied().chain([0]))
            .find_map(|(want, have)| (want != have).then_some(want))
        {
            let sentence = format!("the bundle lacks root {gap} of the publisher's chain");
            return Err(Refusal::new(Reason::MissingFile, sentence));
        }
        self.check_known_roots()?;
        if last < trusted.version {
            return self.superseded_root(last);
        }
        if last - trusted.version > ROOTS_MAX as u64 {
            let sentence = format!("the bundle brings more than {ROOTS_MAX} new roots");
            return Err(Refusal::new(Reason::Oversized, sentence));
        }
        let mut chain = Chain {
            expires: trusted.expires,
            root: trusted,
            roots: self.publisher.roots.clone(),
            rotated: false,
            superseded: false,
        };
        // 5.3.2 to 5.3.9: from version N to N + 1 until there is none.
        while let Some(bytes) = self.offered.root(chain.root.version + 1) {
            let version = chain.root.version + 1;
            // 5.3.3: size is bounded in Offered.
            let envelope = Envelope::read(&format!("{version}.root.json"), bytes)?;
            let next = roles::read_root(&envelope)?;
            // 5.3.4: signed by the threshold of version N and of version N + 1.
            threshold::check(&envelope, &[&chain.root.root, &next.root])?;
            // 5.3.5
            if next.version != version {
                let sentence =
                    format!("{} says that it is version {}", envelope.name, next.version);
                return Err(Refusal::new(Reason::RootChain, sentence));
            }
            // 5.3.6: its expiry does not matter yet.
            // 5.3.11: new keys of timestamp or snapshot: forget the old versions at the end.
            chain.rotated |= next.timestamp.keys != chain.root.timestamp.keys
                || next.snapshot.keys != chain.root.snapshot.keys;
            // 5.3.7, 5.3.8: it becomes the trusted one, on disk when the import is committed.
            chain.roots.insert(version, envelope.sha256);
            chain.expires = next.expires;
            chain.root = next;
        }
        Ok(chain)
    }

    /// Roots that were accepted once must be in the bundle byte for byte.
    fn check_known_roots(&self) -> Result<(), Refusal> {
        for (version, sha256) in &self.publisher.roots {
            let offered = self.offered.root(*version).map(Digest::of);
            if offered.is_some_and(|offered| offered != *sha256) {
                let sentence =
                    format!("{version}.root.json is not the root {version} that was accepted");
                return Err(Refusal::new(Reason::RootChain, sentence));
            }
        }
        Ok(())
    }

    /// The root under which an older bundle was made, when it is one that was accepted.
    fn superseded_root(&self, version: u64) -> Result<Chain, Refusal> {
        let name = format!("{version}.root.json");
        let bytes = self.offered.required(&name)?;
        if !self.publisher.roots.contains_key(&version) {
            let sentence = format!("{name} is older than the first root that this site accepted");
            return Err(Refusal::new(Reason::RootChain, sentence));
        }
        let root = roles::read_root(&Envelope::read(&name, bytes)?)?;
        let roots = BTreeMap::new();
        Ok(Chain { expires: root.expires, root, roots, rotated: false, superseded: true })
    }

    fn read_timestamp(&self, chain: &Chain) -> Result<(Envelope, ListRole, Listing), Refusal> {
        // 5.4.1
        let name = "timestamp.json";
        let envelope = Envelope::read(name, self.offered.required(name)?)?;
        // 5.4.2
        threshold::check(&envelope, &[&chain.root.timestamp])?;
        let (role, snapshot) = roles::read_timestamp(&envelope)?;
        Ok((envelope, role, snapshot))
    }

    /// 5.4.3, with one addition: what is older is not thrown away but may carry payloads.
    fn standing(
        &self,
        chain: &Chain,
        timestamp: &Envelope,
        version: u64,
    ) -> Result<Standing, Refusal> {
        if chain.superseded {
            return Ok(Standing::Carrier);
        }
        let trusted = self.publisher.timestamp.filter(|_| !chain.rotated);
        let Some(Seen { version: trusted, sha256 }) = trusted else {
            return Ok(Standing::Newer);
        };
        if version > trusted {
            return Ok(Standing::Newer);
        }
        let new_roots = chain.roots.len() > self.publisher.roots.len();
        if version < trusted && new_roots {
            let sentence = format!(
                "the bundle brings a new root with sequence {version}, but {trusted} is trusted"
            );
            return Err(Refusal::new(Reason::RollbackTimestamp, sentence));
        }
        if version < trusted {
            return Ok(Standing::Carrier);
        }
        if timestamp.sha256 == sha256 {
            return Ok(Standing::Same);
        }
        let sentence =
            format!("this is another bundle with the sequence number {version}, which is taken");
        Err(Refusal::new(Reason::Equivocation, sentence))
    }

    fn read_snapshot(
        &self,
        chain: &Chain,
        listing: Listing,
        standing: Standing,
    ) -> Result<ListRole, Refusal> {
        // 5.5.1, 5.5.2
        let envelope = self.listed_file("snapshot", listing)?;
        // 5.5.3
        threshold::check(&envelope, &[&chain.root.snapshot])?;
        let snapshot = roles::read_snapshot(&envelope)?;
        // 5.5.4
        same_version(&envelope, snapshot.version, listing)?;
        if standing == Standing::Newer {
            // 5.5.5, after 5.4.3.2
            let trusted = self.publisher.snapshot.as_ref().filter(|_| !chain.rotated);
            if let Some(trusted) = trusted {
                not_rolled_back(trusted, &snapshot)?;
            }
            // 5.5.6
            self.check_expiry(&envelope.name, snapshot.expires)?;
        }
        Ok(snapshot)
    }

    fn read_all_targets(
        &self,
        chain: &Chain,
        snapshot: &ListRole,
        standing: Standing,
    ) -> Result<(Role, BTreeMap<SourceId, Role>), Refusal> {
        // 5.6.1 to 5.6.6 for the top-level role
        let envelope = self.targets_file("targets", &chain.root.targets, snapshot)?;
        let (targets, delegations) = roles::read_targets(&envelope)?;
        self.check_targets(&envelope, &targets, snapshot, "targets", standing)?;
        // 5.6.7: not a search for one name but all delegated roles, each once, one level deep
        let mut sources = BTreeMap::new();
        for Delegation { source, keys } in delegations {
            let envelope = self.targets_file(source.as_str(), &keys, snapshot)?;
            let role = roles::read_source(&envelope, &source)?;
            self.check_targets(&envelope, &role, snapshot, source.as_str(), standing)?;
            sources.insert(source, role);
        }
        if snapshot.files.len() != sources.len() + 1 {
            let sentence = "the snapshot lists a role to which nothing is delegated";
            return Err(Refusal::new(Reason::Delegation, sentence));
        }
        Ok((targets, sources))
    }

    fn targets_file(
        &self,
        role: &str,
        keys: &threshold::Electorate,
        snapshot: &ListRole,
    ) -> Result<Envelope, Refusal> {
        let listing = snapshot.files.get(&format!("{role}.json")).copied().ok_or_else(|| {
            Refusal::new(Reason::MissingFile, format!("the snapshot does not list role {role}"))
        })?;
        // 5.6.1, 5.6.2
        let envelope = self.listed_file(role, listing)?;
        // 5.6.3
        threshold::check(&envelope, &[keys])?;
        Ok(envelope)
    }

    fn check_targets(
        &self,
        envelope: &Envelope,
        role: &Role,
        snapshot: &ListRole,
        name: &str,
        standing: Standing,
    ) -> Result<(), Refusal> {
        // 5.6.4: the snapshot's listing was checked against rollback in 5.5.5.
        if let Some(listing) = snapshot.files.get(&format!("{name}.json")) {
            same_version(envelope, role.version, *listing)?;
        }
        // 5.6.5
        if standing == Standing::Newer {
            self.check_expiry(&envelope.name, role.expires)?;
        }
        Ok(())
    }

    /// A file that a signed list names: there, and exactly that one.
    fn listed_file(&self, role: &str, listing: Listing) -> Result<Envelope, Refusal> {
        let name = format!("{}.{role}.json", listing.version);
        let bytes = self.offered.required(&name)?;
        if bytes.len() as u64 != listing.length || Digest::of(bytes) != listing.sha256 {
            let sentence = format!("{name} is not the file that the bundle's signed lists name");
            return Err(Refusal::new(Reason::MixAndMatch, sentence));
        }
        Envelope::read(&name, bytes)
    }

    fn check_expiry(&self, name: &str, expires: Timestamp) -> Result<(), Refusal> {
        if expires > self.now || self.expiry_waived {
            return Ok(());
        }
        let sentence =
            format!("{name} expired at {expires}; this site's clock says {:.0}", self.now);
        Err(Refusal::new(Reason::Expired, sentence))
    }

    fn remember(
        &self,
        roots: BTreeMap<u64, Digest>,
        repository: &Repository,
        snapshot: &ListRole,
    ) -> Publisher {
        let files = snapshot.files.iter().map(|(name, file)| (name.clone(), file.version));
        let signed_at = repository.signed_at;
        let latest = self.publisher.latest_signed_at.map_or(signed_at, |old| old.max(signed_at));
        Publisher {
            roots,
            timestamp: Some(Seen { version: repository.sequence, sha256: repository.bundle }),
            snapshot: Some(Listed { version: snapshot.version, files: files.collect() }),
            latest_signed_at: Some(latest),
        }
    }
}

fn same_version(envelope: &Envelope, version: u64, listing: Listing) -> Result<(), Refusal> {
    if version == listing.version {
        return Ok(());
    }
    let sentence = format!("{} says that it is version {version}", envelope.name);
    Err(Refusal::new(Reason::MixAndMatch, sentence))
}

/// 5.4.3.2 and 5.5.5: neither the snapshot nor any targets file that it lists goes back, and none
/// that was listed disappears.
fn not_rolled_back(trusted: &Listed, snapshot: &ListRole) -> Result<(), Refusal> {
    if snapshot.version < trusted.version {
        let sentence = format!(
            "the snapshot went back from version {} to {}",
            trusted.version, snapshot.version
        );
        return Err(Refusal::new(Reason::RollbackSnapshot, sentence));
    }
    for (name, version) in &trusted.files {
        let sentence = match snapshot.files.get(name) {
            None => format!("{name} was listed in version {version} and is gone"),
            Some(file) if file.version < *version => {
                format!("{name} went back from version {version} to {}", file.version)
            }
            Some(_) => continue,
        };
        return Err(Refusal::new(Reason::RollbackTargets, sentence));
    }
    Ok(())
}

fn file_names(chain: &Chain, snapshot: &ListRole) -> BTreeSet<String> {
    let roots = (1..=chain.root.version).map(|version| format!("{version}.root.json"));
    let roles = snapshot.files.iter().map(|(name, file)| format!("{}.{name}", file.version));
    let lists = ["timestamp.json".to_owned(), format!("{}.snapshot.json", snapshot.version)];
    roots.chain(roles).chain(lists).collect()
}
