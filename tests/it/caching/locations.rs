//! Times are those of the location that looks, whoever kept the answer.

use super::super::standin::Fault;
use super::{Live, MOMENT, SHORT, ask, ask_counting, assert_asked, cached, fill, to, token_of, wait_until};

fn live() -> Live {
    cached(&format!(
        "location /short/ {{ {SHORT} {{pass}} }}\n\
         location /five/ {{ authgear_cache_valid 5s; {{pass}} }}\n\
         location /stale/ {{ {SHORT} authgear_cache_use_stale error=10m; {{pass}} }}"
    ))
}

#[test]
fn a_location_never_gets_an_older_answer_than_it_wants() {
    let live = live();
    let filled = [token_of("alice", 1), token_of("alice", 2), token_of("alice", 3)].map(|request| {
        let at = fill(&live, &request);
        (request, at)
    });
    let roles = |roles: &'static [&str]| {
        live.resolver
            .accounts()
            .update("alice", |user| user.roles = roles.iter().map(|role| (*role).into()).collect());
    };
    roles(&["reduced"]);
    wait_until(filled[2].1, MOMENT);
    for (n, (request, _)) in filled.iter().enumerate() {
        assert_asked(&live, request, "200 valid hit HIT");
        // Over and over: with the answer that it gets it keeps that.
        let (told, calls) = ask_counting(&live, &to("/short/", request));
        assert_eq!((told.as_str(), calls), ("200 valid resolved EXPIRED", 1), "{n}");
        // The others get the newer answer now.
        live.echo.clear();
        assert_asked(&live, request, "200 valid hit HIT");
        let seen = live.echo.last().expect("the backend was asked");
        assert_eq!(seen.text("x-authgear-user-roles"), Some("reduced"));
    }
    live.finish();
}

/// Neither a reload nor the worker that it starts begins to count anew.
#[test]
fn no_reload_makes_an_answer_younger() {
    let live = live();
    let at = fill(&live, &live.alice());
    live.nginx.reload();
    live.nginx.wait_for_old_workers();
    assert_asked(&live, &live.alice(), "200 valid hit HIT");
    wait_until(at, MOMENT);
    live.nginx.reload();
    live.nginx.wait_for_old_workers();
    live.accounts().revoke(&live.accounts().login("alice").bearer);
    assert_asked(&live, &live.alice(), "200 valid hit HIT");
    assert_asked(&live, &to("/short/", live.alice()), "200 none resolved EXPIRED");
    live.finish();
}

#[test]
fn a_location_with_long_times_reads_what_one_with_short_times_kept() {
    let live = live();
    let at = fill(&live, &to("/short/", live.alice()));
    wait_until(at, MOMENT);
    assert_asked(&live, &live.alice(), "200 valid hit HIT");
    assert_asked(&live, &to("/short/", live.alice()), "200 valid resolved EXPIRED");
    live.finish();
}

#[test]
fn a_time_that_is_not_over_is_a_hit() {
    let live = live();
    // Only on a machine that stands still for 5 s is the answer too old.
    for n in 0..3 {
        fill(&live, &token_of("alice", n));
        assert_asked(&live, &to("/five/", token_of("alice", n)), "200 valid hit HIT");
    }
    live.finish();
}

#[test]
fn an_answer_is_as_old_as_its_question() {
    let live = live();
    // The answer takes longer than it may be used.
    live.resolver.push_fault(Fault::Delay(2 * MOMENT));
    fill(&live, &to("/short/", token_of("alice", 1)));
    assert_asked(&live, &to("/short/", token_of("alice", 1)), "200 valid resolved EXPIRED");
    live.finish();
}

#[test]
fn what_a_session_may_do_changes_when_its_answer_is_old() {
    let live = live();
    let (request, token) = (token_of("bob", 1), "user:bob:1");
    let short = to("/short/", &request);
    let at = fill(&live, &short);
    live.accounts().update("bob", |bob| bob.roles = vec!["admin".into()]);
    wait_until(at, MOMENT);
    live.echo.clear();
    let at = fill(&live, &short);
    assert_eq!(
        live.echo.last().and_then(|seen| seen.text("x-authgear-user-roles").map(str::to_owned)),
        Some("admin".into())
    );
    live.accounts().revoke(token);
    wait_until(at, MOMENT);
    assert_asked(&live, &short, "200 none resolved EXPIRED");
    // And everywhere, since the answer is a later one.
    assert_asked(&live, &request, "200 none hit HIT");
    live.finish();
}

#[test]
fn a_session_that_has_ended_is_noticed_when_its_answer_is_old_and_at_a_login_at_once() {
    let live = live();
    let session = super::session_of(&live, "alice", 1);
    let short = to("/short/", &session);
    let at = fill(&live, &short);
    let cookie = live.accounts().wildcard("alice", super::Kind::Session, 1);
    live.accounts().revoke(&cookie);
    wait_until(at, MOMENT);
    assert_asked(&live, &short, "200 invalid resolved EXPIRED");
    assert_asked(&live, &session, "200 invalid hit HIT");
    // A new session is a new credential, so nothing old stands in its way.
    assert_eq!(ask(&live, &super::session_of(&live, "alice", 2)), "200 valid resolved MISS");
    live.finish();
}

#[test]
fn stale_windows_begin_when_the_reading_location_s_time_is_over() {
    let live = live();
    let at = fill(&live, &live.alice());
    wait_until(at, MOMENT);
    live.resolver.set_fault(Some(Fault::Status(500)));
    assert_asked(&live, &to("/stale/", live.alice()), "200 valid stale STALE");
    assert_asked(&live, &to("/short/", live.alice()), "502 error status EXPIRED");
    assert_asked(&live, &live.alice(), "200 valid hit HIT");
    live.finish();
}

#[test]
fn what_a_location_that_keeps_nothing_has_learned_counts_for_the_others() {
    let live = cached(&format!(
        "location /nothing/ {{ authgear_cache_valid 0; {{pass}} }}\n\
         location /stale/ {{ {SHORT} authgear_cache_use_stale error=10m; {{pass}} }}"
    ));
    let (stale, nothing) = (to("/stale/", token_of("bob", 1)), to("/nothing/", token_of("bob", 1)));
    let at = fill(&live, &stale);
    // The same again changes nothing.
    assert!(ask(&live, &nothing).starts_with("200 valid resolved"));
    live.resolver.set_fault(Some(Fault::Status(503)));
    wait_until(at, MOMENT);
    assert_eq!(ask(&live, &stale), "200 valid stale STALE");
    live.resolver.clear_faults();
    live.accounts().update("bob", |bob| bob.roles = vec!["reduced".into()]);
    assert!(ask(&live, &nothing).starts_with("200 valid resolved"));
    live.resolver.set_fault(Some(Fault::Status(503)));
    assert_eq!(ask(&live, &stale), "502 error status EXPIRED");
    live.finish();
}
