//! How long a worker takes to end, whatever the resolver does.

use std::time::{Duration, Instant};

use crate::harness::{Http1, Nginx, PATIENCE, Signal, Wire, in_background, poll, process, stretched};
use crate::stage::Stage;
use crate::standin::{ConnectionFault, Fault};

/// Much less than any timeout that is configured here, and much more than a busy machine needs for an orderly end.
const PROMPTLY: Duration = Duration::from_secs(4);

/// Longer than any test waits.
const ENDLESS: &str = "authgear_timeout 60s; authgear_connect_timeout 60s;";

#[track_caller]
fn assert_ends_promptly(nginx: Nginx, how: Signal) {
    let start = Instant::now();
    nginx.signal(how);
    let master = nginx.pid();
    let gone = poll(PATIENCE, || (!process::is_running(master)).then_some(()));
    assert!(gone.is_some() && start.elapsed() < stretched(PROMPTLY), "{how:?} took {:?}", start.elapsed());
    nginx.finish();
}

/// A site with a call that will never end, and nobody who waits for it.
fn abandoned_call(stage: &Stage) -> Nginx {
    let nginx = stage.site().http(ENDLESS).start();
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    client.send(&stage.unique()).expect("sent");
    assert!(stage.resolver.wait_for_connections(1, PATIENCE));
    client.reset();
    // The client's line is written when nginx is done with its request.
    nginx.wait_for_access_log("\" 499 ", PATIENCE);
    nginx
}

#[test]
fn a_call_that_hangs_holds_up_no_end() {
    for how in [Signal::QUIT, Signal::TERM] {
        let stage = Stage::start();
        stage.resolver.set_fault(Some(Fault::Hang));
        assert_ends_promptly(abandoned_call(&stage), how);
    }
}

#[test]
fn an_answer_that_stops_half_way_holds_up_no_end() {
    for fault in [Fault::HangInHead, Fault::HangInBody, Fault::SlowHead(Duration::from_millis(500))] {
        let stage = Stage::start();
        stage.resolver.set_fault(Some(fault));
        assert_ends_promptly(abandoned_call(&stage), Signal::QUIT);
    }
}

/// TLS is spoken to by a server that never answers the handshake.
#[test]
fn a_handshake_that_hangs_holds_up_no_end() {
    let stage = Stage::start();
    stage.resolver.set_connection_fault(Some(ConnectionFault::Hang));
    let url = stage.resolver.url().replace("http:", "https:");
    let nginx = Nginx::builder()
        .http(format!("authgear_resolve {url}; authgear_ssl_verify off; {ENDLESS}"))
        .server(format!("location / {{ {} }}", stage.pass()))
        .start();
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    client.send(&stage.unique()).expect("sent");
    assert!(stage.resolver.wait_for_connections(1, PATIENCE));
    client.reset();
    nginx.wait_for_access_log("\" 499 ", PATIENCE);
    assert_ends_promptly(nginx, Signal::QUIT);
}

/// The name server doesn't exist, or is asked in vain: a look-up must not outlive the worker either.
#[test]
fn a_look_up_under_way_holds_up_no_end() {
    let stage = Stage::start();
    let nginx = Nginx::builder()
        .http(format!("authgear_resolve http://nowhere.invalid; {ENDLESS}"))
        .server(format!("location / {{ {} }}", stage.pass()))
        .start();
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    client.send(&stage.unique()).expect("sent");
    let worker = nginx.worker_pids()[0];
    let asked = poll(PATIENCE, || (process::threads(worker) > 1).then_some(()));
    assert!(asked.is_some(), "the call was not begun");
    client.reset();
    assert_ends_promptly(nginx, Signal::QUIT);
}

#[test]
fn idle_connections_to_the_resolver_hold_up_no_end() {
    let stage = Stage::start();
    let nginx = stage.site().start();
    stage.assert_serves(&nginx);
    assert_ends_promptly(nginx, Signal::QUIT);
}

#[test]
fn a_fast_end_drops_waiting_requests() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Hang));
    let nginx = stage.site().http(ENDLESS).start();
    let clients: Vec<_> = [Wire::Http1, Wire::Http2, Wire::Http1, Wire::Http2]
        .map(|wire| in_background(&nginx, wire, stage.unique()))
        .into();
    assert!(stage.resolver.wait_for_calls(4, PATIENCE));
    assert_ends_promptly(nginx, Signal::TERM);
    for client in clients {
        client.join().expect("the client ends").expect_err("no answer");
    }
}

/// The worker stays for its request, which authgear_timeout ends.
#[test]
fn a_graceful_end_waits_for_a_request_until_its_timeout() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Hang));
    let nginx = stage.site().http("authgear_timeout 1s;").start();
    let client = in_background(&nginx, Wire::Http1, stage.unique());
    assert!(stage.resolver.wait_for_calls(1, PATIENCE));
    nginx.quit();
    let response = client.join().expect("the client ends").expect("an answer");
    assert_eq!(response.status, 504);
    nginx.finish();
}

/// Old workers with endless calls don't pile up over reloads.
#[test]
fn a_reload_leaves_no_worker_behind_for_a_hanging_call() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Hang));
    let nginx = abandoned_call(&stage);
    let start = Instant::now();
    nginx.reload();
    nginx.wait_for_old_workers();
    assert!(start.elapsed() < stretched(PROMPTLY), "it took {:?}", start.elapsed());
    nginx.finish();
}
