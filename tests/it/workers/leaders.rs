//! The leader goes: its client, or its worker.

use std::time::{Duration, Instant};

use super::super::harness::{poll, process, stretched};
use super::{Crew, Fault, Http1, PATIENCE, PATIENT, Pid, answers, assert_is, assert_one_led, ending};

/// Far below the timeout of a minute, and far above what a loaded machine needs.
const PROMPTLY: Duration = Duration::from_secs(8);

/// The call that the leader made serves those who followed it, and is the only one since `before`.
#[track_caller]
fn assert_followers_answered(crew: &Crew, waiting: Vec<Http1>, before: u64) {
    crew.resolver().clear_faults();
    for answer in answers(waiting) {
        assert_is(&answer, &crew.live, "alice", "coalesced");
    }
    assert_eq!(crew.resolver().call_count(), before + 1);
}

#[test]
fn followers_in_other_workers_get_the_answer_when_the_leaders_client_leaves() {
    for crew in [Crew::start(3, PATIENT), Crew::cached(3, PATIENT)] {
        let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
        for reset in [true, false] {
            let before = crew.resolver().call_count();
            let mut waiting = crew.flock(&[first, second, third, second], &crew.live.unique());
            let leader = waiting.remove(0);
            if reset {
                leader.reset()
            } else {
                drop(leader)
            }
            crew.wait_for_suspended(3);
            assert_eq!(crew.resolver().in_flight(), 1, "the call goes on");
            assert_followers_answered(&crew, waiting, before);
        }
        crew.finish();
    }
}

#[test]
fn followers_in_other_workers_get_the_answer_when_the_leaders_stream_is_reset() {
    let crew = Crew::start(3, PATIENT);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    for close in [false, true] {
        let (before, request) = (crew.resolver().call_count(), crew.live.unique());
        crew.resolver().set_fault(Some(Fault::Gate));
        let mut leader = crew.connect_h2(first);
        let stream = leader.send(&request).expect("sent");
        assert!(crew.resolver().wait_for_gate(1, PATIENCE));
        let waiting: Vec<Http1> = [second, third].map(|worker| crew.begin(worker, &request)).into();
        crew.wait_for_suspended(3);
        leader.reset_stream(stream).expect("sent");
        if close {
            leader.reset();
        }
        crew.wait_for_suspended(2);
        assert_followers_answered(&crew, waiting, before);
    }
    crew.finish();
}

#[test]
fn a_call_that_all_clients_have_left_is_joined_by_the_next_in_another_worker() {
    let crew = Crew::cached(3, PATIENT);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    let request = crew.live.alice();
    drop(crew.flock(&[first, second], &request));
    crew.wait_for_suspended(0);
    let late = crew.begin(third, &request);
    crew.wait_for_suspended(1);
    assert_eq!((crew.resolver().call_count(), crew.resolver().in_flight()), (1, 1));
    crew.resolver().clear_faults();
    assert_is(&answers(vec![late])[0], &crew.live, "alice", "coalesced");
    // The answer is for the cache too.
    assert_is(&crew.ask(second, &request), &crew.live, "alice", "hit");
    crew.finish();
}

/// One of them has asked again, and the others wait for it. Nobody waits for a timeout.
#[track_caller]
fn assert_taken_over(crew: &Crew, followers: Vec<Http1>, calls: u64) {
    assert!(crew.resolver().wait_for_calls(calls, PROMPTLY), "nobody takes over");
    // Workers look for a dead leader ten times a second; nothing tells when all have.
    std::thread::sleep(stretched(Duration::from_millis(400)));
    crew.wait_until_all_sleep();
    crew.resolver().clear_faults();
    let answers = answers(followers);
    let led = answers.iter().filter(|answer| ending(answer).2 == "resolved").count();
    assert_eq!((led, crew.resolver().call_count()), (1, calls));
    for answer in &answers {
        assert_is(answer, &crew.live, "alice", &ending(answer).2);
    }
}

#[test]
fn followers_take_over_from_a_worker_that_is_killed() {
    for crew in [Crew::start(4, PATIENT), Crew::cached(4, PATIENT)] {
        let workers = crew.workers();
        let [victim, second, third, fourth] = workers[..] else { panic!("four workers") };
        let places = [victim, victim, second, third, fourth, second, third];
        let mut waiting = crew.flock(&places, &crew.live.alice());
        let followers = waiting.split_off(2);
        let start = Instant::now();
        crew.live.nginx.kill_worker_pid(victim);
        assert_taken_over(&crew, followers, 2);
        assert!(start.elapsed() < stretched(PROMPTLY));
        for mut lost in waiting {
            lost.receive(b"GET").expect_err("its worker is gone");
        }
        // The one that came in its place is as good as the others.
        let workers = crew.workers();
        let next = crew.flock(&workers, &crew.live.unique());
        crew.resolver().clear_faults();
        assert_one_led(&answers(next), &crew.live, "alice");
        crew.finish();
    }
}

/// Each follower of the dead worker is one of an old configuration, or of the new one.
#[test]
fn followers_take_over_from_a_worker_that_is_killed_and_not_replaced() {
    for crew in [Crew::start(2, PATIENT), Crew::cached(2, PATIENT)] {
        let [victim, old] = crew.workers()[..] else { panic!("two workers") };
        let request = crew.live.alice();
        let mut waiting = crew.flock(&[victim, old], &request);
        crew.live.nginx.reload();
        let new = crew.workers();
        waiting.extend(new.iter().chain(&new).map(|worker| crew.begin(*worker, &request)));
        crew.wait_for_suspended(6);
        assert_eq!(crew.resolver().call_count(), 1);
        let mut lost = waiting.remove(0);
        let start = Instant::now();
        crew.kill(victim);
        assert_taken_over(&crew, waiting, 2);
        assert!(start.elapsed() < stretched(PROMPTLY));
        lost.receive(b"GET").expect_err("its worker is gone");
        crew.live.nginx.wait_for_old_workers();
        assert_eq!(crew.workers(), new);
        crew.finish();
    }
}

/// Again and again: the one that takes over dies too.
#[test]
fn followers_take_over_from_one_leader_after_another() {
    let crew = Crew::cached(4, PATIENT);
    let mut left = crew.workers();
    let request = crew.live.alice();
    let mut waiting: Vec<(Pid, Http1)> = left.clone().into_iter().zip(crew.flock(&left, &request)).collect();
    for calls in 2..=4 {
        let victim = leader(&crew, &left);
        waiting.retain(|(worker, _)| *worker != victim);
        left.retain(|worker| *worker != victim);
        crew.live.nginx.kill_worker_pid(victim);
        assert!(crew.resolver().wait_for_calls(calls, PROMPTLY), "nobody takes over");
        assert_eq!(crew.resolver().call_count(), calls);
    }
    crew.resolver().clear_faults();
    let (_, last) = waiting.pop().expect("the last worker");
    assert_is(&answers(vec![last])[0], &crew.live, "alice", "resolved");
    crew.finish();
}

/// The worker that has called: a connection to the resolver is the only one that it makes.
#[track_caller]
fn leader(crew: &Crew, workers: &[Pid]) -> Pid {
    let leads = |worker: &Pid| process::threads(*worker) > 1;
    // Those that led before are dead.
    let found = poll(PATIENCE, || workers.iter().copied().find(leads));
    let found = found.unwrap_or_else(|| panic!("none of {workers:?} has a resolver's thread"));
    assert_eq!(workers.iter().filter(|worker| leads(worker)).count(), 1, "{}", crew.live.nginx.error_log());
    found
}
