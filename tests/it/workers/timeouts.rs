//! Locations with different timeouts share a call over workers: each request waits for its own, no longer and no shorter.

use std::time::{Duration, Instant};

use super::super::harness::{Signal, poll, process, stretched};
use super::super::panics::fault_module;
use super::{Crew, Fault, Http1, PATIENCE, Pid, Request, Resolver, answers, assert_ending, assert_is};

const LINES: &str = "location /short/ { authgear_timeout 400ms; try_files \"\" =204; }\n\
                     location /long/ { authgear_timeout 60s; try_files \"\" =204; }\n\
                     location /long/open/ { authgear_timeout 60s; authgear_on_error anonymous; try_files \"\" =204; }";
const SHORT: Duration = Duration::from_millis(400);

/// Far below the long timeout.
const PROMPTLY: Duration = Duration::from_secs(8);

fn to(crew: &Crew, target: &str) -> Request {
    Request { target: target.into(), ..crew.live.alice() }
}

/// A request that leads with the short timeout, and others that follow in time. The machine may be too slow for that: then
/// it is tried again.
fn short_flock(crew: &Crew, followers: &[(Pid, &str)]) -> (Http1, Vec<Http1>) {
    let leader = crew.workers()[0];
    for _ in 0..20 {
        let mut all = vec![(crew.connect(leader), to(crew, "/short/"))];
        all.extend(followers.iter().map(|(worker, target)| (crew.connect(*worker), to(crew, target))));
        crew.wait_until_all_sleep();
        let before = crew.resolver().call_count();
        crew.resolver().set_fault(Some(Fault::Gate));
        let start = Instant::now();
        let waiting = all.into_iter().map(|(mut connection, request)| {
            connection.send(&request).expect("sent");
            assert!(crew.resolver().wait_for_calls(before + 1, PATIENCE));
            connection
        });
        let mut waiting: Vec<_> = waiting.collect();
        crew.wait_for_suspended(1 + followers.len());
        if start.elapsed() < SHORT / 2 {
            assert_eq!(crew.resolver().call_count(), before + 1);
            return (waiting.remove(0), waiting);
        }
        crew.resolver().clear_faults();
        drop(answers(waiting));
    }
    panic!("this machine is too slow");
}

/// A wake that is lost costs time, and no answer: the request's own timer looks for what has arrived before it says that nothing has.
#[test]
fn an_answer_that_nobody_was_woken_for_is_found_when_the_time_is_over() {
    let (timeout, wait) = ("authgear_timeout 1s;", Duration::from_secs(1));
    let crew = Crew::build(1, Resolver::start(), timeout, |builder| {
        builder.module_path(fault_module()).main("env AUTHGEAR_LOSE_WAKES=1;")
    });
    let worker = crew.workers()[0];
    let start = Instant::now();
    let request = crew.live.unique();
    let waiting = [request.clone(), request, crew.live.unique()].map(|request| crew.begin(worker, &request));
    let answers = answers(waiting.into());
    assert!(start.elapsed() >= wait, "a wake came: {:?}", start.elapsed());
    for (answer, reason) in answers.iter().zip(["resolved", "coalesced", "resolved"]) {
        assert_is(answer, &crew.live, "alice", reason);
    }
    crew.finish();
}

#[test]
fn a_follower_with_more_time_than_the_leader_asks_again() {
    let crew = Crew::start(3, LINES);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    for cached in ["/long/", "/long/open/"] {
        let followers = [(second, cached), (third, cached), (first, cached), (second, cached)];
        let (leader, followers) = short_flock(&crew, &followers);
        let before = crew.resolver().call_count();
        assert_ending(&answers(vec![leader])[0], 504, "error", "timeout");
        assert!(crew.resolver().wait_for_calls(before + 1, PROMPTLY), "nobody asks again");
        // The other workers have been told at the same time.
        std::thread::sleep(stretched(Duration::from_millis(300)));
        crew.wait_for_suspended(4);
        assert_eq!(crew.resolver().call_count(), before + 1);
        crew.resolver().clear_faults();
        let reasons = answers(followers).iter().map(super::ending).collect::<Vec<_>>();
        let valid = |reason: &str| (204, "valid".to_owned(), reason.to_owned());
        assert_eq!(reasons.iter().filter(|ending| **ending == valid("resolved")).count(), 1, "{reasons:?}");
        assert_eq!(reasons.iter().filter(|ending| **ending == valid("coalesced")).count(), 3, "{reasons:?}");
    }
    crew.finish();
}

