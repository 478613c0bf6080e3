//! Workers that die at any moment, also while they change the shared memory.

use std::time::{Duration, Instant};

use super::super::harness::{Builder, log, poll, stretched};
use super::super::panics::fault_module;
use super::load::{Tally, under_load};
use super::{Crew, Fault, Resolver, ZONE, ending};

/// Answers are old at once, so that the resolver is asked, and the shared memory changed, all the time.
const SHORT_LIVED: &str = "authgear_cache sessions;\nauthgear_cache_valid 50ms;";

const THROWN_AWAY: &str = "a worker died while it changed the shared memory";

fn crew(workers: usize, lines: &str, change: impl FnOnce(Builder) -> Builder) -> Crew {
    let crew = Crew::build(workers, Resolver::start(), lines, |builder| change(builder.http(ZONE)));
    crew.resolver().set_fault(Some(Fault::Delay(Duration::from_millis(10))));
    crew
}

/// As if nothing had happened: every worker answers at once, and calls are shared.
#[track_caller]
fn assert_recovered(crew: &Crew) {
    crew.resolver().clear_faults();
    let workers = crew.workers();
    let start = Instant::now();
    for worker in workers.iter().chain(&workers) {
        let answer = crew.ask(*worker, &crew.live.unique());
        super::assert_is(&answer, &crew.live, "alice", "resolved");
    }
    assert!(start.elapsed() < stretched(Duration::from_secs(5)), "{:?}", start.elapsed());
    let before = crew.resolver().call_count();
    crew.resolver().set_fault(Some(Fault::Gate));
    let request = crew.live.unique();
    let waiting: Vec<_> = workers.iter().map(|worker| crew.begin(*worker, &request)).collect();
    assert!(crew.resolver().wait_for_gate(1, super::PATIENCE));
    // Requests of workers that were killed are counted for ever, so that there is nothing to wait for but time.
    std::thread::sleep(Duration::from_millis(100));
    crew.wait_until_all_sleep();
    crew.resolver().clear_faults();
    let answers = super::answers(waiting);
    assert_eq!(answers.iter().filter(|answer| ending(answer).2 == "resolved").count(), 1);
    assert_eq!(crew.resolver().call_count(), before + 1);
}

/// Nothing but nginx's own lines about the dead, and the module's about the memory that one of them was changing.
#[track_caller]
pub(super) fn assert_quiet(crew: &Crew) {
    let log = crew.live.nginx.error_log();
    let is_usual = |line: &str| {
        let level = log::Entry::parse(line).map_or("", |entry| entry.level);
        matches!(level, "info" | "notice")
            || line.contains(" exited on signal 9")
            || line.contains(" was locked by ")
            || level == "error" && line.contains(THROWN_AWAY)
            // A crew without a cache has the zone all the same, and a reload says so.
            || level == "warn" && line.contains("nothing is kept in zone \"sessions\"")
    };
    let odd: Vec<_> = log.lines().filter(|line| !is_usual(line)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn workers_that_are_killed_under_load_cost_nobody_else_anything() {
    let crew = crew(3, SHORT_LIVED, |builder| builder.allow_log(" was locked by "));
    let mut killed = 0;
    let tally = under_load(&crew, 6, || {
        let end = Instant::now() + Duration::from_millis(2500);
        while Instant::now() < end {
            let workers = crew.workers();
            // While one is being replaced there may be fewer.
            let Some(victim) = workers.get(killed % workers.len().max(1)) else { continue };
            crew.live.nginx.kill_worker_pid(*victim);
            killed += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    println!("killed {killed}: {tally:?}");
    assert!(killed >= 5, "{killed}");
    tally.assert_sound();
    tally.assert_shared();
    // Six clients have one request each in hand, of which a worker has some.
    assert!(tally.lost <= 6 * u64::try_from(killed).expect("small"), "{tally:?}");
    assert_recovered(&crew);
    assert_quiet(&crew);
    crew.finish();
}

/// A worker that spoils the shared memory and dies, with the lock held, at the `n`th time that it has it.
pub(super) fn dying(n: u32) -> impl FnOnce(Builder) -> Builder {
    move |builder| {
        builder
            .module_path(fault_module())
            .main(format!("env AUTHGEAR_DIE_LOCKED={n};"))
            .allow_log(" exited on signal 9")
            .allow_log(" was locked by ")
    }
}

/// Under load for a while; then the workers live on.
#[track_caller]
fn die_under_load(crew: &Crew, n: u32) -> Tally {
    let workers = crew.workers().len();
    let deaths = || crew.live.nginx.error_log().matches(" exited on signal 9").count();
    let tally = under_load(crew, 6, || {
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end || deaths() < 4 {
            assert!(Instant::now() < end + super::PATIENCE, "{} died", deaths());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let died = deaths();
    println!("{died} died: {tally:?}");
    tally.assert_sound();
    let log = crew.live.nginx.error_log();
    assert!(log.contains(THROWN_AWAY), "{log}");
    // Nobody dies any more where nothing is done.
    assert!(crew.resolver().wait_until_idle(super::PATIENCE));
    assert!(poll(super::PATIENCE, || (crew.workers().len() == workers).then_some(())).is_some());
    crew.wait_until_all_sleep();
    crew.live.nginx.reload_with(|builder| {
        builder.replace(&format!("env AUTHGEAR_DIE_LOCKED={n};"), "").allow_log(" exited on signal 9")
    });
    tally
}

#[test]
fn a_worker_that_dies_with_the_lock_held_leaves_no_trace_in_the_cache() {
    for n in [60, 25] {
        let crew = crew(3, SHORT_LIVED, dying(n));
        die_under_load(&crew, n).assert_shared();
        assert_recovered(&crew);
        assert_quiet(&crew);
        crew.finish();
    }
}

#[test]
fn a_worker_that_dies_with_the_lock_held_leaves_no_trace_in_the_calls() {
    let crew = crew(3, "", dying(40));
    die_under_load(&crew, 40);
    assert_recovered(&crew);
    assert_quiet(&crew);
    crew.finish();
}

/// No other can take over, and nobody else is there to find the memory spoilt.
#[test]
fn a_worker_that_dies_alone_with_the_lock_held_is_replaced() {
    let crew = crew(1, SHORT_LIVED, dying(30));
    die_under_load(&crew, 30);
    assert_recovered(&crew);
    assert_quiet(&crew);
    crew.finish();
}
