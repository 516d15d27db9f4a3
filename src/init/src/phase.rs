//! The phases of a start, by name and in order.

/// A phase; what each does stands in `Appliance::go_through`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The kernel's file systems, signals, what hardens the kernel.
    Mount,
    Modules,
    Data,
    Clock,
    Network,
    Server,
    Watchdog,
    Screen,
}

/// All of them. Disks and networks need modules; the clock's floor lies on the data partition, and so do the
/// network's settings and the site.
pub(crate) const ALL: [Phase; 8] = [
    Phase::Mount,
    Phase::Modules,
    Phase::Data,
    Phase::Clock,
    Phase::Network,
    Phase::Server,
    Phase::Watchdog,
    Phase::Screen,
];

impl Phase {
    /// As the screen says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::Modules => "modules",
            Self::Data => "data partition",
            Self::Clock => "clock floor",
            Self::Network => "network",
            Self::Server => "server",
            Self::Watchdog => "watchdog",
            Self::Screen => "screen",
        }
    }
}
