//! Identifies the client of a request, for per-client limits.

use std::net::{IpAddr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IPv4 address, or an IPv6 /48: a site may be assigned a whole /48 (RFC 6177). With longer prefixes, one site could
/// appear as tens of thousands of clients. A mobile carrier's /48 is shared by many subscribers, as is one of its IPv4
/// addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(transparent)]
pub struct Client([u8; 16]);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => Ipv6Addr::from(address.to_bits() >> 80 << 80).octets(),
        })
    }
}

impl Client {
    /// A client without an address, on a Unix domain socket. No real client has this value (RFC 4291 §2.5.2).
    pub const UNKNOWN: Self = Self([0; 16]);
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
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:ffff:ffff::1"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:1:1::1"));
        // An IPv6 network never equals an IPv4 address.
        assert_ne!(client("::1"), client("0.0.0.1"));
    }
}
