//! `authgear_breaker`: while a resolver fails, most requests fail without a call.

mod clients;
mod counted;
mod outage;
mod recovery;

use super::harness::{Http1, PATIENCE, Request, Wire, for_each_wire, poll, send};
use super::live::{Live, assert_ending, ending};
use super::standin::{ConnectionFault, Fault, Resolver};

/// Opens soon. A probe that hangs does so for longer than a test takes.
const LONG: &str = "authgear_breaker max_fails=3 fail_timeout=60s; authgear_timeout 60s;";

/// Lets a request tell which client it comes from.
const REALIP: &str = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Client;\n";

/// Fails as often as it takes to open the breaker of [`LONG`].
#[track_caller]
fn fail(live: &Live) {
    live.resolver.set_fault(Some(Fault::Status(503)));
    for _ in 0..3 {
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "status");
    }
}

/// The same, and the probe waits at the gate, so that the breaker of [`LONG`] stays open.
#[track_caller]
fn open(live: &Live) -> Http1 {
    fail(live);
    let probe = live.hold_probe(|| live.unique());
    assert_open(live);
    probe
}

/// A site that has old answers at once, for as long as `error=` says.
fn with_old_answers(lines: &str, error: &str) -> Live {
    let cache =
        format!("authgear_cache sessions; authgear_cache_valid 1ms; authgear_cache_use_stale error={error};");
    Live::build(Resolver::start(), &format!("{lines}\n{cache}"), |builder| {
        builder.http("authgear_cache_zone zone=sessions:1m;")
    })
}

/// Requests like this one fail without a call, but for probes.
#[track_caller]
fn assert_shut_out(live: &Live, request: impl Fn() -> Request) {
    let found = poll(PATIENCE, || {
        let before = live.resolver.call_count();
        let (status, result, reason) = ending(&send(&live.nginx, Wire::Http1, request()));
        assert_eq!(result, "error", "{reason}");
        if reason == "breaker" {
            assert_eq!((status, live.resolver.call_count()), (502, before));
        }
        (reason == "breaker").then_some(())
    });
    assert!(found.is_some(), "each request makes a call");
}

#[track_caller]
fn assert_open(live: &Live) {
    assert_shut_out(live, || live.unique());
}

#[test]
fn after_failures_in_a_row_no_calls_are_made() {
    let live =
        Live::with(Resolver::start(), &format!("{LONG}\nadd_header X-Time $authgear_resolve_time always;"));
    let _probe = open(&live);
    let calls = live.resolver.call_count();
    for_each_wire(|wire| {
        let response = send(&live.nginx, wire, live.alice());
        assert_ending(&response, 502, "error", "breaker");
        assert_eq!(response.header("x-time").as_deref(), Some("-"));
        // Whoever has nothing to ask for isn't affected.
        assert_ending(&send(&live.nginx, wire, Request::get("/")), 200, "none", "no_credential");
    });
    assert_eq!(live.resolver.call_count(), calls);
    let line = live.nginx.wait_for_log("no calls for 250ms", PATIENCE);
    for words in ["[error]", &live.resolver.url(), "503", "3 calls in a row", "requests get 502"] {
        assert!(line.contains(words), "{words:?} is not in {line}");
    }
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn by_default_it_takes_five() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Status(503)));
    for _ in 0..5 {
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "status");
    }
    assert_open(&live);
    live.nginx.wait_for_log("5 calls in a row", PATIENCE);
    live.finish();
}

#[test]
fn what_is_configured_for_failures_is_what_requests_get() {
    let live = Live::with(
        Resolver::start(),
        &format!(
            "{LONG}\nlocation /429/ {{ authgear_on_error 429; {{pass}} }}\n\
             location /anonymous/ {{ authgear_on_error anonymous; {{pass}} }}\n\
             location /required/ {{ authgear_on_error anonymous; authgear_require valid; {{pass}} }}"
        ),
    );
    let _probe = open(&live);
    for (target, status) in [("/429/", 429), ("/anonymous/", 200), ("/required/", 502)] {
        let request = Request { target: target.into(), ..live.unique() };
        assert_ending(&send(&live.nginx, Wire::Http1, &request), status, "error", "breaker");
    }
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn where_it_is_off_calls_are_made_all_the_same() {
    let live = Live::with(
        Resolver::start(),
        &format!("{LONG}\nlocation /off/ {{ authgear_breaker off; {{pass}} }}"),
    );
    let _probe = open(&live);
    live.resolver.set_fault(Some(Fault::Status(503)));
    let off = || Request { target: "/off/".into(), ..live.unique() };
    assert_ending(&send(&live.nginx, Wire::Http1, off()), 502, "error", "status");
    // What comes of them is known everywhere. The probe still waits.
    live.resolver.set_fault(None);
    assert_ending(&send(&live.nginx, Wire::Http1, off()), 200, "valid", "resolved");
    live.assert_resolves(Wire::Http1);
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn each_location_judges_by_its_own_numbers() {
    let live = Live::with(
        Resolver::start(),
        &format!(
            "{LONG}\nlocation /patient/ {{ authgear_breaker max_fails=7; {{pass}} }}\n\
             location /hasty/ {{ authgear_breaker fail_timeout=1ms max_fails=3; {{pass}} }}"
        ),
    );
    fail(&live);
    for _ in 0..4 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let request = Request { target: "/hasty/".into(), ..live.unique() };
        assert_ending(&send(&live.nginx, Wire::Http1, &request), 502, "error", "status");
    }
    // That makes seven, and a wait of 4 seconds for whoever has the patience.
    let request = Request { target: "/patient/".into(), ..live.unique() };
    assert_ending(&send(&live.nginx, Wire::Http1, &request), 502, "error", "breaker");
    live.finish();
}

#[test]
fn each_resolver_has_its_own() {
    let other = Resolver::start();
    let url = other.url();
    let live = Live::with(
        Resolver::start(),
        &format!(
            "{LONG}\nlocation /other/ {{ authgear_resolve {url}; {{pass}} }}\n\
             location /tenant/ {{ authgear_origin https://tenant.example; {{pass}} }}"
        ),
    );
    let _probe = open(&live);
    let (name, value) = other.accounts().login("alice").header(super::standin::Kind::Bearer, "");
    let elsewhere = Request::get("/other/").header(name, value);
    assert_ending(&send(&live.nginx, Wire::Http1, &elsewhere), 200, "valid", "resolved");
    // The same server, asked as another tenant.
    live.resolver.set_fault(None);
    let tenant = Request { target: "/tenant/".into(), ..live.unique() };
    assert_ending(&send(&live.nginx, Wire::Http1, &tenant), 200, "valid", "resolved");
    assert_open(&live);
    live.resolver.clear_faults();
    live.finish();
}
