//! A reload with a bad configuration changes nothing; one with a good one changes what it says.

use super::super::harness::{Wire, for_each_wire, send};
use super::super::stage::{Stage, assert_ending};
use super::super::standin::Resolver;

#[test]
fn a_bad_configuration_leaves_the_old_one_running() {
    let stage = Stage::with(Resolver::start(), "# here");
    stage.nginx.allow_log("[emerg]");
    let pids = stage.nginx.worker_pids();
    for (line, sentence) in [
        ("authgear_on_error 200;", "invalid value \"200\" in \"authgear_on_error\" directive"),
        ("authgear_ssl_trusted_certificate missing.pem;", "invalid file \"missing.pem\""),
        ("authgear_timeout 0;", "invalid value \"0\" in \"authgear_timeout\" directive"),
        ("authgear_nothing on;", "unknown directive \"authgear_nothing\""),
    ] {
        let refusal =
            stage.nginx.try_reload_with(|builder| builder.replace("# here", &format!("{line} # here")));
        let refusal = refusal.expect_err("it must be refused");
        assert!(refusal.starts_with(sentence), "{refusal}");
        for_each_wire(|wire| {
            assert_ending(&send(&stage.nginx, wire, stage.unique()), 200, "valid", "resolved");
        });
        // As it was: what was refused stays out of the next one.
        stage.nginx.reload_with(|builder| builder.replace(&format!("{line} # here"), "# here"));
        stage.nginx.wait_for_old_workers();
    }
    assert_ne!(stage.nginx.worker_pids(), pids);
    assert_ending(&send(&stage.nginx, Wire::Http1, stage.unique()), 200, "valid", "resolved");
    stage.finish();
}

#[test]
fn a_reload_asks_the_resolver_that_is_configured_then() {
    let next = Resolver::start();
    let stage = Stage::start();
    assert_ending(&send(&stage.nginx, Wire::Http1, stage.alice()), 200, "valid", "resolved");
    stage.nginx.reload_with(|builder| builder.replace(&stage.resolver.url(), &next.url()));
    stage.nginx.wait_for_old_workers();
    assert_ending(&send(&stage.nginx, Wire::Http1, stage.alice()), 200, "valid", "resolved");
    assert_eq!((stage.resolver.call_count(), next.call_count()), (1, 1));
    stage.nginx.reload_with(|builder| {
        builder.replace(&format!("authgear_resolve {}", next.url()), "authgear_resolve off")
    });
    stage.nginx.wait_for_old_workers();
    assert_eq!(send(&stage.nginx, Wire::Http1, stage.alice()).status, 200);
    assert_eq!((stage.resolver.call_count(), next.call_count()), (1, 1));
    stage.finish();
}
