//! The answers that mean something: valid, invalid, none.

use super::super::harness::{Wire, for_each_wire};
use super::super::live::assert_ending;
use super::super::stage::{identity_told, pairs, with_bearer};
use super::super::standin::{Fault, Kind};
use super::{USER, VALID, answer, ask, for_each_resolver};

#[test]
fn a_session_of_the_real_server_is_valid_with_every_header_that_is_not_empty() {
    for_each_resolver("", |live| {
        for_each_wire(|wire| {
            for (user, roles) in [("alice", Some("admin,editor")), ("norole", None), ("anonymous", None)] {
                let response = super::send(&live.nginx, wire, live.request_of(user, Kind::Session));
                assert_ending(&response, 200, "valid", "resolved");
                let account = live.accounts().user(user);
                let mut expected = pairs(&[
                    ("x-authgear-session-authenticated-at", "1136171045"),
                    ("x-authgear-session-valid", "true"),
                    ("x-authgear-user-anonymous", if account.anonymous { "true" } else { "false" }),
                    (
                        "x-authgear-user-can-reauthenticate",
                        if account.can_reauthenticate { "true" } else { "false" },
                    ),
                    ("x-authgear-user-id", account.id.as_str()),
                ]);
                expected.extend(roles.map(|roles| ("x-authgear-user-roles".to_owned(), roles.to_owned())));
                expected.extend(pairs(&[(
                    "x-authgear-user-verified",
                    if account.verified { "true" } else { "false" },
                )]));
                assert_eq!(identity_told(&response), expected, "an empty amr is left out");
            }
        });
    });
}

#[test]
fn each_known_form_is_read_for_what_it_is() {
    let future = ("X-Authgear-Something-New", "v 1");
    let none: [(&str, &str); 0] = [];
    let cases = [
        (answer(200, &none, ""), "none", vec![]),
        (answer(204, &none, ""), "none", vec![]),
        (answer(200, &[("X-Other", "x"), ("Content-Type", "text/plain")], ""), "none", vec![]),
        (answer(200, &[VALID, USER], ""), "valid", vec![VALID, USER]),
        (answer(204, &[VALID, USER], ""), "valid", vec![VALID, USER]),
        (answer(200, &[VALID, USER, future], ""), "valid", vec![future, VALID, USER]),
        (answer(200, &[VALID, USER, ("X-Authgear-Empty", "")], ""), "valid", vec![VALID, USER]),
        (
            answer(200, &[("X-Authgear-Session-Valid", "false")], ""),
            "invalid",
            vec![("X-Authgear-Session-Valid", "false")],
        ),
        (
            answer(204, &[("X-Authgear-Session-Valid", "false")], ""),
            "invalid",
            vec![("X-Authgear-Session-Valid", "false")],
        ),
        // The exempt ones are not identity headers, and are never injected.
        (
            answer(200, &[VALID, USER, ("X-Authgear-Xhr", "1"), ("X-Authgear-Body-Signature", "x")], ""),
            "valid",
            vec![VALID, USER],
        ),
        // Only "none" is told from an answer of another server by its body.
        (answer(200, &[VALID, USER], "a body"), "valid", vec![VALID, USER]),
    ];
    for_each_resolver("", |live| {
        for_each_wire(|wire| {
            for (fault, result, headers) in &cases {
                let response = ask(live, wire, fault.clone());
                assert_ending(&response, 200, result, "resolved");
                let mut expected = pairs(headers);
                expected.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
                expected.sort();
                assert_eq!(identity_told(&response), expected, "{fault:?}");
            }
        });
    });
}

#[test]
fn answers_before_the_answer_are_passed_over() {
    let claims = pairs(&[("X-Authgear-Session-Valid", "true"), ("X-Authgear-User-Id", "mallory")]);
    for_each_resolver("", |live| {
        let id = live.accounts().user("alice").id;
        for fault in [Fault::OneHundredContinue, Fault::EarlyHints(claims.clone())] {
            let response = ask(live, Wire::Http1, fault);
            assert_ending(&response, 200, "valid", "resolved");
            assert!(identity_told(&response).contains(&("x-authgear-user-id".to_owned(), id.clone())));
            assert!(response.informational.is_empty(), "nothing of it is the client's business");
        }
        // Nor do they lend an identity to an answer that has none.
        let response = super::send(&live.nginx, Wire::Http1, live.alice().header("X-A", "b"));
        assert_ending(&response, 200, "valid", "resolved");
    });
}

#[test]
fn early_hints_and_trailers_lend_no_identity() {
    let claims = pairs(&[VALID, ("X-Authgear-User-Id", "mallory"), ("X-Authgear-User-Roles", "admin")]);
    for_each_resolver("", |live| {
        for fault in [Fault::EarlyHints(claims.clone()), Fault::Trailers(claims.clone())] {
            live.resolver.push_fault(fault);
            // A bearer token that nobody knows: the true answer is "none".
            let request = with_bearer("x");
            let response = super::send(&live.nginx, Wire::Http1, &request);
            assert_ending(&response, 200, "none", "resolved");
            assert_eq!(identity_told(&response), []);
        }
    });
}

#[test]
fn the_connection_is_kept_after_every_answer() {
    let live = super::Live::start();
    let none: [(&str, &str); 0] = [];
    for fault in [
        Fault::Body(b"short".to_vec()),
        Fault::Chunked(b"in chunks".to_vec()),
        answer(204, &none, ""),
        answer(401, &none, "login"),
        answer(500, &none, "oops"),
        Fault::Redirect("http://elsewhere.example/".to_owned()),
        answer(200, &[("X-Authgear-Session-Valid", "TRUE")], ""),
        Fault::OneHundredContinue,
    ] {
        ask(&live, Wire::Http1, fault);
    }
    assert_eq!(live.resolver.connections(), 1);
    live.finish();
}

#[test]
fn an_answer_that_ends_with_its_connection_is_read_to_its_end() {
    let live = super::Live::start();
    let headers = "X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\n";
    for head in
        ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n", "HTTP/1.1 204 No Content\r\n"]
    {
        let bytes = format!("{head}{headers}\r\n").into_bytes();
        let response = ask(&live, Wire::Http1, Fault::Garbage(bytes));
        assert_ending(&response, 200, "valid", "resolved");
        assert_eq!(
            identity_told(&response),
            pairs(&[("x-authgear-session-valid", "true"), ("x-authgear-user-id", "alice")])
        );
    }
    live.finish();
}

#[test]
fn values_reach_the_backend_byte_for_byte() {
    for_each_resolver("", |live| {
        for value in ["a b", "a\tb", "\u{e9}", "a,b;c=\"d\"", "%00%0a", "\\", "$uri", "true"] {
            for_each_wire(|wire| {
                let response = ask(live, wire, answer(200, &[VALID, ("X-Authgear-User-Id", value)], ""));
                assert_ending(&response, 200, "valid", "resolved");
                let seen = live.echo.last().expect("the backend was asked");
                assert_eq!(seen.header_all("x-authgear-user-id"), [value.as_bytes()]);
            });
        }
    });
}
