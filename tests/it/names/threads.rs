//! The threads that look names up.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::harness::process::{self, Pid};
use super::super::harness::{PATIENCE, Signal, Wire, poll, stretched};
use super::{HERE, Names, Reply, Resolver, in_network};

/// The folders in `/proc` of a worker's threads that look a name up now.
pub(super) fn look_ups(worker: Pid) -> Vec<PathBuf> {
    threads_named(worker, "authgear names")
}

fn threads_named(worker: Pid, name: &str) -> Vec<PathBuf> {
    let threads = fs::read_dir(format!("/proc/{worker}/task")).expect("it runs").flatten();
    let is_it =
        |folder: &PathBuf| fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim() == name);
    threads.map(|thread| thread.path()).filter(is_it).collect()
}

/// A handler of nginx's must not run on one of them.
#[test]
fn signals_are_blocked_while_a_name_is_looked_up() {
    in_network(|| {
        let Some(names) = Names::start(Reply::Silence) else { return };
        let live = names.live(Resolver::start(), "");
        let worker = live.nginx.worker_pids()[0];
        let _waiting = live.begin(&live.unique());
        let look_up = poll(PATIENCE, || look_ups(worker).pop()).expect("a look-up");
        let blocked = |folder: &PathBuf| {
            let status = fs::read_to_string(folder.join("status")).expect("it runs");
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigBlk:"))
                .expect("a mask")
                .trim()
                .to_owned();
            u64::from_str_radix(&mask, 16).expect("hexadecimal")
        };
        for signal in
            [Signal::TERM, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::CHILD, Signal::ALARM, Signal::IO]
        {
            assert!(blocked(&look_up) & (1 << (signal.as_raw() - 1)) != 0, "{signal:?}");
        }
        live.finish();
    });
}

/// Nobody waits for a look-up that hangs; it ends with the process. `finish` finds a crash, or an alert in the log.
#[test]
fn a_worker_ends_in_time_while_names_are_looked_up() {
    in_network(|| {
        for how in [Signal::QUIT, Signal::TERM] {
            let Some(names) = Names::start(Reply::Silence) else { return };
            let live = names.live(Resolver::start(), "authgear_connect_timeout 60s;\nauthgear_timeout 60s;");
            let client = live.begin(&live.unique());
            let worker = live.nginx.worker_pids()[0];
            assert!(poll(PATIENCE, || look_ups(worker).pop()).is_some());
            client.reset();
            live.nginx.wait_for_access_log("\" 499 ", PATIENCE);
            let (started, master) = (Instant::now(), live.nginx.pid());
            live.nginx.signal(how);
            assert!(poll(PATIENCE, || (!process::is_running(master)).then_some(())).is_some());
            assert!(
                started.elapsed() < stretched(Duration::from_secs(4)),
                "{how:?} took {:?}",
                started.elapsed()
            );
            live.finish();
        }
    });
}

/// Look-ups end at about the moment at which their worker does, some before it and some after it.
#[test]
fn workers_that_end_while_look_ups_end_do_so_cleanly() {
    in_network(|| {
        let late = |time| Reply::late(Duration::from_millis(time), vec![HERE]);
        let Some(names) = Names::start(late(0)) else { return };
        let live = names.live(Resolver::start(), "authgear_breaker off;");
        for round in 0..60 {
            let queries = names.server.queries();
            names.server.say(late(2 * round));
            let client = live.begin(&live.unique());
            assert!(poll(PATIENCE, || (names.server.queries() > queries).then_some(())).is_some());
            // Nobody waits for the call, and so its worker ends at once.
            client.reset();
            live.nginx.reload();
        }
        live.nginx.wait_for_old_workers();
        live.assert_recovers(Wire::Http1);
        live.finish();
    });
}
