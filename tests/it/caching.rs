//! The cache: what is answered from it and for how long, and what never gets into it.
//!
//! Times that have to pass are short, and end a moment after the resolver was asked, which is known to the millisecond;
//! times that must not pass are long. So a slow machine changes nothing.

mod caps;
mod configuration;
mod contradicted;
mod hits;
mod identities;
mod idle;
mod kinds;
mod levels;
mod later;
mod locations;
mod places;
mod redirects;
mod relayed;
mod required;
mod separate;
mod stale_connections;
mod stale_error;
mod stale_none;
mod stale_several;
mod stale_updating;
mod tokens;
mod unkept;
mod workers;

use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Builder, PATIENCE, Request, Response, Wire, send, to};
use super::live::{Live, ending};
use super::stage::{pairs, token_of};
use super::standin::{Fault, Kind, Resolver};

/// Two zones; answers are looked for in the first, and kept there for longer than any test takes.
const ZONES: &str = "authgear_cache_zone zone=sessions:1m;\nauthgear_cache_zone zone=others:1m;";
const LONG: &str = "authgear_cache_valid 10m;\nauthgear_cache_valid invalid none 10m;";
const CACHE: &str = "authgear_cache sessions;\n\
                     add_header X-Cache $authgear_cache_status always;\n\
                     add_header X-Time $authgear_resolve_time always;";

/// What passes until a [`SHORT`] answer is old.
const MOMENT: Duration = Duration::from_millis(150);
const SHORT: &str = "authgear_cache_valid 150ms;\nauthgear_cache_valid invalid none 150ms;";

/// A server that caches, with more lines in it. A location of theirs has the server's times unless it says otherwise.
fn cached(lines: &str) -> Live {
    built(&format!("{LONG}\n{lines}"), |builder| builder)
}

/// As [`cached`], with its own times.
fn built(lines: &str, change: impl FnOnce(Builder) -> Builder) -> Live {
    Live::build(Resolver::start(), &format!("{CACHE}\n{lines}"), |builder| change(builder.http(ZONES)))
}

/// The `n`th good `session` cookie of that user.
fn session_of(live: &Live, user: &str, n: u64) -> Request {
    let session = live.accounts().wildcard(user, Kind::Session, n);
    Request::get("/").header("Cookie", format!("session={session}"))
}

/// What became of a request: `200 valid hit HIT`.
#[track_caller]
fn told(response: &Response) -> String {
    let (status, result, reason) = ending(response);
    let cache = response.header("x-cache").unwrap_or_default();
    let time = response.header("x-time").unwrap_or_default();
    let waited = matches!(reason.as_str(), "resolved" | "coalesced") || cache == "STALE";
    let never_waited = matches!(cache.as_str(), "HIT" | "UPDATING" | "-");
    assert!(!waited || time != "-", "a request that waited has a time: {response:?}");
    assert!(!never_waited || time == "-", "a request that didn't wait has none: {response:?}");
    format!("{status} {result} {reason} {cache}")
}

#[track_caller]
fn ask(live: &Live, request: &Request) -> String {
    told(&send(&live.nginx, Wire::Http1, request))
}

/// What becomes of a request, and how many calls it takes.
#[track_caller]
fn ask_counting(live: &Live, request: &Request) -> (String, u64) {
    let before = live.resolver.call_count();
    (ask(live, request), live.resolver.call_count() - before)
}

#[track_caller]
fn assert_asked(live: &Live, request: &Request, expected: &str) {
    assert_eq!(ask(live, request), expected, "{}", String::from_utf8_lossy(&request.target));
}

/// Asks, and returns when the resolver got the call. The module sent it no later than that.
#[track_caller]
fn fill(live: &Live, request: &Request) -> Instant {
    let (told, calls) = ask_counting(live, request);
    assert!(told.contains(" resolved "), "{told}");
    assert_eq!(calls, 1);
    live.resolver.last_call().expect("a call").at
}

/// Sleeps until that long after a moment.
fn wait_until(since: Instant, time: Duration) {
    // The module counts in whole milliseconds.
    let until = since + time + Duration::from_millis(2);
    thread::sleep(until.saturating_duration_since(Instant::now()));
}

/// Has an old answer to this request in the cache.
#[track_caller]
fn age(live: &Live, request: &Request) {
    wait_until(fill(live, request), MOMENT);
}

/// The normal answer with these in place of its headers of the same names.
fn with_headers(headers: &[(&str, &str)]) -> Fault {
    Fault::Headers(pairs(headers))
}
