//! `authgear_pass_set_cookie`: the resolver clears a dead session's cookie at the client that caused the call.

use super::super::harness::for_each_wire;
use super::{Fault, Live, Request, Resolver, Wire, answers, assert_ending, flock, send};

const ON: &str = "authgear_pass_set_cookie on;";
const CLEARED: &str = "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax";

fn dead() -> Request {
    Request::get("/").header("Cookie", "session=dead")
}

const NOTHING: [String; 0] = [];

#[test]
fn the_cookie_is_kept_back_unless_told() {
    for lines in ["", "authgear_pass_set_cookie off;"] {
        let live = Live::with(Resolver::start(), lines);
        for_each_wire(|wire| {
            let response = send(&live.nginx, wire, dead());
            assert_ending(&response, 200, "invalid", "resolved");
            assert_eq!(response.all("set-cookie"), NOTHING);
        });
        live.finish();
    }
}

#[test]
fn the_client_that_caused_the_call_gets_every_cookie() {
    let live = Live::with(Resolver::start(), ON);
    for_each_wire(|wire| {
        let response = send(&live.nginx, wire, dead());
        assert_ending(&response, 200, "invalid", "resolved");
        assert_eq!(response.all("set-cookie"), [CLEARED]);
        let cookies = super::super::stage::pairs(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Secure")]);
        live.resolver.push_fault(Fault::Headers(cookies));
        assert_eq!(send(&live.nginx, wire, dead()).all("set-cookie"), ["a=1", "b=2; Secure"]);
        assert_eq!(send(&live.nginx, wire, live.alice()).all("set-cookie"), NOTHING);
        assert_eq!(send(&live.nginx, wire, Request::get("/")).all("set-cookie"), NOTHING);
    });
    live.finish();
}

#[test]
fn followers_get_none() {
    let live = Live::with(Resolver::start(), ON);
    live.resolver.set_fault(Some(Fault::Gate));
    let waiting = flock(&live, 8, &dead());
    live.resolver.clear_faults();
    let answers = answers(waiting);
    assert_eq!(answers[0].all("set-cookie"), [CLEARED]);
    for answer in &answers[1..] {
        assert_ending(answer, 200, "invalid", "coalesced");
        assert_eq!(answer.all("set-cookie"), NOTHING);
    }
    live.finish();
}

#[test]
fn nobody_inherits_the_cookie_of_a_leader_that_left() {
    let live = Live::with(Resolver::start(), ON);
    live.resolver.set_fault(Some(Fault::Gate));
    let mut waiting = flock(&live, 4, &dead());
    waiting.remove(0).reset();
    live.nginx.wait_until_in_hand(3);
    live.resolver.clear_faults();
    for answer in answers(waiting) {
        assert_eq!((answer.status, answer.all("set-cookie")), (200, NOTHING.into()));
    }
    live.finish();
}

#[test]
fn the_cookie_comes_once_however_often_the_request_is_redirected() {
    let lines = format!(
        "{ON}\nproxy_intercept_errors on;\nerror_page 404 = /found;\nerror_page 410 = @gone;\n\
         location @gone {{ try_files \"\" =204; }}"
    );
    let live = Live::with(Resolver::start(), &lines);
    for_each_wire(|wire| {
        for target in ["/status/404", "/status/410", "/redirect-internal?/other"] {
            let before = live.resolver.call_count();
            let response = send(&live.nginx, wire, Request { target: target.into(), ..dead() });
            assert_eq!(response.all("set-cookie"), [CLEARED], "{target}: {response:?}");
            assert_eq!(live.resolver.call_count(), before + 1, "{target}");
        }
    });
    live.finish();
}

#[test]
fn the_cookie_stands_beside_the_backend_s_own() {
    let live = Live::with(Resolver::start(), &format!("{ON}\nadd_header Set-Cookie app=1;"));
    let mut cookies = send(&live.nginx, Wire::Http1, dead()).all("set-cookie");
    cookies.sort();
    assert_eq!(cookies, ["app=1", CLEARED]);
    live.finish();
}

/// A user who is disabled for a time has a session that is good again afterwards; whoever was sent this has lost its cookie.
#[test]
fn the_cookie_of_a_user_who_is_disabled_for_a_time_is_cleared_too() {
    for (lines, cleared) in [("", vec![]), (ON, vec![CLEARED])] {
        let live = Live::with(Resolver::start(), lines);
        let session = live.request_of("alice", super::super::standin::Kind::Session);
        live.accounts().disable("alice");
        let response = send(&live.nginx, Wire::Http1, &session);
        assert_ending(&response, 200, "invalid", "resolved");
        assert_eq!(response.all("set-cookie"), cleared);
        live.accounts().update("alice", |user| user.disabled = false);
        assert_ending(&send(&live.nginx, Wire::Http1, &session), 200, "valid", "resolved");
        live.finish();
    }
}
