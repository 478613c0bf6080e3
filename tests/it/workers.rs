//! What several workers share: one call for equal requests, its outcome, and the cache, whatever becomes of a worker.

mod breaker;
mod descriptors;
mod ends;
mod herd;
mod kills;
mod leaders;
mod load;
mod models;
mod outcomes;
mod reloads;
mod set_cookie;
mod spoilt;
mod timeouts;
mod zones;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::harness::{Builder, Http1, Http2, PATIENCE, Request, Response, Signal, free_port, poll, process};
use super::live::{Live, answers, assert_ending, ending};
use super::stage::identity_told;
use super::standin::{Fault, Kind, Resolver};

type Pid = i32;

/// A call at the gate is to wait for the test, and not to time out.
const PATIENT: &str = "authgear_timeout 60s;";

const ZONE: &str = "authgear_cache_zone zone=sessions:1m;";
const CACHE: &str = "authgear_cache sessions;\nauthgear_cache_valid valid invalid none 10m;";

/// Several workers, each of which can be spoken to: the kernel spreads the connections over them, and `/pid` tells which
/// one has got a connection.
struct Crew {
    live: Live,
    port: u16,
    h2_port: u16,
    /// Connections that came to other workers than was asked for.
    spare: Mutex<HashMap<Pid, Vec<Http1>>>,
}

impl Crew {
    /// Without any cache.
    fn start(workers: usize, lines: &str) -> Self {
        Self::build(workers, Resolver::start(), lines, |builder| builder)
    }

    /// With a cache.
    fn cached(workers: usize, lines: &str) -> Self {
        Self::cached_with(workers, lines, "")
    }

    /// With more lines at the level http.
    fn cached_with(workers: usize, lines: &str, http: &str) -> Self {
        let lines = format!("{CACHE}\n{lines}");
        Self::build(workers, Resolver::start(), &lines, |builder| builder.http(ZONE).http(http))
    }

    fn build(
        workers: usize,
        resolver: Resolver,
        lines: &str,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (port, h2_port) = (free_port(), free_port());
        let http2 = if process::nginx_version() >= (1, 25, 1) { "" } else { " http2" };
        let lines = format!(
            "listen 127.0.0.1:{port} reuseport;\nlisten 127.0.0.1:{h2_port}{http2} reuseport;\n\
             add_header X-Pid $pid always;\nadd_header X-Cache $authgear_cache_status always;\n\
             location = /pid {{ authgear_resolve off; return 200 $pid; }}\n{lines}"
        );
        let live = Live::build(resolver, &lines, |builder| change(builder.workers(workers)));
        Self { live, port, h2_port, spare: Mutex::default() }
    }

    fn resolver(&self) -> &Resolver {
        &self.live.resolver
    }

    /// The workers that accept connections, by their numbers.
    fn workers(&self) -> Vec<Pid> {
        self.live.nginx.worker_pids()
    }

