//! Each kind of decision has one line at the level debug, and none at another.

use std::time::Duration;

use super::super::harness::{PATIENCE, Request, Wire, for_each_wire, process, send};
use super::super::live::Live;
use super::super::stage::token_of;
use super::super::standin::Fault;
use super::{DECIDED, ask, built, debugged, decided_since, to, value};

/// What passes until an answer is old in `/old/`.
const MOMENT: Duration = Duration::from_millis(150);

const LOCATIONS: &str = "large_client_header_buffers 4 32k; authgear_timeout 10s; authgear_breaker off;
    location /bypass/ { authgear_cache off; {pass} }
    location /off/ { authgear_resolve off; {pass} }
    location /valid/ { authgear_require valid; {pass} }
    location /admin/ { authgear_require role=admin; {pass} }
    location /anonymous/ { authgear_on_error anonymous; {pass} }
    location /503/ { authgear_on_error 503; {pass} }
    location /brief/ { authgear_timeout 200ms; {pass} }
    location /one/ { authgear_max_inflight 1; {pass} }
    location /broken/ { authgear_breaker max_fails=1 fail_timeout=10m; {pass} }
    location /old/ { authgear_cache_valid 150ms; {pass}
        location /old/stale/ { authgear_cache_use_stale error=10m; {pass} }
        location /old/updating/ { authgear_cache_use_stale updating=10m; {pass} } }
    location /redirected/ { authgear_require valid; error_page 401 = @other; {pass} }
    location @other { authgear_require off; {pass} }
    location @off { authgear_resolve off; {pass} }
    location /opened/ { authgear_require valid; error_page 401 = @off; {pass} }";

/// The words of a line in their order, but for the fingerprint and what it says of the resolver, which is checked. `T` is a time.
#[track_caller]
fn told(live: &Live, line: &str) -> String {
    const NAMES: [&str; 9] =
        ["result", "reason", "cache", "credential", "time", "fingerprint", "status", "resolver", "origin"];
    let words: Vec<_> = line.split(' ').filter_map(|word| word.split_once('=')).collect();
    assert_eq!(words.iter().map(|(name, _)| *name).collect::<Vec<_>>(), NAMES, "{line}");
    let [result, reason, cache, credential, time, fingerprint, status, resolver, origin] =
        NAMES.map(|name| value(line, name));
    let url = live.resolver.url();
    assert_eq!(resolver, format!("\"{url}/_resolver/resolve\""));
    assert_eq!(origin, format!("\"{url}\""));
    let is_hex = fingerprint.len() == 8 && fingerprint.bytes().all(|b| b"0123456789abcdef".contains(&b));
    let is_asked = credential != "-" && reason != "too_large";
    assert_eq!((is_hex, fingerprint == "-"), (is_asked, !is_asked), "{line}");
    assert!(time == "-" || time.contains('.') && time.parse::<f64>().is_ok(), "{line}");
    let time = if time == "-" { "-" } else { "T" };
    [result, reason, cache, credential, time, status].join(" ")
}

/// A request in each of these places is decided once, with this line.
fn assert_all_decided(live: &Live, wire: Wire, table: &[(&str, &Request, u16, &str)]) {
    for (target, request, status, expected) in table {
        let (response, lines) = ask(live, wire, &to(target, *request));
        assert_eq!(response.status, *status, "{target}: {response:?}");
        assert_eq!(lines.iter().map(|line| told(live, line)).collect::<Vec<_>>(), [*expected], "{target}");
    }
}

#[test]
fn each_decision_without_a_failure_has_a_line() {
    let live = debugged(LOCATIONS);
    for_each_wire(|wire| {
        let n = wire as usize;
        let (nothing, alice, norole) = (Request::get("/"), token_of("alice", n), token_of("norole", n));
        let bad = Request::get("/").header("Cookie", format!("session=bad{n}; app_session=bad"));
        let large = Request::get("/").header("Cookie", format!("session={}", "x".repeat(17_000)));
        assert_all_decided(
            &live,
            wire,
            &[
                ("/", &nothing, 200, "none no_credential - - - declined"),
                ("/valid/", &nothing, 401, "none require_valid - - - 401"),
                ("/", &large, 200, "invalid too_large - session - declined"),
                ("/bypass/", &alice, 200, "valid resolved BYPASS bearer T declined"),
                ("/", &alice, 200, "valid resolved MISS bearer T declined"),
                ("/", &alice, 200, "valid hit HIT bearer - declined"),
                ("/admin/", &alice, 200, "valid hit HIT bearer - allowed"),
                ("/admin/", &norole, 403, "valid require_role MISS bearer T 403"),
                ("/", &bad, 200, "invalid resolved MISS app_session,session T declined"),
            ],
        );
    });
    live.finish();
}

