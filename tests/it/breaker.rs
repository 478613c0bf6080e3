//! `authgear_breaker`: while a resolver fails most requests are told so without a call.

mod clients;
mod counted;
mod outage;

use super::harness::{PATIENCE, Request, Wire, for_each_wire, send};
use super::live::{Live, assert_ending, ending};
use super::standin::{ConnectionFault, Fault, Resolver};

/// Opens soon, and for longer than a test takes.
const LONG: &str = "authgear_breaker max_fails=3 fail_timeout=60s;";

/// Lets a request tell which client it comes from.
const REALIP: &str = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Client;\n";

/// Fails as often as it takes to open the breaker of [`LONG`].
#[track_caller]
fn open(live: &Live) {
    live.resolver.set_fault(Some(Fault::Status(503)));
    for _ in 0..3 {
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "status");
    }
    assert_open(live);
}

/// A site that has old answers at once, for as long as `error=` says.
fn with_old_answers(lines: &str, error: &str) -> Live {
    let cache =
        format!("authgear_cache sessions; authgear_cache_valid 1ms; authgear_cache_use_stale error={error};");
    Live::build(Resolver::start(), &format!("{lines}\n{cache}"), |builder| {
        builder.http("authgear_cache_zone zone=sessions:1m;")
    })
}

#[track_caller]
fn assert_open(live: &Live) {
    let before = live.resolver.call_count();
    assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "breaker");
    assert_eq!(live.resolver.call_count(), before, "no call is made");
}

#[test]
fn after_failures_in_a_row_no_calls_are_made() {
    let live =
        Live::with(Resolver::start(), &format!("{LONG}\nadd_header X-Time $authgear_resolve_time always;"));
    open(&live);
    let calls = live.resolver.call_count();
    for_each_wire(|wire| {
        let response = send(&live.nginx, wire, live.alice());
        assert_ending(&response, 502, "error", "breaker");
        assert_eq!(response.header("x-time").as_deref(), Some("-"));
        // Whoever has nothing to ask for isn't affected.
        assert_ending(&send(&live.nginx, wire, Request::get("/")), 200, "none", "no_credential");
    });
    assert_eq!(live.resolver.call_count(), calls);
    let line = live.nginx.wait_for_log("no calls for 60s", PATIENCE);
    for words in ["[error]", &live.resolver.url(), "503", "3 calls in a row", "requests get 502"] {
        assert!(line.contains(words), "{words:?} is not in {line}");
    }
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
    live.nginx.wait_for_log("no calls for 10s", PATIENCE);
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
    open(&live);
    for (target, status) in [("/429/", 429), ("/anonymous/", 200), ("/required/", 502)] {
        let request = Request { target: target.into(), ..live.unique() };
        assert_ending(&send(&live.nginx, Wire::Http1, &request), status, "error", "breaker");
    }
    live.finish();
}

#[test]
fn where_it_is_off_calls_are_made_all_the_same() {
    let live = Live::with(
        Resolver::start(),
        &format!("{LONG}\nlocation /off/ {{ authgear_breaker off; {{pass}} }}"),
    );
    open(&live);
    let off = || Request { target: "/off/".into(), ..live.unique() };
    assert_ending(&send(&live.nginx, Wire::Http1, off()), 502, "error", "status");
    // What comes of them is known everywhere.
    live.resolver.clear_faults();
    assert_ending(&send(&live.nginx, Wire::Http1, off()), 200, "valid", "resolved");
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn each_location_judges_by_its_own_numbers() {
    let live = Live::with(
        Resolver::start(),
        &format!(
            "{LONG}\nlocation /patient/ {{ authgear_breaker max_fails=4; {{pass}} }}\n\
             location /hasty/ {{ authgear_breaker fail_timeout=1ms max_fails=3; {{pass}} }}"
        ),
    );
    open(&live);
    std::thread::sleep(std::time::Duration::from_millis(20));
    for target in ["/hasty/", "/patient/"] {
        let request = Request { target: target.into(), ..live.unique() };
        let (status, _, reason) = ending(&send(&live.nginx, Wire::Http1, &request));
        // The first of them makes it four.
        assert_eq!((status, reason.as_str()), (502, if target == "/hasty/" { "status" } else { "breaker" }));
    }
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
    open(&live);
    let (name, value) = other.accounts().login("alice").header(super::standin::Kind::Bearer, "");
    let elsewhere = Request::get("/other/").header(name, value);
    assert_ending(&send(&live.nginx, Wire::Http1, &elsewhere), 200, "valid", "resolved");
    // The same server, asked as another tenant.
    live.resolver.clear_faults();
    let tenant = Request { target: "/tenant/".into(), ..live.unique() };
    assert_ending(&send(&live.nginx, Wire::Http1, &tenant), 200, "valid", "resolved");
    assert_open(&live);
    live.finish();
}
