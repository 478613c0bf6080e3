//! What answers a request, or bounds it, before the access phase: nobody is asked, and nothing is required.

use super::super::documents::{Piece, piece};
use super::super::harness::{Builder, Nginx, Request, Response, Wire, for_each_wire, send};
use super::super::stage::{Stage, by, identity, identity_of};
use super::super::standin::Fault;
use super::forged;

const GUIDE: &str = "docs/before-authentication.md";

/// A server that requires a session, and tells what it made of a request.
fn closed(stage: &Stage, lines: &str) -> Builder {
    let (resolve, pass) = (stage.resolve(), stage.pass());
    Nginx::builder().server(format!(
        "{resolve} authgear_require valid;
         add_header x-decision \"$authgear_result|$authgear_reason|$authgear_user_id\" always;
         location / {{ {pass} }} {}",
        lines.replace("PASS", &pass)
    ))
}

/// A piece of the guide, with this stage's backend and resolver.
fn of_guide(stage: &Stage, text: &str) -> Piece {
    piece(GUIDE, text).replace("http://app", &format!("http://{}", stage.echo.addr()))
}

fn status(nginx: &Nginx, wire: Wire, request: Request) -> u16 {
    send(nginx, wire, request).status
}

#[track_caller]
fn assert_undecided(response: &Response, status: u16) {
    let decision = response.header("x-decision");
    assert_eq!((response.status, decision.as_deref()), (status, Some("-|-|")));
}

#[test]
fn what_answers_in_the_rewrite_phase_answers_whom_a_requirement_refuses() {
    let stage = Stage::start();
    let nginx = closed(
        &stage,
        "location = /return { return 200 \"<$authgear_user_id>\"; }
         location = /if { if ($arg_a) { return 200 a; } PASS }
         location = /moved { rewrite ^ /elsewhere permanent; }
         location = /found { return 302 /elsewhere; }",
    )
    .start();
    for_each_wire(|wire| {
        for (target, status) in [("/return", 200), ("/if?a=1", 200), ("/moved", 301), ("/found", 302)] {
            for request in [Request::get(target), by("alice", Request::get(target))] {
                let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, forged(request)));
                assert_undecided(&response, status);
                assert_eq!(calls, 0, "{target}");
                if target == "/return" {
                    assert_eq!(response.text(), "<>");
                }
            }
        }
        // No `return` is reached there.
        assert_eq!(status(&nginx, wire, Request::get("/if")), 401);
    });
    nginx.finish();
}

#[test]
fn a_rewrite_leads_to_the_check_of_the_location_that_it_ends_in() {
    let stage = Stage::start();
    let nginx = closed(
        &stage,
        "location /opened/ { authgear_require off; rewrite ^ /closed last; }
         location /closed/ { rewrite ^ /open last; }
         location = /open { authgear_require off; PASS }
         location /here/ { authgear_require off; rewrite ^ /closed break; PASS }",
    )
    .start();
    for_each_wire(|wire| {
        for (target, expected) in [("/opened/", 401), ("/closed/", 200), ("/here/", 200)] {
            assert_eq!(status(&nginx, wire, Request::get(target)), expected, "{target}");
            let request = by("alice", Request::get(target));
            assert_eq!(identity(&stage.ask(&nginx, wire, request)), identity_of("alice"), "{target}");
        }
    });
    nginx.finish();
}

#[test]
fn what_finds_the_location_answers_before_anybody_is_asked() {
    let stage = Stage::start();
    let nginx = closed(
        &stage,
        "location /folder/ { PASS } location /inside { internal; PASS }
         location /small { client_max_body_size 1; PASS }",
    )
    .start();
    for_each_wire(|wire| {
        for (request, status) in [
            (Request::get("/folder"), 301),
            (Request::get("/inside"), 404),
            (Request::post("/small", "too large"), 413),
        ] {
            let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, by("alice", request)));
            assert_undecided(&response, status);
            assert_eq!(calls, 0);
        }
    });
    nginx.finish();
}

