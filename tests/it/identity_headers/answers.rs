//! What the answer lacks is nowhere to be had from the client, and only the answer's own headers count.

use super::super::harness::{Request, Wire, for_each_wire, try_send};
use super::super::stage::{LAX, Stage, by, identity, identity_of, pairs};
use super::super::standin::Fault;
use super::{NAMES, with_all};

/// With every name, and every name with underscores.
fn forged() -> Request {
    with_all(with_all(Request::get("/"), NAMES), NAMES.map(|name| name.replace('-', "_")))
}

#[test]
fn a_header_that_the_answer_lacks_is_gone() {
    let stage = Stage::start();
    for settings in ["", LAX] {
        let nginx = stage.builder().http(settings).start();
        for_each_wire(|wire| {
            for user in ["alice", "bob", "norole", "anonymous", "unverified", "disabled"] {
                let seen = stage.ask(&nginx, wire, by(user, forged()));
                assert_eq!(identity(&seen), identity_of(user), "{user}");
            }
        });
        nginx.finish();
    }
}

#[test]
fn a_visitor_without_a_good_credential_has_no_identity() {
    let stage = Stage::start();
    let invalid = pairs(&[("x-authgear-session-valid", "false")]);
    for settings in ["", LAX] {
        let nginx = stage.builder().http(settings).start();
        for_each_wire(|wire| {
            for (request, expected) in [
                (forged(), vec![]),
                (forged().header("Authorization", "Bearer unknown"), vec![]),
                (forged().header("Authorization", "Basic dXNlcjpwYXNz"), vec![]),
                (forged().header("Cookie", "session=bad"), invalid.clone()),
                (forged().header("Cookie", "app_session=bad"), vec![]),
            ] {
                let seen = stage.ask(&nginx, wire, request.clone());
                assert_eq!(identity(&seen), expected, "{request:?}");
            }
        });
        nginx.finish();
    }
}

#[test]
fn forged_headers_go_where_resolving_fails_open() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Status(500)));
    for settings in ["", LAX] {
        let nginx = stage.builder().http(settings).server("authgear_on_error anonymous;").start();
        for_each_wire(|wire| {
            let seen = stage.ask(&nginx, wire, by("alice", forged()));
            assert_eq!(identity(&seen), []);
        });
        nginx.finish();
    }
}

#[test]
fn a_client_can_not_make_trusted_headers_hop_by_hop() {
    let stage = Stage::start();
    let nginx = stage.builder().server("proxy_http_version 1.1;").start();
    // HTTP/2 knows no such header.
    let every = "close, x-authgear-user-id, X-Authgear-User-Roles, x-authgear-session-valid";
    for value in ["x-authgear-user-id", every, "keep-alive, x-authgear-user-id"] {
        let request = by("alice", Request::get("/").header("Connection", value));
        let seen = stage.ask(&nginx, Wire::Http1, request);
        assert_eq!(identity(&seen), identity_of("alice"), "{value}");
    }
    nginx.finish();
}

#[test]
fn trailers_of_the_request_are_no_headers() {
    let stage = Stage::start();
    let trailing = |user| {
        let request = Request::post("/", "body").header("TE", "trailers");
        by(user, request.trailer("x-authgear-user-roles", "forged").trailer("x-authgear-user-id", "forged"))
    };
    for version in ["1.0", "1.1"] {
        let nginx = stage.builder().server(format!("proxy_http_version {version};")).start();
        for (user, expected) in [("norole", identity_of("norole")), ("nobody", vec![])] {
            let seen = stage.ask(&nginx, Wire::Http1, trailing(user));
            assert_eq!((identity(&seen), seen.body_len), (expected.clone(), 4));
            // nginx knows no trailers of HTTP/2 and closes the connection; the request may have gone on by then.
            stage.echo.clear();
            let _ = try_send(&nginx, Wire::Http2, trailing(user));
            stage.echo.requests().iter().for_each(|seen| assert_eq!(identity(seen), expected));
        }
        nginx.finish();
    }
}

#[test]
fn trailers_and_early_hints_of_the_answer_are_no_identity() {
    let stage = Stage::start();
    let nginx = stage.builder().start();
    let forged = || vec![("X-Authgear-User-Roles".to_owned(), "root".to_owned())];
    for_each_wire(|wire| {
        for fault in [Fault::Trailers(forged()), Fault::EarlyHints(forged()), Fault::OneHundredContinue] {
            stage.resolver.push_fault(fault.clone());
            let seen = stage.ask(&nginx, wire, by("norole", Request::get("/")));
            assert_eq!(identity(&seen), identity_of("norole"), "{fault:?}");
        }
    });
    nginx.finish();
}

#[test]
fn headers_that_authgear_adds_in_future_arrive_and_empty_ones_do_not() {
    let stage = Stage::start();
    let nginx = stage.builder().start();
    let some_day = ("X-Authgear-Some-Day".to_owned(), "a, b; \"c\" \u{e9}".to_owned());
    let empty = ("X-Authgear-Session-Acr".to_owned(), String::new());
    stage.resolver.set_fault(Some(Fault::Headers(vec![some_day, empty])));
    for_each_wire(|wire| {
        let seen = stage.ask(&nginx, wire, by("norole", with_all(Request::get("/"), NAMES)));
        let mut expected = identity_of("norole");
        expected.insert(1, ("x-authgear-some-day".into(), "a, b; \"c\" \u{e9}".into()));
        expected.sort();
        assert_eq!(identity(&seen), expected);
        assert_eq!(seen.header_all("x-authgear-session-acr"), [] as [&[u8]; 0]);
    });
    nginx.finish();
}

#[test]
fn the_resolver_learns_nothing_of_forged_headers() {
    let stage = Stage::start();
    let nginx = stage.builder().start();
    for_each_wire(|wire| {
        stage.ask(&nginx, wire, by("alice", with_all(Request::get("/"), NAMES)));
        let call = stage.resolver.last_call().expect("a call");
        let names = call.header_names();
        assert!(names.iter().all(|name| !name.contains("authgear")), "{names:?}");
    });
    nginx.finish();
}