    /// A connection to this worker.
    #[track_caller]
    fn connect(&self, worker: Pid) -> Http1 {
        let connect = || {
            let spare = self.spare.lock().expect("no thread panics holding it").get_mut(&worker)?.pop();
            spare.or_else(|| {
                let mut connection = Http1::connect(self.port).ok()?;
                let pid = connection.exchange(&Request::get("/pid")).ok()?.text().parse().ok()?;
                if pid == worker {
                    return Some(connection);
                }
                let mut spare = self.spare.lock().expect("no thread panics holding it");
                spare.entry(pid).or_default().push(connection);
                None
            })
        };
        self.spare.lock().expect("no thread panics holding it").entry(worker).or_default();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(connection) = connect() {
                return connection;
            }
            assert!(std::time::Instant::now() < deadline, "no connection comes to {worker}");
        }
    }

    /// The same for HTTP/2.
    #[track_caller]
    fn connect_h2(&self, worker: Pid) -> Http2 {
        for _ in 0..2000 {
            let mut connection = Http2::connect(self.h2_port).expect("nginx accepts");
            let pid = connection.exchange(&Request::get("/pid")).expect("an answer").text();
            if pid == worker.to_string() {
                return connection;
            }
        }
        panic!("no connection comes to {worker}");
    }

    /// Sends a request to this worker, to be answered later.
    #[track_caller]
    fn begin(&self, worker: Pid, request: &Request) -> Http1 {
        let mut connection = self.connect(worker);
        connection.send(request).expect("nginx reads");
        connection
    }

    /// Has this worker answer a request.
    #[track_caller]
    fn ask(&self, worker: Pid, request: &Request) -> Response {
        let response = self.connect(worker).exchange(request).expect("an answer");
        assert_eq!(response.header("x-pid"), Some(worker.to_string()));
        response
    }

    /// Waits until so many requests are in hand, and all workers sleep: then those wait, whichever worker has them.
    #[track_caller]
    fn wait_for_suspended(&self, n: usize) {
        self.live.nginx.wait_until_in_hand(n);
        self.wait_until_all_sleep();
    }

    #[track_caller]
    fn wait_until_all_sleep(&self) {
        for worker in self.live.nginx.all_worker_pids() {
            self.wait_until_asleep(worker);
        }
    }

    /// Waits until these have said that they take no more connections.
    #[track_caller]
    fn wait_until_leaving(&self, workers: &[Pid]) {
        let left = || workers.iter().all(|worker| !self.workers().contains(worker)).then_some(());
        assert!(poll(PATIENCE, left).is_some(), "a worker stays: {:?}", self.workers());
    }

    #[track_caller]
    fn wait_until_asleep(&self, worker: Pid) {
        let asleep = || (process::is_asleep(worker) || !process::is_running(worker)).then_some(());
        assert!(poll(PATIENCE, asleep).is_some(), "{worker} doesn't come to rest");
    }

    /// Equal requests, one for each place, which wait for one call; that waits at the gate. The first one leads.
    #[track_caller]
    fn flock(&self, places: &[Pid], request: &Request) -> Vec<Http1> {
        self.resolver().set_fault(Some(Fault::Gate));
        self.flock_at_gate(places, request)
    }

    /// The same where the test has set the gate.
    #[track_caller]
    fn flock_at_gate(&self, places: &[Pid], request: &Request) -> Vec<Http1> {
        // Requests that have just been answered are counted until their worker sleeps.
        self.wait_until_all_sleep();
        let (before, gate, busy) =
            (self.resolver().call_count(), self.resolver().at_gate(), self.live.nginx.in_hand());
        let mut all = vec![self.begin(places[0], request)];
        assert!(self.resolver().wait_for_gate(gate + 1, PATIENCE), "the leader's call doesn't come");
        all.extend(places[1..].iter().map(|worker| self.begin(*worker, request)));
        self.wait_for_suspended(busy + places.len());
        let calls = self.resolver().call_count() - before;
        assert_eq!(calls, 1, "one call for all: {:?}", self.pace_of_calls());
        all
    }

    /// When each call came, counted from the first.
    fn pace_of_calls(&self) -> Vec<Duration> {
        let calls = self.resolver().calls();
        calls.iter().map(|call| call.at - calls[0].at).collect()
    }

    /// Kills a worker that will have no successor, or whose successor nobody waits for.
    fn kill(&self, worker: Pid) {
        self.live.nginx.allow_log(format!("process {worker} exited on signal 9"));
        process::signal(worker, Signal::KILL);
    }

    fn finish(self) {
        drop(self.spare);
        self.live.finish();
    }
}

/// All are valid, for this user: the first made the call, the others followed.
#[track_caller]
fn assert_one_led(answers: &[Response], live: &Live, user: &str) {
    assert_is(&answers[0], live, user, "resolved");
    for answer in &answers[1..] {
        assert_is(answer, live, user, "coalesced");
        assert_eq!(identity_told(answer), identity_told(&answers[0]));
    }
}

/// The backend was told of this user.
#[track_caller]
fn assert_is(answer: &Response, live: &Live, user: &str, reason: &str) {
    assert_ending(answer, 200, "valid", reason);
    live.assert_is(user, answer);
}
