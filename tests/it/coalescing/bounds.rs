//! `authgear_max_inflight`: so many calls a worker, an eighth of them for one client address.

use super::super::harness::Http1;
use super::{Fault, Live, PATIENCE, Request, Resolver, Wire, answers, assert_ending, ending, send};

const REALIP: &str = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Client;\n";

fn live(lines: &str) -> Live {
    Live::with(Resolver::start(), &format!("{REALIP}{lines}"))
}

/// A request with a credential of its own, from this address.
fn from(live: &Live, client: &str) -> Request {
    live.unique().header("X-Client", client)
}

/// Calls that wait at the gate, one for each address.
#[track_caller]
fn hold<'a>(live: &Live, clients: impl IntoIterator<Item = &'a str>) -> Vec<Http1> {
    live.resolver.set_fault(Some(Fault::Gate));
    let held: Vec<_> = clients.into_iter().map(|client| live.begin(&from(live, client))).collect();
    assert!(
        live.resolver.wait_for_gate(held.len(), PATIENCE),
        "{} of {}",
        live.resolver.at_gate(),
        held.len()
    );
    held
}

#[track_caller]
fn assert_overload(live: &Live, client: &str) {
    let before = live.resolver.call_count();
    assert_ending(&send(&live.nginx, Wire::Http1, from(live, client)), 502, "error", "overload");
    assert_eq!(live.resolver.call_count(), before);
}

const FOUR: [&str; 4] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];

#[test]
fn beyond_the_bound_a_request_fails_at_once_and_one_more_is_free_when_a_call_ends() {
    let live = live("authgear_max_inflight 4;");
    let held = hold(&live, FOUR);
    assert_overload(&live, "192.0.2.5");
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains("authgear") && line.contains("authgear_max_inflight"), "{line}");
    assert_eq!(live.resolver.release(1), 1);
    live.nginx.wait_until_in_hand(3);
    let more = live.begin(&from(&live, "192.0.2.5"));
    assert!(live.resolver.wait_for_gate(4, PATIENCE));
    assert_overload(&live, "192.0.2.6");
    live.resolver.clear_faults();
    for answer in answers(held.into_iter().chain([more]).collect()) {
        assert_ending(&answer, 200, "valid", "resolved");
    }
    assert_eq!(live.resolver.max_in_flight(), 4);
    live.finish();
}

#[test]
fn one_client_address_holds_an_eighth() {
    let live = live("authgear_max_inflight 16;");
    let held = hold(&live, ["192.0.2.1", "192.0.2.1"]);
    assert_overload(&live, "192.0.2.1");
    let others = hold(&live, []);
    let other = live.begin(&from(&live, "192.0.2.2"));
    assert!(live.resolver.wait_for_gate(3, PATIENCE), "another client is not starved");
    live.resolver.clear_faults();
    assert_eq!(answers(held.into_iter().chain(others).chain([other]).collect()).len(), 3);
    live.finish();
}

/// The address is that of a request, not of a connection.
#[test]
fn one_connection_of_a_load_balancer_carries_each_client_s_address() {
    let live = live("authgear_max_inflight 4;");
    let mut balancer = Http1::connect(live.nginx.port()).expect("nginx accepts");
    for client in FOUR.into_iter().chain(["2001:db8::1", "192.0.2.1"]) {
        assert_eq!(balancer.exchange(&from(&live, client)).expect("an answer").status, 200);
        let call = live.resolver.last_call().expect("a call");
        assert_eq!(call.text("x-forwarded-for"), Some(client));
    }
    let held = hold(&live, ["192.0.2.1"]);
    let refused = balancer.exchange(&from(&live, "192.0.2.1")).expect("an answer");
    assert_ending(&refused, 502, "error", "overload");
    live.resolver.clear_faults();
    let other = balancer.exchange(&from(&live, "192.0.2.2")).expect("an answer");
    assert_ending(&other, 200, "valid", "resolved");
    answers(held);
    drop(balancer);
    live.finish();
}

