//! An address from the network's DHCP server (RFC 2131), for as long as it is lent. mozim speaks the protocol.

use crate::{Event, netlink::Link};
use mozim::{DhcpError, DhcpV4Client, DhcpV4Config, DhcpV4Lease, DhcpV4State};
use network::Address;
use std::{net::IpAddr, sync::mpsc::Sender, thread, time::Duration};
use tokio::{runtime, sync::oneshot, time};

/// How long to wait after it went wrong.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long no server may answer before that is said; it is asked on.
const SILENT_AFTER: Duration = Duration::from_secs(15);

/// What the network lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: Address,
    pub(crate) gateway: Option<IpAddr>,
}

/// News of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Lent(Lease),
    /// There is none, or none any more, and why.
    None(String),
}

/// Somebody who asks for an address, until dropped.
#[derive(Debug)]
pub(crate) struct Client {
    _stops: oneshot::Sender<()>,
}

impl Client {
    /// Begins to ask on an interface. News come as [`Event::Dhcp`] with this number.
    pub(crate) fn begin(link: &Link, number: u64, events: Sender<Event>) -> Self {
        let (stops, stopped) = oneshot::channel();
        let (name, index, hardware) = (link.name.clone(), link.index, link.hardware());
        thread::spawn(move || {
            let tell = |news| drop(events.send(Event::Dhcp(number, news)));
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return tell(News::None(format!("DHCP cannot be asked: {error}"))),
            };
            runtime.block_on(async {
                let mut config = DhcpV4Config::new(&name);
                config.set_iface_index(index);
                if let Some(hardware) = hardware {
                    // One that is not understood is told by the client, which then has none.
                    let _ = config.set_iface_mac(&hardware);
                }
                config.use_mac_as_client_id();
                tokio::select! {
                    _ = stopped => {}
                    () = ask(config, &tell) => {}
                }
            });
        });
        Self { _stops: stops }
    }
}

/// Asks, keeps what is lent, and asks again for what is lent no longer, for ever.
async fn ask(config: DhcpV4Config, tell: &impl Fn(News)) {
    loop {
        let error = match DhcpV4Client::init(config.clone(), None).await {
            Ok(mut client) => keep(&mut client, &config.iface_name, tell).await,
            Err(error) => error,
        };
        tell(News::None(format!("DHCP on {}: {error}", config.iface_name)));
        time::sleep(AGAIN_AFTER).await;
    }
}

/// Until it goes wrong.
async fn keep(client: &mut DhcpV4Client, interface: &str, tell: &impl Fn(News)) -> DhcpError {
    let mut lent = false;
    loop {
        let state = if lent {
            client.run().await
        } else {
            let silent = async {
                time::sleep(SILENT_AFTER).await;
                tell(News::None(format!("no DHCP server answers on {interface}; it is asked on")));
                std::future::pending().await
            };
            tokio::select! {
                state = client.run() => state,
                () = silent => continue,
            }
        };
        match state {
            Ok(DhcpV4State::Done(lease)) => {
                lent = true;
                tell(news(&lease, interface));
            }
            Ok(DhcpV4State::InitReboot) if lent => {
                lent = false;
                tell(News::None(format!("the address that DHCP lent on {interface} has ended")));
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

fn news(lease: &DhcpV4Lease, interface: &str) -> News {
    let Some(address) = Address::new(lease.yiaddr.into(), lease.prefix_length()) else {
        let (address, mask) = (lease.yiaddr, lease.subnet_mask);
        return News::None(format!(
            "DHCP on {interface} lends {address} of {mask}, which nobody can have"
        ));
    };
    let gateway = match &lease.classless_routes {
        // Where there are routes, routers do not count (RFC 3442).
        Some(routes) => {
            let out = routes
                .iter()
                .find(|route| route.destination.is_unspecified() && route.prefix_length == 0);
            out.map(|route| route.router)
        }
        None => lease.gateways.iter().flatten().next().copied(),
    };
    let gateway = gateway.map(IpAddr::from).filter(|gateway| address.reaches(*gateway));
    News::Lent(Lease { address, gateway })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lease_has_an_address_that_one_can_have_and_the_way_out_that_is_reached() {
        let mut lease = DhcpV4Lease::default();
        lease.yiaddr = "192.0.2.10".parse().unwrap();
        assert!(matches!(news(&lease, "eth0"), News::None(why) if why.contains("nobody can have")));
        lease.subnet_mask = "255.255.255.0".parse().unwrap();
        lease.gateways = Some(vec!["192.0.2.1".parse().unwrap()]);
        let lent = |gateway: Option<&str>| {
            let gateway = gateway.map(|gateway| gateway.parse().unwrap());
            News::Lent(Lease { address: "192.0.2.10/24".parse().unwrap(), gateway })
        };
        assert_eq!(news(&lease, "eth0"), lent(Some("192.0.2.1")));
        lease.gateways = Some(vec!["198.51.100.1".parse().unwrap()]);
        assert_eq!(news(&lease, "eth0"), lent(None));
        // Routes take the routers' place, even where they lead nowhere.
        lease.gateways = Some(vec!["192.0.2.1".parse().unwrap()]);
        lease.classless_routes = Some(Vec::new());
        assert_eq!(news(&lease, "eth0"), lent(None));
    }
}
