//! HTTP/2 that breaks the rules, or keeps to them and is of no use.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::super::harness::{Request, Wire, for_each_wire};
use super::{Live, Resolver, ending, identity_told, send};
use crate::live::{answers, assert_ending};
use crate::standin::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PUSH_PROMISE, RST_STREAM, RawServer,
    SETTINGS, Said, Then, WINDOW_UPDATE, frame, head_of, line,
};
use crate::standin::{Leaf, Pki};

/// Far more than the timeout, and far less than those that must not be waited for.
const SLACK: Duration = Duration::from_secs(8);
const SHORT: &str = "400ms";
/// Where nothing has to be waited for.
const LONG: &str = "20s";
const WHOLE: u8 = END_STREAM | END_HEADERS;
const CLAIM: [(&str, &str); 2] = [("x-authgear-session-valid", "true"), ("x-authgear-user-id", "mallory")];

fn live(server: &RawServer, timeout: &str) -> Live {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    let ca = folder.path().join("ca.pem");
    let lines = format!(
        "authgear_ssl_trusted_certificate {};\nauthgear_timeout {timeout};\n\
         location = /anonymous {{ authgear_on_error anonymous; {{pass}} }}",
        ca.display()
    );
    Live::at(&server.url(), Resolver::start(), &lines, |builder| builder)
}