/// A site has a /48, and so 65,536 networks of /64 to send from.
#[test]
fn an_ipv6_site_holds_no_more_than_one_client() {
    let live = live("authgear_max_inflight 16;");
    let held = hold(&live, ["2001:db8:1:2::1", "2001:db8:1:3::1"]);
    for network in ["2001:db8:1:2::1", "2001:db8:1:4::1", "2001:db8:1::1", "2001:db8:1:ffff:ffff::1"] {
        assert_overload(&live, network);
    }
    let other = live.begin(&from(&live, "2001:db8:2::1"));
    assert!(live.resolver.wait_for_gate(3, PATIENCE));
    live.resolver.clear_faults();
    assert_eq!(answers(held.into_iter().chain([other]).collect()).len(), 3);
    live.finish();
}

#[test]
fn the_address_counts_in_every_notation() {
    let live = live("authgear_max_inflight 4;");
    let held = hold(&live, ["192.0.2.1"]);
    assert_overload(&live, "::ffff:192.0.2.1");
    assert_overload(&live, "192.0.2.1:4711");
    live.resolver.clear_faults();
    answers(held);
    live.finish();
}

#[test]
fn requests_that_join_a_call_are_not_bounded() {
    let live = live("authgear_max_inflight 1;");
    live.resolver.set_fault(Some(Fault::Gate));
    let waiting = super::flock(&live, 20, &live.alice().header("X-Client", "192.0.2.1"));
    assert_overload(&live, "192.0.2.2");
    assert_ending(&send(&live.nginx, Wire::Http1, Request::get("/")), 200, "none", "no_credential");
    live.resolver.clear_faults();
    assert!(answers(waiting).iter().all(|answer| answer.status == 200));
    live.finish();
}

#[test]
fn a_call_counts_no_longer_once_it_is_over_however_it_ended() {
    let live = live("authgear_breaker off;\nauthgear_max_inflight 4;\nauthgear_timeout 400ms;");
    for fault in [
        Fault::Status(500),
        Fault::CloseBeforeAnswer,
        Fault::CloseInBody,
        Fault::Garbage(b"x".to_vec()),
        Fault::Status(401),
        Fault::Hang,
        Fault::HangInBody,
    ] {
        for _ in 0..5 {
            live.resolver.set_fault(Some(fault.clone()));
            let failed: Vec<_> = FOUR.map(|client| live.begin(&from(&live, client))).into();
            for answer in answers(failed) {
                assert_ne!((answer.status, ending(&answer).2.as_str()), (502, "overload"), "{fault:?}");
            }
            assert!(live.resolver.wait_until_idle(PATIENCE));
        }
    }
    // Were one of them counted still, its client or the fifth would find no place.
    live.resolver.clear_faults();
    drop(hold(&live, FOUR));
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn a_call_whose_client_has_left_counts_until_it_is_over() {
    let live = live("authgear_max_inflight 4;\nauthgear_timeout 60s;");
    for how in ["reset", "close"] {
        for connection in hold(&live, FOUR) {
            if how == "reset" { connection.reset() } else { drop(connection) }
        }
        live.nginx.wait_until_in_hand(0);
        assert_eq!(live.resolver.in_flight(), 4, "calls go on");
        assert_overload(&live, "192.0.2.9");
        live.resolver.clear_faults();
        assert!(live.resolver.wait_until_idle(PATIENCE));
        let answered = super::super::harness::poll(PATIENCE, || {
            let response = send(&live.nginx, Wire::Http1, from(&live, "192.0.2.9"));
            (response.status == 200).then_some(())
        });
        assert!(answered.is_some(), "a place is free again");
    }
    live.finish();
}

#[test]
fn an_overload_ends_as_configured() {
    let lines = "authgear_max_inflight 1;\n\
                 location /open/ { authgear_on_error anonymous; try_files \"\" =204; }\n\
                 location /busy/ { authgear_on_error 503; try_files \"\" =204; }";
    let live = live(lines);
    let held = hold(&live, ["192.0.2.1"]);
    for (target, status) in [("/open/", 204), ("/busy/", 503), ("/", 502)] {
        let request = Request { target: target.into(), ..from(&live, "192.0.2.2") };
        assert_ending(&send(&live.nginx, Wire::Http1, &request), status, "error", "overload");
    }
    live.resolver.clear_faults();
    answers(held);
    live.finish();
}

#[test]
fn the_default_is_512_and_so_64_for_one_client() {
    let live = live("authgear_timeout 30s;");
    let held = hold(&live, std::iter::repeat_n("192.0.2.1", 64));
    assert_overload(&live, "192.0.2.1");
    live.resolver.clear_faults();
    assert!(answers(held).iter().all(|answer| answer.status == 200));
    live.finish();
}
