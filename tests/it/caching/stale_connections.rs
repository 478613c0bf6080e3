//! `authgear_cache_use_stale error=` when the connection is what fails.

use super::super::standin::{Fault, Leaf, Pki, Resolver};
use super::{CACHE, Live, SHORT, ZONES, age, ask, assert_asked, built, to, token_of};

const STALE: &str = "200 valid stale STALE";

#[test]
fn an_old_answer_is_given_when_the_resolver_can_t_be_reached() {
    let live = built(&format!("{SHORT}\nauthgear_cache_use_stale error=10m;"), |builder| builder);
    let request = live.alice();
    age(&live, &request);
    live.resolver.stop_listening();
    live.resolver.close_idle_connections();
    for _ in 0..3 {
        assert_asked(&live, &request, STALE);
    }
    live.resolver.resume_listening();
    assert_asked(&live, &request, "200 valid resolved EXPIRED");
    live.finish();
}

#[test]
fn connections_of_http_2_are_lost_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    let resolver = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).alpn(&["h2"]).start();
    let lines = format!(
        "{CACHE}\n{SHORT}\nauthgear_cache_use_stale error=10m;\nauthgear_ssl_trusted_certificate {};\n\
         location /brief/ {{ authgear_timeout 300ms; {{pass}} }}",
        folder.path().join("ca.pem").display()
    );
    let live = Live::build(resolver, &lines, |builder| builder.http(ZONES));
    let faults = [Fault::RefusedStream, Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer, Fault::GoAway];
    for (n, fault) in (0..).zip(faults) {
        age(&live, &token_of("alice", n));
        live.resolver.set_fault(Some(fault.clone()));
        assert_eq!(ask(&live, &token_of("alice", n)), STALE, "{fault:?}");
        live.resolver.clear_faults();
    }
    age(&live, &token_of("bob", 1));
    live.resolver.set_fault(Some(Fault::HangConnection));
    assert_asked(&live, &to("/brief/", token_of("bob", 1)), STALE);
    live.resolver.clear_faults();
    live.finish();
}
