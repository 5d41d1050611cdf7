//! Who is connected: the client's address behind the proxies that are trusted, and no others. The list of trusted
//! proxies is empty until an operator writes one, and empty means nobody.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName};

use crate::config::Network;
use crate::serve::listener::Connection;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses of `X-Forwarded-For` that are looked at, from the right; more is refused.
const HOPS_MAX: usize = 32;

/// A trusted proxy sent an `X-Forwarded-For` that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The client's own address.
pub(crate) fn address(connection: &Connection, headers: &HeaderMap, trusted: &[Network]) -> Result<IpAddr, Unreadable> {
    let peer = connection.peer.ip().to_canonical();
    if !is_trusted(peer, trusted) {
        return Ok(peer);
    }
    let mut address = peer;
    let mut hops = 0;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for hop in line.to_str().map_err(|_| Unreadable)?.rsplit(',') {
            hops += 1;
            address = hop.trim().parse::<IpAddr>().map_err(|_| Unreadable)?.to_canonical();
            if hops > HOPS_MAX {
                return Err(Unreadable);
            }
            if !is_trusted(address, trusted) {
                return Ok(address);
            }
        }
    }
    Ok(address)
}

/// Whether an address is in one of the networks.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| contains(network, address))
}

fn contains(network: &Network, address: IpAddr) -> bool {
    let (ours, theirs, width) = match (network.address.to_canonical(), address) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => (u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32),
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
        _ => return false,
    };
    let ignored = width - u32::from(network.prefix_length).min(width);
    ours.checked_shr(ignored).unwrap_or(0) == theirs.checked_shr(ignored).unwrap_or(0)
}

/// What sign-in attempts are counted by: an IPv4 address, or an IPv6 /64 (one customer).
pub(crate) fn throttle_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// What a user sees of the address in a list of sessions: IPv4 /24 or IPv6 /48.
pub(crate) fn coarse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => format!("{}/48", Ipv6Addr::from_bits(address.to_bits() >> 80 << 80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::listener::Door;

    fn check(peer: &str, lines: &[&str], trusted: &[(&str, u8)]) -> Result<String, Unreadable> {
        let connection =
            Connection { peer: format!("{peer}:4711").parse().unwrap(), secure: false, door: Door::Public };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|(address, prefix_length)| Network {
                address: address.parse().unwrap(),
                prefix_length: *prefix_length,
            })
            .collect();
        address(&connection, &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn nobody_is_trusted_until_listed() {
        assert_eq!(check("192.0.2.1", &["203.0.113.9"], &[]).unwrap(), "192.0.2.1");
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let trusted = [("192.0.2.0", 24)];
        assert_eq!(check("192.0.2.1", &["10.9.9.9, 203.0.113.9"], &trusted).unwrap(), "203.0.113.9");
        assert_eq!(check("192.0.2.1", &["10.9.9.9", "203.0.113.9, 192.0.2.7"], &trusted).unwrap(), "203.0.113.9");
        assert_eq!(check("192.0.2.1", &[], &trusted).unwrap(), "192.0.2.1");
    }

    #[test]
    fn what_a_trusted_proxy_sends_must_be_readable() {
        assert_eq!(check("192.0.2.1", &["a"], &[("192.0.2.0", 24)]), Err(Unreadable));
        assert_eq!(check("198.51.100.1", &["a"], &[("192.0.2.0", 24)]).unwrap(), "198.51.100.1");
    }

    #[test]
    fn networks_are_compared_by_their_leading_bits() {
        assert_eq!(check("192.0.3.1", &["203.0.113.9"], &[("192.0.2.0", 23)]).unwrap(), "203.0.113.9");
        assert_eq!(check("192.0.4.1", &["203.0.113.9"], &[("192.0.2.0", 23)]).unwrap(), "192.0.4.1");
        assert_eq!(check("192.0.4.1", &["203.0.113.9"], &[("192.0.4.0", 30)]).unwrap(), "203.0.113.9");
    }

    #[test]
    fn an_ipv6_customer_is_one_key_and_a_list_shows_coarse_networks() {
        assert_eq!(throttle_key("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1:2::/64");
        assert_eq!(coarse("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1::/48");
        assert_eq!(coarse("203.0.113.9".parse().unwrap()), "203.0.113.0/24");
    }
}
