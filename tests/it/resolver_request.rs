//! What reaches the resolver: the credentials, and the little else that it may see.

mod client_lines;
mod connection_kinds;
mod cookies;
mod header_set;
mod limits;

use super::harness::{Request, Response, Wire, send};
use super::live::Live;
use super::standin::{Call, Resolver};

/// Sends one request; the only call that it makes must be over when the answer is there.
#[track_caller]
fn one_call(live: &Live, wire: Wire, request: &Request) -> (Response, Call) {
    let before = live.resolver.call_count();
    let response = send(&live.nginx, wire, request);
    assert_eq!(live.resolver.call_count(), before + 1, "for {request:?}: {response:?}");
    assert_eq!(live.resolver.bad_requests(), 0, "for {request:?}");
    let call = live.resolver.last_call().expect("a call was made");
    assert_eq!(call.method, "GET");
    assert_eq!(call.body, b"");
    (response, call)
}

/// Sends one request that must make no call.
#[track_caller]
fn no_call(live: &Live, wire: Wire, request: &Request) -> Response {
    let before = live.resolver.call_count();
    let response = send(&live.nginx, wire, request);
    assert_eq!(live.resolver.call_count(), before, "for {request:?}: {response:?}");
    response
}

/// Every header of a call, in the order of the names; values that are no text are spelled out.
fn headers_of(call: &Call) -> Vec<(String, String)> {
    let text = |value: &[u8]| value.escape_ascii().to_string();
    let mut headers: Vec<_> = call.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    headers.sort();
    headers
}

/// Where the resolver listens, as in a Host header.
fn authority(resolver: &Resolver) -> String {
    resolver.addr().to_string()
}