#[test]
fn a_follower_with_less_time_than_the_leader_waits_no_longer_than_that() {
    let crew = Crew::start(3, LINES);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    let leader = crew.flock(&[first], &to(&crew, "/long/"));
    let start = Instant::now();
    let followers = [second, third, second].map(|worker| crew.begin(worker, &to(&crew, "/short/")));
    for answer in answers(followers.into()) {
        assert_ending(&answer, 504, "error", "timeout");
    }
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(390) && waited < stretched(PROMPTLY), "{waited:?}");
    assert_eq!(crew.resolver().call_count(), 1);
    crew.resolver().clear_faults();
    assert_ending(&answers(leader)[0], 204, "valid", "resolved");
    crew.finish();
}

/// A request's own time is all that it has, however often it asks again.
#[test]
fn a_follower_that_asks_again_waits_no_longer_than_its_own_timeout() {
    let lines = "location /short/ { authgear_timeout 400ms; try_files \"\" =204; }\n\
                 location /twice/ { authgear_timeout 2s; try_files \"\" =204; }";
    let crew = Crew::start(3, lines);
    let [_, second, third] = crew.workers()[..] else { panic!("three workers") };
    let start = Instant::now();
    let (leader, followers) = short_flock(&crew, &[(second, "/twice/"), (third, "/twice/")]);
    assert_ending(&answers(vec![leader])[0], 504, "error", "timeout");
    for answer in answers(followers) {
        assert_ending(&answer, 504, "error", "timeout");
    }
    assert!(start.elapsed() >= Duration::from_millis(1990), "{:?}", start.elapsed());
    assert!(start.elapsed() < stretched(PROMPTLY), "{:?}", start.elapsed());
    crew.finish();
}

/// A leader that doesn't run at all, and isn't dead either, as under a debugger.
#[test]
fn nobody_waits_longer_than_its_own_timeout_for_a_worker_that_hangs() {
    let crew = Crew::start(3, LINES);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    let leader = crew.flock(&[first], &to(&crew, "/long/"));
    let mut connections = [second, third].map(|worker| crew.connect(worker));
    process::signal(first, Signal::STOP);
    assert!(poll(PATIENCE, || process::is_stopped(first).then_some(())).is_some());
    let start = Instant::now();
    connections.iter_mut().for_each(|connection| connection.send(&to(&crew, "/short/")).expect("sent"));
    for answer in answers(connections.into()) {
        assert_ending(&answer, 504, "error", "timeout");
    }
    assert!(start.elapsed() < stretched(PROMPTLY), "{:?}", start.elapsed());
    assert_eq!(crew.resolver().call_count(), 1, "they followed");
    process::signal(first, Signal::CONT);
    crew.resolver().clear_faults();
    assert_ending(&answers(leader)[0], 204, "valid", "resolved");
    crew.finish();
}

/// Its claim is old then: the next request needn't wait for it.
#[test]
fn the_call_of_a_worker_that_hangs_is_made_by_another_after_its_timeout() {
    let crew = Crew::cached(3, LINES);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    let mut others: Vec<_> = [second, third, third].map(|worker| crew.connect(worker)).into();
    let leader = crew.flock(&[first], &to(&crew, "/short/"));
    process::signal(first, Signal::STOP);
    assert!(poll(PATIENCE, || process::is_stopped(first).then_some(())).is_some());
    std::thread::sleep(SHORT + Duration::from_millis(100));
    crew.resolver().open_gate();
    let late: Vec<_> = others
        .iter_mut()
        .map(|connection| connection.exchange(&to(&crew, "/long/")).expect("an answer"))
        .collect();
    assert_ending(&late[0], 204, "valid", "resolved");
    assert_ending(&late[1], 204, "valid", "hit");
    assert_eq!(crew.resolver().call_count(), 2);
    process::signal(first, Signal::CONT);
    // Its own answer, or word of its timeout, comes late: nobody else gets to see either.
    drop(answers(leader));
    assert_ending(&late[2], 204, "valid", "hit");
    assert_ending(&crew.ask(third, &to(&crew, "/long/")), 204, "valid", "hit");
    crew.finish();
}
