//! Lines about failures say who wasn't answered, why, and what requests get meanwhile.

use super::super::harness::{PATIENCE, Request, Wire, send};
use super::super::live::Live;
use super::super::standin::{Fault, Resolver};

/// Requests come from the address that they name.
fn live(lines: &str) -> Live {
    let live = Live::with(
        Resolver::start(),
        &format!("set_real_ip_from 127.0.0.1; real_ip_header X-Client; authgear_timeout 60s; {lines}"),
    );
    live.resolver.set_fault(Some(Fault::Gate));
    live
}

fn from(live: &Live, address: &str) -> Request {
    live.unique().header("X-Client", address)
}

#[track_caller]
fn assert_told(live: &Live, words: &str) {
    let line = live.nginx.wait_for_log(words, PATIENCE);
    let begin = format!("authgear: resolver \"{}/_resolver/resolve\" not asked: ", live.resolver.url());
    assert!(line.contains("[error]") && line.contains(&begin), "{line}");
    assert!(line.contains(", client: 192.0.2.1, "), "{line}");
}

#[test]
fn too_many_calls() {
    let live = live("authgear_max_inflight 1;");
    let held = live.begin(&from(&live, "192.0.2.2"));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    assert_eq!(send(&live.nginx, Wire::Http1, from(&live, "192.0.2.1")).status, 502);
    assert_told(
        &live,
        "1 calls are in flight, as many as \"authgear_max_inflight\" allows; requests get 502, client: ",
    );
    drop(held);
    live.finish();
}

#[test]
fn too_many_calls_of_one_client() {
    let live = live("authgear_max_inflight 4; authgear_on_error anonymous;");
    let held = live.begin(&from(&live, "192.0.2.1"));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    assert_eq!(send(&live.nginx, Wire::Http1, from(&live, "192.0.2.1")).status, 200);
    assert_told(
        &live,
        "this client address has 1 of 4 calls in flight, its share of \"authgear_max_inflight\"; \
         requests go on without identity; behind a load balancer set up ngx_http_realip_module, client: ",
    );
    drop(held);
    live.finish();
}

/// Authgear's main port answers so, and its resolver for a host that is no app's.
#[test]
fn a_404_says_what_to_check() {
    let resolver = Resolver::builder().app_host("auth.example.com").start();
    let elsewhere = format!("{}/_resolver/resolve/of-another-server", resolver.url());
    let unknown_app = format!("{}/_resolver/resolve", resolver.url());
    let origin = resolver.url();
    let live =
        Live::with(resolver, &format!("location /elsewhere/ {{ authgear_resolve {elsewhere}; {{pass}} }}"));
    for (target, url) in [("/", unknown_app), ("/elsewhere/", elsewhere)] {
        let request = Request { target: target.into(), ..live.unique() };
        assert_eq!(send(&live.nginx, Wire::Http1, request).status, 502);
        let words = format!(
            "authgear: resolver \"{url}\" failed: unexpected answer: status 404, check that the URL is that of \
             Authgear's resolver (port 3001 by default) and that \"{origin}\" is the origin of an app; requests get 502; "
        );
        let line = live.nginx.wait_for_log(&words, PATIENCE);
        assert!(line.contains("[error]"), "{line}");
    }
    live.finish();
}
