//! What people set: the network.

use crate::error::Error;
use durable::{Disk as _, RealDisk};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    str::FromStr,
};

/// Longest file of settings, in bytes.
const SETTINGS_BYTES_MAX: u64 = 64 << 10;

/// An address with the length of its network's prefix, as in `192.0.2.10/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    pub(crate) prefix: u8,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address with a prefix, such as 192.0.2.10/24");
        let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let (ip, prefix): (IpAddr, u8) =
            (ip.parse().map_err(|_| wrong())?, prefix.parse().map_err(|_| wrong())?);
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        if prefix == 0
            || prefix > longest
            || ip.is_unspecified()
            || ip.is_loopback()
            || ip.is_multicast()
        {
            return Err(wrong());
        }
        Ok(Self { ip, prefix })
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(Address { ip, prefix }: Address) -> Self {
        format!("{ip}/{prefix}")
    }
}

/// How the appliance is reached. There is no DHCP yet: without an address it is not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    pub(crate) address: Address,
    pub(crate) gateway: Option<IpAddr>,
    /// The interface, such as `eth0`; the first by name where none is given.
    pub(crate) interface: Option<String>,
    /// Host names by which people and endpoints reach it, for its certificate.
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

impl Network {
    /// From the kernel's command line: `patchkeep.address=`, `.gateway=`, `.interface=`, `.name=` (again and again).
    /// In a signed image that line is a part of what is signed, so this is for direct boots.
    pub(crate) fn from_command_line(line: &str) -> Option<Result<Self, String>> {
        let words: Vec<(&str, &str)> = line
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("patchkeep.")?.split_once('='))
            .collect();
        let value = |key: &str| {
            words.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| *value)
        };
        let address = value("address")?;
        let gateway = value("gateway").map(IpAddr::from_str).transpose();
        let names = words
            .iter()
            .filter(|(key, _)| *key == "name")
            .map(|(_, name)| (*name).to_owned())
            .collect();
        let read = || {
            let gateway = gateway.map_err(|_| "patchkeep.gateway is not an address".to_owned())?;
            let interface = value("interface").map(str::to_owned);
            Ok(Self { address: address.parse()?, gateway, interface, names })
        };
        Some(read())
    }
}

/// Writes a file of settings, whole or not at all.
pub(crate) fn write(path: &Path, settings: &impl Serialize) -> Result<(), Error> {
    let told = |source| Error::Write { path: path.to_owned(), source };
    let text = toml::to_string(settings).map_err(|error| told(io::Error::other(error)))?;
    RealDisk.write_atomic(path, text.as_bytes()).map_err(told)
}

/// Reads a file of settings.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, Error> {
    let bytes = bounded(path, SETTINGS_BYTES_MAX)?;
    let told = |why: String| Error::Settings { path: path.to_owned(), why };
    let text = String::from_utf8(bytes).map_err(|_| told("it is not UTF-8".into()))?;
    toml::from_str(&text).map_err(|error| told(error.message().to_owned()))
}

/// A plain file's bytes, out of a folder that may be somebody else's: no link is followed, and no pipe waited for.
pub(crate) fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    let told = |source| Error::Read { path: path.to_owned(), source };
    let file = fs::File::options().read(true).custom_flags(flags).open(path).map_err(told)?;
    let about = file.metadata().map_err(told)?;
    if !about.is_file() || about.len() > most {
        let why = format!("it is no plain file of at most {most} bytes");
        return Err(Error::Settings { path: path.to_owned(), why });
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_a_prefix_and_is_a_machines_own() {
        let read = |text: &str| text.parse::<Address>();
        assert_eq!(
            read("192.0.2.10/24").unwrap(),
            Address { ip: "192.0.2.10".parse().unwrap(), prefix: 24 }
        );
        assert_eq!(read("2001:db8::1/64").unwrap().prefix, 64);
        for wrong in [
            "192.0.2.10",
            "192.0.2.10/33",
            "192.0.2.10/0",
            "0.0.0.0/8",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "/24",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_says_the_network_or_nothing() {
        let read = Network::from_command_line;
        assert!(read("quiet console=ttyS0 address=192.0.2.1/24").is_none());
        let network = read("quiet patchkeep.address=10.0.2.15/24 patchkeep.gateway=10.0.2.2 patchkeep.name=a.example \
             patchkeep.name=b.example")
        .unwrap()
        .unwrap();
        assert_eq!(network.address.prefix, 24);
        assert_eq!(network.gateway, Some("10.0.2.2".parse().unwrap()));
        assert_eq!(network.names, ["a.example", "b.example"]);
        assert!(read("patchkeep.address=10.0.2.15").unwrap().is_err());
        assert!(read("patchkeep.address=10.0.2.15/24 patchkeep.gateway=x").unwrap().is_err());
    }

    #[test]
    fn what_was_set_is_read_back_and_words_that_nobody_knows_are_refused() {
        let network: Network = toml::from_str("address = '192.0.2.10/24'").unwrap();
        assert!(toml::from_str::<Network>("address = '192.0.2.10/24'\nadress = 'x'").is_err());
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("network.toml");
        write(&path, &network).unwrap();
        assert_eq!(read::<Network>(&path).unwrap(), network);
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        fs::write(&path, [b'a'; 9]).unwrap();
        assert_eq!(bounded(&path, 9).unwrap().len(), 9);
        assert!(matches!(bounded(&path, 8), Err(Error::Settings { .. })));
    }
}
