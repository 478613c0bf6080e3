//! Internal redirects that come long after the request was resolved (`X-Accel-Redirect`): the request's own answer is judged by the
//! times of the location that it has come to.

use super::super::harness::{Request, poll};
use super::super::standin::Fault;
use super::{Live, PATIENCE, SHORT, assert_asked, cached, to, token_of, told};

/// A backend takes this long, in milliseconds, to send a request on.
const TAKES: u32 = 400;

/// `/slow/` leads to `/end/...`, by a backend that takes its time; `/start/...` leads there at once.
fn live() -> Live {
    let ends = [
        ("long", String::new()),
        ("short", format!("{SHORT} authgear_timeout 300ms;")),
        ("off", "authgear_cache off;".to_owned()),
        ("off-short", format!("authgear_cache off; {SHORT}")),
        ("never", "authgear_cache_valid 0;".to_owned()),
        ("open", "authgear_cache off; authgear_on_error anonymous;".to_owned()),
    ];
    let mut lines = "location /slow/ { authgear_on_error anonymous; {pass} }\n".to_owned();
    for (end, rules) in ends {
        lines.push_str(&format!(
            "location /end/{end}/ {{ proxy_ignore_headers X-Accel-Redirect; {rules} {{pass}} }}\n\
             location /start/{end}/ {{ {rules} try_files /missing /end/{end}/; }}\n"
        ));
    }
    cached(&lines)
}

/// Goes on to that location when the backend sends it on; the user loses a role meanwhile. What becomes of it, how many calls
/// that takes, and the roles that the last backend sees.
fn later(live: &Live, end: &str, request: Request) -> (String, u64, String) {
    let role = |role: &str| live.accounts().update("alice", |alice| alice.roles = vec![role.into()]);
    role("older");
    live.echo.clear();
    let before = live.resolver.call_count();
    let mut waiting = live.begin(&to(&format!("/slow/{TAKES}/redirect-internal?/end/{end}/"), request));
    assert!(poll(PATIENCE, || (!live.echo.requests().is_empty()).then_some(())).is_some());
    role("newer");
    let told = told(&waiting.receive(b"GET").expect("an answer"));
    let last = live.echo.last();
    let roles = last.as_ref().and_then(|seen| seen.text("x-authgear-user-roles")).unwrap_or("-");
    (told, live.resolver.call_count() - before, roles.to_owned())
}

#[test]
fn an_answer_that_is_too_old_where_the_request_comes_to_is_not_reused() {
    let live = live();
    for (n, end, told, calls, roles) in [
        (1, "long", "200 valid resolved MISS", 1, "older"),
        (2, "off", "200 valid resolved MISS", 1, "older"),
        (3, "short", "200 valid resolved EXPIRED", 2, "newer"),
        (4, "off-short", "200 valid resolved BYPASS", 2, "newer"),
        (5, "never", "200 valid resolved EXPIRED", 2, "newer"),
    ] {
        let expected = (told.to_owned(), calls, roles.to_owned());
        assert_eq!(later(&live, end, token_of("alice", n)), expected, "{end}");
    }
    live.finish();
}

#[test]
fn a_session_that_has_ended_meanwhile_is_noticed() {
    let live = live();
    live.echo.clear();
    let target = format!("/slow/{TAKES}/redirect-internal?/end/short/");
    let mut waiting = live.begin(&to(&target, token_of("alice", 1)));
    assert!(poll(PATIENCE, || (!live.echo.requests().is_empty()).then_some(())).is_some());
    live.accounts().revoke("user:alice:1");
    assert_eq!(told(&waiting.receive(b"GET").expect("an answer")), "200 none resolved EXPIRED");
    live.finish();
}

#[test]
fn a_failure_stays_one() {
    let live = live();
    live.resolver.set_fault(Some(Fault::Status(503)));
    let expected = ("200 error status MISS".to_owned(), 1, "-".to_owned());
    assert_eq!(later(&live, "open", token_of("alice", 1)), expected);
    live.finish();
}

/// Nothing has happened in between that could be newer, so not even a slow call and times of 0 make it ask again.
#[test]
fn a_redirect_at_once_takes_no_other_call_whatever_the_times() {
    let live = live();
    live.resolver.set_fault(Some(Fault::Delay(std::time::Duration::from_millis(200))));
    for (n, end) in (1..).zip(["long", "short", "off", "off-short", "never"]) {
        let before = live.resolver.call_count();
        let started = if end.starts_with("off") { "BYPASS" } else { "MISS" };
        let request = to(&format!("/start/{end}/"), token_of("alice", n));
        assert_asked(&live, &request, &format!("200 valid resolved {started}"));
        assert_eq!(live.resolver.call_count(), before + 1, "{end}");
    }
    live.finish();
}
