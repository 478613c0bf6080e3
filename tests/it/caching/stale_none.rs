//! A resolver whose database hiccups says "none" beside a `session` cookie. That takes no answer's place.

use super::super::harness::poll;
use super::super::standin::Fault;
use super::{Live, MOMENT, PATIENCE, SHORT, ask, assert_asked, cached, fill, session_of, to, wait_until};

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
