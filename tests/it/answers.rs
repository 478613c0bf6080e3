//! The resolver's answers: the whole table, and every odd form of `x-authgear-*`.

mod forms;
mod malformed;
mod refusals;
mod table;

use super::harness::{Response, Wire, send};
use super::live::Live;
use super::stage::pairs;
use super::standin::tls::Leaf;
use super::standin::{Fault, Pki, Resolver};

const VALID: (&str, &str) = ("X-Authgear-Session-Valid", "true");
const USER: (&str, &str) = ("X-Authgear-User-Id", "alice");

/// An answer of exactly these headers.
fn answer<V: AsRef<str>>(status: u16, headers: &[(&str, V)], body: &str) -> Fault {
    Fault::Answer { status, headers: pairs(headers), body: body.into() }
}

/// One request that the resolver answers so. There must be one call, whatever the answer.
#[track_caller]
fn ask(live: &Live, wire: Wire, fault: Fault) -> Response {
    let before = live.resolver.call_count();
    live.resolver.push_fault(fault);
    let response = send(&live.nginx, wire, live.alice());
    assert_eq!(live.resolver.call_count(), before + 1, "{response:?}");
    assert_eq!(live.resolver.faults_left(), 0);
    response
}

/// A resolver that speaks HTTP/2.
fn http2_stage(lines: &str) -> Live {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    let tls = Pki::shared().server(Leaf::Good);
    let resolver = Resolver::builder().tls(tls).alpn(&["h2", "http/1.1"]).start();
    // The master reads the file before the folder goes.
    let ca = folder.path().join("ca.pem");
    Live::with(resolver, &format!("authgear_ssl_trusted_certificate {};\n{lines}", ca.display()))
}

/// Runs a test with a resolver of each version of HTTP.
fn for_each_resolver(lines: &str, test: impl Fn(&Live)) {
    for live in [Live::with(Resolver::start(), lines), http2_stage(lines)] {
        println!("resolver {}", live.resolver.url());
        test(&live);
        live.finish();
    }
}
