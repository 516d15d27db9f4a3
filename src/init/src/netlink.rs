//! What the kernel is told of the network, over rtnetlink (RFC 3549): interfaces, VLANs, addresses, the way out.

use crate::error::Error;
use ::network::{Address, Settings, Vlan};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
        RouteType,
    },
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::{
    fs, io,
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

/// How long an interface may take to turn up.
const INTERFACE_WITHIN: Duration = Duration::from_secs(5);
/// The kernel's number for loopback, in every machine.
const LOOPBACK: u32 = 1;
/// `type` of an Ethernet interface in /sys.
const ETHERNET: &str = "1";

/// An interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) index: u32,
    /// Whether it is a VLAN of ours, which goes when it is not wanted.
    is_vlan: bool,
}

/// Brings loopback up.
pub(crate) fn loopback() -> Result<(), Error> {
    ask("loopback", up(LOOPBACK))
}

impl Link {
    /// Brings up the interface that settings ask for, without an address.
    pub(crate) fn bring_up(settings: &Settings) -> Result<Self, Error> {
        let (name, index) = interface(settings.interface())?;
        ask("the interface", up(index))?;
        let Some(id) = settings.vlan() else { return Ok(Self { name, index, is_vlan: false }) };
        let name = format!("vlan{id}");
        ask("the VLAN", vlan(&name, index, id))?;
        let why = || Error::NoAddress { why: format!("{name} was made and is not there") };
        let index = number(&name).ok_or_else(why)?;
        let link = Self { name, index, is_vlan: true };
        match ask("the VLAN", up(index)) {
            Ok(()) => Ok(link),
            Err(error) => {
                link.take_down();
                Err(error)
            }
        }
    }

    /// Gives it an address, and everybody else the way there.
    pub(crate) fn give(&self, own: Address, gateway: Option<IpAddr>) -> Result<(), Error> {
        ask("the address", RouteNetlinkMessage::NewAddress(address(self.index, own)))?;
        match gateway {
            Some(gateway) => ask("the gateway", default_route(gateway, self.index)),
            None => Ok(()),
        }
    }

    /// Takes an address from it; the ways that begin with it go by themselves.
    pub(crate) fn take(&self, own: Address) {
        // An address that is gone already is what is wanted.
        let _ = exchange(RouteNetlinkMessage::DelAddress(address(self.index, own)));
    }

    /// Its hardware address; none where the kernel says none.
    pub(crate) fn hardware(&self) -> Option<String> {
        let path = Path::new("/sys/class/net").join(&self.name).join("address");
        fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
    }

    /// Lets it go.
    pub(crate) fn take_down(&self) {
        if self.is_vlan {
            let mut message = LinkMessage::default();
            message.header.index = self.index;
            let _ = exchange(RouteNetlinkMessage::DelLink(message));
        }
    }
}

/// The wired interfaces that are there, by name.
pub(crate) fn wired() -> Vec<String> {
    let wired = interfaces().into_iter().filter(|(name, kind)| is_wired(name, kind));
    wired.map(|(name, _)| name).collect()
}

/// Whether it is an Ethernet interface that is no VLAN of ours.
fn is_wired(name: &str, kind: &str) -> bool {
    kind == ETHERNET && !name.starts_with("vlan")
}

/// The interface to use, of those that are there: the one that was named, or the first wired one.
fn choose<'a>(there: &'a [(String, String)], named: Option<&str>) -> Option<&'a str> {
    let fits = |(name, kind): &&(String, String)| match named {
        Some(named) => name == named,
        None => is_wired(name, kind),
    };
    there.iter().find(fits).map(|(name, _)| name.as_str())
}

fn interface(named: Option<&str>) -> Result<(String, u32), Error> {
    let begun = Instant::now();
    loop {
        let there = interfaces();
        if let Some(name) = choose(&there, named)
            && let Some(index) = number(name)
        {
            return Ok((name.to_owned(), index));
        }
        if begun.elapsed() > INTERFACE_WITHIN {
            let names: Vec<&str> = there.iter().map(|(name, _)| name.as_str()).collect();
            let wanted = named.map_or_else(|| "a wired interface".to_owned(), str::to_owned);
            let why = format!("{wanted} is not there, only {}", names.join(", "));
            return Err(Error::NoAddress { why });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Interfaces and their kinds, by name.
fn interfaces() -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir("/sys/class/net") else { return Vec::new() };
    let read = |entry: fs::DirEntry| {
        let kind = fs::read_to_string(entry.path().join("type")).ok()?;
        Some((entry.file_name().into_string().ok()?, kind.trim().to_owned()))
    };
    let mut there: Vec<_> = entries.filter_map(io::Result::ok).filter_map(read).collect();
    there.sort();
    there
}

fn number(name: &str) -> Option<u32> {
    fs::read_to_string(Path::new("/sys/class/net").join(name).join("ifindex"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn up(index: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(message)
}

fn vlan(name: &str, parent: u32, id: Vlan) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Link(parent),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(id.into())])),
        ]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

fn address(index: u32, own: Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(own.ip());
    message.header.prefix_len = own.prefix();
    message.header.index = index;
    message.attributes =
        vec![AddressAttribute::Local(own.ip()), AddressAttribute::Address(own.ip())];
    message
}

fn default_route(gateway: IpAddr, index: u32) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(gateway);
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    let gateway = match gateway {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    };
    // A router's address of the link says nothing without the interface.
    message.attributes = vec![RouteAttribute::Gateway(gateway), RouteAttribute::Oif(index)];
    RouteNetlinkMessage::NewRoute(message)
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Sends one request and waits for the kernel's word.
fn ask(what: &str, request: RouteNetlinkMessage) -> Result<(), Error> {
    exchange(request).map_err(|source| Error::Network { what: what.to_owned(), source })
}

fn exchange(request: RouteNetlinkMessage) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    match answer.payload {
        NetlinkPayload::Error(told) if told.code.is_some() => Err(told.to_io()),
        NetlinkPayload::Error(_) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to another question")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wired_interface_is_taken_unless_one_is_named() {
        let there = [("eth0", "1"), ("eth1", "1"), ("lo", "772"), ("vlan12", "1")]
            .map(|(name, kind)| (name.into(), kind.into()));
        assert_eq!(choose(&there, None), Some("eth0"));
        assert_eq!(choose(&there, Some("eth1")), Some("eth1"));
        assert_eq!(choose(&there, Some("eth2")), None);
        assert_eq!(choose(&there[2..], None), None);
    }
}
