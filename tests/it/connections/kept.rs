//! HTTP/1.1: kept-alive connections, and dead ones.

use super::super::harness::{Wire, burst, for_each_wire};
use super::{Fault, Resolver, SOON, Stage, Version, assert_answered};

#[test]
fn thirty_requests_in_a_row_cost_thirty_calls_and_one_connection() {
    let stage = Stage::start();
    for n in 0..30 {
        assert_answered(&stage, if n % 2 == 0 { Wire::Http1 } else { Wire::Http2 });
    }
    assert_eq!((stage.resolver.call_count(), stage.resolver.connections()), (30, 1));
    stage.finish();
}

#[test]
fn a_connection_is_kept_after_a_failure_that_left_it_whole() {
    let stage = Stage::start();
    assert_answered(&stage, Wire::Http1);
    stage.resolver.push_fault(Fault::Status(500));
    super::send(&stage.nginx, Wire::Http1, stage.unique());
    assert_answered(&stage, Wire::Http1);
    assert_eq!(stage.resolver.connections(), 1);
    stage.finish();
}

#[test]
fn a_connection_that_died_while_idle_is_replaced_unseen() {
    let stage = Stage::start();
    for_each_wire(|wire| {
        for round in 0..10 {
            assert_answered(&stage, wire);
            let closed = if round % 2 == 0 {
                stage.resolver.close_idle_connections()
            } else {
                stage.resolver.reset_idle_connections()
            };
            assert_eq!(closed, 1);
            assert_answered(&stage, wire);
        }
    });
    assert!(!stage.nginx.error_log().contains("[error]"));
    stage.finish();
}

#[test]
fn any_number_of_dead_connections_is_replaced_unseen() {
    let stage = Stage::start();
    for reset in [false, true] {
        // Twelve calls at once make twelve connections.
        stage.resolver.set_fault(Some(Fault::Gate));
        let waiting: Vec<_> = (0..12).map(|_| stage.begin(&stage.unique())).collect();
        assert!(stage.resolver.wait_for_gate(12, SOON));
        stage.resolver.clear_faults();
        for mut connection in waiting {
            assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
        }
        let closed = if reset {
            stage.resolver.reset_idle_connections()
        } else {
            stage.resolver.close_idle_connections()
        };
        assert_eq!(closed, 12);
        for _ in 0..12 {
            assert_answered(&stage, Wire::Http1);
        }
    }
    stage.finish();
}

#[test]
fn a_kept_connection_that_ends_under_the_request_is_retried_once_and_unseen() {
    let stage = Stage::start();
    for fault in [Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer] {
        assert_answered(&stage, Wire::Http1);
        let before = (stage.resolver.call_count(), stage.resolver.connections());
        stage.resolver.push_fault(fault);
        assert_answered(&stage, Wire::Http1);
        let after = (stage.resolver.call_count(), stage.resolver.connections());
        assert_eq!(after, (before.0 + 2, before.1 + 1));
    }
    stage.finish();
}

#[test]
fn calls_at_the_same_time_have_connections_of_their_own_which_are_kept() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<_> = (0..8).map(|_| stage.begin(&stage.unique())).collect();
    assert!(stage.resolver.wait_for_gate(8, SOON));
    assert_eq!(stage.resolver.connections(), 8);
    stage.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    let answers = burst(&stage.nginx, Wire::Http1, 50, 4, |_| stage.unique());
    assert!(answers.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200)));
    assert_eq!(stage.resolver.connections(), 8);
    stage.finish();
}

#[test]
fn an_http_endpoint_is_spoken_to_in_http_1_1_whatever_it_understands() {
    let stage = Stage::with(Resolver::builder().h2c(true).start(), "");
    for_each_wire(|wire| {
        assert_answered(&stage, wire);
        assert_eq!(stage.resolver.last_call().expect("a call").version, Version::Http1);
    });
    stage.finish();
}

#[test]
fn connections_of_one_resolver_are_not_used_for_another() {
    let other = Resolver::start();
    let lines = format!("location /other/ {{ authgear_resolve {}; return 204; }}", other.url());
    let lines = lines.replace("return 204;", "try_files \"\" =204;");
    let stage = Stage::with(Resolver::start(), &lines);
    for _ in 0..3 {
        assert_answered(&stage, Wire::Http1);
        let request = super::super::harness::Request { target: b"/other/".to_vec(), ..stage.unique() };
        assert_eq!(super::send(&stage.nginx, Wire::Http1, &request).status, 204);
    }
    assert_eq!((stage.resolver.call_count(), stage.resolver.connections()), (3, 1));
    assert_eq!((other.call_count(), other.connections()), (3, 1));
    stage.finish();
}
