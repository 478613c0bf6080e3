//! `authgear_timeout` bounds the whole call, retry included; `authgear_connect_timeout` the connect.

use std::time::{Duration, Instant};

use super::super::harness::{PATIENCE, Wire, for_each_wire};
use super::super::stage::token_of;
use super::{ConnectionFault, Fault, FullQueue, Live, Resolver, assert_ending, send};

/// Far more than any timeout of these tests, and far less than those that must not be waited for.
const SLACK: Duration = Duration::from_secs(8);

#[test]
fn a_call_ends_by_authgear_timeout_and_not_before() {
    let live = Live::with(Resolver::start(), "authgear_timeout 600ms;");
    for_each_wire(|wire| {
        live.resolver.set_fault(Some(Fault::Hang));
        let started = Instant::now();
        let response = send(&live.nginx, wire, live.alice());
        let waited = started.elapsed();
        assert_ending(&response, 504, "error", "timeout");
        assert!(waited >= Duration::from_millis(590) && waited < SLACK, "{waited:?}");
        assert!(live.resolver.wait_until_idle(PATIENCE), "the call itself has ended too");
        live.resolver.clear_faults();
        live.assert_resolves(wire);
    });
    live.finish();
}

#[test]
fn a_request_after_a_timeout_is_a_call_of_its_own() {
    let live = Live::with(Resolver::start(), "authgear_timeout 200ms;");
    for round in 1..=10 {
        live.resolver.set_fault(Some(Fault::Hang));
        assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 504, "error", "timeout");
        live.resolver.clear_faults();
        assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
        assert_eq!(live.resolver.call_count(), 2 * round);
    }
    live.finish();
}

#[test]
fn the_retry_has_only_what_is_left_of_the_time() {
    let live = Live::with(Resolver::start(), "authgear_timeout 2s;");
    let most = Duration::from_millis(1500);
    live.resolver.push_fault(Fault::Delay(most).then(Fault::CloseBeforeAnswer));
    live.resolver.push_fault(Fault::Delay(Duration::from_secs(30)));
    let started = Instant::now();
    let response = send(&live.nginx, Wire::Http1, live.alice());
    let waited = started.elapsed();
    assert_ending(&response, 504, "error", "timeout");
    assert_eq!(live.resolver.call_count(), 2);
    // With a time of its own the retry would end 3.5 s after the start.
    assert!(waited >= Duration::from_millis(1990) && waited < Duration::from_millis(3400), "{waited:?}");
    live.finish();
}

#[test]
fn a_slow_answer_in_time_is_an_answer() {
    let live = Live::with(Resolver::start(), "authgear_timeout 10s;");
    live.resolver.push_fault(Fault::SlowHead(Duration::from_millis(1)));
    live.assert_resolves(Wire::Http1);
    live.resolver.push_fault(Fault::Delay(Duration::from_millis(1200)));
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_a_timeout() {
    let live = Live::with(Resolver::start(), "authgear_timeout 300ms;");
    live.resolver.set_connection_fault(Some(ConnectionFault::Hang));
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 504, "error", "timeout");
    live.resolver.clear_faults();
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn a_connect_ends_by_authgear_connect_timeout() {
    let full = FullQueue::new();
    let url = format!("http://{}", full.addr);
    let lines = "authgear_connect_timeout 200ms;\nauthgear_timeout 60s;";
    let live = Live::at(&url, Resolver::start(), lines, |builder| builder);
    for_each_wire(|wire| {
        let started = Instant::now();
        let response = send(&live.nginx, wire, live.alice());
        let waited = started.elapsed();
        assert_ending(&response, 504, "error", "timeout");
        assert!(waited >= Duration::from_millis(190) && waited < SLACK, "{waited:?}");
    });
    live.finish();
}

#[test]
fn a_connect_that_is_not_answered_is_tried_twice() {
    let full = FullQueue::new();
    let url = format!("http://{}", full.addr);
    let lines = "authgear_connect_timeout 400ms;\nauthgear_timeout 60s;";
    let live = Live::at(&url, Resolver::start(), lines, |builder| builder);
    let started = Instant::now();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 504, "error", "timeout");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(790) && waited < SLACK, "{waited:?}");
    live.finish();
}

#[test]
fn a_connect_ends_by_authgear_timeout_where_that_is_shorter() {
    let full = FullQueue::new();
    let url = format!("http://{}", full.addr);
    let lines = "authgear_connect_timeout 60s;\nauthgear_timeout 300ms;";
    let live = Live::at(&url, Resolver::start(), lines, |builder| builder);
    let started = Instant::now();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 504, "error", "timeout");
    assert!(started.elapsed() < SLACK);
    live.finish();
}

#[test]
fn the_worker_serves_others_while_a_call_hangs() {
    let live = Live::with(Resolver::start(), "authgear_timeout 30s;");
    live.resolver.push_fault(Fault::Hang);
    let waiting = live.begin(&live.alice());
    assert!(live.resolver.wait_for_calls(1, PATIENCE));
    for_each_wire(|wire| {
        let other = token_of("bob", 1);
        assert_ending(&send(&live.nginx, wire, &other), 200, "valid", "resolved");
        assert_ending(&send(&live.nginx, wire, super::Request::get("/")), 200, "none", "no_credential");
    });
    waiting.reset();
    live.nginx.wait_until_in_hand(0);
    live.nginx.signal(super::super::harness::Signal::TERM);
    drop(live);
}
