//! An internal redirect to a location of another resolver identity: another call, and its answer replaces the first.

use super::super::harness::{Builder, Nginx, Request, for_each_wire, send};
use super::super::stage::{LAX, Pairs, Stage, by, identity, identity_of, pairs};
use super::super::standin::{Fault, Resolver};
use super::forged;

/// The first location resolves at the stage's resolver and leads to one with `lines`, both pass to the backend.
fn builder(stage: &Stage, lines: &str) -> Builder {
    let (resolve, pass) = (stage.resolve(), stage.pass());
    Nginx::builder().http(LAX).server(format!(
        "proxy_set_header x-by-name $http_x_authgear_user_id;
         location / {{ {resolve} {pass} }} location /then {{ {lines} {pass} }}"
    ))
}

/// The identity that the second location's backend got, and the value that it read by `$http_x_authgear_user_id`.
#[track_caller]
fn ask(stage: &Stage, nginx: &Nginx, request: Request) -> (Pairs, String) {
    let mut result = None;
    for_each_wire(|wire| {
        stage.echo.clear();
        assert_eq!(send(nginx, wire, &request).status, 200);
        let seen = stage.echo.requests();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(identity(&seen[0]), identity_of("alice"));
        result = Some((identity(&seen[1]), seen[1].text("x-by-name").unwrap_or_default().to_owned()));
    });
    result.expect("there are wires")
}

fn alice() -> Request {
    forged(by("alice", Request::get("/redirect-internal?/then")))
}

#[test]
fn another_endpoint_is_asked_and_its_answer_replaces_the_first() {
    let text = |text: &str| text.to_owned();
    let valid = |id: &str| {
        Fault::ReplaceHeaders(vec![
            (text("X-Authgear-Session-Valid"), text("true")),
            (text("X-Authgear-User-Id"), id.to_owned()),
        ])
    };
    let other = pairs(&[("x-authgear-session-valid", "true"), ("x-authgear-user-id", "other")]);
    let invalid = pairs(&[("x-authgear-session-valid", "false")]);
    let false_only = Fault::ReplaceHeaders(vec![(text("X-Authgear-Session-Valid"), text("false"))]);
    for (fault, expected, id) in [
        (valid("other"), other, "other"),
        (false_only, invalid, ""),
        // By nothing, too.
        (Fault::NoHeadersFor200, vec![], ""),
        (Fault::Status(500), vec![], ""),
    ] {
        println!("{fault:?}");
        let (stage, second) = (Stage::start(), Resolver::start());
        second.set_fault(Some(fault));
        let lines = format!("authgear_resolve {}; authgear_on_error anonymous;", second.url());
        let nginx = builder(&stage, &lines).start();
        assert_eq!(ask(&stage, &nginx, alice()), (expected, id.to_owned()));
        // One each, over each of the two wires.
        assert_eq!((stage.resolver.call_count(), second.call_count()), (2, 2));
        nginx.finish();
    }
}

#[test]
fn another_origin_is_another_identity() {
    let stage = Stage::start();
    let lines = format!("{} authgear_origin https://other.example;", stage.resolve());
    let nginx = builder(&stage, &lines).start();
    let (got, _) = ask(&stage, &nginx, alice());
    assert_eq!(got, identity_of("alice"));
    let hosts: Vec<_> =
        stage.resolver.calls().iter().map(|call| call.text("host") == Some("other.example")).collect();
    assert_eq!(hosts, [false, true, false, true]);
    nginx.finish();
}

#[test]
fn another_cookie_prefix_finds_other_credentials() {
    let stage = Stage::start();
    let lines = format!("{} authgear_cookie_prefix x_;", stage.resolve());
    let nginx = builder(&stage, &lines).start();
    let request = Request::get("/redirect-internal?/then").header("Cookie", "app_session=user:alice:1");
    // No such cookie, no identity, no call.
    assert_eq!(ask(&stage, &nginx, request), (vec![], String::new()));
    assert_eq!(stage.resolver.call_count(), 2);
    let both = "app_session=user:alice:1; x_app_session=user:bob:1";
    let (got, _) = ask(&stage, &nginx, Request::get("/redirect-internal?/then").header("Cookie", both));
    // The stand-in's app has no prefix, so it knows no such cookie: what counts is that it was asked.
    assert_eq!(got, vec![]);
    let cookies: Vec<_> =
        stage.resolver.calls()[2..].iter().map(|call| call.text("cookie").map(str::to_owned)).collect();
    let (first, then) =
        (Some("app_session=user:alice:1".to_owned()), Some("x_app_session=user:bob:1".to_owned()));
    assert_eq!(cookies, [first.clone(), then.clone(), first, then]);
    nginx.finish();
}

#[test]
fn the_same_identity_spelt_otherwise_costs_no_second_call() {
    let stage = Stage::start();
    let lines = format!("authgear_resolve {}/_resolver/resolve; authgear_timeout 2s;", stage.resolver.url());
    let nginx = builder(&stage, &lines).start();
    assert_eq!(ask(&stage, &nginx, alice()).0, identity_of("alice"));
    assert_eq!(stage.resolver.call_count(), 2);
    nginx.finish();
}

#[test]
fn a_location_without_resolving_in_between_changes_nothing() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx =
        builder(&stage, "error_page 404 =200 /last; root .; proxy_intercept_errors on; proxy_method GET;")
            .replace(
                "location /then {",
                &format!("location /last {{ {resolve} {pass} }} location /then-unused {{"),
            )
            .server("location /then { try_files /missing /last; }")
            .start();
    assert_eq!(ask(&stage, &nginx, alice()).0, identity_of("alice"));
    assert_eq!(stage.resolver.call_count(), 2);
    nginx.finish();
}
