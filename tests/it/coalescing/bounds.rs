//! `authgear_max_inflight`: so many calls a worker, a quarter of them for one client address.

use super::super::harness::Http1;
use super::{Fault, Request, Resolver, SOON, Stage, Wire, answers, assert_ending, ending, send};

const REALIP: &str = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Client;\n";

fn stage(lines: &str) -> Stage {
    Stage::with(Resolver::start(), &format!("{REALIP}{lines}"))
}

/// A request with a credential of its own, from this address.
fn from(stage: &Stage, client: &str) -> Request {
    stage.unique().header("X-Client", client)
}

/// Calls that wait at the gate, one for each address.
#[track_caller]
fn hold<'a>(stage: &Stage, clients: impl IntoIterator<Item = &'a str>) -> Vec<Http1> {
    stage.resolver.set_fault(Some(Fault::Gate));
    let held: Vec<_> = clients.into_iter().map(|client| stage.begin(&from(stage, client))).collect();
    assert!(stage.resolver.wait_for_gate(held.len(), SOON), "{} of {}", stage.resolver.at_gate(), held.len());
    held
}

#[track_caller]
fn assert_overload(stage: &Stage, client: &str) {
    let before = stage.resolver.call_count();
    assert_ending(&send(&stage.nginx, Wire::Http1, from(stage, client)), 502, "error", "overload");
    assert_eq!(stage.resolver.call_count(), before);
}

const FOUR: [&str; 4] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];

#[test]
fn beyond_the_bound_a_request_fails_at_once_and_one_more_is_free_when_a_call_ends() {
    let stage = stage("authgear_max_inflight 4;");
    let held = hold(&stage, FOUR);
    assert_overload(&stage, "192.0.2.5");
    let line = stage.nginx.wait_for_log("[error]", SOON);
    assert!(line.contains("authgear") && line.contains("authgear_max_inflight"), "{line}");
    assert_eq!(stage.resolver.release(1), 1);
    stage.wait_for_suspended(3);
    let more = stage.begin(&from(&stage, "192.0.2.5"));
    assert!(stage.resolver.wait_for_gate(4, SOON));
    assert_overload(&stage, "192.0.2.6");
    stage.resolver.clear_faults();
    for answer in answers(held.into_iter().chain([more]).collect()) {
        assert_ending(&answer, 200, "valid", "resolved");
    }
    assert_eq!(stage.resolver.max_in_flight(), 4);
    stage.finish();
}

#[test]
fn one_client_address_holds_a_quarter() {
    let stage = stage("authgear_max_inflight 8;");
    let held = hold(&stage, ["192.0.2.1", "192.0.2.1"]);
    assert_overload(&stage, "192.0.2.1");
    let others = hold(&stage, []);
    let other = stage.begin(&from(&stage, "192.0.2.2"));
    assert!(stage.resolver.wait_for_gate(3, SOON), "another client is not starved");
    stage.resolver.clear_faults();
    assert_eq!(answers(held.into_iter().chain(others).chain([other]).collect()).len(), 3);
    stage.finish();
}

#[test]
fn an_ipv6_client_is_known_by_its_64() {
    let stage = stage("authgear_max_inflight 8;");
    let held = hold(&stage, ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"]);
    assert_overload(&stage, "2001:db8:1:2:3:4:5:6");
    let other = stage.begin(&from(&stage, "2001:db8:1:3::1"));
    assert!(stage.resolver.wait_for_gate(3, SOON));
    stage.resolver.clear_faults();
    assert_eq!(answers(held.into_iter().chain([other]).collect()).len(), 3);
    stage.finish();
}

#[test]
fn the_address_counts_in_every_notation() {
    let stage = stage("authgear_max_inflight 4;");
    let held = hold(&stage, ["192.0.2.1"]);
    assert_overload(&stage, "::ffff:192.0.2.1");
    assert_overload(&stage, "192.0.2.1:4711");
    stage.resolver.clear_faults();
    answers(held);
    stage.finish();
}

#[test]
fn requests_that_join_a_call_are_not_bounded() {
    let stage = stage("authgear_max_inflight 1;");
    stage.resolver.set_fault(Some(Fault::Gate));
    let waiting = super::flock(&stage, 20, &stage.alice().header("X-Client", "192.0.2.1"));
    assert_overload(&stage, "192.0.2.2");
    assert_ending(&send(&stage.nginx, Wire::Http1, Request::get("/")), 200, "none", "no_credential");
    stage.resolver.clear_faults();
    assert!(answers(waiting).iter().all(|answer| answer.status == 200));
    stage.finish();
}

#[test]
fn a_call_counts_no_longer_once_it_is_over_however_it_ended() {
    let stage = stage("authgear_max_inflight 4;\nauthgear_timeout 400ms;");
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
            stage.resolver.set_fault(Some(fault.clone()));
            let failed: Vec<_> = FOUR.map(|client| stage.begin(&from(&stage, client))).into();
            for answer in answers(failed) {
                assert_ne!((answer.status, ending(&answer).2.as_str()), (502, "overload"), "{fault:?}");
            }
            assert!(stage.resolver.wait_until_idle(SOON));
        }
    }
    // Were one of them counted still, its client or the fifth would find no place.
    stage.resolver.clear_faults();
    drop(hold(&stage, FOUR));
    stage.resolver.clear_faults();
    stage.finish();
}

#[test]
fn a_call_whose_client_has_left_counts_until_it_is_over() {
    let stage = stage("authgear_max_inflight 4;\nauthgear_timeout 60s;");
    for how in ["reset", "close"] {
        for connection in hold(&stage, FOUR) {
            if how == "reset" { connection.reset() } else { drop(connection) }
        }
        stage.wait_for_suspended(0);
        assert_eq!(stage.resolver.in_flight(), 4, "calls go on");
        assert_overload(&stage, "192.0.2.9");
        stage.resolver.clear_faults();
        assert!(stage.resolver.wait_until_idle(SOON));
        let answered = super::super::harness::poll(SOON, || {
            let response = send(&stage.nginx, Wire::Http1, from(&stage, "192.0.2.9"));
            (response.status == 200).then_some(())
        });
        assert!(answered.is_some(), "a place is free again");
    }
    stage.finish();
}

#[test]
fn an_overload_ends_as_configured() {
    let lines = "authgear_max_inflight 1;\n\
                 location /open/ { authgear_on_error anonymous; try_files \"\" =204; }\n\
                 location /busy/ { authgear_on_error 503; try_files \"\" =204; }";
    let stage = stage(lines);
    let held = hold(&stage, ["192.0.2.1"]);
    for (target, status) in [("/open/", 204), ("/busy/", 503), ("/", 502)] {
        let request = Request { target: target.into(), ..from(&stage, "192.0.2.2") };
        assert_ending(&send(&stage.nginx, Wire::Http1, &request), status, "error", "overload");
    }
    stage.resolver.clear_faults();
    answers(held);
    stage.finish();
}

#[test]
fn the_default_is_512_and_so_128_for_one_client() {
    let stage = stage("authgear_timeout 30s;");
    let held = hold(&stage, std::iter::repeat_n("192.0.2.1", 128));
    assert_overload(&stage, "192.0.2.1");
    stage.resolver.clear_faults();
    assert!(answers(held).iter().all(|answer| answer.status == 200));
    stage.finish();
}