#[test]
fn each_failure_has_a_line() {
    let live = debugged(LOCATIONS);
    for_each_wire(|wire| {
        let n = wire as usize;
        let alice = token_of("alice", n);
        let fails = |fault: Fault, target: &str, status: u16, reason: &str, then: &str| {
            live.resolver.set_fault(Some(fault));
            let expected = format!("error {reason} MISS bearer T {then}");
            assert_all_decided(&live, wire, &[(target, &alice, status, &expected)]);
            live.resolver.clear_faults();
        };
        fails(Fault::Status(500), "/", 502, "status", "502");
        fails(Fault::Status(500), "/503/", 503, "status", "503");
        fails(Fault::Status(500), "/anonymous/", 200, "status", "declined");
        fails(Fault::Status(500), "/valid/", 502, "status", "502");
        fails(Fault::CloseInBody, "/", 502, "closed", "502");
        fails(Fault::Hang, "/brief/", 504, "timeout", "504");
        fails(Fault::Status(401), "/", 401, "refused", "401");
        fails(Fault::Status(403), "/anonymous/", 403, "refused", "403");
        let odd = vec![("X-Authgear-Session-Valid".to_owned(), "TRUE".to_owned())];
        fails(Fault::ReplaceHeaders(odd), "/", 502, "malformed", "502");
    });
    live.finish();
}

#[test]
fn a_request_for_which_no_call_is_made_has_a_line() {
    let live = debugged(LOCATIONS);
    live.resolver.set_fault(Some(Fault::Gate));
    let held = live.begin(&to("/one/", token_of("alice", 100)));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    for_each_wire(|wire| {
        let overload = "error overload MISS bearer - 502";
        assert_all_decided(&live, wire, &[("/one/", &token_of("alice", wire as usize), 502, overload)]);
    });
    drop(held);
    live.resolver.set_fault(Some(Fault::Status(503)));
    assert_eq!(ask(&live, Wire::Http1, &to("/broken/", token_of("alice", 101))).0.status, 502);
    let _probe = live.hold_probe(|| to("/broken/", live.unique()));
    for_each_wire(|wire| {
        let breaker = "error breaker MISS bearer - 502";
        assert_all_decided(&live, wire, &[("/broken/", &token_of("alice", wire as usize), 502, breaker)]);
    });
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn an_old_answer_has_a_line() {
    let live = debugged(LOCATIONS);
    for_each_wire(|wire| {
        let n = wire as usize;
        for (target, user) in [("/old/stale/", "alice"), ("/old/updating/", "bob")] {
            assert_eq!(send(&live.nginx, wire, to(target, token_of(user, n))).status, 200);
        }
        std::thread::sleep(MOMENT);
        live.resolver.set_fault(Some(Fault::Status(503)));
        assert_all_decided(
            &live,
            wire,
            &[
                ("/old/", &token_of("alice", n), 502, "error status EXPIRED bearer T 502"),
                ("/old/stale/", &token_of("alice", n), 200, "valid stale STALE bearer T declined"),
                ("/old/updating/", &token_of("bob", n), 200, "valid stale UPDATING bearer - declined"),
            ],
        );
        live.resolver.clear_faults();
    });
    live.finish();
}

#[test]
fn each_request_of_one_call_has_a_line() {
    let live = debugged(LOCATIONS);
    live.resolver.set_fault(Some(Fault::Gate));
    let (mark, alice) = (live.nginx.error_mark(), token_of("alice", 1));
    let mut waiting: Vec<_> = (0..3).map(|_| live.begin(&alice)).collect();
    live.nginx.wait_until_in_hand(3);
    live.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    let lines = decided_since(&live, mark);
    let reasons: Vec<_> =
        lines.iter().map(|line| value(line, "reason")).filter(|reason| *reason != "off").collect();
    assert_eq!(reasons, ["resolved", "coalesced", "coalesced"]);
    live.finish();
}

#[test]
fn each_decision_of_a_request_has_a_line() {
    let live = debugged(LOCATIONS);
    let off = "result=- reason=off status=declined";
    for_each_wire(|wire| {
        let lines = |target: &str| ask(&live, wire, &Request::get(target)).1;
        assert_eq!(lines("/off/"), [off]);
        let redirected = lines("/redirected/");
        let statuses: Vec<_> =
            redirected.iter().map(|line| (value(line, "reason"), value(line, "status"))).collect();
        assert_eq!(statuses, [("require_valid", "401"), ("no_credential", "declined")]);
        let opened = lines("/opened/");
        assert_eq!((opened.len(), opened[1].as_str()), (2, off));
    });
    live.finish();
}

#[test]
fn at_other_levels_there_is_none() {
    for level in ["info", "debug_event"] {
        let live = built(LOCATIONS, |builder| builder.error_log_level(level));
        for_each_wire(|wire| {
            for target in ["/", "/off/", "/valid/", "/admin/"] {
                send(&live.nginx, wire, to(target, live.alice()));
            }
        });
        assert!(!live.nginx.error_log().contains(DECIDED), "{level}");
        live.finish();
    }
    let live = built(LOCATIONS, |builder| builder.error_log_level("debug_http"));
    assert_eq!(ask(&live, Wire::Http1, &live.alice()).1.len(), 1);
    live.finish();
}

/// For one client, in the log of everybody; nginx knows the directive where it was built `--with-debug`, as Debian's is.
#[test]
fn debug_connection_has_the_lines_of_its_clients() {
    if !process::nginx_has("--with-debug") {
        println!("skipped: this nginx was built without --with-debug");
        return;
    }
    for (client, lines) in [("127.0.0.1", 1), ("192.0.2.1", 0)] {
        let live = built("", |builder| builder.events(format!("debug_connection {client};")));
        assert_eq!(ask(&live, Wire::Http1, &live.alice()).1.len(), lines, "{client}");
        live.finish();
    }
}