#[test]
fn whom_a_limit_refuses_the_resolver_never_hears_of() {
    let stage = Stage::start();
    let nginx = closed(
        &stage,
        "location /requests { limit_req zone=requests; PASS }
         location /connections { limit_conn connections 1; PASS }",
    )
    .http("limit_req_zone $server_port zone=requests:1m rate=1r/m;")
    .http("limit_conn_zone $server_name zone=connections:1m;")
    .start();
    for_each_wire(|wire| {
        let request = || by("alice", Request::get("/requests"));
        assert_eq!(stage.calls_of(|| status(&nginx, wire, request())), (200, 1));
        let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, request()));
        assert_undecided(&response, 503);
        assert_eq!(calls, 0);
    });
    // A request that waits for the resolver counts.
    stage.resolver.set_fault(Some(Fault::Gate));
    let mut waiting = super::super::harness::Http1::connect(nginx.port()).expect("nginx accepts");
    waiting.send(&by("alice", Request::get("/connections"))).expect("sent");
    assert!(stage.resolver.wait_for_gate(1, super::super::harness::PATIENCE));
    for_each_wire(|wire| {
        let request = by("bob", Request::get("/connections"));
        let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, request));
        assert_undecided(&response, 503);
        assert_eq!(calls, 0);
    });
    stage.resolver.clear_faults();
    assert_eq!(waiting.receive(b"GET").expect("an answer").status, 200);
    drop(waiting);
    nginx.finish();
}

/// nginx doesn't count requests whose key is empty.
#[test]
fn a_limit_by_user_limits_nobody_where_the_user_is_not_known_yet() {
    let stage = Stage::start();
    let nginx = closed(
        &stage,
        "location /variable { limit_req zone=by_variable; limit_conn held 1; PASS }
         location /header { limit_req zone=by_header; PASS }",
    )
    .http("limit_req_zone $authgear_user_id zone=by_variable:1m rate=1r/m;")
    .http("limit_req_zone $http_x_authgear_user_id zone=by_header:1m rate=1r/m;")
    .http("limit_conn_zone $authgear_user_id zone=held:1m;")
    .start();
    for_each_wire(|wire| {
        for target in ["/variable", "/header"] {
            for _ in 0..3 {
                let request = forged(by("alice", Request::get(target)));
                assert_eq!(status(&nginx, wire, request), 200, "{target}");
            }
        }
    });
    nginx.finish();
}

#[test]
fn a_limit_by_user_counts_each_user_behind_an_internal_redirect() {
    let stage = Stage::start();
    let text = of_guide(&stage, "limit_req_zone $authgear_user_id").text;
    let (zone, location) = text.split_once("server {").expect("a server");
    let (location, _) = location.rsplit_once('}').expect("its end");
    let nginx = Nginx::builder().http(zone).server(stage.resolve()).server(location).start();
    for (user, wire) in [("alice", Wire::Http1), ("bob", Wire::Http2)] {
        let ask = || send(&nginx, wire, forged(by(user, Request::get("/"))));
        // The guide's burst of 20, and then as many as come sooner than its rate allows.
        assert!((0..20).all(|_| ask().status == 200), "{user}");
        assert!((0..500).any(|_| ask().status == 429), "{user}");
        let seen = stage.echo.last().expect("the backend was asked");
        assert_eq!(identity(&seen), identity_of(user));
    }
    // Strangers have no key.
    assert!((0..40).all(|_| status(&nginx, Wire::Http1, Request::get("/")) == 200));
    nginx.finish();
}

#[test]
fn a_preflight_has_no_credential_and_is_refused_where_a_session_is_required() {
    let stage = Stage::start();
    let nginx = closed(&stage, "location /anyone { authgear_require off; PASS }").start();
    let preflight = |target: &str| {
        let request = Request::new("OPTIONS", target).header("Origin", "https://app.example.com");
        request
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization")
    };
    for_each_wire(|wire| {
        let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, preflight("/")));
        let decision = response.header("x-decision");
        assert_eq!((response.status, decision.as_deref(), calls), (401, Some("none|require_valid|"), 0));
        let (seen, calls) = stage.calls_of(|| stage.ask(&nginx, wire, preflight("/anyone")));
        assert_eq!((seen.method.as_str(), identity(&seen), calls), ("OPTIONS", vec![], 0));
    });
    nginx.finish();
}

#[test]
fn a_preflight_can_be_answered_before_the_session_is_looked_at() {
    let stage = Stage::start();
    let location = of_guide(&stage, "Access-Control-Allow-Origin").text;
    let nginx = Nginx::builder().server(stage.resolve()).server(location).start();
    let origin = |response: &Response| response.header("access-control-allow-origin");
    for_each_wire(|wire| {
        let preflight = Request::new("OPTIONS", "/api/").header("Access-Control-Request-Method", "GET");
        let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, preflight));
        assert_eq!((response.status, calls), (204, 0));
        assert_eq!(response.header("access-control-allow-headers").as_deref(), Some("Authorization"));
        assert!(origin(&response).is_some());
        // The page is to see that it is a 401.
        let response = stage.refused(&nginx, wire, Request::get("/api/"));
        assert_eq!((response.status, origin(&response).is_some()), (401, true));
        let response = send(&nginx, wire, by("alice", Request::get("/api/")));
        assert_eq!((response.status, origin(&response).is_some()), (200, true));
    });
    nginx.finish();
}
