//! 401 and 403 go to the client as with `auth_request`; every other status is an error.

use super::super::harness::{Wire, for_each_wire};
use super::super::live::{assert_ending, ending};
use super::super::stage::token_of;
use super::super::standin::{Fault, Resolver};
use super::{Live, USER, VALID, answer, ask, for_each_resolver};

const CHALLENGES: [&str; 3] =
    ["Bearer realm=\"a, b\", error=\"invalid_token\"", "Basic realm=\"x\"", "DPoP algs=\"ES256\""];

#[test]
fn a_refusal_reaches_the_client_with_every_challenge() {
    for_each_resolver("", |live| {
        for_each_wire(|wire| {
            for status in [401, 403] {
                for count in 0..=CHALLENGES.len() {
                    let headers: Vec<_> =
                        CHALLENGES[..count].iter().map(|c| ("WWW-Authenticate", *c)).collect();
                    let seen = live.echo.requests().len();
                    let response = ask(live, wire, answer(status, &headers, "not for the client"));
                    assert_eq!(response.status, status);
                    assert_eq!(response.all("www-authenticate"), CHALLENGES[..count]);
                    assert!(!response.text().contains("not for the client"));
                    assert_eq!(ending(&response).1, "error");
                    assert_eq!(live.echo.requests().len(), seen, "the backend is not asked");
                }
            }
        });
    });
}

#[test]
fn a_refusal_takes_nothing_else_along() {
    let live = Live::start();
    let headers = [
        ("WWW-Authenticate", "Bearer"),
        ("Set-Cookie", "session=; Path=/"),
        ("Location", "http://elsewhere.example/"),
        ("X-Authgear-User-Id", "alice"),
        ("Content-Type", "text/odd"),
        ("Retry-After", "7"),
    ];
    let response = ask(&live, Wire::Http1, answer(401, &headers, ""));
    for name in ["set-cookie", "location", "x-authgear-user-id", "retry-after"] {
        assert_eq!(response.all(name), Vec::<String>::new(), "{name}");
    }
    assert_ne!(response.header("content-type").as_deref(), Some("text/odd"));
    live.finish();
}

#[test]
fn an_error_page_takes_over_a_refusal_and_keeps_its_challenge() {
    let lines = "error_page 401 = @login;\nerror_page 403 /denied;\n\
                 location @login { return 302 /login; }\n\
                 location = /denied { authgear_resolve off; return 403 \"denied: $uri\"; }";
    let live = Live::with(Resolver::start(), lines);
    for_each_wire(|wire| {
        let challenge = [("WWW-Authenticate", "Bearer realm=\"x\"")];
        let response = ask(&live, wire, answer(401, &challenge, ""));
        assert_eq!(response.status, 302);
        assert!(response.header("location").is_some_and(|to| to.ends_with("/login")), "{response:?}");
        assert_eq!(response.all("www-authenticate"), ["Bearer realm=\"x\""]);
        let response = ask(&live, wire, answer(403, &challenge, ""));
        assert_eq!((response.status, response.text().as_str()), (403, "denied: /denied"));
    });
    live.finish();
}

#[test]
fn a_refusal_is_told_once_and_asked_for_once_where_the_error_page_resolves_too() {
    let live = Live::with(Resolver::start(), "error_page 401 /again;");
    for_each_wire(|wire| {
        let challenge = [("WWW-Authenticate", "Bearer realm=\"x\"")];
        let response = ask(&live, wire, answer(401, &challenge, ""));
        assert_eq!(response.status, 401);
        assert_eq!(response.all("www-authenticate"), ["Bearer realm=\"x\""]);
    });
    assert_eq!(live.echo.requests().len(), 0);
    live.finish();
}

#[test]
fn an_on_error_setting_does_not_change_a_refusal() {
    for setting in ["anonymous", "503"] {
        let live = Live::with(Resolver::start(), &format!("authgear_on_error {setting};"));
        for status in [401, 403] {
            let none: [(&str, &str); 0] = [];
            assert_eq!(ask(&live, Wire::Http1, answer(status, &none, "")).status, status);
        }
        assert_eq!(live.echo.requests().len(), 0);
        live.finish();
    }
}

#[test]
fn every_other_status_is_an_error_whatever_its_headers() {
    for_each_resolver("authgear_breaker off;", |live| {
        for status in [
            201, 202, 203, 205, 206, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 402, 404, 405, 407,
            408, 410, 418, 421, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 507, 511, 520, 599,
        ] {
            let headers = [VALID, USER, ("WWW-Authenticate", "Bearer"), ("Retry-After", "1")];
            let response = ask(live, Wire::Http1, answer(status, &headers, ""));
            assert_ending(&response, 502, "error", "status");
            assert_eq!(response.all("www-authenticate"), Vec::<String>::new(), "{status}");
        }
    });
}

#[test]
fn redirects_are_never_followed() {
    let elsewhere = Resolver::start();
    for_each_resolver("", |live| {
        for status in [301, 302, 303, 307, 308] {
            for to in [format!("{}/_resolver/resolve", elsewhere.url()), "/_resolver/resolve".to_owned()] {
                let response = ask(live, Wire::Http1, answer(status, &[("Location", to)], ""));
                assert_ending(&response, 502, "error", "status");
                assert_eq!(response.header("location"), None);
            }
        }
    });
    assert_eq!(elsewhere.connections(), 0, "a credential would have gone there");
}

#[test]
fn the_server_s_own_failures_are_errors() {
    for_each_resolver("", |live| {
        for fault in [Fault::PanicJson500, Fault::Text500] {
            assert_ending(&ask(live, Wire::Http1, fault), 502, "error", "status");
        }
        let response = ask(live, Wire::Http1, Fault::NoHeadersFor200);
        assert_ending(&response, 200, "none", "resolved");
    });
    let wrong_tenant = Live::with(Resolver::builder().app_host("auth.example.com").start(), "");
    let request = token_of("alice", 1);
    let response = super::send(&wrong_tenant.nginx, Wire::Http1, &request);
    assert_ending(&response, 502, "error", "status");
    wrong_tenant.finish();
    let right = Live::with(
        Resolver::builder().app_host("auth.example.com").start(),
        "authgear_origin https://auth.example.com;",
    );
    assert_ending(&super::send(&right.nginx, Wire::Http1, &request), 200, "valid", "resolved");
    right.finish();
}
