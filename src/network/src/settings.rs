//! What people set: address, gateway, interface, VLAN, names.

use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// Most names of one appliance.
const NAMES_MAX: usize = 16;
/// Longest name of an interface, in bytes, as Linux has it (`IFNAMSIZ` less its end).
const INTERFACE_BYTES_MAX: usize = 15;
/// Longest host name and longest label, in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// Longest VLAN id: 4095 is kept back (IEEE 802.1Q).
const VLAN_MAX: u16 = 4094;

/// Settings that no machine can take, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Neither `dhcp` nor an address with a prefix.
    #[error("{0:?} is not an address with a prefix, such as 192.0.2.10/24, nor dhcp")]
    Address(String),
    /// A gateway beside DHCP, which names its own.
    #[error("a gateway comes with the address where DHCP gives it: leave it out")]
    GatewayOfDhcp,
    /// A gateway that the address does not reach.
    #[error(
        "the gateway {gateway} is not in the network of {address}, so that it cannot be reached"
    )]
    Gateway {
        /// The gateway.
        gateway: IpAddr,
        /// The address.
        address: Address,
    },
    /// No name of an interface.
    #[error("{0:?} is no name of an interface, such as eth0")]
    Interface(String),
    /// No VLAN.
    #[error("{0} is no VLAN: they are 1 to {VLAN_MAX}")]
    Vlan(String),
    /// No host name.
    #[error("{0:?} is no host name, such as patchkeep.example")]
    Name(String),
    /// Too many names.
    #[error("at most {NAMES_MAX} names are kept")]
    Names,
}

/// An address with the length of its network's prefix, as in `192.0.2.10/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    ip: IpAddr,
    prefix: u8,
}

impl Address {
    /// One that a machine can have: not of everybody, of nobody or of the machine alone.
    #[must_use]
    pub fn new(ip: IpAddr, prefix: u8) -> Option<Self> {
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let is_nobodys = match ip {
            IpAddr::V4(ip) => ip.is_broadcast(),
            IpAddr::V6(_) => false,
        };
        let fits = prefix > 0 && prefix <= longest && !is_nobodys;
        (fits && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast())
            .then_some(Self { ip, prefix })
    }

    /// The address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// Length of the network's prefix, in bits.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether another address is in the same network.
    #[must_use]
    pub fn reaches(self, other: IpAddr) -> bool {
        match (self.ip, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                // A router's own address of the link is in everybody's network (RFC 4861).
                let differ = own.to_bits() ^ other.to_bits();
                other.is_unicast_link_local() || differ.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

impl FromStr for Address {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = || {
            let (ip, prefix) = text.split_once('/')?;
            Self::new(ip.parse().ok()?, prefix.parse().ok()?)
        };
        read().ok_or_else(|| Invalid::Address(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// Where the address comes from: `dhcp`, or the address itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Addressing {
    /// From the network's DHCP server (RFC 2131), with its gateway.
    #[default]
    Dhcp,
    /// This one.
    Fixed(Address),
}

impl FromStr for Addressing {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.trim() {
            word if word.eq_ignore_ascii_case("dhcp") => Ok(Self::Dhcp),
            address => address.parse().map(Self::Fixed),
        }
    }
}

impl fmt::Display for Addressing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("dhcp"),
            Self::Fixed(address) => address.fmt(f),
        }
    }
}

/// Number of a VLAN (IEEE 802.1Q), 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Vlan(u16);

impl TryFrom<u16> for Vlan {
    type Error = Invalid;

    fn try_from(number: u16) -> Result<Self, Invalid> {
        match (1..=VLAN_MAX).contains(&number) {
            true => Ok(Self(number)),
            false => Err(Invalid::Vlan(number.to_string())),
        }
    }
}

impl From<Vlan> for u16 {
    fn from(vlan: Vlan) -> Self {
        vlan.0
    }
}

impl FromStr for Vlan {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number: u16 = text.trim().parse().map_err(|_| Invalid::Vlan(text.to_owned()))?;
        number.try_into()
    }
}

impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A word that was looked at: `$what` of it says whether it may be.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $invalid:ident if $fits:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match $fits(text) {
                    true => Ok(Self(text.to_owned())),
                    false => Err(Invalid::$invalid(text.to_owned())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

words! {
    /// Name of an interface, such as `eth0`.
    Interface: Interface if is_interface,
    /// A host name (RFC 1123), by which people and endpoints reach the appliance.
    Name: Name if is_name,
}

/// From and into text, for serde.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text!(Address, Addressing, Interface, Name);

/// Whether Linux takes it as the name of an interface, and it is not the machine's own loopback.
fn is_interface(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !matches!(text, "" | "." | ".." | "lo")
        && text.len() <= INTERFACE_BYTES_MAX
        && text.chars().all(plain)
}

fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.chars().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= NAME_BYTES_MAX && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}

/// How the appliance is reached.
///
/// As TOML, on a stick: `address` (`dhcp` or an address with its prefix), and where wanted `gateway`, `interface`, `vlan`,
/// `names`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(try_from = "Unchecked")]
pub struct Settings {
    address: Addressing,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<Interface>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<Vlan>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<Name>,
}

/// [`Settings`] as they were read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    address: Addressing,
    gateway: Option<IpAddr>,
    interface: Option<Interface>,
    vlan: Option<Vlan>,
    #[serde(default)]
    names: Vec<Name>,
}

impl TryFrom<Unchecked> for Settings {
    type Error = Invalid;

    fn try_from(read: Unchecked) -> Result<Self, Invalid> {
        let Unchecked { address, gateway, interface, vlan, names } = read;
        Self::new(address, gateway, interface, vlan, names)
    }
}

impl Settings {
    /// Settings that a machine can take.
    ///
    /// # Errors
    /// [`Invalid`] where the gateway is not reached, or there are too many names.
    pub fn new(
        address: Addressing,
        gateway: Option<IpAddr>,
        interface: Option<Interface>,
        vlan: Option<Vlan>,
        names: Vec<Name>,
    ) -> Result<Self, Invalid> {
        match (address, gateway) {
            (_, None) => {}
            (Addressing::Dhcp, Some(_)) => return Err(Invalid::GatewayOfDhcp),
            (Addressing::Fixed(address), Some(gateway)) => {
                if gateway == address.ip || !address.reaches(gateway) {
                    return Err(Invalid::Gateway { gateway, address });
                }
            }
        }
        if names.len() > NAMES_MAX {
            return Err(Invalid::Names);
        }
        Ok(Self { address, gateway, interface, vlan, names })
    }

    /// Settings as a person types them: address, gateway, interface, VLAN, and names with spaces between them; each but the
    /// first may be empty.
    ///
    /// # Errors
    /// [`Invalid`] for the first of them that cannot be.
    pub fn typed([address, gateway, interface, vlan, names]: [&str; 5]) -> Result<Self, Invalid> {
        fn given<T: FromStr>(
            text: &str,
            wrong: fn(String) -> Invalid,
        ) -> Result<Option<T>, Invalid> {
            let text = text.trim();
            let read = |text: &str| text.parse().map_err(|_| wrong(text.to_owned()));
            (!text.is_empty()).then(|| read(text)).transpose()
        }
        let names: Result<Vec<Name>, Invalid> = names.split_whitespace().map(str::parse).collect();
        Self::new(
            address.parse()?,
            given(gateway, Invalid::Address)?,
            given(interface, Invalid::Interface)?,
            given(vlan, Invalid::Vlan)?,
            names?,
        )
    }

    /// Where the address comes from.
    #[must_use]
    pub const fn address(&self) -> Addressing {
        self.address
    }

