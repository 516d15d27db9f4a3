//! The kernel's own file systems, what the image says of itself, and the kernel's settings.

use crate::error::Error;
use rustix::mount::{MountFlags, mount};
use serde::Deserialize;
use std::{fs, path::Path};

/// Where the image says what it is.
const IMAGE: &str = "/etc/patchkeep/image.json";
/// The first port that needs no rights to listen at: the one that sends browsers to the people's door is the lowest of
/// ours.
const FREE_PORTS: &str = "80";

/// The kernel's settings, by their path under /proc/sys.
const SETTINGS: &[(&str, &str)] = &[
    ("kernel/kptr_restrict", "2"),
    ("kernel/dmesg_restrict", "1"),
    ("kernel/kexec_load_disabled", "1"),
    ("kernel/unprivileged_bpf_disabled", "1"),
    ("kernel/yama/ptrace_scope", "3"),
    ("kernel/sysrq", "0"),
    ("kernel/core_pattern", "|/bin/false"),
    ("net/core/bpf_jit_harden", "2"),
    ("user/max_user_namespaces", "0"),
    ("fs/suid_dumpable", "0"),
    ("fs/protected_symlinks", "1"),
    ("fs/protected_hardlinks", "1"),
    ("net/ipv4/conf/all/rp_filter", "1"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_source_route", "0"),
    ("net/ipv4/tcp_syncookies", "1"),
    ("net/ipv4/ip_unprivileged_port_start", FREE_PORTS),
    ("net/ipv6/conf/all/accept_redirects", "0"),
    // No router of the network's says what this machine's addresses are.
    ("net/ipv6/conf/all/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
];

/// Mounts what every program expects.
pub(crate) fn all() -> Result<(), Error> {
    let quiet = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    for (kind, at, flags, words) in [
        ("proc", "/proc", quiet, c""),
        ("sysfs", "/sys", quiet, c""),
        ("devtmpfs", "/dev", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=0755"),
        ("tmpfs", "/run", quiet, c"mode=0755,size=16m"),
        ("tmpfs", "/tmp", quiet, c"mode=1777,size=25%"),
    ] {
        mount(kind, at, kind, flags, words).map_err(|source| Error::Mount {
            what: kind.to_owned(),
            at: at.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Sets the kernel's settings; which it did not take, for the screen.
pub(crate) fn harden() -> String {
    let set = |(name, value): &&(&str, &str)| {
        fs::write(Path::new("/proc/sys").join(name), value).is_err()
    };
    let refused: Vec<&str> = SETTINGS.iter().filter(set).map(|(name, _)| *name).collect();
    match refused[..] {
        [] => "done; the kernel is hardened".to_owned(),
        _ => format!("done; the kernel does not take {}", refused.join(", ")),
    }
}

/// What the image says of itself.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Image {
    pub(crate) version: String,
    commit: String,
    kernel: String,
    /// When its commit was made, in seconds since 1970: no clock may be behind it.
    pub(crate) built_seconds: u64,
}

impl Image {
    /// Reads it.
    pub(crate) fn read() -> Result<Self, Error> {
        let path = Path::new(IMAGE).to_owned();
        let bytes = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Settings { path, why: error.to_string() })
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        format!("{} ({}), Linux {}", self.version, self.commit, self.kernel)
    }
}
