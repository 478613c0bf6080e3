//! The value of each variable for each outcome.

use super::super::harness::{Request, Response, Wire, for_each_wire, send};
use super::super::stage::{Stage, by};
use super::super::standin::Fault;
use super::{NOTHING, answer_of, assert_told, builder, start};

#[test]
fn each_kind_of_user_has_the_values_of_the_answer() {
    let stage = Stage::start();
    let nginx = start(&stage);
    for_each_wire(|wire| {
        for (user, decision) in [
            ("alice", "valid|resolved|BYPASS|bearer"),
            ("bob", "valid|resolved|BYPASS|bearer"),
            ("norole", "valid|resolved|BYPASS|bearer"),
            ("anonymous", "valid|resolved|BYPASS|bearer"),
            ("unverified", "valid|resolved|BYPASS|bearer"),
            ("disabled", "invalid|resolved|BYPASS|bearer"),
        ] {
            stage.echo.clear();
            let response = send(&nginx, wire, by(user, Request::get("/")));
            assert_told(&response, Some(&stage.only_request()), &answer_of(user), decision);
        }
    });
    nginx.finish();
}

#[test]
fn without_identity_they_are_empty() {
    let stage = Stage::start();
    let nginx = start(&stage);
    for_each_wire(|wire| {
        for (request, decision) in [
            (Request::get("/"), "none|no_credential|-|-"),
            (Request::get("/").header("Authorization", "Basic dXNlcjpwYXNz"), "none|no_credential|-|-"),
            (by("nobody", Request::get("/")), "none|resolved|BYPASS|bearer"),
            (by("alice", Request::get("/open/")), "-|off|-|-"),
        ] {
            stage.echo.clear();
            let response = send(&nginx, wire, &request);
            assert_told(&response, Some(&stage.only_request()), NOTHING, decision);
        }
    });
    nginx.finish();
}

#[test]
fn the_kinds_of_credentials_are_listed() {
    let stage = Stage::start();
    let nginx = start(&stage);
    let decision = |response: &Response| response.header("x-decision").unwrap_or_default();
    for_each_wire(|wire| {
        for (authorization, cookie, kinds) in [
            (None, "session=x", "session"),
            (None, "app_session=x", "app_session"),
            (None, "app_access_token=x", "app_access_token"),
            (Some("bEaReR x"), "other=x", "bearer"),
            (Some("Basic x"), "app_session=x", "app_session"),
            (
                Some("Bearer x"),
                "session=x; app_access_token=y; app_session=z",
                "bearer,app_session,app_access_token,session",
            ),
        ] {
            let request = Request::get("/").header("Cookie", cookie);
            let request =
                authorization.iter().fold(request, |request, value| request.header("Authorization", value));
            let told = decision(&send(&nginx, wire, request));
            assert_eq!(told.rsplit('|').next(), Some(kinds), "{told}");
        }
    });
    nginx.finish();
}

#[test]
fn a_failure_is_told_by_its_reason() {
    let stage = Stage::start();
    let nginx = builder(&stage)
        .server(format!(
            "authgear_timeout 200ms; location /anonymous {{ authgear_on_error anonymous; {} }}",
            stage.pass()
        ))
        .start();
    let malformed = vec![("X-Authgear-Session-Valid".to_owned(), "TRUE".to_owned())];
    for (fault, status, reason) in [
        (Fault::Status(500), 502, "status"),
        (Fault::Status(404), 502, "status"),
        (Fault::Hang, 504, "timeout"),
        (Fault::Answer { status: 200, headers: malformed, body: vec![] }, 502, "malformed"),
    ] {
        stage.resolver.set_fault(Some(fault));
        let decision = format!("error|{reason}|BYPASS|bearer");
        for_each_wire(|wire| {
            let response = stage.refused(&nginx, wire, by("alice", Request::get("/")));
            assert_eq!(response.status, status);
            assert_told(&response, None, NOTHING, &decision);
            let response = send(&nginx, wire, by("alice", Request::get("/anonymous")));
            assert_told(&response, Some(&stage.only_request()), NOTHING, &decision);
        });
    }
    stage.resolver.clear_faults();
    stage.resolver.stop_listening();
    stage.resolver.close_idle_connections();
    let response = stage.refused(&nginx, Wire::Http1, by("alice", Request::get("/")));
    assert_told(&response, None, NOTHING, "error|connect|BYPASS|bearer");
    nginx.finish();
}

#[test]
fn a_refusal_of_the_resolver_leaves_no_identity() {
    let stage = Stage::start();
    let nginx = start(&stage);
    for status in [401, 403] {
        stage.resolver.set_fault(Some(Fault::Status(status)));
        for_each_wire(|wire| {
            let response = stage.refused(&nginx, wire, by("alice", Request::get("/")));
            assert_eq!((response.status, response.header("x-answer").as_deref()), (status, Some(NOTHING)));
        });
    }
    nginx.finish();
}

#[test]
fn the_time_of_a_call_is_told_in_seconds() {
    let stage = Stage::start();
    let nginx = start(&stage);
    let time = |request: Request| send(&nginx, Wire::Http1, request).header("x-time").expect("a time");
    for request in
        [Request::get("/"), by("alice", Request::get("/open/")), by("alice", Request::get("/early"))]
    {
        assert_eq!(time(request), "-");
    }
    for least in [0.0, 0.3] {
        stage.resolver.push_fault(Fault::Delay(std::time::Duration::from_secs_f64(least)));
        let told = time(by("alice", Request::get("/")));
        let (seconds, fraction) = told.split_once('.').expect("a point");
        assert_eq!((seconds.parse::<u32>().is_ok(), fraction.len()), (true, 3), "{told}");
        // The clock of an event loop may lag behind by a little.
        let seconds: f64 = told.parse().expect("a number");
        assert!((least - 0.05..10.0).contains(&seconds), "{told}");
    }
    nginx.finish();
}

#[test]
fn any_header_of_the_answer_has_a_variable() {
    let stage = Stage::start();
    let nginx = stage
        .builder()
        .server(
            "add_header x-told \"$authgear_header_some_day|$authgear_header_user_id|$authgear_header_none\" always;",
        )
        .start();
    let some_day = vec![("X-Authgear-Some-Day".to_owned(), "to come".to_owned())];
    stage.resolver.set_fault(Some(Fault::Headers(some_day)));
    let forged = |target| {
        Request::get(target).header("x-authgear-some-day", "forged").header("x-authgear-none", "forged")
    };
    for_each_wire(|wire| {
        let told = |request| send(&nginx, wire, request).header("x-told");
        let id = super::super::stage::user_id("bob");
        assert_eq!(told(by("bob", forged("/"))), Some(format!("to come|{id}|")));
        assert_eq!(told(by("bob", forged("/open/"))).as_deref(), Some("||"));
        assert_eq!(told(forged("/")).as_deref(), Some("||"));
    });
    nginx.finish();
}