    /// The router to everywhere else; none is a network of its own.
    #[must_use]
    pub const fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// The interface; the first wired one by name where none is given.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_ref().map(Interface::as_str)
    }

    /// The VLAN on it, where its frames have tags.
    #[must_use]
    pub const fn vlan(&self) -> Option<Vlan> {
        self.vlan
    }

    /// Host names by which people and endpoints reach it, for its certificate.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Addressing::Dhcp => f.write_str("an address from DHCP")?,
            Addressing::Fixed(address) => write!(f, "{address}")?,
        }
        if let Some(gateway) = self.gateway {
            write!(f, ", gateway {gateway}")?;
        }
        match &self.interface {
            Some(interface) => write!(f, ", on {interface}")?,
            None => f.write_str(", on the first wired interface")?,
        }
        if let Some(vlan) = self.vlan {
            write!(f, ", VLAN {vlan}")?;
        }
        let names: Vec<&str> = self.names.iter().map(Name::as_str).collect();
        match names[..] {
            [] => Ok(()),
            _ => write!(f, ", called {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn an_address_has_a_prefix_and_is_a_machines_own() {
        let read = |text: &str| text.parse::<Address>();
        let address = read("192.0.2.10/24").unwrap();
        assert_eq!((address.ip(), address.prefix()), ("192.0.2.10".parse().unwrap(), 24));
        assert_eq!(read("2001:db8::1/64").unwrap().to_string(), "2001:db8::1/64");
        for wrong in [
            "192.0.2.10",
            "192.0.2.10/33",
            "192.0.2.10/0",
            "0.0.0.0/8",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "255.255.255.255/32",
            "2001:db8::1/129",
            "/24",
            "",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_gateway_is_in_the_network_of_the_address() {
        let with = |address: &str, gateway: &str| {
            read(&format!("address = '{address}'\ngateway = '{gateway}'"))
        };
        with("192.0.2.10/24", "192.0.2.1").unwrap();
        with("2001:db8::10/64", "fe80::1").unwrap();
        with("2001:db8::10/64", "2001:db8::1").unwrap();
        for (address, gateway) in [
            ("192.0.2.10/24", "192.0.3.1"),
            ("192.0.2.10/24", "192.0.2.10"),
            ("192.0.2.10/24", "2001:db8::1"),
            ("2001:db8::10/64", "2001:db8:1::1"),
        ] {
            let refused = with(address, gateway).unwrap_err();
            assert!(refused.contains("cannot be reached"), "{address} {gateway}: {refused}");
        }
        assert!(with("dhcp", "192.0.2.1").unwrap_err().contains("leave it out"));
    }

    #[test]
    fn words_that_nobody_knows_and_names_that_nobody_can_have_are_refused() {
        let refused = |line: &str| read(&format!("address = 'dhcp'\n{line}")).unwrap_err();
        read("address = 'DHCP'\ninterface = 'eth0'\nvlan = 4094\nnames = ['a.example', 'b']")
            .unwrap();
        assert!(refused("adress = 'x'").contains("adress"));
        assert!(refused("vlan = 0").contains("no VLAN"));
        assert!(refused("vlan = 4095").contains("no VLAN"));
        for name in ["", "a..b", "-a", "a_b", "192.0.2.1", "a b", &"a".repeat(64)] {
            assert!(refused(&format!("names = ['{name}']")).contains("no host name"), "{name}");
        }
        for name in ["", "lo", "..", "a/b", "a b", &"a".repeat(16)] {
            let said = refused(&format!("interface = '{name}'"));
            assert!(said.contains("no name of an interface"), "{name}");
        }
        let many: Vec<String> = (0..17).map(|number| format!("'n{number}'")).collect();
        assert!(refused(&format!("names = [{}]", many.join(","))).contains("at most 16"));
    }

    #[test]
    fn what_a_person_types_is_read_piece_by_piece() {
        let typed = |pieces| Settings::typed(pieces).map(|settings| settings.to_string());
        let said = "192.0.2.10/24, gateway 192.0.2.1, on eth1, VLAN 7, called a.example, b";
        assert_eq!(
            typed([" 192.0.2.10/24", "192.0.2.1 ", "eth1", "7", " a.example  b "]).unwrap(),
            said
        );
        assert_eq!(Settings::typed(["dhcp", "", " ", "", ""]).unwrap(), Settings::default());
        assert_eq!(typed(["dhcp", "", "", "x", ""]), Err(Invalid::Vlan("x".into())));
        assert_eq!(typed(["", "", "", "", ""]), Err(Invalid::Address(String::new())));
        assert_eq!(typed(["dhcp", "x", "", "", ""]), Err(Invalid::Address("x".into())));
    }

    #[test]
    fn settings_are_read_back_and_said_in_a_line() {
        let text = "address = '192.0.2.10/24'\ngateway = '192.0.2.1'\ninterface = 'eth1'\nvlan = 12\nnames = ['a.example']";
        let settings = read(text).unwrap();
        let back: Settings =
            serde_json::from_str(&serde_json::to_string(&settings).unwrap()).unwrap();
        assert_eq!(back, settings);
        assert_eq!(
            settings.to_string(),
            "192.0.2.10/24, gateway 192.0.2.1, on eth1, VLAN 12, called a.example"
        );
        let first = Settings::default();
        assert_eq!(first.to_string(), "an address from DHCP, on the first wired interface");
        assert_eq!(serde_json::to_string(&first).unwrap(), r#"{"address":"dhcp"}"#);
    }
}
