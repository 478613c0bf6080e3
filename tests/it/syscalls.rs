//! The event loop never waits for anything but events: proved by the system calls of workers' main threads, in calls that
//! succeed, fail and hang, at a worker's start and in a reload.
//!
//! Tracing has to be allowed, so it runs where `AUTHGEAR_STRACE` is set, as scripts/test does. Where it isn't, that is
//! said, past the test program's capture of output.

mod trace;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::harness::{
    Builder, Http1, Nginx, PATIENCE, Request, for_each_wire, in_background, poll, send, to,
};
use crate::stage::{Stage, token_of};
use crate::standin::{Fault, Leaf, Pki, Resolver};
use trace::{Call, Strace, Thread};

/// What a main thread may call. nginx's own part of it: waiting for events, connections of clients, and its log files,
/// which have been opened before. The rest is memory, locks that are free, and what the start of a thread and of
/// its runtime takes.
const ALLOWED: [&str; 30] = [
    "accept4",
    "brk",
    "clone",
    "clone3",
    "close",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "eventfd2",
    "fcntl",
    "futex",
    "getrandom",
    "gettid",
    "ioctl",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "read",
    "recvfrom",
    "recvmsg",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "setsockopt",
    "shutdown",
    "write",
    "writev",
];

/// A lock that is held for longer is waited for, not passed by.
const LONGEST_FUTEX: Duration = Duration::from_millis(1);

fn is_wanted() -> bool {
    let wanted = std::env::var_os("AUTHGEAR_STRACE").is_some();
    if !wanted {
        let _ =
            io::stderr().write_all(b"skipped: AUTHGEAR_STRACE is not set, so no system calls are traced\n");
    }
    wanted
}

/// Two resolvers; one is known by name only and speaks TLS. The answer comes from nginx itself: with a backend, nginx would
/// connect to that.
fn site(stage: &Stage, secure: &Resolver, folder: &Path) -> Builder {
    Pki::shared().write(folder).expect("the folder is writable");
    let (port, folder) = (secure.addr().port(), folder.display());
    Nginx::builder()
        .http("authgear_cache_zone zone=sessions:1m; authgear_timeout 9s; authgear_connect_timeout 9s; keepalive_timeout 60s;")
        .server(format!(
            "{}
             authgear_breaker off;
             location / {{ empty_gif; }}
             location /given-up {{ authgear_breaker max_fails=1 fail_timeout=1h; empty_gif; }}
             location /cached {{ authgear_cache sessions; empty_gif; }}
             location /late {{ authgear_timeout 200ms; empty_gif; }}
             location /secure {{
                 authgear_resolve https://localhost:{port};
                 authgear_ssl_trusted_certificate {folder}/ca.pem;
                 empty_gif;
             }}",
            stage.resolve()
        ))
}

#[test]
fn the_event_loop_waits_for_nothing_but_events() {
    if !is_wanted() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stage = Stage::start();
    let tls = Pki::shared().server(Leaf::Good);
    let secure = Resolver::builder().tls(tls).alpn(&["h2", "http/1.1"]).start();
    let nginx = site(&stage, &secure, folder.path()).start();
    let mut workers = nginx.worker_pids();
    let strace = Strace::attach(folder.path(), &[nginx.pid(), workers[0]]);

    resolve(&stage, &nginx);
    fail(&stage, &nginx);
    reload(&stage, &nginx);
    workers.extend(nginx.worker_pids());
    resolve(&stage, &nginx);
    nginx.finish();

    let threads = strace.threads();
    let resolvers = [stage.resolver.addr().port(), secure.addr().port()];
    for worker in &workers {
        let main = threads.iter().find(|thread| thread.id == *worker).expect("the worker was traced");
        assert_waits_for_events_alone(main, resolvers);
    }
    assert_others_did_the_work(&threads, &workers, resolvers);
}

