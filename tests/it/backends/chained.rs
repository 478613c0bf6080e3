//! One request that goes to two backends, by error_page, by X-Accel-Redirect or by trying the next server.

use super::super::harness::{Builder, Nginx, for_each_wire, send};
use super::super::stage::{LAX, Stage, by, identity, identity_of};
use super::super::standin::echo::Echo;
use super::{Kind, forged};

/// `/status/NNN` at the first backend leads to the second, by its URI or by a named location.
fn two(kind: Kind, stage: &Stage, second: &Echo, target: &str, lines: &str) -> Builder {
    let (resolve, module) = (stage.resolve(), kind.module());
    let (first_pass, second_pass) = (kind.pass("first"), kind.pass("second"));
    Nginx::builder()
        .http(LAX)
        .http(kind.upstream("first", &stage.echo))
        .http(kind.upstream("second", second))
        .server(format!(
            "{resolve} location / {{ {module}_intercept_errors on; error_page 500 =200 {target}; {first_pass} }}
             location {target} {{ {lines} {second_pass} }}"
        ))
}

/// The second backend must get what the first got.
fn assert_both_get_it_once(target: &str, lines: &str) {
    for kind in Kind::ALL {
        println!("{kind:?}");
        let (stage, second) = (kind.stage(), kind.echo());
        let nginx = two(kind, &stage, &second, target, lines).start();
        for_each_wire(|wire| {
            for user in ["alice", "norole", "disabled", ""] {
                let request = forged("/status/500");
                let (request, expected) = match user {
                    "" => (request, vec![]),
                    user => (by(user, request), identity_of(user)),
                };
                stage.echo.clear();
                second.clear();
                let calls = stage.resolver.call_count();
                assert_eq!(send(&nginx, wire, request).status, 200);
                assert_eq!(identity(&stage.only_request()), expected);
                let got = second.requests();
                assert_eq!(got.len(), 1);
                assert_eq!(identity(&got[0]), expected);
                assert_eq!(stage.resolver.call_count() - calls, u64::from(!user.is_empty()));
            }
        });
        nginx.finish();
    }
}

#[test]
fn a_backend_after_an_error_page_gets_the_identity_once() {
    assert_both_get_it_once("/second", "");
}

#[test]
fn a_backend_in_a_named_location_gets_the_identity_once() {
    assert_both_get_it_once("@second", "");
}

#[test]
fn a_backend_after_an_error_page_that_does_not_resolve_keeps_the_identity() {
    assert_both_get_it_once("/second", "authgear_resolve off;");
}

#[test]
fn a_backend_in_a_named_location_that_does_not_resolve_keeps_the_identity() {
    assert_both_get_it_once("@second", "authgear_resolve off;");
}

#[test]
fn every_kind_may_redirect_internally() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Grpc) {
        println!("{kind:?}");
        let stage = kind.stage();
        let nginx = kind.builder(&stage, "").start();
        for_each_wire(|wire| {
            stage.echo.clear();
            let before = stage.resolver.call_count();
            let response = send(&nginx, wire, by("alice", forged("/redirect-internal?/then")));
            assert_eq!(response.status, 200);
            let got = stage.echo.requests();
            assert_eq!(got.len(), 2);
            got.iter().for_each(|seen| assert_eq!(identity(seen), identity_of("alice")));
            assert_eq!(stage.resolver.call_count() - before, 1);
        });
        nginx.finish();
    }
}

#[test]
fn the_next_server_gets_the_identity_once() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Grpc) {
        println!("{kind:?}");
        let (stage, dead) = (kind.stage(), kind.echo());
        let dead_addr = dead.addr();
        drop(dead);
        let upstream = format!("upstream app {{ server {dead_addr}; server {} backup; }}", stage.echo.addr());
        let pass = kind.pass("app");
        let nginx = Nginx::builder()
            .http(format!("{LAX} {upstream}"))
            .server(format!("{} location / {{ {pass} }}", stage.resolve()))
            .start();
        for_each_wire(|wire| {
            assert_eq!(identity(&stage.ask(&nginx, wire, by("bob", forged("/")))), identity_of("bob"));
        });
        nginx.finish();
    }
}
