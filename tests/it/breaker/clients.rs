//! What one client's requests come to shuts no other client out.

use super::{
    Fault, LONG, Live, PATIENCE, REALIP, Request, Resolver, Wire, assert_ending, assert_shut_out, ending,
    send, with_old_answers,
};
use crate::harness::poll;
use crate::live::answers;
use crate::standin::{Call, Kind};

/// A request with a credential of its own, from this address.
fn from(live: &Live, client: &str) -> Request {
    live.unique().header("X-Client", client)
}

#[track_caller]
fn assert_ends(live: &Live, client: &str, status: u16, reason: &str) {
    let response = send(&live.nginx, Wire::Http1, from(live, client));
    let (got, _, word) = ending(&response);
    assert_eq!((got, word.as_str()), (status, reason), "{client}: {response:?}");
}

/// Something before the resolver drops the connections of that client's requests.
fn shut_out(live: &Live, client: &'static str) {
    live.resolver.set_rule(move |call: &Call| {
        (call.text("x-forwarded-for") == Some(client)).then_some(Fault::ResetBeforeAnswer)
    });
}

#[test]
fn a_client_whose_calls_are_dropped_shuts_itself_out_alone() {
    let live = Live::with(Resolver::start(), &format!("{REALIP}{LONG}"));
    shut_out(&live, "192.0.2.66");
    for _ in 0..3 {
        for _ in 0..3 {
            assert_ends(&live, "192.0.2.66", 502, "closed");
        }
        assert_shut_out(&live, || from(&live, "192.0.2.66"));
        assert_ends(&live, "192.0.2.1", 200, "resolved");
        assert_ends(&live, "192.0.2.2", 200, "resolved");
    }
    live.finish();
}

#[test]
fn an_ipv6_site_is_one_client() {
    let live = Live::with(Resolver::start(), &format!("{REALIP}{LONG}"));
    live.resolver.set_rule(|call: &Call| {
        call.text("x-forwarded-for")?.starts_with("2001:db8:6:").then_some(Fault::ResetBeforeAnswer)
    });
    for network in 1..4 {
        assert_ends(&live, &format!("2001:db8:6:{network}::1"), 502, "closed");
    }
    for network in 4..9 {
        assert_shut_out(&live, || from(&live, &format!("2001:db8:6:{network}::1")));
    }
    assert_ends(&live, "2001:db8:7::1", 200, "resolved");
    live.finish();
}

#[test]
fn clients_whose_calls_are_dropped_hold_nobody_else_up() {
    let live = Live::with(Resolver::start(), &format!("{REALIP}{LONG}"));
    let is_bad =
        |call: &Call| call.text("x-forwarded-for").is_some_and(|from| from.starts_with("198.51.100."));
    live.resolver.set_rule(move |call: &Call| is_bad(call).then_some(Fault::ResetBeforeAnswer));
    for client in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"] {
        assert_ends(&live, client, 502, "closed");
    }
    // The others make their calls side by side.
    live.resolver
        .set_rule(move |call: &Call| Some(if is_bad(call) { Fault::ResetBeforeAnswer } else { Fault::Gate }));
    let waiting: Vec<_> = (1..6).map(|n| live.begin(&from(&live, &format!("192.0.2.{n}")))).collect();
    assert!(live.resolver.wait_for_gate(5, PATIENCE), "all of them are asked for");
    assert_shut_out(&live, || from(&live, "198.51.100.1"));
    live.resolver.clear_faults();
    for response in answers(waiting) {
        assert_ending(&response, 200, "valid", "resolved");
    }
    let line = live.nginx.wait_for_log("\"authgear_breaker\" for the 3 clients whose calls failed", PATIENCE);
    assert!(line.contains("no calls for 250ms"), "{line}");
    live.finish();
}

#[test]
fn who_goes_on_failing_keeps_nobody_else_shut_out() {
    let live = Live::with(
        Resolver::start(),
        &format!("{REALIP}authgear_breaker max_fails=5 fail_timeout=1s; authgear_timeout 300ms;"),
    );
    live.resolver.set_fault(Some(Fault::ResetBeforeAnswer));
    for client in 1..6 {
        assert_ends(&live, &format!("198.51.100.{client}"), 502, "closed");
    }
    // The resolver is well again, but for one of them, which asks all the time.
    live.resolver.clear_faults();
    shut_out(&live, "198.51.100.5");
    let mut own_calls = 0;
    let found = poll(PATIENCE, || {
        let (_, _, reason) = ending(&send(&live.nginx, Wire::Http1, from(&live, "198.51.100.5")));
        assert!(["closed", "breaker"].contains(&reason.as_str()), "{reason}");
        own_calls += u32::from(reason == "closed");
        // Its probes have been made, and have failed: the next is a second away.
        (own_calls == 3).then_some(())
    });
    assert!(found.is_some(), "{own_calls}");
    assert_ends(&live, "192.0.2.1", 200, "resolved");
    live.finish();
}

