//! One call for equal requests, a bound on the calls in flight, and Set-Cookie for the client that caused it.

mod bounds;
mod flights;
mod set_cookie;

use super::harness::{Http1, PATIENCE, Request, Wire, send};
use super::live::{Live, answers, assert_ending, ending};
use super::standin::{Fault, Resolver};

/// `n` equal requests, all suspended; the resolver waits at its gate with the one call.
#[track_caller]
fn flock(live: &Live, n: usize, request: &Request) -> Vec<Http1> {
    let before = live.resolver.call_count();
    let leader = live.begin(request);
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    let followers = (1..n).map(|_| live.begin(request));
    let all: Vec<_> = std::iter::once(leader).chain(followers).collect();
    live.nginx.wait_until_in_hand(n);
    assert_eq!(live.resolver.call_count(), before + 1);
    all
}
