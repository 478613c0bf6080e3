//! A name whose addresses change while nginx runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::harness::{Wire, for_each_wire, send};
use super::{HERE, Memory, NOBODY, Names, Reply, Resolver, assert_ending};

const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 97);

/// The same accounts at another address, with the same port.
fn moved(resolver: &Resolver) -> Resolver {
    let address = SocketAddr::from((THERE, resolver.addr().port()));
    Resolver::builder().accounts(resolver.accounts()).listen(address).start()
}

#[test]
fn a_resolver_that_has_moved_is_found_with_its_next_connection() {
    let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
    let live = names.live(Resolver::start(), "");
    for_each_wire(|wire| live.assert_resolves(wire));
    let elsewhere = moved(&live.resolver);
    names.server.say(Reply::Addresses(vec![IpAddr::V4(THERE)]));
    live.resolver.stop_listening();
    live.resolver.close_idle_connections();
    for_each_wire(|wire| live.assert_resolves(wire));
    assert_eq!((live.resolver.call_count(), elsewhere.call_count()), (2, 2));
    assert!(!live.nginx.error_log().contains("[error]"), "nobody is to see it");
    live.finish();
}

/// That there is no such name is a failure as any other: it isn't remembered for as long as the name server allows.
#[test]
fn a_name_that_comes_into_being_is_found_soon() {
    for reply in [Reply::NoSuchName, Reply::Addresses(vec![])] {
        let Some(names) = Names::start(reply.clone()) else { return };
        names.server.say_for(reply, Memory::Hour);
        let live = names.live(Resolver::start(), "authgear_breaker off;");
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
        names.server.say(Reply::Addresses(vec![HERE]));
        live.assert_recovers(Wire::Http1);
        for_each_wire(|wire| live.assert_resolves(wire));
        live.finish();
    }
}

/// Remembered for as long as the name server allows.
#[test]
fn addresses_are_remembered() {
    let Some(names) = Names::start(Reply::Silence) else { return };
    names.server.say_for(Reply::Addresses(vec![HERE]), Memory::Hour);
    let live = names.live(Resolver::start(), "");
    for wire in [Wire::Http1, Wire::Http2, Wire::Http1] {
        live.assert_resolves(wire);
        live.resolver.close_idle_connections();
        names.server.say(Reply::Addresses(vec![NOBODY]));
    }
    assert_eq!(live.resolver.connections(), 3);
    live.finish();
}
