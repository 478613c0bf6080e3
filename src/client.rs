//! Whom a request comes from, for what is bounded by client.

use std::net::{IpAddr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IPv4 address, or an IPv6 /64: a subscriber has a whole one to take addresses from (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(transparent)]
pub struct Client([u8; 16]);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => Ipv6Addr::from(address.to_bits() & !u128::from(u64::MAX)).octets(),
        })
    }
}

impl Client {
    /// Whoever has no address, behind a Unix domain socket. No client has this one (RFC 4291 §2.5.2).
    pub const UNKNOWN: Self = Self([0; 16]);

    /// The same for an IPv4 address; of an IPv6 network the /48 that it is in, which is what a site is given at the most (RFC 6177).
    #[must_use]
    pub fn network(self) -> Self {
        let address = Ipv6Addr::from(self.0);
        if address.to_ipv4_mapped().is_some() {
            self
        } else {
            Self((address.to_bits() >> 80 << 80).to_be_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Client;

    fn client(address: &str) -> Client {
        Client::from(address.parse::<std::net::IpAddr>().unwrap())
    }

    #[test]
    fn a_client_is_an_address_or_a_network() {
        assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("2001:db8:0:1::1").network(), client("2001:db8:0:ffff::1").network());
        assert_ne!(client("2001:db8:0:1::1").network(), client("2001:db8:1:1::1").network());
        assert_eq!(client("192.0.2.1").network(), client("192.0.2.1"));
        // An IPv6 network is never an IPv4 address.
        assert_ne!(client("::1"), client("0.0.0.1"));
    }
}
