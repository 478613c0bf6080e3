//! `authgear_breaker`: its state is the same in all workers, across reloads and deaths.

use std::time::Duration;

use super::super::harness::{Wire, poll};
use super::{Crew, Fault, PATIENCE, Resolver, Signal, assert_ending, process};

/// Opens soon, and for longer than a test takes.
const LONG: &str = "authgear_breaker max_fails=3 fail_timeout=60s;";

/// The first worker's calls fail.
#[track_caller]
fn open(crew: &Crew) {
    let first = crew.workers()[0];
    crew.resolver().set_fault(Some(Fault::Status(503)));
    for _ in 0..3 {
        assert_ending(&crew.ask(first, &crew.live.unique()), 502, "error", "status");
    }
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
    open(&crew);
    assert_open(&crew);
    crew.finish();
}

/// Of which a test kills a worker.
fn mortal(lines: &str) -> Crew {
    Crew::build(2, Resolver::start(), lines, |builder| builder.allow_log(" exited on signal 9"))
}

#[test]
fn a_reload_and_a_death_change_nothing() {
    let crew = mortal(LONG);
    open(&crew);
    crew.live.nginx.reload();
    assert_open(&crew);
    let victim = crew.workers()[1];
    process::signal(victim, Signal::KILL);
    let replaced = || (crew.workers().len() == 2 && !crew.workers().contains(&victim)).then_some(());
    assert!(poll(PATIENCE, replaced).is_some());
    assert_open(&crew);
    crew.finish();
}

#[test]
fn who_dies_while_finding_out_is_followed_by_another() {
    let crew = mortal("authgear_breaker max_fails=3 fail_timeout=200ms;\nauthgear_timeout 1s;");
    open(&crew);
    let [first, second] = crew.workers()[..] else { panic!("two workers") };
    crew.resolver().set_fault(Some(Fault::Gate));
    let found = poll(PATIENCE, || {
        let _connection = crew.begin(first, &crew.live.unique());
        crew.resolver().wait_for_gate(1, Duration::from_millis(50)).then_some(())
    });
    assert!(found.is_some());
    process::signal(first, Signal::KILL);
    crew.resolver().clear_faults();
    let answered = || (crew.ask(second, &crew.live.unique()).status == 200).then_some(());
    assert!(poll(PATIENCE, answered).is_some());
    crew.live.assert_resolves(Wire::Http1);
    crew.finish();
}
