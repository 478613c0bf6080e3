//! A resolver that restarts or loses connections under load: no request is lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::super::harness::{Wire, burst};
use super::{Fault, Live, PATIENCE};

/// Requests of four clients, while something happens each time that so many calls have been made.
fn under_load(live: &Live, total: usize, every: u64, happens: impl Fn() + Sync) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = live.resolver.call_count() + every;
            while !done.load(Ordering::Relaxed) {
                // Short, so that the end of the load is noticed.
                if live.resolver.wait_for_calls(next, Duration::from_millis(50)) {
                    happens();
                    next = live.resolver.call_count() + every;
                }
            }
        });
        let answers = burst(&live.nginx, Wire::Http1, total, 4, |_| live.unique());
        done.store(true, Ordering::Relaxed);
        for (n, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap_or_else(|error| panic!("request {n}: {error}"));
            assert_eq!(answer.status, 200, "request {n}: {answer:?}");
        }
    });
}

#[test]
fn no_request_is_lost_while_idle_connections_are_closed() {
    let live = Live::start();
    under_load(&live, 600, 25, || assert!(live.resolver.close_idle_connections() <= 4));
    live.finish();
}

#[test]
fn no_request_is_lost_while_idle_connections_are_reset() {
    let live = Live::start();
    under_load(&live, 600, 25, || assert!(live.resolver.reset_idle_connections() <= 4));
    live.finish();
}

/// Some calls are under way each time, and all end at once: with FIN, with RST, in the middle of a handshake.
#[test]
fn no_request_is_lost_while_the_resolver_restarts() {
    for live in [Live::start(), super::http2::live(&super::http2::BOTH, "")] {
        live.resolver.set_fault(Some(Fault::Delay(Duration::from_millis(5))));
        let restarts = AtomicU64::new(0);
        under_load(&live, 400, 25, || {
            restarts.fetch_add(1, Ordering::Relaxed);
            live.resolver.restart();
        });
        assert!(restarts.into_inner() > 5);
        assert!(live.resolver.call_count() > 400, "no call was under way at a restart");
        assert!(!live.nginx.error_log().contains("[error]"), "nobody is to see it");
        live.finish();
    }
}

#[test]
fn no_request_is_lost_while_answers_fail_to_come_now_and_then() {
    let live = Live::start();
    under_load(&live, 400, 25, || live.resolver.push_fault(Fault::CloseBeforeAnswer));
    live.finish();
}

#[test]
fn a_resolver_that_was_away_is_found_again_at_once() {
    let live = Live::start();
    for _ in 0..3 {
        live.assert_resolves(Wire::Http1);
        live.resolver.stop_listening();
        live.resolver.close_idle_connections();
        let response = super::send(&live.nginx, Wire::Http1, live.unique());
        super::assert_ending(&response, 502, "error", "connect");
        live.resolver.resume_listening();
        live.assert_resolves(Wire::Http1);
    }
    live.finish();
}

#[test]
fn calls_in_flight_survive_that_nobody_listens_any_more() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<_> = (0..4).map(|_| live.begin(&live.unique())).collect();
    assert!(live.resolver.wait_for_gate(4, PATIENCE));
    live.resolver.stop_listening();
    live.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    live.finish();
}
