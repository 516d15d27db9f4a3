//! Why metadata is refused: a stable code, the attack in TUF's words, one plain sentence.

use serde::{Deserialize, Serialize};

/// Metadata was refused; nothing that is remembered of the publisher changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    reason: Reason,
    sentence: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }

    /// Why, for programs.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Why, as a stable kebab-case code for events and reports.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// The attack that this looks like, in TUF's words; `None` where it is more likely damage.
    #[must_use]
    pub const fn attack(&self) -> Option<Attack> {
        self.reason.attack()
    }

    /// Why, for people: one plain sentence.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Whether the bundle belongs in quarantine, where two people may decide, rather than refused.
    #[must_use]
    pub const fn is_quarantine(&self) -> bool {
        matches!(self.reason, Reason::Expired | Reason::FarFuture)
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> ids::Fault {
        match self.reason {
            Reason::TrustedRoot => ids::Fault::Broken,
            Reason::MissingFile | Reason::Oversized | Reason::Malformed => ids::Fault::Input,
            Reason::Fingerprint
            | Reason::RootChain
            | Reason::SignatureThreshold
            | Reason::SignatureInvalid
            | Reason::SignatureRepeated
            | Reason::RollbackTimestamp
            | Reason::RollbackSnapshot
            | Reason::RollbackTargets
            | Reason::Equivocation
            | Reason::MixAndMatch
            | Reason::Delegation
            | Reason::Expired
            | Reason::FarFuture => ids::Fault::Refused,
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $attack:expr;)*) => {
        /// Why metadata is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl Reason {
            /// Every reason, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable kebab-case code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The attack that this looks like, in TUF's words.
            #[must_use]
            pub const fn attack(self) -> Option<Attack> {
                match self { $(Self::$variant => $attack,)* }
            }
        }
    };
}

reasons! {
    /// The root that the site keeps is not the one that it accepted: the site's own fault.
    TrustedRoot = "trusted-root", None;
    /// A first root whose fingerprint is not the one on paper.
    Fingerprint = "root-fingerprint", Some(Attack::ArbitraryInstallation);
    /// A metadata file that must be there is not.
    MissingFile = "missing-file", Some(Attack::MaliciousMirror);
    /// A file is larger, or there are more of them, than any honest bundle needs.
    Oversized = "oversized", Some(Attack::EndlessData);
    /// Not the canonical JSON of the file that it should be.
    Malformed = "malformed", None;
    /// The chain of roots has a gap, or a root that was accepted differs.
    RootChain = "root-chain", Some(Attack::ArbitraryInstallation);
    /// Good signatures, but by fewer keys than the threshold.
    SignatureThreshold = "signature-threshold", Some(Attack::KeyCompromise);
    /// A signature that is wrong, or by a key that has no say here.
    SignatureInvalid = "signature-invalid", Some(Attack::ArbitraryInstallation);
    /// One key signed twice.
    SignatureRepeated = "signature-repeated", Some(Attack::KeyCompromise);
    /// A timestamp older than the trusted one, in a bundle that cannot be a payload carrier.
    RollbackTimestamp = "rollback-timestamp", Some(Attack::Rollback);
    /// A snapshot older than the trusted one.
    RollbackSnapshot = "rollback-snapshot", Some(Attack::Rollback);
    /// A targets file older than the trusted one, or gone.
    RollbackTargets = "rollback-targets", Some(Attack::Rollback);
    /// Two different bundles with one sequence number.
    Equivocation = "equivocation", Some(Attack::MixAndMatch);
    /// A file that is not the one which the signed list names.
    MixAndMatch = "mix-and-match", Some(Attack::MixAndMatch);
    /// A role that speaks about names which are not its own.
    Delegation = "delegation", Some(Attack::ExtraneousDependencies);
    /// Metadata past its expiry: quarantine.
    Expired = "expired", Some(Attack::IndefiniteFreeze);
    /// Signed more than a day ahead of the clock: quarantine.
    FarFuture = "far-future", None;
}

/// The attacks that TUF names (specification, section 1.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Something of the attacker's making is offered as genuine.
    ArbitraryInstallation,
    /// A file without end.
    EndlessData,
    /// A role vouches for what is not its own.
    ExtraneousDependencies,
    /// Versions pushed so high that no honest one can follow.
    FastForward,
    /// The same old metadata again and again.
    IndefiniteFreeze,
    /// The courier or mirror withholds what it should carry.
    MaliciousMirror,
    /// Files that never existed together.
    MixAndMatch,
    /// Older metadata after newer.
    Rollback,
    /// Somebody holds some keys, but fewer than the threshold.
    KeyCompromise,
    /// A genuine file in the place of another.
    WrongSoftware,
}

impl std::fmt::Display for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ArbitraryInstallation => "arbitrary installation attack",
            Self::EndlessData => "endless data attack",
            Self::ExtraneousDependencies => "extraneous dependencies attack",
            Self::FastForward => "fast-forward attack",
            Self::IndefiniteFreeze => "indefinite freeze attack",
            Self::MaliciousMirror => "malicious mirror",
            Self::MixAndMatch => "mix-and-match attack",
            Self::Rollback => "rollback attack",
            Self::KeyCompromise => "key compromise",
            Self::WrongSoftware => "wrong software installation",
        })
    }
}
