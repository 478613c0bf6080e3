//! A worker without descriptors.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use super::super::harness::process::{self, Pid};
use super::super::harness::{Response, poll};
use super::{HERE, Http1, Http2, Live, PATIENCE, Request, Resolver, assert_ending, here};

/// Gives a process no further descriptor, until it is dropped.
struct NoMore(Pid);

impl NoMore {
    fn for_worker(live: &Live) -> Self {
        let [pid] = live.nginx.worker_pids()[..] else { panic!("one worker") };
        let is_free = |fd: &u64| !std::path::Path::new(&format!("/proc/{pid}/fd/{fd}")).exists();
        let first = (0..).find(is_free).expect("it has no end");
        limit(pid, first);
        Self(pid)
    }
}

impl Drop for NoMore {
    fn drop(&mut self) {
        limit(self.0, getrlimit(Resource::Nofile).current.expect("a limit of our own"));
    }
}

fn limit(pid: Pid, descriptors: u64) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(descriptors), maximum }).expect("a limit");
}

/// Clients that were there before.
struct Clients(Http1, Http2);

impl Clients {
    fn of(live: &Live) -> Self {
        let http1 = Http1::connect(live.nginx.port()).expect("nginx accepts");
        let mut clients = Self(http1, Http2::connect(live.nginx.h2_port()).expect("nginx accepts"));
        for response in clients.ask(|| Request::get("/counters")) {
            assert_eq!(response.status, 200);
        }
        clients
    }

    fn ask(&mut self, request: impl Fn() -> Request) -> [Response; 2] {
        [
            self.0.exchange(&request()).expect("HTTP/1.1 is answered"),
            self.1.exchange(&request()).expect("HTTP/2 is answered"),
        ]
    }
}

/// The module's lines since nginx started, of which there are a few each second of a kind at most.
#[track_caller]
fn assert_quiet(live: &Live, started: Instant) {
    let log = live.nginx.error_log();
    let lines = log.lines().filter(|line| line.contains("authgear")).count();
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("few");
    assert!(lines >= 1 && lines <= 2 * (seconds + 2), "{lines} lines in {seconds} s\n{log}");
}

/// Has the worker close the connections that the resolver has closed.
fn close_calls(live: &Live) {
    let [pid] = live.nginx.worker_pids()[..] else { panic!("one worker") };
    let before = process::open_fds(pid);
    let closed = live.resolver.close_idle_connections();
    let are_closed = || (process::open_fds(pid) + closed <= before).then_some(());
    assert!(poll(PATIENCE, are_closed).is_some(), "it keeps dead connections");
}

#[test]
fn calls_without_a_descriptor_fail_and_the_next_with_one_is_answered() {
    let live = Live::with(Resolver::start(), HERE);
    let (mut clients, started) = (Clients::of(&live), Instant::now());
    for _ in 0..2 {
        for response in clients.ask(|| here(live.unique())) {
            assert_ending(&response, 204, "valid", "resolved");
        }
        close_calls(&live);
        let no_more = NoMore::for_worker(&live);
        let calls = live.resolver.call_count();
        for _ in 0..50 {
            for response in clients.ask(|| here(live.unique())) {
                assert_ending(&response, 502, "error", "connect");
            }
        }
        assert_eq!(live.resolver.call_count(), calls);
        drop(no_more);
    }
    for response in clients.ask(|| here(live.unique())) {
        assert_ending(&response, 204, "valid", "resolved");
    }
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains("Too many open files") && line.contains(&live.resolver.url()), "{line}");
    assert_quiet(&live, started);
    drop(clients);
    live.finish();
}

#[test]
fn a_kept_connection_serves_without_a_further_descriptor() {
    let live = Live::with(Resolver::start(), HERE);
    let mut clients = Clients::of(&live);
    clients.ask(|| here(live.unique()));
    let no_more = NoMore::for_worker(&live);
    for response in clients.ask(|| here(live.unique())) {
        assert_ending(&response, 204, "valid", "resolved");
    }
    drop(no_more);
    drop(clients);
    live.finish();
}

/// The resolver's thread is started by the first call, and needs descriptors of its own.
#[test]
fn a_thread_that_could_not_be_started_is_started_later() {
    let live = Live::with(Resolver::start(), HERE);
    let (mut clients, started) = (Clients::of(&live), Instant::now());
    let no_more = NoMore::for_worker(&live);
    for _ in 0..50 {
        for response in clients.ask(|| here(live.unique())) {
            assert_ending(&response, 502, "error", "internal");
        }
    }
    drop(no_more);
    assert_eq!(live.resolver.connections(), 0);
    for response in clients.ask(|| here(live.unique())) {
        assert_ending(&response, 204, "valid", "resolved");
    }
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains("Too many open files"), "{line}");
    assert_quiet(&live, started);
    drop(clients);
    live.finish();
}

/// Waiting for a descriptor takes no time of the processor's: neither thread asks again and again.
#[test]
fn a_worker_without_descriptors_rests() {
    let live = Live::with(Resolver::start(), HERE);
    let mut clients = Clients::of(&live);
    clients.ask(|| here(live.unique()));
    close_calls(&live);
    let no_more = NoMore::for_worker(&live);
    clients.ask(|| here(live.unique()));
    let [pid] = live.nginx.worker_pids()[..] else { panic!("one worker") };
    let (before, time) = (process::cpu_time(pid), Duration::from_secs(1));
    std::thread::sleep(time);
    let used = process::cpu_time(pid) - before;
    assert!(used < time / 4, "{used:?} of {time:?}");
    drop(no_more);
    drop(clients);
    live.finish();
}

/// The C library finds neither the hosts file nor a name server then, and its words are those for a name server that fails.
#[test]
fn a_look_up_without_a_descriptor_says_nothing_of_the_resolver() {
    let resolver = Resolver::start();
    let named = format!("http://localhost:{}", resolver.addr().port());
    let lines = format!(
        "authgear_breaker max_fails=1 fail_timeout=1h;
         {HERE} location = /named {{ authgear_resolve {named}; try_files \"\" =204; }}"
    );
    let live = Live::with(resolver, &lines);
    let at_name = || Request { target: b"/named".into(), ..live.unique() };
    let mut clients = Clients::of(&live);
    // The thread is there, and the name wasn't looked up yet.
    clients.ask(|| here(live.unique()));
    let no_more = NoMore::for_worker(&live);
    for response in clients.ask(at_name) {
        assert_ending(&response, 502, "error", "connect");
    }
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    let why = "no connection can be made: no address of \"localhost\": Too many open files";
    assert!(line.contains(why), "{line}");
    drop(no_more);
    let answered = poll(PATIENCE, || {
        let [response, _] = clients.ask(at_name);
        assert_ne!(response.header("x-reason").as_deref(), Some("breaker"));
        (response.status == 204).then_some(())
    });
    assert!(answered.is_some(), "the name is never looked up again");
    drop(clients);
    live.finish();
}