/// Its own failures don't give it the old answer for longer than the resolver takes to be asked.
#[test]
fn who_makes_its_own_calls_fail_prolongs_no_session_that_has_ended() {
    let live = with_old_answers(&format!("{REALIP}{LONG}"), "10m");
    let client = "192.0.2.66";
    let session = live.accounts().wildcard("alice", Kind::Session, 1);
    let own = || Request::get("/").header("Cookie", format!("session={session}")).header("X-Client", client);
    assert_ending(&send(&live.nginx, Wire::Http1, own()), 200, "valid", "resolved");
    live.accounts().revoke(&session);
    let poison = "Bearer poison";
    live.resolver.set_rule(move |call: &Call| {
        (call.text("authorization")? == poison).then_some(Fault::ResetBeforeAnswer)
    });
    let poisoned = || Request::get("/").header("Authorization", poison).header("X-Client", client);
    let fail = || ending(&send(&live.nginx, Wire::Http1, poisoned())).2;
    assert_eq!([fail(), fail(), fail()], ["closed", "closed", "closed"]);
    assert_shut_out(&live, poisoned);
    let ended = poll(PATIENCE, || {
        fail();
        (ending(&send(&live.nginx, Wire::Http1, own())).1 == "invalid").then_some(())
    });
    assert!(ended.is_some(), "the session that has ended is let in");
    // Another client's isn't given at all.
    let session = live.accounts().wildcard("bob", Kind::Session, 1);
    let other =
        || Request::get("/").header("Cookie", format!("session={session}")).header("X-Client", "192.0.2.1");
    assert_ending(&send(&live.nginx, Wire::Http1, other()), 200, "valid", "resolved");
    live.accounts().revoke(&session);
    for _ in 0..4 {
        fail();
    }
    assert_shut_out(&live, poisoned);
    assert_ending(&send(&live.nginx, Wire::Http1, other()), 200, "invalid", "resolved");
    live.finish();
}

#[test]
fn when_calls_of_five_networks_fail_it_is_open_to_all() {
    let live = Live::with(
        Resolver::start(),
        &format!("{REALIP}authgear_breaker fail_timeout=60s; authgear_timeout 60s;"),
    );
    live.resolver.set_fault(Some(Fault::Status(503)));
    let clients = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8:6:1::1", "2001:db8:7::1"];
    for client in clients {
        assert_ends(&live, client, 502, "status");
    }
    let _probe = live.hold_probe(|| from(&live, "192.0.2.5"));
    for client in [&clients[..], &["192.0.2.4", "2001:db8:6:2::1"]].concat() {
        assert_ends(&live, client, 502, "breaker");
    }
    assert_eq!(live.resolver.call_count(), 6);
    live.nginx.wait_for_log("no calls for 250ms by \"authgear_breaker\"; requests get 502", PATIENCE);
    live.resolver.clear_faults();
    live.finish();
}

/// What no resolver has to understand is no credential, and costs no call.
#[test]
fn odd_and_oversized_credentials_open_nothing() {
    let live = Live::build(Resolver::start(), LONG, |builder| {
        builder.http("large_client_header_buffers 8 64k; ignore_invalid_headers off;")
    });
    let long = "x".repeat(20_000);
    for _ in 0..5 {
        for value in
            ["Bearer ", "Bearer a b", "Bearer \u{e9}", "Bearer \t", "Basic eDp4", &format!("Bearer {long}")]
        {
            let request = Request::get("/").header("Authorization", value);
            assert_ne!(ending(&send(&live.nginx, Wire::Http1, &request)).2, "breaker");
        }
        for cookie in ["session=", "session=a\u{1}b", "app_session=\"", &format!("session={long}")] {
            let request = Request::get("/").header("Cookie", cookie);
            assert_ne!(ending(&send(&live.nginx, Wire::Http1, &request)).2, "breaker");
        }
    }
    live.assert_resolves(Wire::Http1);
    live.finish();
}
