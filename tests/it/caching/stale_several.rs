//! Old answers to requests with more than one credential. Authgear answers 500 where it can't get the lock of a session, and a client
//! can have that happen to a session of its own: beside it, no other that has ended may live on.

use super::super::harness::{Request, Wire, poll, send};
use super::super::live::assert_ending;
use super::super::stage::with_bearer;
use super::super::standin::{Fault, Kind, Resolver};
use super::{
    CACHE, Live, MOMENT, PATIENCE, SHORT, ZONES, ask, assert_asked, built, cached, fill, to, token_of,
    wait_until,
};

const STALE: &str = "200 valid stale STALE";
const FAILED: &str = "502 error status EXPIRED";

/// A dead or a living token of alice's, beside more.
fn with_cookie(n: u64, cookie: &str) -> Request {
    token_of("alice", n).header("Cookie", cookie)
}

fn with_old_answers(lines: &str) -> Live {
    let resolver = Resolver::builder().lock_sessions(true).start();
    let lines = format!("{CACHE}\n{SHORT}\nauthgear_cache_use_stale error=10m;\n{lines}");
    Live::build(resolver, &lines, |builder| builder.http(ZONES))
}

/// Holds the lock of a session by a call for it, while something is done.
fn locked(live: &Live, session: &str, body: impl FnOnce()) {
    live.resolver.push_fault(Fault::Gate);
    let mut holder = live.begin(&Request::get("/").header("Cookie", format!("session={session}")));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    body();
    live.resolver.open_gate();
    assert_eq!(holder.receive(b"GET").expect("an answer").status, 200);
}

#[test]
fn a_500_gives_an_old_answer_to_a_single_credential_alone() {
    let lines = format!("{SHORT}\nauthgear_breaker off;\nauthgear_cache_use_stale error=10m;");
    let live = built(&lines, |builder| builder);
    let alice = |kind, n| live.accounts().wildcard("alice", kind, n);
    let (app, session) = (alice(Kind::AppSession, 1), alice(Kind::Session, 2));
    let cookie = |line: String| Request::get("/").header("Cookie", line);
    let single = [token_of("alice", 1), with_cookie(2, "other=x"), cookie(format!("session={session}"))];
    let several = [
        with_cookie(3, "session=x"),
        with_cookie(4, "app_access_token="),
        cookie(format!("app_session={app}; session=x")),
        cookie(format!("session={session}; a=b; session={session}")),
        cookie(format!("session={session}")).header("Cookie", "app_session=y"),
    ];
    let last = single.iter().chain(&several).map(|request| fill(&live, request)).last();
    wait_until(last.expect("some"), MOMENT);
    for (fault, expected) in [
        (Fault::Status(500), FAILED),
        (Fault::PanicJson500, FAILED),
        (Fault::Text500, FAILED),
        (Fault::Status(502), STALE),
        (Fault::Status(503), STALE),
        (Fault::Status(520), STALE),
        (Fault::ResetBeforeAnswer, STALE),
    ] {
        live.resolver.set_fault(Some(fault.clone()));
        for request in &single {
            assert_eq!(ask(&live, request), STALE, "{fault:?} {request:?}");
        }
        for request in &several {
            assert_eq!(ask(&live, request), expected, "{fault:?} {request:?}");
        }
    }
    live.finish();
}

#[test]
fn a_session_that_has_ended_does_not_live_on_by_the_lock_of_another() {
    let live = with_old_answers("");
    let session = live.accounts().wildcard("alice", Kind::Session, 1);
    let both = with_cookie(1, &format!("session={session}"));
    wait_until(fill(&live, &both), MOMENT);
    live.accounts().revoke("user:alice:1");
    locked(&live, &session, || assert_asked(&live, &both, FAILED));
    live.finish();
}

#[test]
fn nor_by_a_breaker_that_such_calls_have_opened() {
    let live = with_old_answers("authgear_breaker max_fails=2 fail_timeout=60s;");
    let session = live.accounts().wildcard("alice", Kind::Session, 1);
    let cookie = format!("session={session}");
    let both = with_cookie(1, &cookie);
    wait_until([fill(&live, &both), fill(&live, &token_of("alice", 9))][1], MOMENT);
    live.accounts().revoke("user:alice:1");
    locked(&live, &session, || {
        for garbage in ["one", "two"] {
            let request = with_bearer(garbage).header("Cookie", &cookie);
            assert_asked(&live, &request, "502 error status MISS");
        }
        assert_asked(&live, &both, "502 error breaker EXPIRED");
        // One credential has no other to hide behind.
        assert_ending(&send(&live.nginx, Wire::Http1, token_of("alice", 9)), 200, "valid", "stale");
    });
    live.finish();
}

#[test]
fn a_breaker_that_other_failures_have_opened_gives_old_answers_to_all() {
    let live = with_old_answers("authgear_breaker max_fails=2 fail_timeout=60s;");
    let both = with_cookie(1, "session=x");
    wait_until(fill(&live, &both), MOMENT);
    live.resolver.set_fault(Some(Fault::Status(503)));
    for n in 2..4 {
        assert_asked(&live, &token_of("bob", n), "502 error status MISS");
    }
    assert_asked(&live, &token_of("bob", 4), "502 error breaker MISS");
    assert_ending(&send(&live.nginx, Wire::Http1, both), 200, "valid", "stale");
    live.finish();
}

#[test]
fn an_old_answer_is_not_given_after_a_500_in_the_background() {
    let live = cached(&format!(
        "authgear_breaker off;\nlocation /updating/ {{ {SHORT} authgear_cache_use_stale updating=10m; {{pass}} }}"
    ));
    for (n, request, lives_on) in [(1, token_of("alice", 1), true), (2, with_cookie(2, "session=x"), false)] {
        let request = to("/updating/", &request);
        wait_until(fill(&live, &request), MOMENT);
        live.resolver.set_fault(Some(Fault::Status(500)));
        let before = live.resolver.call_count();
        assert_asked(&live, &request, "200 valid stale UPDATING");
        assert!(live.resolver.wait_for_calls(before + 1, PATIENCE), "{n}");
        let ended = poll(std::time::Duration::from_secs(1), || {
            (!ask(&live, &request).contains("UPDATING")).then_some(())
        });
        assert_eq!(ended.is_none(), lives_on, "{request:?}");
        live.resolver.clear_faults();
    }
    live.finish();
}
