//! `User-Agent`, `traceparent`, `tracestate` and `X-Request-ID`: the first line, if it can do no harm.

use super::super::harness::{Wire, for_each_wire};
use super::super::live::{Live, assert_ending};
use super::super::stage::token_of;
use super::one_call;

const PASSED: [&str; 4] = ["User-Agent", "traceparent", "tracestate", "X-Request-ID"];

/// What of these lines of one header reaches the resolver.
#[track_caller]
fn assert_passes(live: &Live, wire: Wire, name: &str, lines: &[&[u8]], expected: Option<&[u8]>) {
    let request = lines.iter().fold(token_of("alice", 1), |request, line| request.header(name, line));
    let (response, call) = one_call(live, wire, &request);
    assert_ending(&response, 200, "valid", "resolved");
    let passed = call.header_all(&name.to_ascii_lowercase());
    let shown: Vec<String> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
    assert_eq!(passed, expected.into_iter().collect::<Vec<_>>(), "{name}: {shown:?}");
}

#[test]
fn one_line_of_printable_ascii_passes_byte_for_byte() {
    let live = Live::start();
    let all: Vec<u8> = (b' '..=b'~').collect();
    let all = [b"x", &all[..], b"x"].concat();
    for_each_wire(|wire| {
        for name in PASSED {
            assert_passes(&live, wire, name, &[], None);
            assert_passes(&live, wire, name, &[b"x"], Some(b"x"));
            assert_passes(
                &live,
                wire,
                name,
                &[b"Mozilla/5.0 (X11;  Linux)"],
                Some(b"Mozilla/5.0 (X11;  Linux)"),
            );
            assert_passes(&live, wire, name, &[&all], Some(&all));
            assert_passes(&live, wire, name, &[&[b'a'; 512]], Some(&[b'a'; 512]));
        }
    });
    live.finish();
}

#[test]
fn a_line_that_is_long_or_not_printable_is_left_out() {
    let live = Live::start();
    for_each_wire(|wire| {
        for name in PASSED {
            for line in
                [&[b'a'; 513][..], &[b'a'; 4000], b"a\tb", b"a\x01b", b"a\x7fb", b"a\xffb", b"\xc3\xa9"]
            {
                assert_passes(&live, wire, name, &[line], None);
            }
        }
    });
    live.finish();
}

#[test]
fn the_first_line_alone_counts() {
    let live = Live::start();
    for_each_wire(|wire| {
        for name in PASSED {
            assert_passes(&live, wire, name, &[b"first", b"second", b"third"], Some(b"first"));
            assert_passes(&live, wire, name, &[b"bad\xff", b"good"], None);
            assert_passes(&live, wire, name, &[b"good", b"bad\xff"], Some(b"good"));
        }
    });
    live.finish();
}

#[test]
fn names_are_compared_without_regard_to_case_and_aliases_are_others() {
    let live = Live::build(super::Resolver::start(), "", |builder| {
        builder.http("underscores_in_headers on;\nignore_invalid_headers off;")
    });
    assert_passes(&live, Wire::Http1, "uSER-aGENT", &[b"x"], Some(b"x"));
    assert_passes(&live, Wire::Http1, "X-REQUEST-id", &[b"x"], Some(b"x"));
    for_each_wire(|wire| {
        for alias in ["User_Agent", "X_Request_ID", "X.Request.ID", "trace-parent", "X-Request-ID2"] {
            let (_, call) = one_call(&live, wire, &token_of("alice", 1).header(alias, "x"));
            let names = call.header_names();
            assert!(
                !names.iter().any(|name| name.contains("agent") || name.contains("request")),
                "{names:?}"
            );
            assert!(!names.iter().any(|name| name.contains("trace")), "{names:?}");
        }
    });
    live.finish();
}
