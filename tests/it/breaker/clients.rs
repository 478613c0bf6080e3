//! What one client's requests come to shuts no other client out.

use super::{Fault, LONG, Live, REALIP, Request, Resolver, Wire, ending, send};
use crate::standin::Call;

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
        assert_ends(&live, "192.0.2.66", 502, "breaker");
        assert_ends(&live, "192.0.2.1", 200, "resolved");
        assert_ends(&live, "192.0.2.2", 200, "resolved");
    }
    live.finish();
}

#[test]
fn an_ipv6_network_is_one_client() {
    let live = Live::with(Resolver::start(), &format!("{REALIP}{LONG}"));
    live.resolver.set_rule(|call: &Call| {
        call.text("x-forwarded-for")?.starts_with("2001:db8:6:").then_some(Fault::ResetBeforeAnswer)
    });
    for host in 1..4 {
        assert_ends(&live, &format!("2001:db8:6::{host}"), 502, "closed");
    }
    assert_ends(&live, "2001:db8:6::ffff", 502, "breaker");
    assert_ends(&live, "2001:db8:7::1", 200, "resolved");
    live.finish();
}

#[test]
fn when_another_client_fails_too_it_is_open_to_all() {
    let live = Live::with(Resolver::start(), &format!("{REALIP}{LONG}"));
    live.resolver.set_fault(Some(Fault::Status(503)));
    for _ in 0..3 {
        assert_ends(&live, "192.0.2.66", 502, "status");
    }
    assert_ends(&live, "192.0.2.1", 502, "status");
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_ends(&live, client, 502, "breaker");
    }
    assert_eq!(live.resolver.call_count(), 4);
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
