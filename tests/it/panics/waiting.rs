//! Panics where a request waits, and where its waiting ends.

use super::{finish, panicking};
use crate::harness::{
    COUNTERS, Http1, Http2, Nginx, PATIENCE, Request, Wire, for_each_wire, in_background, send,
};
use crate::stage::Stage;
use crate::standin::Fault;

/// Waits are over after this, whatever happens.
const SHORT: &str = "authgear_timeout 1s;";

#[test]
fn a_panic_after_the_wait_is_a_500() {
    for (site, call) in [("Access", 2), ("Resume", 1)] {
        for_each_wire(|wire| {
            let stage = Stage::start();
            let nginx = panicking(stage.site(), site, call).start();
            assert_eq!(send(&nginx, wire, stage.unique()).status, 500, "{site}");
            assert_eq!(stage.echo.requests().len(), 0, "{site}: the backend saw the request");
            stage.assert_serves(&nginx);
            finish(nginx, site);
        });
    }
}

/// The request is on the list of those that wait by then, and has to be taken off it.
#[test]
fn a_panic_while_a_call_is_started_leaves_no_trap() {
    for_each_wire(|wire| {
        let stage = Stage::start();
        let site = panicking(stage.site(), "Call", 1).allow_log("panic in Access callback");
        let nginx = site.start();
        assert_eq!(send(&nginx, wire, stage.unique()).status, 500);
        assert_eq!(stage.echo.requests().len(), 0, "the backend saw the request");
        stage.assert_serves(&nginx);
        finish(nginx, "Access");
    });
}

/// All of them wait for one call: one panics on resuming, the others get the answer.
#[test]
fn a_panic_on_resuming_costs_one_of_many() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let nginx = panicking(stage.site().server(COUNTERS), "Resume", 3).start();
    let request = stage.unique();
    let wires = [Wire::Http1, Wire::Http2].into_iter().cycle().take(6);
    let waiting: Vec<_> = wires.map(|wire| in_background(&nginx, wire, request.clone())).collect();
    // Those that wait are counted by nginx; the call is the first one's alone.
    assert!(stage.resolver.wait_for_gate(1, PATIENCE));
    nginx.wait_until_in_hand(6);
    stage.resolver.open_gate();
    let mut failed = 0;
    for waiting in waiting {
        let response = waiting.join().expect("the client ends").expect("an answer");
        match response.status {
            500 => failed += 1,
            _ => stage.assert_is("alice", &response),
        }
    }
    assert_eq!(failed, 1);
    finish(nginx, "Resume");
}

/// Nobody's request is the cause, so nobody has to pay.
#[test]
fn a_panic_on_a_wake_strands_no_request() {
    for_each_wire(|wire| {
        let stage = Stage::start();
        let nginx = panicking(stage.site(), "Wake", 1).start();
        let response = send(&nginx, wire, stage.unique());
        stage.assert_is("alice", &response);
        stage.assert_serves(&nginx);
        finish(nginx, "Wake");
    });
}

/// The timer of a request comes before its call ends where a location with more patience asked for the same.
#[test]
fn a_panic_in_the_timer_strands_no_request() {
    for_each_wire(|wire| {
        let stage = Stage::start();
        stage.resolver.push_fault(Fault::Gate);
        let server = format!("location /patient {{ authgear_timeout 60s; {} }}", stage.pass());
        let nginx = panicking(stage.site().http(SHORT).server(server), "Timer", 1).start();
        let request = stage.unique();
        let patient = Request { target: "/patient".into(), ..request.clone() };
        let patient = in_background(&nginx, Wire::Http1, patient);
        assert!(stage.resolver.wait_for_gate(1, PATIENCE));
        assert_eq!(send(&nginx, wire, request).status, 500);
        assert_eq!((stage.echo.requests().len(), stage.resolver.call_count()), (0, 1));
        stage.resolver.open_gate();
        stage.assert_is("alice", &patient.join().expect("the client ends").expect("an answer"));
        stage.assert_serves(&nginx);
        finish(nginx, "Timer");
    });
}

#[test]
fn a_panic_in_a_cleanup_costs_nobody_anything() {
    for_each_wire(|wire| {
        let stage = Stage::start();
        let nginx = panicking(stage.site(), "Cleanup", 1).start();
        stage.assert_is("alice", &send(&nginx, wire, stage.unique()));
        stage.assert_serves(&nginx);
        finish(nginx, "Cleanup");
    });
}

/// The worst of all: the request's memory goes, and nobody took it off the list of those that wait. Neither its answer
/// nor its timer may touch it afterwards.
#[test]
fn a_panic_in_the_cleanup_of_a_waiting_request_leaves_no_trap() {
    for wire in [Wire::Http1, Wire::Http2] {
        for answered in [true, false] {
            println!("over {wire:?}, answered: {answered}");
            let stage = Stage::start();
            stage.resolver.push_fault(Fault::Gate);
            let nginx = panicking(stage.site().http(SHORT), "Cleanup", 1).start();
            vanish_while_waiting(&stage, &nginx, wire);
            nginx.wait_for_log("panic in Cleanup callback", PATIENCE);
            if answered {
                stage.resolver.open_gate();
                assert!(stage.resolver.wait_until_idle(PATIENCE));
            } else {
                // The call's end, and with it the time at which the request's own timer would have come.
                nginx.wait_for_log("timed out", PATIENCE);
                stage.resolver.clear_faults();
            }
            // Enough to reuse the memory.
            (0..20).for_each(|_| stage.assert_serves(&nginx));
            finish(nginx, "Cleanup");
        }
    }
}

fn vanish_while_waiting(stage: &Stage, nginx: &Nginx, wire: Wire) {
    let request = stage.unique();
    if wire == Wire::Http1 {
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        client.send(&request).expect("sent");
        assert!(stage.resolver.wait_for_gate(1, PATIENCE));
        client.reset();
    } else {
        let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
        client.send(&request).expect("sent");
        assert!(stage.resolver.wait_for_gate(1, PATIENCE));
        client.reset();
    }
}
