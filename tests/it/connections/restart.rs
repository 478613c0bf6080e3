//! A resolver that restarts or loses connections under load: no request is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::harness::{Wire, burst};
use super::{Fault, SOON, Stage, assert_answered};

/// Requests of four clients, while something happens each time that so many calls have been made.
fn under_load(stage: &Stage, total: usize, every: u64, happens: impl Fn() + Sync) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = stage.resolver.call_count() + every;
            while !done.load(Ordering::Relaxed) {
                // Short, so that the end of the load is noticed.
                if stage.resolver.wait_for_calls(next, std::time::Duration::from_millis(50)) {
                    happens();
                    next = stage.resolver.call_count() + every;
                }
            }
        });
        let answers = burst(&stage.nginx, Wire::Http1, total, 4, |_| stage.unique());
        done.store(true, Ordering::Relaxed);
        for (n, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap_or_else(|error| panic!("request {n}: {error}"));
            assert_eq!(answer.status, 200, "request {n}: {answer:?}");
        }
    });
}

#[test]
fn no_request_is_lost_while_idle_connections_are_closed() {
    let stage = Stage::start();
    under_load(&stage, 600, 25, || assert!(stage.resolver.close_idle_connections() <= 4));
    stage.finish();
}

#[test]
fn no_request_is_lost_while_idle_connections_are_reset() {
    let stage = Stage::start();
    under_load(&stage, 600, 25, || assert!(stage.resolver.reset_idle_connections() <= 4));
    stage.finish();
}

#[test]
fn no_request_is_lost_while_answers_fail_to_come_now_and_then() {
    let stage = Stage::start();
    under_load(&stage, 400, 25, || stage.resolver.push_fault(Fault::CloseBeforeAnswer));
    stage.finish();
}

#[test]
fn a_resolver_that_was_away_is_found_again_at_once() {
    let stage = Stage::start();
    for _ in 0..3 {
        assert_answered(&stage, Wire::Http1);
        stage.resolver.stop_listening();
        stage.resolver.close_idle_connections();
        let response = super::send(&stage.nginx, Wire::Http1, stage.unique());
        super::assert_ending(&response, 502, "error", "connect");
        stage.resolver.resume_listening();
        assert_answered(&stage, Wire::Http1);
    }
    stage.finish();
}

#[test]
fn calls_in_flight_survive_that_nobody_listens_any_more() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<_> = (0..4).map(|_| stage.begin(&stage.unique())).collect();
    assert!(stage.resolver.wait_for_gate(4, SOON));
    stage.resolver.stop_listening();
    stage.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    stage.finish();
}
