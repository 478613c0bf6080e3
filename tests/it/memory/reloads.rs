//! Leaks over reloads: configurations come and go, with answers that are kept, requests that wait for the call of a worker of
//! before, and configurations that are refused.

use super::findings::Findings;
use super::{SLOW, is_wanted, watched};
use crate::harness::{COUNTERS, PATIENCE, Wire, in_background, send};
use crate::panics::fault_module;
use crate::stage::Stage;
use crate::standin::Fault;

const RELOADS: u32 = 3;

#[test]
fn valgrind_finds_no_leak_over_reloads() {
    if !is_wanted() {
        return;
    }
    let reports = tempfile::tempdir().expect("a temporary folder");
    let stage = Stage::start();
    let lines = format!("{SLOW} authgear_cache_zone zone=sessions:1m; authgear_cache sessions;");
    let site = stage.site().http(lines).module_path(fault_module()).server(COUNTERS);
    let site = site
        .server("location @late { return 504; }")
        .allow_log("\"authgear_timeout\" directive invalid value");
    let nginx = watched(site.clone(), reports.path()).start();
    let kept = stage.unique();
    for _ in 0..RELOADS {
        stage.assert_is("alice", &send(&nginx, Wire::Http1, kept.clone()));
        let refused = nginx.try_reload_with(|builder| builder.server("authgear_timeout never;"));
        assert!(refused.is_err());
        stage.resolver.set_fault(Some(Fault::Gate));
        let request = stage.unique();
        let leads = in_background(&nginx, Wire::Http1, request.clone());
        assert!(stage.resolver.wait_for_gate(1, PATIENCE));
        nginx.reload_with(|_| watched(site.clone(), reports.path()));
        let follows = in_background(&nginx, Wire::Http2, request);
        nginx.wait_until_in_hand(2);
        stage.assert_is("alice", &send(&nginx, Wire::Http2, kept.clone()));
        stage.resolver.clear_faults();
        for waiting in [leads, follows] {
            stage.assert_is("alice", &waiting.join().expect("the client ends").expect("an answer"));
        }
        nginx.wait_for_old_workers();
    }
    // Each of those that were alike was made once.
    assert_eq!(stage.resolver.call_count(), u64::from(1 + RELOADS));
    nginx.finish();
    let findings = Findings::read(reports.path());
    // The master, and a worker of each configuration.
    assert_eq!(findings.processes, 2 + RELOADS as usize);
    assert!(findings.errors.is_empty(), "{findings}");
}
