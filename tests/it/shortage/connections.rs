//! A worker whose `worker_connections` are all in use.

use super::super::harness::{Http1, poll};
use super::{Fault, HERE, Live, PATIENCE, Request, Resolver, assert_ending, here};

/// Two listening sockets, the master's channel, the module's eventfd, and as many clients.
const CLIENTS: usize = 12;
const CONNECTIONS: usize = 4 + CLIENTS;

const ALERT: &str = "worker_connections are not enough";

/// Clients whose requests wait, as many as there can be; the next one finds no room.
fn fill(live: &Live) -> Vec<Http1> {
    live.resolver.set_fault(Some(Fault::Gate));
    let waiting: Vec<_> = (1..=CLIENTS)
        .map(|n| {
            let client = live.begin(&here(live.unique()));
            assert!(live.resolver.wait_for_gate(n, PATIENCE), "client {n} finds no room");
            client
        })
        .collect();
    let mut next = Http1::connect(live.nginx.port()).expect("the system accepts");
    assert!(next.exchange(&Request::get("/here")).is_err(), "a client too many");
    live.nginx.wait_for_log(ALERT, PATIENCE);
    waiting
}

#[test]
fn requests_that_wait_are_answered_although_there_is_no_connection_left() {
    let live = Live::build(Resolver::start(), HERE, |builder| {
        builder.worker_connections(CONNECTIONS).allow_log(ALERT)
    });
    for _ in 0..3 {
        let waiting = fill(&live);
        live.resolver.clear_faults();
        for mut client in waiting {
            assert_ending(&client.receive(b"GET").expect("an answer"), 204, "valid", "resolved");
        }
        // As soon as nginx has seen that those have left.
        let answered = || Http1::connect(live.nginx.port()).ok()?.exchange(&here(live.unique())).ok();
        let answer = poll(PATIENCE, answered).expect("there is room again");
        assert_ending(&answer, 204, "valid", "resolved");
    }
    live.finish();
}

/// Requests that get no connection to the backend fail as nginx has it; what they found out is not lost.
#[test]
fn a_backend_that_can_not_be_connected_to_is_nginx_s_affair() {
    let live = Live::build(Resolver::start(), HERE, |builder| {
        builder.worker_connections(CONNECTIONS).allow_log(ALERT)
    });
    live.resolver.set_fault(Some(Fault::Gate));
    let waiting: Vec<_> = (1..=CLIENTS)
        .map(|n| {
            let client = live.begin(&live.unique());
            assert!(live.resolver.wait_for_gate(n, PATIENCE));
            client
        })
        .collect();
    live.resolver.clear_faults();
    for mut client in waiting {
        let response = client.receive(b"GET").expect("an answer");
        assert!([200, 500].contains(&response.status), "{response:?}");
        assert_ending(&response, response.status, "valid", "resolved");
    }
    let answered = || Http1::connect(live.nginx.port()).ok()?.exchange(&live.unique()).ok();
    let answer = poll(PATIENCE, || answered().filter(|answer| answer.status == 200)).expect("room again");
    assert_ending(&answer, 200, "valid", "resolved");
    live.finish();
}
