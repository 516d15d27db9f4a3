//! How many connections a door takes, in all and from one address.

use crate::Reason;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts the connections of one door.
#[derive(Clone)]
pub(crate) struct Gate {
    most: usize,
    most_per_address: usize,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Holds a place until it is dropped.
pub(crate) struct Place {
    gate: Gate,
    address: IpAddr,
}

impl Gate {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, inside: Arc::default() }
    }

    pub(crate) fn enter(&self, address: IpAddr) -> Result<Place, Reason> {
        let address = one_owner(address);
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.all >= self.most {
            return Err(Reason::TooManyConnections);
        }
        let here = inside.by_address.entry(address).or_default();
        if *here >= self.most_per_address {
            return Err(Reason::TooManyFromAddress);
        }
        *here += 1;
        inside.all += 1;
        Ok(Place { gate: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.gate.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all = inside.all.saturating_sub(1);
        if let Some(here) = inside.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

/// One machine can have a whole IPv6 /64, and IPv4 may come dressed as IPv6.
fn one_owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let gate = Gate::new(3, 2);
        let enter = |address: &str| gate.enter(address.parse().unwrap());
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").err(), Some(Reason::TooManyFromAddress));
        let _third = enter("2001:db8::1").unwrap();
        assert_eq!(enter("2001:db8:0:1::1").err(), Some(Reason::TooManyConnections));
        drop(first);
        let _fourth = enter("2001:db8::2").unwrap();
        assert_eq!(gate.inside.lock().unwrap().by_address.len(), 2);
    }
}
