//! The end of nginx with calls in flight, and nginx in one process.

use super::super::harness::{Http1, PATIENCE, Signal, Wire, poll, process, send};
use super::{CACHE, Crew, Fault, Live, PATIENT, Resolver, ZONE, answers, assert_is, assert_one_led};

#[test]
fn a_graceful_end_lets_followers_in_all_workers_have_their_answer() {
    for crew in [Crew::start(3, PATIENT), Crew::cached(3, PATIENT)] {
        let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
        let waiting = crew.flock(&[first, second, third, second], &crew.live.alice());
        crew.live.nginx.quit();
        crew.wait_until_leaving(&[first, second, third]);
        crew.resolver().clear_faults();
        assert_one_led(&answers(waiting), &crew.live, "alice");
        assert_eq!(crew.resolver().call_count(), 1);
        assert_ends(crew);
    }
}

/// nginx ends without being told again.
#[track_caller]
fn assert_ends(crew: Crew) {
    let master = crew.live.nginx.pid();
    assert!(poll(PATIENCE, || (!process::is_running(master)).then_some(())).is_some(), "nginx goes on");
    crew.finish();
}

/// The leader's worker has nothing to stay for, and takes its call with it.
#[test]
fn followers_take_over_from_a_worker_that_ends() {
    for crew in [Crew::start(3, PATIENT), Crew::cached(3, PATIENT)] {
        let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
        let mut waiting = crew.flock(&[first, second, third, second], &crew.live.alice());
        waiting.remove(0).reset();
        crew.wait_for_suspended(3);
        crew.live.nginx.quit();
        assert!(crew.resolver().wait_for_calls(2, PATIENCE), "nobody takes over");
        assert!(
            !process::is_running(first)
                || poll(PATIENCE, || (!process::is_running(first)).then_some(())).is_some()
        );
        // All have been woken at the same time; nothing tells when each has asked again.
        std::thread::sleep(std::time::Duration::from_millis(300));
        crew.wait_until_all_sleep();
        assert_eq!(crew.resolver().call_count(), 2);
        crew.resolver().clear_faults();
        let answers = answers(waiting);
        assert_eq!(answers.iter().filter(|answer| super::ending(answer).2 == "resolved").count(), 1);
        for answer in &answers {
            assert_is(answer, &crew.live, "alice", &super::ending(answer).2);
        }
        assert_ends(crew);
    }
}

/// The same at a reload: those that come to the new workers wait for the call of an old one that leaves.
#[test]
fn new_workers_take_over_from_an_old_one_that_ends() {
    let crew = Crew::cached(1, PATIENT);
    let request = crew.live.alice();
    let leader = crew.flock(&crew.workers(), &request).remove(0);
    crew.live.nginx.reload();
    let follower = crew.begin(crew.workers()[0], &request);
    crew.wait_for_suspended(2);
    assert_eq!(crew.resolver().call_count(), 1);
    leader.reset();
    crew.live.nginx.wait_for_old_workers();
    assert!(crew.resolver().wait_for_calls(2, PATIENCE), "nobody takes over");
    crew.resolver().clear_faults();
    assert_is(&answers(vec![follower])[0], &crew.live, "alice", "resolved");
    crew.finish();
}

#[test]
fn a_graceful_end_waits_no_longer_than_the_timeout() {
    let crew = Crew::cached(3, "authgear_timeout 700ms;");
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    let connections = [first, second, third].map(|worker| crew.connect(worker));
    crew.resolver().set_fault(Some(Fault::Hang));
    let waiting = connections.into_iter().map(|mut connection| {
        connection.send(&crew.live.alice()).expect("sent");
        assert!(crew.resolver().wait_for_calls(1, PATIENCE));
        connection
    });
    let waiting: Vec<Http1> = waiting.collect();
    crew.wait_for_suspended(3);
    crew.live.nginx.quit();
    for answer in answers(waiting) {
        super::assert_ending(&answer, 504, "error", "timeout");
    }
    assert_ends(crew);
}

#[test]
fn a_fast_end_with_calls_in_flight_drops_them() {
    let crew = Crew::cached(3, PATIENT);
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    let waiting = crew.flock(&[first, second, third, second], &crew.live.alice());
    crew.live.nginx.signal(Signal::TERM);
    for mut connection in waiting {
        connection.receive(b"GET").expect_err("no answer");
    }
    assert_ends(crew);
}

#[test]
fn a_single_process_has_a_cache() {
    let live = Live::build(Resolver::start(), &format!("{PATIENT}\n{CACHE}"), |builder| {
        builder.single_process().http(ZONE)
    });
    for round in 1..=2 {
        let request = live.unique();
        live.resolver.set_fault(Some(Fault::Gate));
        let mut waiting = vec![live.begin(&request)];
        assert!(live.resolver.wait_for_gate(1, PATIENCE));
        waiting.extend([live.begin(&request), live.begin(&request)]);
        live.nginx.wait_until_in_hand(3);
        live.resolver.clear_faults();
        assert_one_led(&answers(waiting), &live, "alice");
        for wire in [Wire::Http1, Wire::Http2] {
            assert_is(&send(&live.nginx, wire, &request), &live, "alice", "hit");
        }
        assert_eq!(live.resolver.call_count(), round);
    }
    live.finish();
}
