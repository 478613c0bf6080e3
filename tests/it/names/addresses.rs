//! A name with several addresses, of which some are dead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::super::harness::{PATIENCE, Wire, for_each_wire, poll, send, stretched};
use super::super::live::Live;
use super::{HERE, NOBODY, Names, Reply, Resolver, assert_ending, in_network};
use crate::failures::FullQueue;

const HERE_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Time for a connect to a dead address and one to another.
const PATIENT: &str = "authgear_connect_timeout 4s;\nauthgear_timeout 10s;";

fn on_ipv6() -> Resolver {
    Resolver::builder().listen(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).start()
}

#[track_caller]
fn assert_works(live: Live) {
    for_each_wire(|wire| {
        live.assert_resolves(wire);
        // The next call is to look for an address again.
        live.resolver.close_idle_connections();
    });
    assert!(!live.nginx.error_log().contains("[error]"), "nobody is to see it");
    live.finish();
}

#[test]
fn an_address_of_either_family_will_do() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        assert_works(names.live(Resolver::start(), PATIENT));
        names.server.say(Reply::Addresses(vec![HERE_6]));
        assert_works(names.live(on_ipv6(), PATIENT));
    });
}

#[test]
fn an_address_where_nobody_listens_is_passed_over() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Silence) else { return };
        names.server.say(Reply::Addresses(vec![NOBODY, HERE]));
        assert_works(names.live(Resolver::start(), PATIENT));
        // 127.0.0.1 is refused, where the resolver listens on IPv6 alone; and the other way round.
        names.server.say(Reply::Addresses(vec![HERE, HERE_6]));
        assert_works(names.live(on_ipv6(), PATIENT));
        assert_works(names.live(Resolver::start(), PATIENT));
    });
}

#[test]
fn an_address_that_does_not_answer_is_passed_over() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Silence) else { return };
        let resolver = on_ipv6();
        let _dead = FullQueue::at((Ipv4Addr::LOCALHOST, resolver.addr().port()).into());
        names.server.say(Reply::Addresses(vec![HERE, HERE_6]));
        assert_works(names.live(resolver, PATIENT));

        let resolver = Resolver::start();
        let silent = Ipv4Addr::new(127, 0, 0, 98);
        let _dead = FullQueue::at((silent, resolver.addr().port()).into());
        names.server.say(Reply::Addresses(vec![silent.into(), HERE]));
        assert_works(names.live(resolver, PATIENT));
    });
}

/// Some name servers, and firewalls before them, drop queries for addresses of IPv6. The C library waits for an answer, so the first
/// call does; later ones have the addresses found before.
#[test]
fn a_name_server_that_is_silent_about_ipv6_holds_up_the_first_look_up_alone() {
    in_network(|| {
        let Some(names) = Names::start(Reply::SilentOnIpv6(vec![HERE])) else { return };
        let slow = "authgear_connect_timeout 30s;\nauthgear_timeout 60s;";
        let live = names.live(Resolver::start(), slow);
        live.assert_resolves(Wire::Http1);
        let queries = names.server.queries();
        // Until the name is looked up again.
        let asked_again = poll(PATIENCE, || {
            live.resolver.close_idle_connections();
            let started = Instant::now();
            live.assert_resolves(Wire::Http1);
            assert!(started.elapsed() < stretched(Duration::from_millis(900)), "{:?}", started.elapsed());
            (names.server.queries() > queries).then_some(())
        });
        assert!(asked_again.is_some(), "it is never looked up again");
        live.finish();
    });
}

#[test]
fn a_name_of_dead_addresses_alone_is_a_502() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![NOBODY, HERE_6])) else { return };
        let live = names.live(Resolver::start(), "");
        for_each_wire(|wire| {
            assert_ending(&send(&live.nginx, wire, live.unique()), 502, "error", "connect");
        });
        live.finish();
    });
}
