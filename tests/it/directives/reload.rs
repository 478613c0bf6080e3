//! A reload with a bad configuration changes nothing; one with a good one changes what it says.

use super::super::harness::{Wire, for_each_wire, send};
use super::super::live::{Live, assert_ending};
use super::super::standin::Resolver;

#[test]
fn a_bad_configuration_leaves_the_old_one_running() {
    let live = Live::with(Resolver::start(), "# here");
    live.nginx.allow_log("[emerg]");
    let pids = live.nginx.worker_pids();
    for (line, sentence) in [
        ("authgear_on_error 200;", "invalid value \"200\" in \"authgear_on_error\" directive"),
        ("authgear_ssl_trusted_certificate missing.pem;", "invalid file \"/"),
        ("authgear_timeout 0;", "invalid value \"0\" in \"authgear_timeout\" directive"),
        ("authgear_nothing on;", "unknown directive \"authgear_nothing\""),
    ] {
        let refusal =
            live.nginx.try_reload_with(|builder| builder.replace("# here", &format!("{line} # here")));
        let refusal = refusal.expect_err("it must be refused");
        assert!(refusal.starts_with(sentence), "{refusal}");
        for_each_wire(|wire| {
            live.assert_resolves(wire);
        });
        // As it was: what was refused stays out of the next one.
        live.nginx.reload_with(|builder| builder.replace(&format!("{line} # here"), "# here"));
        live.nginx.wait_for_old_workers();
    }
    assert_ne!(live.nginx.worker_pids(), pids);
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn a_reload_asks_the_resolver_that_is_configured_then() {
    let next = Resolver::start();
    let live = Live::start();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    live.nginx.reload_with(|builder| builder.replace(&live.resolver.url(), &next.url()));
    live.nginx.wait_for_old_workers();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    assert_eq!((live.resolver.call_count(), next.call_count()), (1, 1));
    live.nginx.reload_with(|builder| {
        builder.replace(&format!("authgear_resolve {}", next.url()), "authgear_resolve off")
    });
    live.nginx.wait_for_old_workers();
    assert_eq!(send(&live.nginx, Wire::Http1, live.alice()).status, 200);
    assert_eq!((live.resolver.call_count(), next.call_count()), (1, 1));
    live.finish();
}