fn once(bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Said {
    Said::new(bytes, Then::Serve)
}

fn claim() -> Vec<u8> {
    head_of(200, &CLAIM)
}

/// Each must end in one of these: status and reason.
#[track_caller]
fn assert_fails(timeout: &str, cases: Vec<(&str, Said)>, expected: &[(u16, &str)]) {
    let server = RawServer::http2(Pki::shared().server(Leaf::Good));
    let live = live(&server, timeout);
    live.assert_recovers(Wire::Http1);
    let before = live.nginx.rss();
    for (what, said) in cases {
        for_each_wire(|wire| {
            server.say(Some(said.clone()));
            let started = Instant::now();
            let response = send(&live.nginx, wire, live.unique());
            let (status, result, reason) = ending(&response);
            assert_eq!(result, "error", "{what}: {response:?}");
            assert!(expected.contains(&(status, reason.as_str())), "{what}: {status} {reason}");
            assert!(started.elapsed() < SLACK, "{what}: {:?}", started.elapsed());
            // Where a failure lets it through the backend gets no identity either.
            let open = Request { target: b"/anonymous".into(), ..live.unique() };
            let open = send(&live.nginx, wire, open);
            assert_eq!((open.status, identity_told(&open)), (200, vec![]), "{what}");
            server.say(None);
            live.assert_recovers(wire);
        });
        assert!(!live.nginx.error_log().contains("mallory"));
    }
    let grown = live.nginx.rss().saturating_sub(before);
    assert!(grown < 16_000_000, "{grown} bytes");
    live.finish();
}

#[test]
fn a_stream_that_is_reset_is_a_lost_connection_whatever_the_code() {
    // REFUSED_STREAM is tried again, and refused again.
    let codes = [0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 255, u32::MAX];
    let cases =
        codes.map(|code: u32| ("RST_STREAM", once(move |id| frame(RST_STREAM, 0, id, &code.to_be_bytes()))));
    assert_fails(LONG, cases.into(), &[(502, "closed")]);
    let in_body = |id| {
        let head = frame(HEADERS, END_HEADERS, id, &claim());
        [head, frame(RST_STREAM, 0, id, &2_u32.to_be_bytes())].concat()
    };
    assert_fails(LONG, vec![("RST_STREAM in the body", once(in_body))], &[(502, "closed")]);
}

#[test]
fn a_connection_that_is_sent_away_is_a_lost_connection_whatever_the_code() {
    let go_away = |last: u32, code: u32| {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        Said::new(move |_| frame(GOAWAY, 0, 0, &payload), Then::Close)
    };
    let codes = [0, 1, 2, 7, 11, 13, 255];
    let cases =
        codes.into_iter().flat_map(|code| [0, 0x7fff_ffff].map(|last| ("GOAWAY", go_away(last, code))));
    assert_fails(LONG, cases.collect(), &[(502, "closed")]);
}

#[test]
fn heads_that_break_the_rules_are_malformed() {
    let with = |block: Vec<u8>| once(move |id| frame(HEADERS, WHOLE, id, &block));
    let cases = vec![
        ("no status", with([line("x-authgear-session-valid", "true"), line("x-a", "b")].concat())),
        ("two statuses", with([line(":status", "200"), claim()].concat())),
        ("a status at the end", with([line("x-a", "b"), claim()].concat())),
        ("a status of text", with([line(":status", "fine"), line("x-a", "b")].concat())),
        ("another pseudo-header", with([claim(), line(":path", "/")].concat())),
        ("a capital", with([claim(), line("X-Authgear-User-Roles", "admin")].concat())),
        ("a name with a space", with([claim(), line("x-authgear user-roles", "admin")].concat())),
        (
            "a line break in a value",
            with([claim(), line("x-a", "a\r\nx-authgear-user-roles: admin")].concat()),
        ),
        ("a connection's header", with([claim(), line("transfer-encoding", "chunked")].concat())),
        ("no HPACK", with(vec![0xff; 40])),
    ];
    assert_fails(LONG, cases, &[(502, "malformed"), (502, "closed")]);
}

#[test]
fn broken_frames_are_malformed() {
    let cases = vec![
        ("DATA before HEADERS", once(|id| frame(DATA, END_STREAM, id, b"x"))),
        (
            "more DATA than its length",
            once(|id| {
                let head = head_of(200, &[CLAIM[0], CLAIM[1], ("content-length", "1")]);
                [frame(HEADERS, END_HEADERS, id, &head), frame(DATA, END_STREAM, id, b"more")].concat()
            }),
        ),
        (
            "less DATA than its length",
            once(|id| {
                let head = head_of(200, &[CLAIM[0], CLAIM[1], ("content-length", "9")]);
                [frame(HEADERS, END_HEADERS, id, &head), frame(DATA, END_STREAM, id, b"less")].concat()
            }),
        ),
        ("HEADERS of a stream that nobody opened", once(|id| frame(HEADERS, WHOLE, id + 20, &claim()))),
        ("HEADERS of stream 0", once(|_| frame(HEADERS, WHOLE, 0, &claim()))),
        ("HEADERS of the server's own stream", once(|_| frame(HEADERS, WHOLE, 2, &claim()))),
        (
            "a pushed answer",
            once(|id| {
                let promise = [&2_u32.to_be_bytes()[..], &line(":path", "/")].concat();
                [frame(PUSH_PROMISE, END_HEADERS, id, &promise), frame(HEADERS, WHOLE, 2, &claim())].concat()
            }),
        ),
        ("a frame above the limit", once(|id| frame(DATA, 0, id, &[0; 20_000]))),
        (
            "a frame between HEADERS and CONTINUATION",
            once(|id| [frame(HEADERS, 0, id, &claim()), frame(PING, 0, 0, &[0; 8])].concat()),
        ),
        ("CONTINUATION of nothing", once(|id| frame(CONTINUATION, END_HEADERS, id, &claim()))),
        ("SETTINGS of a stream", once(|id| frame(SETTINGS, 0, id, &[]))),
        ("SETTINGS of five bytes", once(|_| frame(SETTINGS, 0, 0, &[0; 5]))),
        ("a window above the limit", once(|_| frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]))),
        ("a window that grows by nothing", once(|id| frame(WINDOW_UPDATE, 0, id, &[0; 4]))),
        ("PING of seven bytes", once(|_| frame(PING, 0, 0, &[0; 7]))),
        (
            "HTTP/1.1",
            Said::new(
                |_| {
                    b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: mallory\r\n\r\n".to_vec()
                },
                Then::Close,
            ),
        ),
    ];
    assert_fails(LONG, cases, &[(502, "malformed"), (502, "closed")]);
}

