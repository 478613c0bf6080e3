//! Certificates that are replaced while nginx runs, and taken over by a reload: answers that are kept stay good, as they do where
//! `proxy_cache` keeps them, and new connections are made with what is new.

use super::files;
use crate::harness::{Wire, send};
use crate::live::{Live, assert_ending};
use crate::standin::{ClientAuth, Leaf, Pki, Resolver};

const CACHE: &str = "authgear_cache answers;";

fn resolver(client_auth: ClientAuth) -> Resolver {
    Resolver::builder().tls(Pki::shared().server(Leaf::Good)).client_auth(client_auth).start()
}

/// A request whose answer was kept before the reload is answered without a call.
#[track_caller]
fn assert_is_kept(live: &Live) {
    let (response, calls) = live.calls_of(|| send(&live.nginx, Wire::Http1, live.alice()));
    assert_ending(&response, 200, "valid", "hit");
    assert_eq!(calls, 0);
}

#[test]
fn a_renewed_client_certificate_empties_no_cache_and_is_shown_from_then_on() {
    let (files, pki) = (files(), Pki::shared());
    let path = files.path().display();
    let lines = format!(
        "{CACHE} authgear_ssl_trusted_certificate {path}/ca.pem;\n\
         authgear_ssl_certificate {path}/client.pem; authgear_ssl_certificate_key {path}/client.key;"
    );
    let live = Live::build(resolver(ClientAuth::Required), &lines, |builder| {
        builder.http("authgear_cache_zone zone=answers:1m;")
    });
    let shown = || live.resolver.last_call().expect("a call").client_certificate;
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    assert_eq!(shown().as_ref(), Some(&pki.client.certificate_der));

    // Another certificate of that CA.
    std::fs::copy(files.path().join("good.pem"), files.path().join("client.pem")).expect("writable");
    std::fs::copy(files.path().join("good.key"), files.path().join("client.key")).expect("writable");
    live.nginx.reload();
    live.nginx.wait_for_old_workers();
    assert_is_kept(&live);
    assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 200, "valid", "resolved");
    assert_eq!(shown().as_ref(), Some(&pki.good.certificate_der));
    live.finish();
}

#[test]
fn other_roots_of_the_system_empty_no_cache_and_are_trusted_from_then_on() {
    let files = files();
    let (roots, none) = (files.path().join("roots.pem"), files.path().join("none"));
    std::fs::copy(files.path().join("ca.pem"), &roots).expect("writable");
    let live = Live::build(resolver(ClientAuth::None), CACHE, |builder| {
        builder
            .http("authgear_cache_zone zone=answers:1m;")
            .env("SSL_CERT_FILE", roots.display().to_string())
            .env("SSL_CERT_DIR", none.display().to_string())
    });
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");

    std::fs::copy(files.path().join("other-ca.pem"), &roots).expect("writable");
    live.nginx.reload();
    live.nginx.wait_for_old_workers();
    assert_is_kept(&live);
    assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
    live.finish();
}

/// A file of roots says whom to believe: answers of those who aren't believed any longer are not given.
#[test]
fn another_file_of_roots_leaves_no_answer() {
    let files = files();
    let named = files.path().join("named.pem");
    std::fs::copy(files.path().join("ca.pem"), &named).expect("writable");
    let lines = format!("{CACHE} authgear_ssl_trusted_certificate {};", named.display());
    let live = Live::build(resolver(ClientAuth::None), &lines, |builder| {
        builder.http("authgear_cache_zone zone=answers:1m;")
    });
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");

    std::fs::copy(files.path().join("other-ca.pem"), &named).expect("writable");
    live.nginx.reload();
    live.nginx.wait_for_old_workers();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 502, "error", "connect");
    live.finish();
}
