//! Processes that are not the usual worker: nginx in one process, the cache manager and loader, workers that never
//! resolve.

use crate::harness::{Builder, EchoReply, Nginx, PATIENCE, Request, Wire, poll, process, send};
use crate::stage::Stage;

const CACHE: &str = "proxy_cache_path cached keys_zone=c:1m;";

/// The process that the master started as this.
#[track_caller]
fn helper(nginx: &Nginx, kind: &str) -> i32 {
    let line = nginx.wait_for_log(&format!("start {kind} process "), PATIENCE);
    let pid = line.rsplit(' ').next().and_then(|word| word.parse().ok());
    pid.unwrap_or_else(|| panic!("no process id in {line:?}"))
}

/// As many descriptors as the process of a stock nginx has, once both have started.
#[track_caller]
fn assert_holds_no_more(ours: i32, stock: i32) {
    for process in [ours, stock] {
        assert!(poll(PATIENCE, || has_title(process).then_some(())).is_some(), "{process} does not start");
    }
    // A process is sent the channels of those that are started after it, and takes them when it comes to it.
    let is_same = || process::open_fds(ours) == process::open_fds(stock);
    let same = poll(PATIENCE, || is_same().then_some(()));
    assert!(same.is_some(), "{} and {}", process::open_fds(ours), process::open_fds(stock));
}

/// A process that was forked has its master's title until all modules are set up in it.
fn has_title(pid: i32) -> bool {
    let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.starts_with("nginx: ") && !title.starts_with("nginx: master")
}

/// What a process holds without the module.
fn stock(http: &str) -> Builder {
    Nginx::builder().module(false).http(http).server("location / { return 200; }")
}

#[test]
fn a_single_process_resolves() {
    let stage = Stage::start();
    let nginx = stage.site().single_process().start();
    for wire in [Wire::Http1, Wire::Http2] {
        EchoReply::of(&send(&nginx, wire, Request::get("/")));
        stage.assert_is("alice", &send(&nginx, wire, stage.unique()));
    }
    assert_eq!(process::threads(nginx.pid()), 2);
    nginx.finish();
}

#[test]
fn cache_manager_and_loader_are_left_alone() {
    let stage = Stage::start();
    let (nginx, plain) = (stage.site().http(CACHE).start(), stock(CACHE).start());
    stage.assert_serves(&nginx);
    for kind in ["cache manager", "cache loader"] {
        let (ours, stock) = (helper(&nginx, kind), helper(&plain, kind));
        assert_holds_no_more(ours, stock);
        assert_eq!(process::threads(ours), 1, "{kind}");
    }
    nginx.reload();
    stage.assert_serves(&nginx);
    nginx.finish();
    plain.finish();
}

#[test]
fn a_module_that_is_not_used_costs_nothing() {
    let stage = Stage::start();
    let plain = stock("").start();
    let nginx = Nginx::builder().server(format!("location / {{ {} }}", stage.pass())).start();
    let worker = nginx.worker_pids()[0];
    assert_holds_no_more(worker, plain.worker_pids()[0]);
    assert_eq!(process::threads(worker), 1);
    // Forged headers are removed all the same: authgear_strip_headers is on by default.
    let request = stage.unique().header("X-Authgear-User-Id", "forged");
    let reply = EchoReply::of(&send(&nginx, Wire::Http1, request));
    assert_eq!(reply.header("x-authgear-user-id"), None);
    assert!(reply.header("authorization").is_some());
    assert_eq!(process::threads(worker), 1);
    nginx.reload();
    nginx.finish();
    plain.finish();
}

#[test]
fn a_worker_without_credentials_to_resolve_has_no_second_thread() {
    let stage = Stage::start();
    let nginx = stage.site().start();
    let worker = nginx.worker_pids()[0];
    EchoReply::of(&send(&nginx, Wire::Http1, Request::get("/")));
    assert_eq!(process::threads(worker), 1);
    stage.assert_serves(&nginx);
    assert_eq!(process::threads(worker), 2);
    nginx.finish();
}

#[test]
fn the_resolver_thread_takes_no_signal() {
    let stage = Stage::start();
    let nginx = stage.site().start();
    stage.assert_serves(&nginx);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", nginx.worker_pids()[0])).expect("it runs");
    let blocked = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
            line.trim().to_owned()
        };
        (field("Name:"), u64::from_str_radix(&field("SigBlk:"), 16).expect("a mask"))
    };
    let threads: Vec<(String, u64)> = tasks.flatten().map(blocked).collect();
    let (_, mask) = threads.iter().find(|(name, _)| name == "authgear").expect("the resolver's thread");
    // HUP, QUIT, USR1, USR2, TERM, CHLD, WINCH, IO: what nginx steers its processes by.
    for signal in [1, 3, 10, 12, 15, 17, 28, 29] {
        assert_ne!(mask & (1 << (signal - 1)), 0, "signal {signal} in {mask:x}");
    }
    nginx.finish();
}
