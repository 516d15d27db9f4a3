//! The phases of a start, by name and in order.

/// A phase; what each does stands in `Appliance::go_through`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The kernel's file systems, signals, what hardens the kernel.
    Mount,
    Modules,
    Data,
    /// As soon as nothing more takes as long as it likes: checking a large disk does.
    Watchdog,
    Clock,
    /// Which of the two images was started.
    Slots,
    Network,
    Server,
    Screen,
}

/// All of them. Disks and networks need modules; the clock's floor lies on the data partition, and so do the
/// record of the slots, the network's settings and the site.
pub(crate) const ALL: [Phase; 9] = [
    Phase::Mount,
    Phase::Modules,
    Phase::Data,
    Phase::Watchdog,
    Phase::Clock,
    Phase::Slots,
    Phase::Network,
    Phase::Server,
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
            Self::Slots => "slots",
            Self::Network => "network",
            Self::Server => "server",
            Self::Watchdog => "watchdog",
            Self::Screen => "screen",
        }
    }
}