#[test]
fn a_broken_answer_costs_no_other_call_on_its_connection() {
    let server = RawServer::http2(Pki::shared().server(Leaf::Good));
    let live = live(&server, LONG);
    live.assert_recovers(Wire::Http1);
    let calls = AtomicU32::new(0);
    // The first call waits, the second one is answered by what no stream may have.
    server.say(Some(once(move |id| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Vec::new(),
        1 => frame(DATA, 0, 0, b"x"),
        _ => frame(HEADERS, WHOLE, id, &claim()),
    })));
    let waiting = live.begin(&live.unique());
    live.nginx.wait_until_in_hand(1);
    assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 200, "valid", "resolved");
    for response in answers(vec![waiting]) {
        assert_ending(&response, 200, "valid", "resolved");
    }
    live.finish();
}

#[test]
fn an_answer_that_breaks_off_is_a_lost_connection() {
    let cut = |kind, id| {
        let whole = frame(kind, WHOLE, id, &claim());
        whole[..whole.len() - 5].to_vec()
    };
    let cases = vec![
        ("in its head", Said::new(move |id| cut(HEADERS, id), Then::Close)),
        ("before CONTINUATION", Said::new(|id| frame(HEADERS, END_STREAM, id, &claim()), Then::Close)),
        ("before its body", Said::new(|id| frame(HEADERS, END_HEADERS, id, &claim()), Then::Close)),
    ];
    assert_fails(LONG, cases, &[(502, "closed")]);
}

#[test]
fn what_never_ends_is_over_by_the_timeout_and_fills_no_memory() {
    let repeat = |frame: Vec<u8>| Then::Repeat(frame.repeat(4096 / frame.len() + 1), None);
    let flood = |frame: Vec<u8>| Said::new(|_| Vec::new(), repeat(frame));
    // The first call on a connection is on stream 1, and these have connections of their own: the one before is lost.
    let hints = head_of(103, &CLAIM);
    let cases = vec![
        ("SETTINGS", flood(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))),
        ("PING", flood(frame(PING, 0, 0, &[0; 8]))),
        ("WINDOW_UPDATE", flood(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        ("frames of no known kind", flood(frame(99, 0, 0, &[0; 8]))),
        ("answers before the answer", {
            Said::new(move |id| frame(HEADERS, END_HEADERS, id, &hints).repeat(5000), Then::Serve)
        }),
        (
            "CONTINUATION",
            Said::new(
                |id| {
                    let more = line("x-line", &"a".repeat(100)).repeat(100);
                    let more = frame(CONTINUATION, 0, id, &more).repeat(1000);
                    [frame(HEADERS, 0, id, &claim()), more].concat()
                },
                Then::Serve,
            ),
        ),
        (
            "empty CONTINUATION",
            Said::new(
                |id| {
                    [frame(HEADERS, 0, id, &claim()), frame(CONTINUATION, 0, id, &[]).repeat(100_000)]
                        .concat()
                },
                Then::Serve,
            ),
        ),
        (
            "empty DATA",
            Said::new(
                |id| {
                    [frame(HEADERS, END_HEADERS, id, &claim()), frame(DATA, 0, id, &[]).repeat(100_000)]
                        .concat()
                },
                Then::Serve,
            ),
        ),
    ];
    assert_fails(SHORT, cases, &[(504, "timeout"), (502, "malformed"), (502, "closed")]);
}

/// Within the rules, and still of no use.
#[test]
fn a_server_that_lets_no_stream_begin_is_a_timeout() {
    let cases = vec![
        ("silence", once(|_| Vec::new())),
        ("no streams", once(|_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 0]))),
        ("a body without end", once(|id| frame(HEADERS, END_HEADERS, id, &claim()))),
    ];
    assert_fails(SHORT, cases, &[(504, "timeout")]);
}
