//! HTTP/1.1: kept-alive connections, and dead ones.

use super::super::harness::{Wire, burst, for_each_wire};
use super::{Fault, Live, PATIENCE, Resolver, Version};

#[test]
fn thirty_requests_in_a_row_cost_thirty_calls_and_one_connection() {
    let live = Live::start();
    for n in 0..30 {
        live.assert_resolves(if n % 2 == 0 { Wire::Http1 } else { Wire::Http2 });
    }
    assert_eq!((live.resolver.call_count(), live.resolver.connections()), (30, 1));
    live.finish();
}

#[test]
fn a_connection_is_kept_after_a_failure_that_left_it_whole() {
    let live = Live::start();
    live.assert_resolves(Wire::Http1);
    live.resolver.push_fault(Fault::Status(500));
    super::send(&live.nginx, Wire::Http1, live.unique());
    live.assert_resolves(Wire::Http1);
    assert_eq!(live.resolver.connections(), 1);
    live.finish();
}

#[test]
fn a_connection_that_died_while_idle_is_replaced_unseen() {
    let live = Live::start();
    for_each_wire(|wire| {
        for round in 0..10 {
            live.assert_resolves(wire);
            let closed = if round % 2 == 0 {
                live.resolver.close_idle_connections()
            } else {
                live.resolver.reset_idle_connections()
            };
            assert_eq!(closed, 1);
            live.assert_resolves(wire);
        }
    });
    assert!(!live.nginx.error_log().contains("[error]"));
    live.finish();
}

#[test]
fn any_number_of_dead_connections_is_replaced_unseen() {
    let live = Live::start();
    for reset in [false, true] {
        // Twelve calls at once make twelve connections.
        live.resolver.set_fault(Some(Fault::Gate));
        let waiting: Vec<_> = (0..12).map(|_| live.begin(&live.unique())).collect();
        assert!(live.resolver.wait_for_gate(12, PATIENCE));
        live.resolver.clear_faults();
        for mut connection in waiting {
            assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
        }
        let closed = if reset {
            live.resolver.reset_idle_connections()
        } else {
            live.resolver.close_idle_connections()
        };
        assert_eq!(closed, 12);
        for _ in 0..12 {
            live.assert_resolves(Wire::Http1);
        }
    }
    live.finish();
}

#[test]
fn a_kept_connection_that_ends_under_the_request_is_retried_once_and_unseen() {
    let live = Live::start();
    for fault in [Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer] {
        live.assert_resolves(Wire::Http1);
        let before = (live.resolver.call_count(), live.resolver.connections());
        live.resolver.push_fault(fault);
        live.assert_resolves(Wire::Http1);
        let after = (live.resolver.call_count(), live.resolver.connections());
        assert_eq!(after, (before.0 + 2, before.1 + 1));
    }
    live.finish();
}

#[test]
fn calls_at_the_same_time_have_connections_of_their_own_which_are_kept() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<_> = (0..8).map(|_| live.begin(&live.unique())).collect();
    assert!(live.resolver.wait_for_gate(8, PATIENCE));
    assert_eq!(live.resolver.connections(), 8);
    live.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    let answers = burst(&live.nginx, Wire::Http1, 50, 4, |_| live.unique());
    assert!(answers.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200)));
    assert_eq!(live.resolver.connections(), 8);
    live.finish();
}

#[test]
fn an_http_endpoint_is_spoken_to_in_http_1_1_whatever_it_understands() {
    let live = Live::with(Resolver::builder().h2c(true).start(), "");
    for_each_wire(|wire| {
        live.assert_resolves(wire);
        assert_eq!(live.resolver.last_call().expect("a call").version, Version::Http1);
    });
    live.finish();
}

#[test]
fn connections_of_one_resolver_are_not_used_for_another() {
    let other = Resolver::start();
    let lines = format!("location /other/ {{ authgear_resolve {}; return 204; }}", other.url());
    let lines = lines.replace("return 204;", "try_files \"\" =204;");
    let live = Live::with(Resolver::start(), &lines);
    for _ in 0..3 {
        live.assert_resolves(Wire::Http1);
        let request = super::super::harness::Request { target: b"/other/".to_vec(), ..live.unique() };
        assert_eq!(super::send(&live.nginx, Wire::Http1, &request).status, 204);
    }
    assert_eq!((live.resolver.call_count(), live.resolver.connections()), (3, 1));
    assert_eq!((other.call_count(), other.connections()), (3, 1));
    live.finish();
}
