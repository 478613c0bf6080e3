//! Descriptors: an eventfd for each worker, one of its own, and nothing that is left behind.

use rustix::process::{Resource, Rlimit, prlimit};

use super::super::harness::{Nginx, log, poll, process};
use super::{Crew, PATIENCE, PATIENT, Pid, answers, assert_is, assert_one_led};

/// Which descriptors a process holds: the kinds, in order.
fn descriptors(pid: Pid) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let links = folder.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let kind = |link: String| {
        link.split_once(":[")
            .filter(|_| !link.contains("eventfd"))
            .map_or(link.clone(), |(kind, _)| kind.to_owned())
    };
    let mut kinds: Vec<String> = links.map(|link| kind(link.to_string_lossy().into_owned())).collect();
    kinds.sort();
    kinds
}

fn eventfds(pid: Pid) -> usize {
    descriptors(pid).iter().filter(|kind| kind.contains("eventfd")).count()
}

/// As soon as the worker has been set up: it was forked with its master's title.
#[track_caller]
fn wait_until_set_up(pid: Pid) {
    let title = || std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_set_up = || (title().starts_with("nginx: worker") && process::is_asleep(pid)).then_some(());
    assert!(poll(PATIENCE, is_set_up).is_some(), "{pid} does not start");
}

#[test]
fn each_process_holds_one_eventfd_for_each_worker_and_a_worker_one_of_its_own() {
    let stock = Nginx::builder().module(false).workers(3).server("location / { return 200; }").start();
    let crew = Crew::cached(3, "");
    let nginx = &crew.live.nginx;
    assert_eq!(eventfds(nginx.pid()), eventfds(stock.pid()) + 3);
    for (ours, theirs) in crew.workers().into_iter().zip(stock.worker_pids()) {
        wait_until_set_up(ours);
        wait_until_set_up(theirs);
        assert_eq!(eventfds(ours), eventfds(theirs) + 3 + 1, "those, and its own");
    }
    crew.finish();
    stock.finish();
}

/// Waits until the master has closed its ends of the old workers' channels.
#[track_caller]
fn wait_until_reaped(crew: &Crew) {
    let (nginx, current) = (&crew.live.nginx, crew.workers());
    for worker in log::started_workers(&nginx.error_log(), nginx.pid()) {
        if !current.contains(&worker) {
            nginx.wait_for_log(&format!("worker process {worker} exited with code 0"), PATIENCE);
        }
    }
    crew.wait_until_asleep(nginx.pid());
}

#[test]
fn reloads_leave_no_descriptor_behind() {
    let crew = Crew::cached(3, PATIENT);
    let held = |crew: &Crew| {
        let workers = crew.workers();
        workers.iter().for_each(|worker| wait_until_set_up(*worker));
        (descriptors(crew.live.nginx.pid()), descriptors(workers[2]))
    };
    crew.live.nginx.reload();
    wait_until_reaped(&crew);
    let before = held(&crew);
    for _ in 0..5 {
        // With a call in flight, which workers of both configurations wait for.
        let request = crew.live.unique();
        let mut waiting = crew.flock(&crew.workers(), &request);
        crew.live.nginx.reload();
        waiting.extend(crew.workers().iter().map(|worker| crew.begin(*worker, &request)));
        crew.wait_for_suspended(6);
        crew.resolver().clear_faults();
        assert_one_led(&answers(waiting), &crew.live, "alice");
        wait_until_reaped(&crew);
    }
    crew.live.nginx.reload();
    wait_until_reaped(&crew);
    assert_eq!(held(&crew), before);
    crew.finish();
}

/// A reload, in which the master has no descriptor left where it makes the eventfds: the new log files are open, and the
/// old ones are still.
#[test]
fn without_descriptors_for_eventfds_a_reload_goes_on() {
    const LOGS: u64 = 12;
    let logs = |generation: u32| {
        let log = |n| format!("access_log {generation}-{n}.log;");
        (0..LOGS).map(log).collect::<Vec<_>>().join("\n")
    };
    let crew = Crew::cached(3, &format!("{PATIENT}\n{}", logs(0)));
    let request = crew.live.alice();
    let mut waiting = crew.flock(&crew.workers(), &request);
    let master = crew.live.nginx.pid();
    let held = u64::try_from(process::open_fds(master)).expect("small");
    // The new files and the error log, then one or two, where three are needed.
    let limit = Some(held + LOGS + 2);
    let limit = Rlimit { current: limit, maximum: limit };
    prlimit(rustix::process::Pid::from_raw(master), Resource::Nofile, limit).expect("a lower limit");
    let mark = crew.live.nginx.error_mark();
    crew.live.nginx.reload_with(|builder| builder.replace(&logs(0), &logs(1)));
    let line = crew.live.nginx.wait_for_log_since(mark, "no eventfd for each worker", PATIENCE);
    assert!(line.contains("[error]") && line.contains("authgear"), "{line}");
    for worker in crew.workers() {
        wait_until_set_up(worker);
    }
    waiting.extend(crew.workers().iter().map(|worker| crew.begin(*worker, &request)));
    crew.wait_for_suspended(6);
    assert_eq!(crew.resolver().call_count(), 1);
    crew.resolver().clear_faults();
    assert_one_led(&answers(waiting), &crew.live, "alice");
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    for next in [[first, second, third], [third, first, second]] {
        let waiting = crew.flock(&next, &crew.live.unique());
        crew.resolver().clear_faults();
        assert_one_led(&answers(waiting), &crew.live, "alice");
    }
    assert_is(&crew.ask(second, &request), &crew.live, "alice", "hit");
    assert_eq!(crew.resolver().call_count(), 3);
    crew.finish();
}
