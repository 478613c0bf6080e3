//! `authgear_breaker`: its state is the same in all workers, across reloads and deaths.

use std::time::Duration;

use super::super::harness::{Http1, Wire, poll};
use super::{Crew, Fault, PATIENCE, Pid, Resolver, Signal, assert_ending, process};

/// Opens soon. A probe that hangs does so for longer than a test takes.
const LONG: &str = "authgear_breaker max_fails=3 fail_timeout=60s; authgear_timeout 60s;";

/// The first worker's calls fail.
#[track_caller]
fn fail(crew: &Crew) {
    let first = crew.workers()[0];
    crew.resolver().set_fault(Some(Fault::Status(503)));
    for _ in 0..3 {
        assert_ending(&crew.ask(first, &crew.live.unique()), 502, "error", "status");
    }
}

/// This worker makes the probe, which hangs.
#[track_caller]
fn probe(crew: &Crew, worker: Pid) -> Http1 {
    crew.resolver().set_fault(Some(Fault::Gate));
    let found = poll(PATIENCE, || {
        let connection = crew.begin(worker, &crew.live.unique());
        crew.resolver().wait_for_gate(1, Duration::from_millis(50)).then_some(connection)
    });
    found.expect("the breaker lets a call be made")
}

#[track_caller]
fn assert_open(crew: &Crew) {
    let calls = crew.resolver().call_count();
    for worker in crew.workers() {
        assert_ending(&crew.ask(worker, &crew.live.unique()), 502, "error", "breaker");
    }
    assert_eq!(crew.resolver().call_count(), calls);
}

#[test]
fn what_one_worker_finds_all_know() {
    let crew = Crew::start(3, LONG);
    fail(&crew);
    let _probe = probe(&crew, crew.workers()[1]);
    assert_open(&crew);
    crew.resolver().clear_faults();
    crew.finish();
}

/// Of which a test kills a worker.
fn mortal(lines: &str) -> Crew {
    Crew::build(2, Resolver::start(), lines, |builder| builder.allow_log(" exited on signal 9"))
}

#[test]
fn a_reload_and_a_death_change_nothing() {
    let crew = mortal(LONG);
    fail(&crew);
    let _probe = probe(&crew, crew.workers()[1]);
    crew.live.nginx.reload();
    assert_open(&crew);
    let victim = crew.workers()[1];
    process::signal(victim, Signal::KILL);
    let replaced = || (crew.workers().len() == 2 && !crew.workers().contains(&victim)).then_some(());
    assert!(poll(PATIENCE, replaced).is_some());
    assert_open(&crew);
    crew.resolver().clear_faults();
    crew.finish();
}

#[test]
fn who_dies_while_finding_out_is_followed_by_another() {
    let crew = mortal("authgear_breaker max_fails=3 fail_timeout=200ms;\nauthgear_timeout 1s;");
    fail(&crew);
    let [first, second] = crew.workers()[..] else { panic!("two workers") };
    let _probe = probe(&crew, first);
    process::signal(first, Signal::KILL);
    crew.resolver().clear_faults();
    let answered = || (crew.ask(second, &crew.live.unique()).status == 200).then_some(());
    assert!(poll(PATIENCE, answered).is_some());
    crew.live.assert_resolves(Wire::Http1);
    crew.finish();
}
