//! The event methods of nginx that are no epoll: what the event loop isn't asked to look for once more it doesn't see. An nginx has them
//! only where it was built with them, as that of `scripts/matrix.sh` is.

use super::framing::{assert_body, pattern};
use super::harness::http1::encode;
use super::harness::{
    COUNTERS, Http1, Http2, Nginx, PATIENCE, Request, Wire, burst, for_each_wire, in_background, process,
    send,
};
use super::stage::Stage;
use super::standin::Fault;

/// Runs a test with each method that this nginx has.
fn for_each_method(test: impl Fn(&str)) {
    for method in ["epoll", "poll", "select"] {
        if method == "epoll" || process::nginx_has(&format!("--with-{method}_module")) {
            println!("with {method}");
            test(method);
        } else {
            println!("skipped: this nginx was built without --with-{method}_module");
        }
    }
}

/// `select` knows no descriptor above 1023.
fn start(stage: &Stage, method: &str, workers: usize) -> Nginx {
    let site = stage.site().worker_connections(500).events(format!("use {method};"));
    site.workers(workers).server(COUNTERS).http("authgear_timeout 60s; client_body_buffer_size 16k;").start()
}

#[test]
fn requests_wait_and_go_on_with_every_event_method() {
    for_each_method(|method| {
        let stage = Stage::start();
        let nginx = start(&stage, method, 1);
        for_each_wire(|wire| {
            stage.resolver.set_fault(Some(Fault::Gate));
            let waiting = [(); 4].map(|()| in_background(&nginx, wire, stage.unique()));
            assert!(stage.resolver.wait_for_gate(4, PATIENCE));
            stage.resolver.clear_faults();
            for waiting in waiting {
                stage.assert_is("alice", &waiting.join().expect("the client ends").expect("an answer"));
            }
        });
        nginx.finish();
    });
}

/// The body comes before, while, or after the request waits.
#[test]
fn bodies_are_read_after_the_wait_with_every_event_method() {
    for_each_method(|method| {
        let stage = Stage::start();
        let nginx = start(&stage, method, 1);
        let body = pattern(300_000);
        // So much has come before the request waits, and while it does: what fits into buffers, for nginx doesn't read it then.
        for (before, while_it_waits) in [(0, 0), (0, 20_000), (20_000, 0), (100, 100), (20_000, 20_000)] {
            println!("{before} and {while_it_waits} bytes");
            stage.echo.clear();
            stage.resolver.set_fault(Some(Fault::Gate));
            let (first, rest) = body.split_at(before);
            let (second, rest) = rest.split_at(while_it_waits);
            let head = Request { method: b"POST".to_vec(), ..stage.unique() };
            let mut head = encode(&head.header("Content-Length", body.len().to_string()));
            head.extend_from_slice(first);
            let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
            client.write_raw(&head).expect("sent");
            assert!(stage.resolver.wait_for_gate(1, PATIENCE));
            client.write_raw(second).expect("sent");
            // It has seen those by the time that it answers.
            nginx.in_hand();
            stage.resolver.clear_faults();
            client.write_raw(rest).expect("sent");
            stage.assert_is("alice", &client.receive(b"POST").expect("an answer"));
            assert_body(&stage.only_request(), &body);
            // The connection goes on.
            stage.assert_is("alice", &client.exchange(&stage.unique()).expect("an answer"));
        }
        nginx.finish();
    });
}

/// The next request has come by the time that the first one goes on.
#[test]
fn pipelined_requests_are_answered_in_turn_with_every_event_method() {
    for_each_method(|method| {
        let stage = Stage::start();
        let nginx = start(&stage, method, 1);
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        for together in [true, false, true, false] {
            stage.resolver.set_fault(Some(Fault::Gate));
            client.send(&stage.unique()).expect("sent");
            if !together {
                assert!(stage.resolver.wait_for_gate(1, PATIENCE));
            }
            client.send(&stage.unique()).expect("sent");
            assert!(stage.resolver.wait_for_gate(1, PATIENCE));
            nginx.in_hand();
            client.send(&stage.unique()).expect("sent");
            nginx.in_hand();
            stage.resolver.clear_faults();
            for _ in 0..3 {
                stage.assert_is("alice", &client.receive(b"GET").expect("an answer"));
            }
        }
        nginx.finish();
    });
}

#[test]
fn a_client_that_leaves_is_noticed_with_every_event_method() {
    for_each_method(|method| {
        let stage = Stage::start();
        let nginx = start(&stage, method, 1);
        stage.resolver.set_fault(Some(Fault::Gate));
        for close in [Http1::reset, drop, |client: Http1| drop(client.half_close())] {
            let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
            client.send(&stage.unique()).expect("sent");
            nginx.wait_until_in_hand(1);
            close(client);
            nginx.wait_until_in_hand(0);
        }
        let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
        let stream = client.send(&stage.unique()).expect("sent");
        nginx.wait_until_in_hand(1);
        client.reset_stream(stream).expect("sent");
        nginx.wait_until_in_hand(0);
        stage.resolver.clear_faults();
        stage.assert_is("alice", &client.exchange(&stage.unique()).expect("an answer"));
        drop(client);
        nginx.finish();
    });
}

#[test]
fn workers_share_calls_with_every_event_method() {
    for_each_method(|method| {
        let stage = Stage::start();
        let nginx = start(&stage, method, 3);
        stage.resolver.set_fault(Some(Fault::Delay(std::time::Duration::from_millis(20))));
        let requests: Vec<Request> = (0..60).map(|_| stage.unique()).collect();
        for answer in burst(&nginx, Wire::Http1, 600, 12, |n| requests[n / 10].clone()) {
            stage.assert_is("alice", &answer.expect("an answer"));
        }
        stage.resolver.clear_faults();
        stage.assert_is("alice", &send(&nginx, Wire::Http2, stage.unique()));
        nginx.finish();
    });
}