/// Misses at both resolvers, hits, and what is never resolved.
fn resolve(stage: &Stage, nginx: &Nginx) {
    for_each_wire(|wire| {
        for target in ["/", "/secure", "/cached"] {
            let request = to(target, stage.unique());
            for _ in 0..2 {
                assert_eq!(send(nginx, wire, request.clone()).status, 200, "{target}");
            }
        }
        assert_eq!(send(nginx, wire, to("/secure", token_of("bob", 1))).status, 200);
        assert_eq!(send(nginx, wire, Request::get("/")).status, 200);
    });
}

fn fail(stage: &Stage, nginx: &Nginx) {
    for (fault, target, status) in [
        (Fault::Status(503), "/", 502),
        (Fault::ResetBeforeAnswer, "/", 502),
        (Fault::Garbage(b"garbage\r\n\r\n".into()), "/", 502),
        (Fault::Hang, "/late", 504),
        (Fault::HangInHead, "/late", 504),
    ] {
        stage.resolver.set_fault(Some(fault));
        for_each_wire(|wire| {
            let response = send(nginx, wire, to(target, stage.unique()));
            assert_eq!(response.status, status, "{target}");
        });
    }
    stage.resolver.clear_faults();
    stage.resolver.stop_listening();
    stage.resolver.reset_idle_connections();
    for target in ["/", "/given-up"] {
        for_each_wire(|wire| assert_eq!(send(nginx, wire, to(target, stage.unique())).status, 502));
    }
    stage.resolver.resume_listening();
}

/// While a request waits, which the old worker has to answer still, and an idle connection is there to be closed.
fn reload(stage: &Stage, nginx: &Nginx) {
    let mut idle = Http1::connect(nginx.port()).expect("nginx accepts");
    assert_eq!(idle.exchange(&Request::get("/")).expect("an answer").status, 200);
    stage.resolver.set_fault(Some(Fault::Gate));
    let waiting = in_background(nginx, crate::harness::Wire::Http1, stage.unique());
    assert!(stage.resolver.wait_for_gate(1, PATIENCE));
    nginx.reload();
    stage.resolver.clear_faults();
    assert_eq!(waiting.join().expect("no panic").expect("an answer").status, 200);
    nginx.wait_for_old_workers();
}

#[track_caller]
fn assert_waits_for_events_alone(main: &Thread, resolvers: [u16; 2]) {
    let calls = main.event_loop();
    assert!(calls.iter().filter(|call| call.name == "epoll_wait").count() > 20, "{main:?}");
    let offends = |call: &&Call| objection(call, resolvers).is_some();
    let offences: Vec<_> =
        calls.iter().filter(offends).map(|call| (objection(call, resolvers), &call.text)).collect();
    assert!(offences.is_empty(), "on the event loop of {}: {offences:#?}", main.id);
}

/// Why an event loop must not do this.
fn objection(call: &Call, resolvers: [u16; 2]) -> Option<&'static str> {
    let waits = call.name == "futex" && call.text.contains("FUTEX_WAIT");
    let uses_file = matches!(&*call.name, "read" | "write" | "writev") && call.is_about_file();
    let is_log = call.name == "write" && call.text.contains(".log>");
    [
        (!ALLOWED.contains(&&*call.name), "a call that may wait"),
        (call.is_about_port(resolvers), "a resolver's connection"),
        (waits && call.took >= LONGEST_FUTEX, "a lock is waited for"),
        (uses_file && !is_log, "a file is used"),
    ]
    .into_iter()
    .find_map(|(holds, why)| holds.then_some(why))
}

/// What the event loop must not do was done by somebody, and is found if it is done.
#[track_caller]
fn assert_others_did_the_work(threads: &[Thread], workers: &[i32], resolvers: [u16; 2]) {
    let others = || threads.iter().filter(|thread| !workers.contains(&thread.id)).flat_map(|t| &t.calls);
    for port in resolvers {
        assert!(others().any(|call| call.name == "connect" && call.is_about_port([port; 2])), "port {port}");
        assert!(others().any(|call| call.name != "connect" && call.is_about_port([port; 2])), "port {port}");
    }
    assert!(
        others().any(|call| call.name == "openat" && call.text.contains("/etc/")),
        "no name was looked up"
    );
    assert!(others().any(|call| call.name == "read" && call.is_about_file()), "no file was read");
}
