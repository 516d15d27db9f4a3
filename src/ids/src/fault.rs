//! Whose fault an error is; every error enum of the house sorts itself into one of these.

/// The five kinds of fault. Server status, agent retry and exit code each map it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The same bytes will fail again: what came in is wrong.
    Input,
    /// A rule, a signature or a policy says no.
    Refused,
    /// Somebody else was first: look again and decide anew.
    Conflict,
    /// Not now: a device, a network or a lock is not available; try later.
    Unavailable,
    /// Our own invariant or disk is broken: stop, a person must look.
    Broken,
}

impl Fault {
    /// Exit code of a command that ends with this fault. 0 is success, 2 is wrong usage.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Input => 3,
            Self::Refused => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
            Self::Broken => 7,
        }
    }
}
