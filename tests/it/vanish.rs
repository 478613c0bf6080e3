//! 50,000 requests whose clients vanish while they wait for the resolver. Nothing may be left of them.

mod clients;

use crate::harness::{COUNTERS, Nginx, PATIENCE, Wire, burst, process, send};
use crate::stage::{Stage, with_bearer};
use crate::standin::{Fault, Kind};
use clients::{Clients, WAYS};

/// Requests that wait at the same time.
const BATCH: usize = 500;
/// Clients that share a credential, and so a call.
const SHARING: usize = 50;
/// Far below what 50,000 requests could make, and above the calls of one batch.
const MAX_INFLIGHT: usize = 64;

/// A location's requests come from many addresses, as far as nginx knows: one address has an eighth of all calls.
fn site(stage: &Stage) -> Nginx {
    stage
        .site()
        .http(format!(
            "authgear_timeout 60s; authgear_max_inflight {MAX_INFLIGHT}; set_real_ip_from 127.0.0.1;
         real_ip_header X-Client; keepalive_requests 100000; access_log off;"
        ))
        .server(COUNTERS)
        .start()
}

/// Has that many requests wait, and their clients vanish. The answers come before, while or after they do.
fn run_batch(stage: &Stage, nginx: &Nginx, batch: usize) {
    stage.resolver.set_fault(Some(Fault::Gate));
    let calls = BATCH / SHARING;
    let tokens: Vec<String> = (0..calls).map(|_| stage.accounts().mint("alice", Kind::Bearer)).collect();
    let way = WAYS[batch % WAYS.len()];
    let request = |i: usize| {
        let address = format!("192.0.2.{}", i / SHARING + 1);
        with_bearer(&tokens[i / SHARING]).header("X-Client", address)
    };
    let clients = Clients::send(nginx, way, BATCH, request);
    assert!(stage.resolver.wait_for_gate(calls, PATIENCE), "batch {batch}: the calls of {way:?}");
    nginx.wait_until_in_hand(BATCH);
    // Every third batch races: answers and departures come at the same time.
    let races = batch.is_multiple_of(3);
    if races {
        stage.resolver.open_gate();
    }
    clients.vanish(way);
    if !races {
        nginx.wait_until_in_hand(0);
        assert_eq!(stage.resolver.in_flight(), calls, "batch {batch}: a client that leaves cancels nothing");
        stage.resolver.open_gate();
    }
    nginx.wait_until_in_hand(0);
    assert!(stage.resolver.wait_until_idle(PATIENCE), "batch {batch}");
}

#[test]
fn fifty_thousand_vanishing_clients_leave_nothing_behind() {
    let stage = Stage::with(crate::standin::Resolver::builder().keep_calls(10).start());
    let nginx = site(&stage);
    let worker = nginx.worker_pids()[0];
    let (warm_up, all) = (20, 50_000 / BATCH);
    (0..warm_up).for_each(|batch| run_batch(&stage, &nginx, batch));
    let descriptors = process::open_fds(worker);
    let half = usize::midpoint(warm_up, all);
    let growth = [warm_up..half, half..all].map(|batches| {
        let memory = process::rss(worker);
        batches.for_each(|batch| run_batch(&stage, &nginx, batch));
        process::rss(worker).saturating_sub(memory)
    });

    // 20,000 requests each: 64 bytes that each left behind would be 1.3 MB, in both halves. The allocator takes a step of
    // 2 MB now and then, and not in each.
    assert!(growth[0].min(growth[1]) < 1 << 20, "memory grew by {growth:?} bytes");
    // Connections to the resolver are kept, one for each call of a batch at most.
    let opened = process::open_fds(worker).saturating_sub(descriptors);
    assert!(opened <= BATCH / SHARING, "{opened} more descriptors than {descriptors}");
    assert_eq!(stage.resolver.call_count(), (50_000 / SHARING) as u64);
    assert!(stage.resolver.max_in_flight() <= MAX_INFLIGHT);
    assert_eq!(nginx.worker_pids(), [worker]);

    stage.resolver.set_fault(None);
    stage.assert_serves(&nginx);
    nginx.finish();
}

/// Their calls still count: those who come next get no more than what is left.
#[test]
fn calls_of_vanished_clients_count_as_in_flight() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let nginx = site(&stage);
    let request = |i: usize| stage.unique().header("X-Client", format!("192.0.2.{}", i / 8 + 1));
    Clients::send(&nginx, WAYS[0], MAX_INFLIGHT, request).vanish(WAYS[0]);
    assert!(stage.resolver.wait_for_gate(MAX_INFLIGHT, PATIENCE));
    nginx.wait_until_in_hand(0);
    for response in burst(&nginx, Wire::Http1, 200, 8, request) {
        assert_eq!(response.expect("an answer").status, 502);
    }
    assert_eq!((stage.resolver.call_count(), stage.resolver.max_in_flight()), (64, MAX_INFLIGHT));
    // As soon as there is room again, there is service again.
    assert_eq!(stage.resolver.release(1), 1);
    assert!(crate::harness::poll(PATIENCE, || (stage.resolver.in_flight() < 64).then_some(())).is_some());
    stage.resolver.set_fault(None);
    stage.resolver.open_gate();
    assert!(stage.resolver.wait_until_idle(PATIENCE));
    // The answers have been sent; the worker has them when it comes to it.
    let served = || (send(&nginx, Wire::Http1, request(0)).status == 200).then_some(());
    assert!(crate::harness::poll(PATIENCE, served).is_some());
    nginx.finish();
}
