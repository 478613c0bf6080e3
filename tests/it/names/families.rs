//! A machine that doesn't use IPv6, as most containers.

use super::super::harness::network::in_own_network;
use super::super::harness::{PATIENCE, Request, Wire, poll, send};
use super::super::live::{Live, ending};
use super::{Names, Reply, Resolver, assert_ending};
use crate::failures::FullQueue;

/// IPv6 is off, as by `net.ipv6.conf.all.disable_ipv6=1`.
const WITHOUT_IPV6: &[&str] = &["192.0.2.1/32", "-6"];

/// The same, and no address but those of the loopback interface: then the C library looks for both families all the same.
const ALONE: &[&str] = &["-6"];

/// A name with addresses of both families, by the hosts file and by the name server. The reference is what nginx's own
/// `proxy_pass` says of it where nobody listens: that the connection was refused.
fn both_families() -> Vec<(Reply, String)> {
    let addresses = vec!["127.0.0.1".parse().expect("one"), "2001:db8::9".parse().expect("one")];
    let hosts = format!("127.0.0.1 {0}\n2001:db8::9 {0}\n", super::NAME);
    vec![(Reply::Addresses(addresses), String::new()), (Reply::NoSuchName, hosts)]
}

const STALE: &str = "authgear_cache sessions;\nauthgear_cache_valid 1s;\nauthgear_cache_use_stale error=1h;";

fn with_cache(names: &Names, lines: &str) -> Live {
    let resolver = Resolver::start();
    let url = format!("http://{}:{}", super::NAME, resolver.addr().port());
    Live::at(&url, resolver, lines, |builder| {
        let builder = builder.in_place_of("/etc/resolv.conf", names.file("resolv.conf"));
        builder.in_place_of("/etc/hosts", names.file("hosts")).http("authgear_cache_zone zone=sessions:1m;")
    })
}

/// The name has addresses of both families, by the hosts file or by the name server; nobody listens.
#[test]
fn an_outage_is_the_resolver_s_where_an_address_is_of_a_family_that_is_off() {
    for network in [WITHOUT_IPV6, ALONE] {
        in_own_network(network, || both_families().into_iter().for_each(assert_outage));
    }
}

fn assert_outage((reply, hosts): (Reply, String)) {
    println!("{reply:?} {hosts}");
    let Some(names) = Names::with_hosts(reply, &hosts) else { return };
    let live = with_cache(&names, STALE);
    let alice = live.alice();
    assert_eq!(send(&live.nginx, Wire::Http1, &alice).status, 200);
    live.resolver.stop_listening();
    live.resolver.close_idle_connections();
    // An old answer may be given where the resolver is at fault.
    let stale = poll(PATIENCE, || {
        let response = send(&live.nginx, Wire::Http1, &alice);
        assert_eq!(response.status, 200, "{response:?}");
        (ending(&response).2 == "stale").then_some(())
    });
    assert!(stale.is_some(), "it is fresh for ever");
    assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains("Connection refused"), "{line}");
    live.finish();
}

/// That is no sign of all ports being in use, though the system's error is the same.
#[test]
fn an_address_without_a_route_is_a_failure_that_opens_the_breaker() {
    in_own_network(ALONE, || {
        let hosts = format!("2001:db8::9 {}\n", super::NAME);
        let Some(names) = Names::with_hosts(Reply::NoSuchName, &hosts) else { return };
        let by_name =
            "no address of \"resolver.authgear.test\": this machine has no route to any of those that it has";
        for (host, why) in [("[2001:db8::9]", "Cannot assign requested address"), (super::NAME, by_name)] {
            let lines = "authgear_breaker max_fails=2 fail_timeout=1m;";
            let live = names.live_at(host, Resolver::start(), lines);
            for _ in 0..2 {
                assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
            }
            assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "breaker");
            let line = live.nginx.wait_for_log("[error]", PATIENCE);
            assert!(line.contains(&format!("connect failed: {why}")), "{line}");
            live.finish();
        }
    });
}

/// That all ports are in use stays this machine's own shortage: no old answers, and no breaker.
#[test]
fn a_machine_without_a_port_to_connect_from_says_nothing_of_the_resolver() {
    in_own_network(WITHOUT_IPV6, || {
        let Some(names) = Names::with_hosts(Reply::NoSuchName, &format!("127.0.0.1 {}\n", super::NAME))
        else {
            return;
        };
        for host in ["127.0.0.1", super::NAME] {
            let lines = "authgear_breaker max_fails=1 fail_timeout=1m;";
            let live = names.live_at(host, Resolver::start(), lines);
            let address = live.resolver.addr();
            assert_eq!(send(&live.nginx, Wire::Http1, Request::get("/")).status, 200);
            std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "50000 50003").expect("our own network");
            let taken: Vec<_> =
                std::iter::from_fn(|| std::net::TcpStream::connect(address).ok()).take(10).collect();
            assert!(taken.len() < 10, "ports are left");
            for _ in 0..2 {
                let response = send(&live.nginx, Wire::Http2, live.unique());
                // nginx needs a port for the backend too, which is another address.
                assert_ending(&response, 502, "error", "connect");
            }
            let line = live.nginx.wait_for_log("[error]", PATIENCE);
            assert!(line.contains("no connection can be made: Cannot assign requested address"), "{line}");
            drop(taken);
            std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "32768 60999").expect("our own network");
            live.assert_resolves(Wire::Http1);
            live.finish();
        }
    });
}

/// The queue of the one is full, nobody listens at the other: whichever family comes first, the call gets to the third.
#[test]
fn of_addresses_of_both_families_one_that_answers_is_found() {
    super::in_network(|| {
        let addresses =
            ["127.0.0.2", "127.0.0.3", "::1", "2001:db8::1"].map(|text| text.parse().expect("one"));
        let Some(names) = Names::start(Reply::Addresses(addresses.into())) else { return };
        for good in addresses {
            let resolver = Resolver::builder().listen((good, 0).into()).start();
            let port = resolver.addr().port();
            let full = addresses.iter().filter(|address| **address != good).step_by(2);
            let _full: Vec<_> = full.map(|address| FullQueue::at((*address, port).into())).collect();
            let lines = "authgear_connect_timeout 8s;\nauthgear_timeout 20s;";
            let live = names.live(resolver, lines);
            live.assert_resolves(Wire::Http1);
            live.finish();
        }
    });
}
