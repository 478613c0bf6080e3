//! A name whose addresses change while nginx runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use super::super::harness::{Wire, for_each_wire, poll, send};
use super::{HERE, Names, PATIENCE, Reply, Resolver, assert_ending, in_network};

const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 97);

/// The same accounts at another address, with the same port.
fn moved(resolver: &Resolver) -> Resolver {
    let address = SocketAddr::from((THERE, resolver.addr().port()));
    Resolver::builder().accounts(resolver.accounts()).listen(address).start()
}

#[test]
fn a_resolver_that_has_moved_is_found_with_its_next_connection() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        let live = names.live(Resolver::start(), "");
        for_each_wire(|wire| live.assert_resolves(wire));
        let elsewhere = moved(&live.resolver);
        names.server.say(Reply::Addresses(vec![IpAddr::V4(THERE)]));
        live.resolver.stop_listening();
        live.resolver.close_idle_connections();
        // A look-up of this very moment would not be made again.
        sleep(Duration::from_millis(100));
        for_each_wire(|wire| live.assert_resolves(wire));
        assert_eq!((live.resolver.call_count(), elsewhere.call_count()), (2, 2));
        assert!(!live.nginx.error_log().contains("[error]"), "nobody is to see it");
        live.finish();
    });
}

/// That there is no such name is a failure as any other: it isn't remembered for as long as the name server allows.
#[test]
fn a_name_that_comes_into_being_is_found_soon() {
    in_network(|| {
        for reply in [Reply::NoSuchName, Reply::Addresses(vec![])] {
            let Some(names) = Names::start(reply.clone()) else { return };
            let live = names.live(Resolver::start(), "authgear_breaker off;");
            assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
            names.server.say(Reply::Addresses(vec![HERE]));
            live.assert_recovers(Wire::Http1);
            for_each_wire(|wire| live.assert_resolves(wire));
            live.finish();
        }
    });
}

/// The name server lets an address be remembered for an hour, which the C library doesn't tell.
#[test]
fn a_new_address_is_found_while_the_old_one_still_answers() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        let live = names.live(Resolver::start(), "");
        live.assert_resolves(Wire::Http1);
        let elsewhere = moved(&live.resolver);
        names.server.say(Reply::Addresses(vec![IpAddr::V4(THERE)]));
        let followed = poll(PATIENCE, || {
            live.resolver.close_idle_connections();
            live.assert_resolves(Wire::Http1);
            (elsewhere.call_count() > 0).then_some(())
        });
        assert!(followed.is_some(), "it stays at the old one");
        live.finish();
    });
}

/// As nginx's own `proxy_pass` does, which keeps for ever what it found at its start.
#[test]
fn addresses_found_before_serve_while_the_name_server_is_silent_or_fails() {
    in_network(|| {
        for reply in [Reply::Silence, Reply::Failure, Reply::Garbage] {
            println!("{reply:?}");
            let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
            let live = names.live(Resolver::start(), "");
            live.assert_resolves(Wire::Http1);
            names.server.say(reply);
            let queries = names.server.queries();
            let ask = || {
                live.resolver.close_idle_connections();
                live.assert_resolves(Wire::Http1);
            };
            let asked_again = poll(PATIENCE, || {
                ask();
                (names.server.queries() > queries).then_some(())
            });
            assert!(asked_again.is_some(), "it is never looked up again");
            (0..20).for_each(|_| ask());
            live.finish();
        }
    });
}

/// That the name is gone is an answer.
#[test]
fn a_name_that_ceases_to_exist_is_not_used_any_more() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        let live = names.live(Resolver::start(), "authgear_breaker off;");
        live.assert_resolves(Wire::Http1);
        names.server.say(Reply::NoSuchName);
        let gone = poll(PATIENCE, || {
            live.resolver.close_idle_connections();
            (send(&live.nginx, Wire::Http1, live.unique()).status == 502).then_some(())
        });
        assert!(gone.is_some(), "it is used for ever");
        live.finish();
    });
}
