//! Sessions with an idle timeout: what the server doesn't hear of is no use of a session.
//!
//! The server's clock is moved, and the cache's is not: what is a hit here is one as long as an answer is kept, 10 minutes.

use std::time::Duration;

use super::super::stage::with_bearer;
use super::{Kind, Live, MOMENT, SHORT, assert_asked, cached, fill, to, wait_until};

const HIT: &str = "200 valid hit HIT";

/// With this idle timeout, in seconds. A session of which nobody else knows.
fn live(idle_timeout: u64) -> (Live, super::Request) {
    live_of(Kind::Session, idle_timeout)
}

fn live_of(kind: Kind, idle_timeout: u64) -> (Live, super::Request) {
    let live = cached(&format!(
        "location /brief/ {{ {SHORT} {{pass}} }}\nlocation /asked/ {{ authgear_cache off; {{pass}} }}"
    ));
    live.accounts().set_idle_timeout(Some(Duration::from_secs(idle_timeout)));
    let request = live.request_of("alice", kind);
    (live, request)
}

fn advance(live: &Live, seconds: u64) {
    live.accounts().advance(Duration::from_secs(seconds));
}

#[test]
fn a_session_in_use_ends_where_its_answer_is_kept_longer_than_its_idle_timeout() {
    let (live, request) = live(300);
    fill(&live, &request);
    for _ in 0..2 {
        advance(&live, 200);
        assert_asked(&live, &request, HIT);
    }
    assert_eq!(live.resolver.call_count(), 1);
    assert_asked(&live, &to("/asked/", &request), "200 invalid resolved BYPASS");
    live.finish();
}

#[test]
fn a_pause_within_the_idle_timeout_may_end_a_session_by_as_much_as_its_answer_is_kept() {
    // Used after 500 s, and again 3,200 s later.
    for (idle_timeout, expected) in
        [(3600, "200 invalid resolved BYPASS"), (3800, "200 valid resolved BYPASS")]
    {
        let (live, request) = live(idle_timeout);
        fill(&live, &request);
        advance(&live, 500);
        assert_asked(&live, &request, HIT);
        advance(&live, 3200);
        assert_asked(&live, &to("/asked/", &request), expected);
        live.finish();
    }
}

#[test]
fn a_session_in_use_lives_on_where_its_answer_is_kept_for_less() {
    let (live, request) = live(3600);
    let request = to("/brief/", &request);
    let mut asked = fill(&live, &request);
    for _ in 0..3 {
        wait_until(asked, MOMENT);
        advance(&live, 1500);
        assert_asked(&live, &request, "200 valid resolved EXPIRED");
        asked = live.resolver.last_call().expect("a call").at;
    }
    live.finish();
}

/// What became of Authgear's own server with an idle timeout of 20 s, and a request each second: with answers that were fresh
/// for 12 s the bearer token died in use after 24 s, and the cookie lived; with 9 s both lived.
#[test]
fn a_token_in_use_ends_where_its_answer_is_kept_for_more_than_half_of_its_idle_timeout() {
    use Kind::{AppAccessToken, AppSession, Bearer, Session};
    const VALID: &str = "200 valid resolved EXPIRED";
    let tokens = [Bearer, AppAccessToken, AppSession];
    for (kind, fresh, second) in
        tokens.map(|kind| (kind, 12, "200 none resolved EXPIRED")).into_iter().chain([
            (Session, 12, VALID),
            (Session, 9, VALID),
            (Bearer, 9, VALID),
            (AppAccessToken, 9, VALID),
            (AppSession, 9, VALID),
        ])
    {
        let (live, request) = live_of(kind, 20);
        let request = to("/brief/", &request);
        let mut asked = fill(&live, &request);
        for expected in [VALID, second] {
            // The answer is no longer fresh, after that long by the server's clock.
            wait_until(asked, MOMENT);
            advance(&live, fresh);
            assert_asked(&live, &request, expected);
            asked = live.resolver.last_call().expect("a call").at;
        }
        live.finish();
    }
}

/// After a first use, two pauses of 1,200 s each, before which the answer was used for 600 s.
#[test]
fn two_pauses_of_a_token_count_together() {
    for (kind, idle_timeout, expected) in [
        (Kind::Bearer, 3500, "200 none resolved BYPASS"),
        (Kind::Bearer, 3700, "200 valid resolved BYPASS"),
        (Kind::Session, 3500, "200 valid resolved BYPASS"),
    ] {
        let (live, request) = live_of(kind, idle_timeout);
        let asked = to("/asked/", &request);
        fill(&live, &request);
        advance(&live, 600);
        assert_asked(&live, &request, HIT);
        advance(&live, 1200);
        // The resolver hears of the token, as it does once its answer is no longer fresh.
        assert_asked(&live, &asked, "200 valid resolved BYPASS");
        advance(&live, 600);
        assert_asked(&live, &request, HIT);
        advance(&live, 1200);
        assert_asked(&live, &asked, expected);
        live.finish();
    }
}

#[test]
fn an_opaque_token_outlives_its_end_by_as_much_as_its_answer_is_kept() {
    let (live, _) = live(3600);
    let ends = live.accounts().now() + Duration::from_secs(300);
    let token = live.accounts().mint_until("alice", Kind::Bearer, Some(ends));
    let request = to("/brief/", with_bearer(&token));
    let asked = fill(&live, &request);
    advance(&live, 301);
    assert_asked(&live, &to("/", &request), HIT);
    wait_until(asked, MOMENT);
    assert_asked(&live, &request, "200 none resolved EXPIRED");
    live.finish();
}
