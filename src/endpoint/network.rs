//! Decides whether a host is on a private network, by its address or name alone, without a look-up.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::Host;

/// Suffixes of private names: from RFC 6761 and 6762 (including its appendix G), reserved by ICANN, and used by Kubernetes.
const PRIVATE_ENDINGS: [&str; 10] =
    ["localhost", "local", "internal", "test", "intranet", "private", "corp", "home", "lan", "svc"];

pub(super) fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_private_name(name),
        Host::Ipv4(address) => is_private_v4(*address),
        Host::Ipv6(address) => is_private_v6(*address),
    }
}

/// A single-label name is looked up in the local domain or in the hosts file.
fn is_private_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let Some((rest, last)) = name.rsplit_once('.') else { return true };
    PRIVATE_ENDINGS.contains(&last) || last == "arpa" && (rest == "home" || rest.ends_with(".home"))
}

/// Loopback, RFC 1918, link-local, and the shared address space of carriers (RFC 6598). 0.0.0.0 connects to this machine.
fn is_private_v4(address: Ipv4Addr) -> bool {
    let is_shared = matches!(address.octets(), [100, 64..=127, ..]);
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || is_shared
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_private_v4(address);
    }
    address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::super::endpoint;

    #[track_caller]
    fn is_private(host: &str) -> bool {
        endpoint(&format!("http://{host}:3001/x")).unwrap().is_on_private_network()
    }

    #[test]
    fn addresses_of_private_networks_are_known() {
        for host in [
            "127.0.0.1",
            "127.255.0.9",
            "10.0.0.5",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[febf::1]",
            "[fc00::1]",
            "[fdff::1]",
            "[::ffff:10.0.0.5]",
        ] {
            assert!(is_private(host), "{host}");
        }
    }

    #[test]
    fn other_addresses_are_public() {
        for host in [
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "169.253.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "[2001:db8::1]",
            "[fec0::1]",
            "[fbff::1]",
            "[::ffff:8.8.8.8]",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }

    #[test]
    fn names_tell_by_their_end() {
        for host in [
            "localhost",
            "authgear",
            "AUTHGEAR",
            "authgear.",
            "app.localhost",
            "authgear.local",
            "a.b.internal",
            "authgear.prod.svc",
            "authgear.prod.svc.cluster.local",
            "nas.home.arpa",
            "authgear.lan",
            "authgear.test",
            "Auth.Example.Internal.",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "myapp.authgear.cloud",
            "auth.example.com",
            "internal.example.com",
            "local.com",
            "notlocal.com",
            "a.xlocal",
            "in-addr.arpa",
            "myhome.arpa",
            "svc.io",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }
}
