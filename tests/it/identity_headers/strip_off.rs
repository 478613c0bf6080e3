//! `authgear_strip_headers off`: behind another nginx that sets the headers.

use super::super::harness::{Request, for_each_wire};
use super::super::stage::{LAX, Stage, by, identity, identity_of, user_id};
use super::super::standin::Fault;

const SENT: [&str; 4] =
    ["x-authgear-user-id", "x_authgear_user_roles", "x.authgear.session.valid", "x-authgear-z"];

fn sent(target: &str) -> Request {
    SENT.iter().fold(Request::get(target), |request, name| request.header(name, "outer"))
}

#[test]
fn headers_of_the_outer_nginx_pass_where_resolving_is_off() {
    let stage = Stage::start();
    let nginx = stage.start_lax("authgear_strip_headers off;");
    for_each_wire(|wire| {
        let seen = stage.ask(&nginx, wire, by("alice", sent("/open/")));
        for name in SENT {
            assert_eq!(seen.header_all(name), [b"outer"], "{name}");
        }
    });
    nginx.finish();
}

#[test]
fn they_are_replaced_where_resolving_is_on() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).http("authgear_strip_headers off;").start();
    for_each_wire(|wire| {
        for user in ["alice", "norole", "anonymous", "disabled"] {
            assert_eq!(identity(&stage.ask(&nginx, wire, by(user, sent("/")))), identity_of(user));
        }
        // By nothing, too.
        assert_eq!(identity(&stage.ask(&nginx, wire, sent("/"))), []);
        assert_eq!(identity(&stage.ask(&nginx, wire, by("nobody", sent("/")))), []);
    });
    nginx.finish();
}

#[test]
fn they_are_gone_after_a_failure_that_lets_through() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Status(500)));
    let nginx = stage.start_lax("authgear_strip_headers off; authgear_on_error anonymous;");
    for_each_wire(|wire| assert_eq!(identity(&stage.ask(&nginx, wire, by("alice", sent("/")))), []));
    nginx.finish();
}

#[test]
fn the_setting_is_each_servers_own() {
    let stage = Stage::start();
    let off = format!("authgear_strip_headers off; location / {{ {} }}", stage.pass());
    let nginx = stage.builder().http(LAX).server_named("off.example", off).start();
    for_each_wire(|wire| {
        assert_eq!(identity(&stage.ask(&nginx, wire, sent("/open/"))), []);
        assert_eq!(identity(&stage.ask(&nginx, wire, sent("/").host("off.example"))).len(), SENT.len());
    });
    nginx.finish();
}

#[test]
fn the_variables_of_nginx_read_what_the_outer_nginx_sent() {
    let stage = Stage::start();
    let nginx = stage
        .builder()
        .server("authgear_strip_headers off; set $early $http_x_authgear_user_id;")
        .server("proxy_set_header x-told \"$early|$http_x_authgear_user_id\";")
        .start();
    for_each_wire(|wire| {
        let told = |request| stage.ask(&nginx, wire, request).text("x-told").map(str::to_owned);
        assert_eq!(told(by("alice", sent("/open/"))).as_deref(), Some("outer|outer"));
        // What an outer nginx said of the user is for the sites that don't resolve.
        assert_eq!(told(by("alice", sent("/"))), Some(format!("outer|{}", user_id("alice"))));
        assert_eq!(told(sent("/")).as_deref(), Some("outer|"));
    });
    nginx.finish();
}
