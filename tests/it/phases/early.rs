//! What reads `$http_x_authgear_*` before the access phase never sees a forged value, and what reads it later sees
//! the trusted one.

use super::super::harness::{Nginx, Request, for_each_wire};
use super::super::stage::{LAX, Stage, by, user_id};
use super::forged;

/// Reads in every way there is.
fn nginx(stage: &Stage) -> Nginx {
    let pass = stage.pass();
    Nginx::builder()
        .http(LAX)
        .http(
            "map $http_x_authgear_user_id $kept { '' none; default some-$http_x_authgear_user_id; }
             map $http_x_authgear_user_id $fresh { volatile; '' none; default some-$http_x_authgear_user_id; }",
        )
        .server(stage.resolve())
        .server("set $early \"<$http_x_authgear_user_id>\"; set $early_roles \"<$http_x_authgear_user_roles>\";")
        .server("set $early_map $fresh; if ($http_x_authgear_user_id) { return 418; }")
        .server(
            "proxy_set_header x-early $early; proxy_set_header x-early-roles $early_roles;
             proxy_set_header x-early-map $early_map; proxy_set_header x-fresh $fresh; proxy_set_header x-kept $kept;
             proxy_set_header x-late \"<$http_x_authgear_user_id>\";
             add_header x-seen \"<$http_x_authgear_user_id>\" always;",
        )
        .server(format!(
            "location / {{ set $inner $http_x_authgear_user_id; if ($inner) {{ return 418; }} {pass} }}
             location /open/ {{ authgear_resolve off; if ($http_x_authgear_user_id) {{ return 418; }} {pass} }}
             location /cached {{ set $first $kept; {pass} }}"
        ))
        .start()
}

#[test]
fn early_readers_see_nothing_and_late_ones_the_trusted_value() {
    let stage = Stage::start();
    let nginx = nginx(&stage);
    let alice = user_id("alice");
    for_each_wire(|wire| {
        for (request, id) in [
            (by("alice", Request::get("/")), alice.as_str()),
            (by("nobody", Request::get("/")), ""),
            (Request::get("/"), ""),
            (by("alice", Request::get("/open/")), ""),
        ] {
            let seen = stage.ask(&nginx, wire, forged(request));
            let fresh = if id.is_empty() { "none".to_owned() } else { format!("some-{id}") };
            assert_eq!(seen.text("x-early"), Some("<>"));
            assert_eq!(seen.text("x-early-roles"), Some("<>"));
            assert_eq!(seen.text("x-early-map"), Some("none"));
            assert_eq!(seen.text("x-late"), Some(format!("<{id}>").as_str()));
            assert_eq!(seen.text("x-fresh"), Some(fresh.as_str()));
            assert_eq!(seen.text("x-kept"), Some(fresh.as_str()));
        }
    });
    nginx.finish();
}

#[test]
fn a_map_that_was_read_early_keeps_nothing_forged() {
    // nginx keeps what a map gave first, unless it is volatile.
    let stage = Stage::start();
    let nginx = nginx(&stage);
    for_each_wire(|wire| {
        let seen = stage.ask(&nginx, wire, forged(by("alice", Request::get("/cached"))));
        assert_eq!(
            (seen.text("x-kept"), seen.text("x-fresh")),
            (Some("none"), Some(&*format!("some-{}", user_id("alice"))))
        );
    });
    nginx.finish();
}

#[test]
fn limits_are_not_keyed_by_a_forged_value() {
    // Without the module each forged value would have a bucket of its own.
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage
        .builder()
        .http("limit_req_zone $http_x_authgear_user_id$server_port zone=per_user:1m rate=1r/m;")
        .server(format!("location /limited {{ limit_req zone=per_user; {pass} }}"))
        .start();
    let request = |id: &str| Request::get("/limited").header("x-authgear-user-id", id);
    stage.ask(&nginx, super::super::harness::Wire::Http1, request("one"));
    let response = stage.refused(&nginx, super::super::harness::Wire::Http1, request("two"));
    assert_eq!(response.status, 503);
    nginx.finish();
}
