//! Why a site root or an approval is not obeyed: a stable code and one plain sentence.

use ids::Fault;

/// Something was not obeyed; nothing that is remembered changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Denial {
    reason: Denied,
    sentence: String,
}

impl Denial {
    pub(crate) fn new(reason: Denied, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }

    /// Why, for programs.
    #[must_use]
    pub const fn reason(&self) -> Denied {
        self.reason
    }

    /// Why, as a stable kebab-case code for events and reports.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.reason {
            Denied::Malformed => Fault::Input,
            _ => Fault::Refused,
        }
    }
}

macro_rules! denied {
    ($($(#[$doc:meta])* $variant:ident = $code:literal;)*) => {
        /// Why something is not obeyed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Denied { $($(#[$doc])* $variant,)* }

        impl Denied {
            /// Every reason, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable kebab-case code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

denied! {
    /// Not the document that it should be.
    Malformed = "malformed";
    /// A first root whose fingerprint is not the pinned one.
    Fingerprint = "site-root-fingerprint";
    /// A root that does not follow from the trusted one.
    RootChain = "site-root-chain";
    /// Good signatures, but by fewer keys than are needed.
    SignatureThreshold = "signature-threshold";
    /// A signature that does not hold.
    SignatureInvalid = "signature-invalid";
    /// One key signed twice.
    SignatureRepeated = "signature-repeated";
    /// A key that the site root does not list for this.
    UnknownKey = "unknown-key";
    /// The approver's listing, or the whole root, is past its end.
    RootExpired = "site-root-expired";
    /// It is about another site.
    OtherSite = "other-site";
    /// It is about another ring.
    OtherRing = "other-ring";
    /// It does not name this endpoint.
    OtherHost = "other-host";
    /// Something newer was said since.
    OldGeneration = "old-generation";
    /// It was withdrawn.
    Withdrawn = "withdrawn";
    /// Its end has come.
    Expired = "approval-expired";
    /// It claims to be from too far ahead.
    FromTheFuture = "from-the-future";
    /// No window is open.
    WindowClosed = "window-closed";
    /// A payload, or a version, that it does not name.
    Unapproved = "unapproved";
}
