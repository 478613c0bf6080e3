//! Where variables can be read, and what an early reader leaves behind.

use super::super::harness::{PATIENCE, Request, Wire, for_each_wire, send};
use super::super::stage::{Stage, by, user_id};
use super::{ANSWER, DECISION, NOTHING, answer_of, builder, list};

#[test]
fn before_the_access_phase_they_are_empty_and_later_they_are_right() {
    let stage = Stage::start();
    let set = |names: &[&str]| {
        names.iter().map(|name| format!("set $e_{name} $authgear_{name};")).collect::<String>()
    };
    let nginx = builder(&stage)
        .server(format!("{} {} set $e_time $authgear_resolve_time;", set(&ANSWER), set(&DECISION)))
        .server("if ($authgear_user_id) { return 418; } if ($authgear_session_valid) { return 418; }")
        .http(format!("add_header x-early \"{}\" always;", list("e_", &ANSWER)))
        .http(format!("add_header x-early-decision \"{}|$e_time\" always;", list("e_", &DECISION)))
        .server("location /early { return 200 $authgear_user_id; }")
        .start();
    for_each_wire(|wire| {
        let response = send(&nginx, wire, by("alice", Request::get("/")));
        assert_eq!(response.header("x-early").as_deref(), Some(NOTHING));
        assert_eq!(response.header("x-early-decision").as_deref(), Some("-|-|-|-|-"));
        assert_eq!(response.header("x-answer"), Some(answer_of("alice")));
        assert_eq!(response.header("x-decision").as_deref(), Some("valid|resolved|BYPASS|bearer"));

        let response = send(&nginx, wire, by("alice", Request::get("/early")));
        assert_eq!((response.status, response.text().as_str()), (200, ""));
        assert_eq!(response.header("x-answer").as_deref(), Some(NOTHING));
    });
    nginx.finish();
}

#[test]
fn a_map_reads_them() {
    let stage = Stage::start();
    let nginx = stage
        .builder()
        .http(
            "map $authgear_user_roles $level { volatile; ~admin high; '' none; default low; }
             map $authgear_user_roles $late { ~admin high; '' none; default low; }",
        )
        .server("set $early $level; proxy_set_header x-level $early-$level-$late; add_header x-level $level-$late;")
        .start();
    for_each_wire(|wire| {
        for (user, level) in [("alice", "high"), ("bob", "low"), ("norole", "none"), ("nobody", "none")] {
            stage.echo.clear();
            let response = send(&nginx, wire, by(user, Request::get("/")));
            let told = stage.only_request();
            assert_eq!(told.text("x-level"), Some(format!("none-{level}-{level}").as_str()));
            assert_eq!(response.header("x-level"), Some(format!("{level}-{level}")));
        }
    });
    nginx.finish();
}

#[test]
fn the_access_log_tells_them() {
    let stage = Stage::start();
    let nginx = stage
        .builder()
        .http("log_format told escape=none '$arg_n|$authgear_user_id|$authgear_result|$authgear_reason|$status';")
        .server("access_log access.log told; location /refused { deny all; }")
        .start();
    let id = user_id("alice");
    for (n, request, expected) in [
        (1, by("alice", Request::get("/?n=1")), format!("{id}|valid|resolved|200")),
        (2, by("disabled", Request::get("/?n=2")), "|invalid|resolved|200".into()),
        (3, Request::get("/?n=3"), "|none|no_credential|200".into()),
        (4, by("alice", Request::get("/open/?n=4")), "|-|off|200".into()),
        // Another module refused it before it was this one's turn.
        (5, by("alice", Request::get("/refused?n=5")), "|-|-|403".into()),
    ] {
        send(&nginx, Wire::Http1, request);
        let line = nginx.wait_for_access_log(&format!("{n}|"), PATIENCE);
        assert_eq!(line, format!("{n}|{expected}"));
    }
    nginx.finish();
}

#[test]
fn requests_of_one_connection_have_their_own() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    let mut connection = super::super::harness::Http1::connect(nginx.port()).expect("nginx accepts");
    for user in ["alice", "", "norole", "bob", "", "disabled", "anonymous"] {
        let request = Request::get("/");
        let request = if user.is_empty() { request } else { by(user, request) };
        let expected = if user.is_empty() { NOTHING.to_owned() } else { answer_of(user) };
        assert_eq!(connection.exchange(&request).expect("an answer").header("x-answer"), Some(expected));
    }
    nginx.finish();
}

#[test]
fn a_value_with_odd_bytes_arrives_as_it_is() {
    let stage = Stage::start();
    let odd = "a \"b\" \\ $user {c}; \u{e9}\u{4e2d}".to_owned();
    let fault = super::super::standin::Fault::Headers(vec![("X-Authgear-Odd".to_owned(), odd.clone())]);
    stage.resolver.set_fault(Some(fault));
    let nginx = stage.builder().server("proxy_set_header x-told $authgear_header_odd;").start();
    for_each_wire(|wire| {
        let seen = stage.ask(&nginx, wire, by("alice", Request::get("/")));
        assert_eq!(
            (seen.text("x-told"), seen.text("x-authgear-odd")),
            (Some(odd.as_str()), Some(odd.as_str()))
        );
    });
    nginx.finish();
}
