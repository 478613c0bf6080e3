//! Sessions with an idle timeout: what the server doesn't hear of is no use of a session.
//!
//! The server's clock is moved, and the cache's is not: what is a hit here is one as long as an answer is kept, 10 minutes.

use std::time::Duration;

use super::{Kind, Live, MOMENT, SHORT, assert_asked, cached, fill, to, wait_until};

const HIT: &str = "200 valid hit HIT";

/// With this idle timeout, in seconds. A session of which nobody else knows.
fn live(idle_timeout: u64) -> (Live, super::Request) {
    let live = cached(&format!(
        "location /brief/ {{ {SHORT} {{pass}} }}\nlocation /asked/ {{ authgear_cache off; {{pass}} }}"
    ));
    live.accounts().set_idle_timeout(Some(Duration::from_secs(idle_timeout)));
    let request = live.request_of("alice", Kind::Session);
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
