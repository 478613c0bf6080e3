//! A resolver whose database hiccups says "none". Beside a `session` cookie that takes no answer's place; of other credentials it
//! takes that of a valid one for a short time.

use std::time::Duration;

use super::super::harness::poll;
use super::super::stage::with_bearer;
use super::super::standin::{Fault, Kind};
use super::{
    Live, MOMENT, PATIENCE, SHORT, ask, assert_asked, cached, fill, session_of, to, token_of, wait_until,
};

const SECOND: Duration = Duration::from_secs(1);

/// An answer in the cache that is too old for `/short/` and its like.
fn with_old_answer() -> Live {
    let live = cached(&format!(
        "location /short/ {{ {SHORT} {{pass}} }}\n\
         location /error/ {{ {SHORT} authgear_cache_use_stale error=10m; {{pass}} }}\n\
         location /updating/ {{ {SHORT} authgear_cache_use_stale updating=10m; {{pass}} }}"
    ));
    let at = fill(&live, &session_of(&live, "alice", 1));
    wait_until(at, MOMENT);
    live
}

#[test]
fn a_hiccup_leaves_the_valid_answer_in_the_cache() {
    let live = with_old_answer();
    let session = session_of(&live, "alice", 1);
    for _ in 0..2 {
        live.resolver.push_fault(Fault::NoHeadersFor200);
        assert_asked(&live, &to("/short/", &session), "200 none resolved EXPIRED");
        assert_asked(&live, &session, "200 valid hit HIT");
    }
    live.resolver.push_fault(Fault::NoHeadersFor200);
    assert_asked(&live, &to("/error/", &session), "200 none resolved EXPIRED");
    live.resolver.push_fault(Fault::Status(500));
    assert_asked(&live, &to("/error/", &session), "200 valid stale STALE");
    assert_asked(&live, &to("/error/", &session), "200 valid resolved EXPIRED");
    assert_asked(&live, &to("/error/", &session), "200 valid hit HIT");
    live.finish();
}

/// Of other credentials "none" is also what Authgear says when they have ended. So it counts, though for a second only at first.
#[test]
fn a_hiccup_makes_other_credentials_anonymous_for_a_second() {
    let live = cached(&format!("location /short/ {{ {SHORT} {{pass}} }}"));
    let requests =
        [Kind::Bearer, Kind::AppSession, Kind::AppAccessToken].map(|kind| live.request_of("alice", kind));
    wait_until(requests.each_ref().map(|request| fill(&live, request))[2], MOMENT);
    live.resolver.set_fault(Some(Fault::NoHeadersFor200));
    for request in &requests {
        assert_asked(&live, &to("/short/", request), "200 none resolved EXPIRED");
    }
    live.resolver.clear_faults();
    wait_until(live.resolver.last_call().expect("a call").at, SECOND);
    for request in &requests {
        assert_asked(&live, request, "200 valid resolved EXPIRED");
        assert_asked(&live, request, "200 valid hit HIT");
    }
    live.finish();
}

#[test]
fn a_longer_hiccup_makes_them_anonymous_for_about_as_long_again() {
    let live = cached(&format!("location /short/ {{ {SHORT} {{pass}} }}"));
    let request = token_of("alice", 1);
    wait_until(fill(&live, &request), MOMENT);
    live.resolver.set_fault(Some(Fault::NoHeadersFor200));
    let first = fill(&live, &to("/short/", &request));
    wait_until(first, SECOND);
    let second = fill(&live, &request);
    live.resolver.clear_faults();
    wait_until(second, second - first + MOMENT);
    assert_asked(&live, &request, "200 valid resolved EXPIRED");
    live.finish();
}

/// Nothing valid is there that it could be a hiccup about.
#[test]
fn a_none_that_contradicts_nothing_is_kept_for_its_time() {
    let live = cached("");
    let request = with_bearer("unknown");
    wait_until(fill(&live, &request), SECOND);
    assert_asked(&live, &request, "200 none hit HIT");
    live.finish();
}

#[test]
fn a_hiccup_in_the_background_is_not_noticed() {
    let live = with_old_answer();
    let request = to("/updating/", session_of(&live, "alice", 1));
    live.resolver.set_fault(Some(Fault::NoHeadersFor200));
    for calls in 2..4 {
        assert_asked(&live, &request, "200 valid stale UPDATING");
        assert!(live.resolver.wait_for_calls(calls, PATIENCE));
        // Until the call before is over there is no other.
        let called = poll(PATIENCE, || {
            assert_asked(&live, &request, "200 valid stale UPDATING");
            (live.resolver.call_count() > calls).then_some(())
        });
        assert!(called.is_some());
    }
    live.resolver.clear_faults();
    let renewed =
        poll(PATIENCE, || (ask(&live, &to("/updating/", &request)) == "200 valid hit HIT").then_some(()));
    assert!(renewed.is_some());
    live.finish();
}

#[test]
fn the_answer_that_the_session_is_invalid_takes_its_place() {
    let live = with_old_answer();
    let session = session_of(&live, "alice", 1);
    live.accounts().disable("alice");
    assert_asked(&live, &to("/short/", &session), "200 invalid resolved EXPIRED");
    assert_asked(&live, &session, "200 invalid hit HIT");
    live.resolver.set_fault(Some(Fault::Status(500)));
    assert_asked(&live, &session, "200 invalid hit HIT");
    live.finish();
}
