//! `x-authgear-xhr` and `x-authgear-body-signature` are Authgear's own pages' and webhooks', no identity.

use super::super::harness::{Request, Wire, for_each_wire};
use super::super::stage::{LAX, Stage, by, identity, identity_of};
use super::super::standin::Fault;

const EXEMPT: [&str; 2] = ["x-authgear-xhr", "x-authgear-body-signature"];

#[test]
fn the_exact_spelling_passes_as_often_as_it_is_sent() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).start();
    for_each_wire(|wire| {
        for target in ["/", "/open/"] {
            let request = EXEMPT.iter().fold(Request::get(target), |request, name| {
                request.header(name, "one").header("x-authgear-user-id", "forged").header(name, "two")
            });
            let seen = stage.ask(&nginx, wire, by("alice", request));
            for name in EXEMPT {
                assert_eq!(seen.header_all(name), [b"one", b"two"], "{target}");
            }
            let identity = identity(&seen).into_iter().filter(|(name, _)| !EXEMPT.contains(&name.as_str()));
            let expected = if target == "/" { identity_of("alice") } else { vec![] };
            assert_eq!(identity.collect::<Vec<_>>(), expected, "{target}");
        }
    });
    nginx.finish();
}

#[test]
fn any_case_passes() {
    let stage = Stage::start();
    let nginx = stage.builder().start();
    for name in ["X-Authgear-Xhr", "X-AUTHGEAR-XHR", "x-Authgear-Body-signature"] {
        let seen = stage.ask(&nginx, Wire::Http1, Request::get("/").header(name, "true"));
        assert_eq!(seen.headers.iter().filter(|(n, v)| n == name.as_bytes() && v == b"true").count(), 1);
    }
    nginx.finish();
}

#[test]
fn no_alias_passes() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).start();
    for_each_wire(|wire| {
        for separator in ["_", ".", "~", "\u{80}"] {
            for name in EXEMPT {
                let all = name.replace('-', separator);
                let last = name.rsplit_once('-').expect("dashes");
                let last = format!("{}{separator}{}", last.0, last.1);
                let request = Request::get("/").header(all, "forged").header(last, "forged");
                assert_eq!(identity(&stage.ask(&nginx, wire, request)), []);
            }
        }
    });
    nginx.finish();
}

#[test]
fn an_answer_can_not_put_them_in() {
    let stage = Stage::start();
    let nginx = stage.builder().start();
    let headers = EXEMPT.map(|name| (name.to_owned(), "answer".to_owned()));
    stage.resolver.set_fault(Some(Fault::Headers(headers.to_vec())));
    for_each_wire(|wire| {
        assert_eq!(identity(&stage.ask(&nginx, wire, by("alice", Request::get("/")))), identity_of("alice"));
        let request = by("alice", Request::get("/").header("x-authgear-xhr", "client"));
        assert_eq!(stage.ask(&nginx, wire, request).header_all("x-authgear-xhr"), [b"client"]);
    });
    nginx.finish();
}

#[test]
fn the_variables_of_nginx_read_them_early_and_late() {
    let stage = Stage::start();
    let reads = "$http_x_authgear_xhr|$http_x_authgear_body_signature";
    let nginx = stage
        .builder()
        .server(format!("set $early \"{reads}\"; proxy_set_header x-told \"$early|{reads}\";"))
        .start();
    for_each_wire(|wire| {
        for target in ["/", "/open/"] {
            let request = Request::get(target).header(EXEMPT[0], "one").header(EXEMPT[1], "two");
            let seen = stage.ask(&nginx, wire, by("alice", request));
            assert_eq!(seen.text("x-told"), Some("one|two|one|two"), "{target}");
            let seen = stage.ask(&nginx, wire, by("alice", Request::get(target)));
            assert_eq!(seen.text("x-told"), Some("|||"), "{target}");
        }
    });
    nginx.finish();
}

#[test]
fn their_variables_read_duplicates_as_those_of_stock_nginx_do() {
    let stage = Stage::start();
    let told = "proxy_set_header x-told \"$http_x_authgear_xhr|$http_x_other\";";
    let nginx = stage.builder().server(told).start();
    let request = ["x-authgear-xhr", "x-other"].iter().fold(Request::get("/"), |request, name| {
        request.header(name, "one").header(name, "").header(name, "three")
    });
    for_each_wire(|wire| {
        let seen = stage.ask(&nginx, wire, &request);
        let (ours, stock) = seen.text("x-told").and_then(|told| told.split_once('|')).expect("both");
        assert_eq!(ours, stock);
        assert!(ours.starts_with("one"), "{ours}");
    });
    nginx.finish();
}

/// Authgear's portal says by it, to the Admin API, that a request comes through the portal: no client may.
#[test]
fn the_header_of_the_portal_is_none_of_them() {
    const NAME: &str = "X-Authgear-Portal-Is-Proxied";
    let stage = Stage::start();
    let admin = format!("authgear_strip_headers off; location / {{ {} }}", stage.pass());
    let nginx = stage.builder().server_named("admin.example", admin).start();
    for_each_wire(|wire| {
        for target in ["/", "/open/"] {
            let request = by("alice", Request::get(target).header(NAME, "true"));
            assert_eq!(stage.ask(&nginx, wire, request).header(NAME), None, "{target}");
        }
        let request = Request::get("/").host("admin.example").header(NAME, "true");
        assert_eq!(stage.ask(&nginx, wire, request).text(NAME), Some("true"));
    });
    nginx.finish();
}
