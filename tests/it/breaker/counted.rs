//! Which ends of a call count.

use super::{
    ConnectionFault, Fault, LONG, Live, Resolver, Wire, assert_ending, assert_open, ending, open, send,
};
use crate::harness::{PATIENCE, poll};
use crate::stage::pairs;

const QUICK: &str = "authgear_breaker max_fails=3 fail_timeout=60s; authgear_timeout 300ms;";

#[test]
fn a_resolver_that_cannot_be_reached_or_has_no_time_fails() {
    for fault in [
        // Authgear's own, when its Redis or its database doesn't answer.
        Fault::PanicJson500,
        Fault::Text500,
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        // What edges give for a server that they can't reach.
        Fault::Status(520),
        Fault::Status(530),
        Fault::CloseBeforeAnswer,
        Fault::ResetBeforeAnswer,
        Fault::ResetInHead,
        Fault::CloseInBody,
        Fault::Hang,
        Fault::HangInBody,
    ] {
        let live = Live::with(Resolver::start(), QUICK);
        live.resolver.set_fault(Some(fault.clone()));
        for _ in 0..3 {
            let (_, result, reason) = ending(&send(&live.nginx, Wire::Http1, live.unique()));
            assert_eq!(result, "error", "{fault:?}");
            assert_ne!(reason, "breaker", "{fault:?}");
            // A request's own timer may end it before the call is over and counted.
            assert!(live.resolver.wait_until_idle(PATIENCE), "{fault:?}");
        }
        assert_open(&live);
        live.finish();
    }
}

#[test]
fn connections_that_fail_count() {
    for fault in [ConnectionFault::Close, ConnectionFault::Hang] {
        let live = Live::with(Resolver::start(), QUICK);
        live.resolver.set_connection_fault(Some(fault));
        for _ in 0..3 {
            assert_ne!(ending(&send(&live.nginx, Wire::Http1, live.unique())).2, "breaker");
        }
        assert_open(&live);
        live.finish();
    }
    let live = Live::with(Resolver::start(), LONG);
    live.resolver.stop_listening();
    for _ in 0..3 {
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
    }
    assert_open(&live);
    live.finish();
}

/// Clients may be able to bring these about; and whoever answers so is there.
#[test]
fn answers_of_other_kinds_do_not_count() {
    let malformed = || Fault::Headers(pairs(&[("X-Authgear-Session-Valid", "TRUE")]));
    for fault in [
        Fault::Status(501),
        Fault::Status(505),
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(429),
        Fault::Status(431),
        Fault::Redirect("/login".into()),
        Fault::Garbage(b"garbage\r\n\r\n".to_vec()),
        Fault::HugeHeaders(200_000),
        malformed(),
    ] {
        let live = Live::with(Resolver::start(), LONG);
        live.resolver.set_fault(Some(fault.clone()));
        for _ in 0..6 {
            assert_ne!(ending(&send(&live.nginx, Wire::Http1, live.unique())).2, "breaker", "{fault:?}");
        }
        live.finish();
    }
}

/// Something before the resolver limits the rate of a client, or of nginx, and does so whether the resolver works or not.
#[test]
fn status_429_neither_opens_nor_closes_it() {
    let live = Live::with(Resolver::start(), LONG);
    let ends = |status| {
        live.resolver.set_fault(Some(Fault::Status(status)));
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "status");
    };
    for status in [503, 429, 503, 429, 429, 429, 429, 503] {
        ends(status);
    }
    live.resolver.set_fault(Some(Fault::Status(429)));
    let probed = || (ending(&send(&live.nginx, Wire::Http1, live.unique())).2 == "status").then_some(());
    assert!(poll(PATIENCE, probed).is_some());
    let mut next = live.hold_probe(|| live.unique());
    assert_open(&live);
    live.resolver.clear_faults();
    assert_ending(&next.receive(b"GET").expect("an answer"), 200, "valid", "resolved");
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn an_answer_between_starts_the_count_anew() {
    let live = Live::with(Resolver::start(), LONG);
    for _ in 0..3 {
        for fault in [Fault::Status(503), Fault::Status(500), Fault::Status(404)] {
            live.resolver.set_fault(Some(fault));
            assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "status");
        }
    }
    open(&live);
    live.finish();
}
