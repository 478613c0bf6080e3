//! A worker's life with requests in flight: reload, upgrade, graceful and fast ends, sudden death, and processes that
//! are no workers.

mod ends;
mod processes;
mod upgrades;

use std::io;
use std::thread::JoinHandle;

use crate::harness::{
    Http1, Nginx, PATIENCE, Request, Response, Signal, Wire, burst, in_background, log, poll, process, send,
};
use crate::stage::Stage;
use crate::standin::{Fault, Resolver};

/// Requests that wait for the resolver, which has their calls at its gate.
struct Waiting(Vec<JoinHandle<io::Result<Response>>>);

impl Waiting {
    /// Five over each version of HTTP.
    fn start(stage: &Stage, nginx: &Nginx) -> Self {
        stage.resolver.set_fault(Some(Fault::Gate));
        let wires = [Wire::Http1, Wire::Http2].into_iter().cycle().take(10);
        let waiting = wires.map(|wire| in_background(nginx, wire, stage.unique())).collect();
        assert!(stage.resolver.wait_for_gate(10, PATIENCE));
        Self(waiting)
    }

    /// All have been resolved.
    #[track_caller]
    fn assert_served(self, stage: &Stage) {
        for waiting in self.0 {
            let response = waiting.join().expect("the client ends");
            stage.assert_is("alice", &response.expect("an answer"));
        }
    }
}

#[test]
fn a_reload_lets_waiting_requests_finish() {
    let (stage, other) = (Stage::start(), Resolver::start());
    let nginx = stage.site().start();
    let waiting = Waiting::start(&stage, &nginx);
    nginx.reload_with(|builder| builder.replace(&stage.resolver.url(), &other.url()));
    // The new worker asks the new resolver, while the old one still waits for the old one's answers.
    let token = other.accounts().login("bob").bearer;
    stage.assert_is("bob", &send(&nginx, Wire::Http1, crate::stage::with_bearer(&token)));
    assert_eq!((stage.resolver.at_gate(), other.call_count()), (10, 1));
    stage.resolver.open_gate();
    waiting.assert_served(&stage);
    nginx.wait_for_old_workers();
    // It knows those credentials as well, and was not asked about them.
    assert_eq!(other.call_count(), 1);
    nginx.finish();
}

#[test]
fn reloads_under_traffic_lose_nothing() {
    let stage = Stage::start();
    let nginx = stage.site().workers(2).start();
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| burst(&nginx, Wire::Http1, 2000, 8, |_| stage.unique()));
        for _ in 0..4 {
            nginx.reload();
        }
        for response in requests.join().expect("the clients end") {
            stage.assert_is("alice", &response.expect("an answer"));
        }
    });
    nginx.wait_for_old_workers();
    nginx.finish();
}

#[test]
fn a_graceful_end_lets_waiting_requests_finish() {
    let stage = Stage::start();
    let nginx = stage.site().start();
    let waiting = Waiting::start(&stage, &nginx);
    nginx.quit();
    nginx.wait_for_log("gracefully shutting down", PATIENCE);
    stage.resolver.open_gate();
    waiting.assert_served(&stage);
    nginx.finish();
}

#[test]
fn an_upgrade_of_the_binary_lets_waiting_requests_finish() {
    let stage = Stage::start();
    let nginx = stage.site().upgradable().start();
    let waiting = Waiting::start(&stage, &nginx);
    let old = nginx.begin_upgrade();
    process::signal(old, Signal::QUIT);
    nginx.wait_for_log("gracefully shutting down", PATIENCE);
    let later = in_background(&nginx, Wire::Http1, stage.unique());
    assert!(stage.resolver.wait_for_gate(11, PATIENCE));
    stage.resolver.open_gate();
    waiting.assert_served(&stage);
    Waiting(vec![later]).assert_served(&stage);
    nginx.end_upgrade(old);
    stage.assert_serves(&nginx);
    nginx.finish();
}

/// A connection whose worker is known, and a request on it that waits.
struct Placed(Http1);

impl Placed {
    /// The other workers are stopped meanwhile, so that only this one can accept.
    fn on(stage: &Stage, nginx: &Nginx, worker: i32) -> Self {
        let others: Vec<i32> = nginx.worker_pids().into_iter().filter(|pid| *pid != worker).collect();
        others.iter().for_each(|pid| process::signal(*pid, Signal::STOP));
        let stopped = poll(PATIENCE, || others.iter().all(|pid| process::is_stopped(*pid)).then_some(()));
        assert!(stopped.is_some(), "a worker is not to be stopped");
        let mut connection = Http1::connect(nginx.port()).expect("nginx accepts");
        let answer = connection.exchange(&Request::get("/pid"));
        others.iter().for_each(|pid| process::signal(*pid, Signal::CONT));
        assert_eq!(answer.expect("an answer").text(), worker.to_string());
        connection.send(&stage.unique()).expect("sent");
        Self(connection)
    }
}

#[test]
fn a_killed_worker_loses_its_own_clients_alone() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let nginx = stage.site().server("location /pid { return 200 $pid; }").workers(2).start();
    let workers = nginx.worker_pids();
    let [victim, survivor] = workers[..] else { panic!("two workers: {workers:?}") };
    let lost: Vec<Placed> = (0..4).map(|_| Placed::on(&stage, &nginx, victim)).collect();
    let kept: Vec<Placed> = (0..4).map(|_| Placed::on(&stage, &nginx, survivor)).collect();
    assert!(stage.resolver.wait_for_gate(8, PATIENCE));
    nginx.kill_worker_pid(victim);
    for Placed(mut client) in lost {
        client.receive(b"GET").expect_err("its worker is gone");
    }
    assert!(nginx.worker_pids().contains(&survivor));
    stage.resolver.open_gate();
    for Placed(mut client) in kept {
        stage.assert_is("alice", &client.receive(b"GET").expect("an answer"));
    }
    burst(&nginx, Wire::Http1, 50, 4, |_| stage.unique())
        .into_iter()
        .for_each(|response| stage.assert_is("alice", &response.expect("an answer")));
    nginx.finish();
}

#[test]
fn each_of_four_workers_resolves() {
    let stage = Stage::start();
    let nginx = stage.site().server("location /pid { return 200 $pid; }").workers(4).start();
    for worker in nginx.worker_pids() {
        let Placed(mut client) = Placed::on(&stage, &nginx, worker);
        stage.assert_is("alice", &client.receive(b"GET").expect("an answer"));
        assert_eq!(process::threads(worker), 2, "the event loop and the resolver's thread");
    }
    for response in burst(&nginx, Wire::Http2, 400, 16, |_| stage.unique()) {
        stage.assert_is("alice", &response.expect("an answer"));
    }
    assert_eq!(log::started_workers(&nginx.error_log(), nginx.pid()).len(), 4, "none was replaced");
    nginx.finish();
}
