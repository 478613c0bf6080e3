//! Nobody listens, or the name is unknown.

use std::time::{Duration, Instant};

use super::super::harness::{PATIENCE, Request, Wire, burst, for_each_wire, free_port};
use super::super::stage::token_of;
use super::{Live, Resolver, assert_ending, ending, identity_told, send};

#[test]
fn a_refused_connect_is_a_502_until_somebody_listens() {
    let live = Live::start();
    for_each_wire(|wire| {
        live.resolver.stop_listening();
        live.resolver.close_idle_connections();
        let response = send(&live.nginx, wire, live.alice());
        assert_ending(&response, 502, "error", "connect");
        live.resolver.resume_listening();
        live.assert_resolves(wire);
    });
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains(&live.resolver.url()) && line.contains("onnection refused"), "{line}");
    live.finish();
}

#[test]
fn a_refused_connect_passes_as_anonymous_where_that_is_wanted() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let live = Live::at(&url, Resolver::start(), "authgear_on_error anonymous;", |builder| builder);
    let forged = live.alice().header("X-Authgear-User-Id", "mallory");
    let response = send(&live.nginx, Wire::Http1, &forged);
    assert_ending(&response, 200, "error", "connect");
    assert_eq!(identity_told(&response), []);
    live.finish();
}

#[test]
fn an_unknown_name_is_an_error_in_time_and_holds_nobody_else_up() {
    let lines = "authgear_timeout 2s;\nlocation /open/ { authgear_resolve off; return 200 open; }";
    let url = "http://nonexistent.invalid";
    let live = Live::at(url, Resolver::start(), lines, |builder| builder);
    for_each_wire(|wire| {
        let started = Instant::now();
        let waiting = live.begin(&live.alice());
        assert_eq!(send(&live.nginx, wire, Request::get("/open/")).text(), "open");
        let response = send(&live.nginx, wire, live.alice());
        let (status, result, reason) = ending(&response);
        assert_eq!(result, "error");
        // How a name server answers, or that there is none, is the machine's affair.
        assert!(
            [(502, "connect"), (504, "timeout")].contains(&(status, reason.as_str())),
            "{status} {reason}"
        );
        assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
        drop(waiting);
    });
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains("http://nonexistent.invalid/"), "{line}");
    live.finish();
}

#[test]
fn a_name_of_the_hosts_file_is_found() {
    let resolver = Resolver::start();
    let port = resolver.addr().port();
    let live = Live::at(&format!("http://localhost:{port}"), resolver, "", |builder| builder);
    live.assert_resolves(Wire::Http1);
    let call = live.resolver.last_call().expect("a call");
    assert_eq!(call.text("host"), Some(format!("localhost:{port}").as_str()));
    assert_eq!(call.text("x-forwarded-host"), call.text("host"));
    live.finish();
}

#[test]
fn an_ipv6_endpoint_is_reached() {
    let address = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0));
    let live = Live::with(Resolver::builder().listen(address).start(), "");
    live.assert_resolves(Wire::Http1);
    let host = live.resolver.addr().to_string();
    assert_eq!(live.resolver.last_call().expect("a call").text("host"), Some(host.as_str()));
    live.finish();
}

#[test]
fn failures_of_one_kind_fill_no_log() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let live = Live::at(&url, Resolver::start(), "", |builder| builder);
    let started = Instant::now();
    let results = burst(&live.nginx, Wire::Http1, 200, 4, |n| token_of("alice", n));
    assert!(results.into_iter().all(|result| result.is_ok_and(|response| response.status == 502)));
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("few");
    let log = live.nginx.error_log();
    let lines = log.lines().filter(|line| line.contains("authgear") && line.contains("[error]")).count();
    assert!(lines >= 1 && lines <= seconds + 2, "{lines} lines in {seconds} s");
    live.finish();
}

/// Two that fail at the same time: each has its line, with its own count of what was left out.
#[test]
fn each_resolver_that_fails_is_named() {
    let live = Live::with(
        Resolver::start(),
        "location /one { authgear_resolve http://127.0.0.1:1; proxy_pass http://127.0.0.1:1; }\n\
         location /two { authgear_resolve http://localhost:1; proxy_pass http://127.0.0.1:1; }",
    );
    for _ in 0..4 {
        for path in ["/one", "/two"] {
            let request = crate::harness::Request { target: path.into(), ..live.unique() };
            assert_ending(&send(&live.nginx, Wire::Http1, request), 502, "error", "connect");
        }
    }
    let log = live.nginx.error_log();
    for resolver in ["http://127.0.0.1:1/", "http://localhost:1/"] {
        let line = log.lines().find(|line| line.contains(&format!("resolver \"{resolver}")));
        let line = line.unwrap_or_else(|| panic!("{resolver} is not named in\n{log}"));
        assert!(line.contains("connect failed: ") && line.contains(", client: 127.0.0.1, "), "{line}");
    }
    live.finish();
}
