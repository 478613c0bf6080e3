//! A name server that fails, is slow, or says nothing.

use std::time::{Duration, Instant};

use super::super::harness::{Request, Wire, for_each_wire, poll, send};
use super::threads::look_ups;
use super::{HERE, Names, PATIENCE, Reply, Resolver, assert_ending, in_network};

/// Far more than any timeout of these tests, and far less than those that must not be waited for.
const SLACK: Duration = Duration::from_secs(4);

const SHORT: &str = "authgear_connect_timeout 300ms;\nauthgear_timeout 1s;";

#[test]
fn a_name_that_is_known_is_asked_for_once_and_its_connection_kept() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        let live = names.live(Resolver::start(), "");
        for_each_wire(|wire| live.assert_resolves(wire));
        // One query a family.
        assert_eq!((names.server.queries(), live.resolver.connections()), (2, 1));
        live.finish();
    });
}

#[test]
fn what_the_name_server_refuses_to_tell_is_a_502_until_it_tells() {
    in_network(|| {
        let Some(names) = Names::start(Reply::NoSuchName) else { return };
        for (reply, why) in [
            // The words are the C library's.
            (Reply::NoSuchName, "Name or service not known"),
            (Reply::Addresses(vec![]), "No address associated with hostname"),
            (Reply::Failure, "Temporary failure in name resolution"),
            (Reply::Refused, "Temporary failure in name resolution"),
            (Reply::NotImplemented, "Temporary failure in name resolution"),
            (Reply::Garbage, "Temporary failure in name resolution"),
        ] {
            println!("{reply:?}");
            names.server.say(reply.clone());
            let live = names.live(Resolver::start(), "authgear_breaker off;");
            for_each_wire(|wire| {
                assert_ending(&send(&live.nginx, wire, live.unique()), 502, "error", "connect");
            });
            let line = live.nginx.wait_for_log("[error]", PATIENCE);
            let told = format!("connect failed: no address of \"{}\": ", super::NAME);
            assert!(line.contains(&told) && line.contains(why), "{line}");
            assert_eq!(live.echo.requests().len(), 0);
            names.server.say(Reply::Addresses(vec![HERE]));
            live.assert_recovers(Wire::Http1);
            for_each_wire(|wire| live.assert_resolves(wire));
            live.finish();
        }
    });
}

#[test]
fn a_silent_name_server_is_a_504_in_time_and_holds_nobody_up() {
    in_network(|| {
        for reply in [Reply::Silence, Reply::late(Duration::from_secs(20), vec![HERE])] {
            println!("{reply:?}");
            let Some(names) = Names::start(reply.clone()) else { return };
            let live = names.live(Resolver::start(), &format!("{SHORT}\nauthgear_breaker off;"));
            for_each_wire(|wire| {
                let started = Instant::now();
                let waiting = live.begin(&live.unique());
                assert_ending(&send(&live.nginx, wire, Request::get("/")), 200, "none", "no_credential");
                assert_ending(&send(&live.nginx, wire, live.unique()), 504, "error", "timeout");
                assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());
                drop(waiting);
            });
            names.server.say(Reply::Addresses(vec![HERE]));
            live.assert_recovers(Wire::Http1);
            live.finish();
        }
    });
}

/// Calls over connections that are kept need no name.
#[test]
fn a_name_server_that_falls_silent_costs_no_call_whose_connection_is_kept() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        let live = names.live(Resolver::start(), SHORT);
        live.assert_resolves(Wire::Http1);
        names.server.say(Reply::Silence);
        for_each_wire(|wire| live.assert_resolves(wire));
        live.finish();
    });
}

#[test]
fn a_slow_name_server_is_waited_for_within_the_connect_timeout() {
    in_network(|| {
        let late = Reply::late(Duration::from_millis(300), vec![HERE]);
        let Some(names) = Names::start(late) else { return };
        let live = names.live(Resolver::start(), "authgear_connect_timeout 10s;\nauthgear_timeout 20s;");
        live.assert_resolves(Wire::Http1);
        live.finish();
    });
}

/// The file knows an address of IPv4 alone, so nobody has to be asked.
#[test]
fn a_name_of_the_hosts_file_needs_no_name_server() {
    in_network(|| {
        for reply in [Reply::Silence, Reply::Failure, Reply::NoSuchName] {
            println!("{reply:?}");
            let hosts = format!("127.0.0.1 {}\n", super::NAME);
            let Some(names) = Names::with_hosts(reply, &hosts) else { return };
            let live = names.live(Resolver::start(), "");
            for_each_wire(|wire| live.assert_resolves(wire));
            live.finish();
        }
    });
}

/// As in a container without a network.
#[test]
fn a_name_of_the_hosts_file_needs_no_resolv_conf() {
    in_network(|| {
        for resolv_conf in ["", "# nobody\n", "search example.com\n"] {
            let hosts = format!("127.0.0.1 {}\n", super::NAME);
            let Some(names) = Names::with_hosts(Reply::Silence, &hosts) else { return };
            std::fs::write(names.file("resolv.conf"), resolv_conf).expect("writable");
            let live = names.live(Resolver::start(), "");
            for_each_wire(|wire| live.assert_resolves(wire));
            live.finish();
        }
    });
}

/// Without a name server that of the machine itself is asked, and there is none; one that is configured later is asked.
#[test]
fn without_a_resolv_conf_other_names_are_unknown() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Addresses(vec![HERE])) else { return };
        std::fs::write(names.file("resolv.conf"), "").expect("writable");
        let live = names.live(Resolver::start(), "authgear_breaker off;");
        for_each_wire(|wire| {
            assert_ending(&send(&live.nginx, wire, live.unique()), 502, "error", "connect");
        });
        std::fs::write(names.file("resolv.conf"), names.server.resolv_conf()).expect("writable");
        live.assert_recovers(Wire::Http1);
        for_each_wire(|wire| live.assert_resolves(wire));
        live.finish();
    });
}

/// Each of them has a look-up that hangs, and one more is looked up at once.
#[test]
fn names_whose_look_ups_hang_cost_no_other_name_anything() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Silence) else { return };
        names.server.say_of(vec![(super::NAME.to_owned(), Reply::Addresses(vec![HERE]))], Reply::Silence);
        // As long as by default: none of them ends in this test.
        std::fs::write(names.file("resolv.conf"), names.server.resolv_conf()).expect("writable");
        let resolver = Resolver::start();
        let port = resolver.addr().port();
        let hanging =
            |n| format!("location /{n}/ {{ authgear_resolve http://hangs-{n}.test:{port}; {{pass}} }}\n");
        let lines = format!("{SHORT}\nauthgear_breaker off;\n{}", (0..40).map(hanging).collect::<String>());
        let live = names.live(resolver, &lines);
        let waiting: Vec<_> = (0..40)
            .map(|n| live.begin(&Request { target: format!("/{n}/").into(), ..live.unique() }))
            .collect();
        let all = poll(PATIENCE, || (look_ups(live.nginx.worker_pids()[0]).len() == 40).then_some(()));
        assert!(all.is_some(), "not all of them are looked up");
        for_each_wire(|wire| live.assert_resolves(wire));
        for mut client in waiting {
            assert_ending(&client.receive(b"GET").expect("an answer"), 504, "error", "timeout");
        }
        // Calls for names whose look-up still hangs begin no second one.
        for n in 0..3 {
            let again = Request { target: format!("/{n}/").into(), ..live.unique() };
            assert_ending(&send(&live.nginx, Wire::Http1, again), 504, "error", "timeout");
        }
        assert!(look_ups(live.nginx.worker_pids()[0]).len() <= 40);
        live.finish();
    });
}
