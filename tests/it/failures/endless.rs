//! Answers that never end, or take their time: over by `authgear_timeout`, in bounded memory.

use std::time::{Duration, Instant};

use super::super::harness::{Request, Wire, for_each_wire};
use super::{Live, Resolver, assert_ending, ending, send};
use crate::standin::raw::{RawServer, Said, Then};

const TIMEOUT: Duration = Duration::from_millis(400);
/// Far more than the timeout, and far less than those that must not be waited for.
const SLACK: Duration = Duration::from_secs(8);
/// As slow as a byte at a time.
const DRIP: Option<Duration> = Some(Duration::from_millis(100));

const HEAD: &str = "HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: mallory\r\n";

fn live(server: &RawServer) -> Live {
    Live::at(&server.url(), Resolver::start(), "authgear_timeout 400ms; authgear_breaker off;", |builder| {
        builder
    })
}

/// Starts with this text, and goes on with that for ever.
fn endless(first: &str, again: &str, pace: Option<Duration>) -> Said {
    let first = first.as_bytes().to_vec();
    // Some kilobytes at a time, where it is to be fast.
    let again = if pace.is_some() { again.to_owned() } else { again.repeat(4096 / again.len() + 1) };
    Said::new(move |_| first.clone(), Then::Repeat(again.into_bytes(), pace))
}

#[test]
fn what_drips_in_is_over_at_the_timeout() {
    let server = RawServer::http1();
    let live = live(&server);
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    for (what, said) in [
        ("a head", endless("", &format!("{HEAD}Content-Length: 0\r\n\r\n"), DRIP)),
        ("a status line", endless("HTTP/1.1 200 ", "OK", DRIP)),
        ("a line", endless(HEAD, "X-Line: a\r\n", DRIP)),
        ("a body", endless(&format!("{HEAD}Content-Length: 1000\r\n\r\n"), "body", DRIP)),
        ("chunks", endless(&chunked, "1\r\na\r\n", DRIP)),
        ("trailers", endless(&format!("{chunked}0\r\n"), "X-Line: a\r\n", DRIP)),
        ("answers before the answer", endless("", "HTTP/1.1 103 Early Hints\r\n\r\n", DRIP)),
    ] {
        println!("{what}");
        for_each_wire(|wire| {
            server.say(Some(said.clone()));
            let started = Instant::now();
            let waiting = live.begin(&live.unique());
            assert_ending(&send(&live.nginx, wire, Request::get("/")), 200, "none", "no_credential");
            let asked = Instant::now();
            assert_ending(&send(&live.nginx, wire, live.unique()), 504, "error", "timeout");
            assert!(
                asked.elapsed() > TIMEOUT * 9 / 10 && started.elapsed() < SLACK,
                "{:?}",
                started.elapsed()
            );
            drop(waiting);
            server.say(None);
            live.assert_recovers(wire);
        });
    }
    live.finish();
}

#[test]
fn what_never_ends_is_over_by_the_timeout_and_fills_no_memory() {
    let server = RawServer::http1();
    let live = live(&server);
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    server.say(None);
    live.assert_recovers(Wire::Http1);
    let before = live.nginx.rss();
    for (what, said) in [
        ("empty lines", endless("", "\r\n", None)),
        ("a status line", endless("HTTP/1.1 200 ", "OK", None)),
        ("lines", endless(HEAD, "X-Line: a\r\n", None)),
        ("a value", endless(&format!("{HEAD}X-Line: "), "aaaaaaaa", None)),
        ("a chunk's extension", endless(&format!("{chunked}1;"), "a=b;", None)),
        ("a chunk's length", endless(&chunked, "00000000", None)),
        ("trailers", endless(&format!("{chunked}0\r\n"), "X-Line: a\r\n", None)),
        ("100 Continue", endless("", "HTTP/1.1 100 Continue\r\n\r\n", None)),
        ("103 Early Hints", endless("", "HTTP/1.1 103 Early Hints\r\nX-Authgear-User-Id: a\r\n\r\n", None)),
    ] {
        println!("{what}");
        for_each_wire(|wire| {
            server.say(Some(said.clone()));
            let started = Instant::now();
            let response = send(&live.nginx, wire, live.unique());
            let (status, result, reason) = ending(&response);
            let known = [(504, "timeout"), (502, "malformed"), (502, "closed")];
            assert!(result == "error" && known.contains(&(status, reason.as_str())), "{response:?}");
            assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());
            server.say(None);
            // Not at once: the library reads a chunk's endless length a byte at a time, without a pause.
            live.assert_recovers(wire);
        });
        let grown = live.nginx.rss().saturating_sub(before);
        assert!(grown < 16_000_000, "{grown} bytes");
    }
    live.finish();
}
