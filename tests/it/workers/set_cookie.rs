//! `authgear_pass_set_cookie`, where the followers are in other workers.

use super::outcomes::places;
use super::{Crew, PATIENT, Request, answers, assert_ending};

const PASS: &str = "authgear_pass_set_cookie on;";

#[test]
fn set_cookie_is_for_the_client_that_caused_the_call() {
    let dead = Request::get("/").header("Cookie", "session=dead");
    for crew in [Crew::start(3, &format!("{PATIENT}{PASS}")), Crew::cached(3, &format!("{PATIENT}{PASS}"))] {
        let waiting = crew.flock(&places(&crew.workers()), &dead);
        crew.resolver().clear_faults();
        let all = answers(waiting);
        assert_ending(&all[0], 200, "invalid", "resolved");
        assert!(all[0].header("set-cookie").is_some_and(|cookie| cookie.starts_with("session=;")));
        for answer in &all[1..] {
            assert_ending(answer, 200, "invalid", "coalesced");
            assert_eq!(answer.header("set-cookie"), None);
        }
        crew.finish();
    }
}

#[test]
fn nobody_in_any_worker_inherits_the_set_cookie_of_a_client_that_left() {
    let dead = Request::get("/").header("Cookie", "session=dead");
    let crew = Crew::start(3, &format!("{PATIENT}{PASS}"));
    let mut waiting = crew.flock(&places(&crew.workers()), &dead);
    waiting.remove(0).reset();
    crew.wait_for_suspended(5);
    crew.resolver().clear_faults();
    for answer in answers(waiting) {
        assert_ending(&answer, 200, "invalid", "coalesced");
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert_eq!(crew.resolver().call_count(), 1);
    crew.finish();
}
