//! The models of what workers share, in memory of nginx's slab and under its lock. The module for fault injection runs them when a
//! worker starts (`AUTHGEAR_MODEL`): alone, where each step is compared, and four workers at once.

use std::time::Duration;

use crate::harness::{Nginx, poll};
use crate::panics::fault_module;
use crate::stage::Stage;

const AGREES: &str = "authgear: shared memory does what the models do";
/// For what keeps a processor busy for seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A small zone, so that it is full again and again.
fn start(stage: &Stage, workers: usize, wanted: &str) -> Nginx {
    stage
        .site()
        .workers(workers)
        .module_path(fault_module())
        .main(format!("env AUTHGEAR_MODEL={wanted};"))
        .http("authgear_cache_zone zone=sessions:32k;")
        .server("authgear_cache sessions;")
        .start()
}

/// What a worker finds is an alert, which fails the test as well.
#[track_caller]
fn wait_for_verdicts(nginx: &Nginx, wanted: usize) {
    let verdicts = || nginx.error_log().lines().filter(|line| line.contains("the models do")).count();
    assert!(poll(PATIENCE, || (verdicts() >= wanted).then_some(())).is_some(), "{}", nginx.error_log());
    assert_eq!(nginx.error_log().matches(AGREES).count(), wanted, "{}", nginx.error_log());
}

#[test]
fn memory_of_the_slab_does_what_the_models_do() {
    let stage = Stage::start();
    let nginx = start(&stage, 1, "alone:10");
    wait_for_verdicts(&nginx, 1);
    stage.assert_serves(&nginx);
    nginx.finish();
}

#[test]
fn workers_that_contend_for_memory_find_what_they_put_there() {
    let stage = Stage::start();
    let nginx = start(&stage, 4, "together:100");
    wait_for_verdicts(&nginx, 4);
    stage.assert_serves(&nginx);
    nginx.finish();
}
