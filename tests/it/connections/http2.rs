//! HTTP/2 to the resolver: by ALPN, one connection, which may be refused, sent away or dead.

use std::time::{Duration, Instant};

use super::super::harness::{Http1, Wire, burst, for_each_wire};
use super::{Fault, Leaf, Live, PATIENCE, Pki, Resolver, Version, assert_ending, send};

pub(super) fn live(alpn: &[&str], lines: &str) -> Live {
    with_streams(alpn, None, lines)
}

fn with_streams(alpn: &[&str], streams: Option<u32>, lines: &str) -> Live {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    let builder = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).alpn(alpn);
    let resolver = streams.into_iter().fold(builder, |builder, streams| builder.max_streams(streams)).start();
    let ca = folder.path().join("ca.pem");
    Live::with(resolver, &format!("authgear_ssl_trusted_certificate {};\n{lines}", ca.display()))
}

pub(super) const BOTH: [&str; 2] = ["h2", "http/1.1"];

#[test]
fn the_server_chooses_the_version() {
    for (alpn, version) in
        [(&BOTH[..], Version::Http2), (&["h2"], Version::Http2), (&["http/1.1"], Version::Http1)]
    {
        let live = live(alpn, "");
        for_each_wire(|wire| {
            live.assert_resolves(wire);
            assert_eq!(live.resolver.last_call().expect("a call").version, version);
        });
        assert_eq!(live.resolver.connections(), 1);
        live.finish();
    }
}

#[test]
fn all_calls_share_one_connection() {
    let live = live(&BOTH, "");
    for _ in 0..30 {
        live.assert_resolves(Wire::Http1);
    }
    assert_eq!((live.resolver.call_count(), live.resolver.connections()), (30, 1));
    live.resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<_> = (0..50).map(|_| live.begin(&live.unique())).collect();
    assert!(live.resolver.wait_for_gate(50, PATIENCE));
    live.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    assert_eq!(live.resolver.connections(), 1);
    live.finish();
}

/// A server lets 100 streams be at a time on a connection (Apache's, HAProxy's and h2's default; nginx has 128, Go 250). With
/// the defaults one client, which sends as much as it likes, has not all of them.
#[test]
fn slow_calls_of_one_client_leave_streams_for_the_others() {
    let lines = "set_real_ip_from 127.0.0.1; real_ip_header X-Client; authgear_timeout 30s;";
    let live = with_streams(&BOTH, Some(100), lines);
    // There is one connection from now on.
    live.assert_resolves(Wire::Http1);
    let slow = "192.0.2.1";
    live.resolver.set_rule(move |call| (call.text("x-forwarded-for") == Some(slow)).then_some(Fault::Gate));
    let waiting: Vec<_> = (0..140).map(|_| live.begin(&live.unique().header("X-Client", slow))).collect();
    assert!(live.resolver.wait_for_gate(64, PATIENCE));
    for client in 2..6 {
        let other = live.unique().header("X-Client", format!("192.0.2.{client}"));
        assert_ending(&send(&live.nginx, Wire::Http1, other), 200, "valid", "resolved");
    }
    assert_eq!((live.resolver.at_gate(), live.resolver.connections()), (64, 1));
    live.resolver.clear_faults();
    let answered = crate::live::answers(waiting).iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answered, 64);
    live.finish();
}

#[test]
fn the_authority_is_the_endpoint_and_cookies_are_one_line() {
    let live = live(&BOTH, "");
    let request = live.unique().header("Cookie", "session=a; b=c; app_session=d");
    assert_eq!(send(&live.nginx, Wire::Http1, &request).status, 200);
    let call = live.resolver.last_call().expect("a call");
    let host = live.resolver.addr().to_string();
    assert_eq!(call.header_all("host"), [host.as_bytes()]);
    assert_eq!(call.header_all("cookie"), [b"session=a; app_session=d"]);
    let mut names = call.header_names();
    names.sort_unstable();
    let expected = [
        "accept",
        "authorization",
        "cookie",
        "host",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    assert_eq!(names, expected);
    live.finish();
}

#[test]
fn where_host_and_authority_differ_the_call_is_http_1_1() {
    for lines in ["authgear_origin https://auth.example.com;", "authgear_ssl_name auth.example.com;"] {
        let live = live(&BOTH, lines);
        for_each_wire(|wire| {
            live.assert_resolves(wire);
            let call = live.resolver.last_call().expect("a call");
            assert_eq!(call.version, Version::Http1);
            assert_eq!(call.header_all("host").len(), 1);
        });
        live.finish();
    }
    // A server that speaks nothing else can't be asked then; it must not be asked in a wrong way.
    let only_http2 = live(&["h2"], "authgear_origin https://auth.example.com;");
    assert_eq!(send(&only_http2.nginx, Wire::Http1, only_http2.unique()).status, 502);
    assert_eq!(only_http2.resolver.call_count(), 0);
    only_http2.finish();
}

#[test]
fn a_connection_that_is_sent_away_while_idle_is_replaced_unseen() {
    let live = live(&BOTH, "");
    for round in 0..6 {
        live.assert_resolves(Wire::Http1);
        let closed = if round % 2 == 0 {
            live.resolver.close_idle_connections()
        } else {
            live.resolver.reset_idle_connections()
        };
        assert_eq!(closed, 1);
        live.assert_resolves(Wire::Http1);
    }
    assert!(!live.nginx.error_log().contains("[error]"));
    live.finish();
}

#[test]
fn goaway_and_refused_streams_are_retried_once_and_unseen() {
    let live = live(&BOTH, "");
    for fault in [Fault::GoAway, Fault::RefusedStream, Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer] {
        live.assert_resolves(Wire::Http1);
        let before = live.resolver.call_count();
        live.resolver.push_fault(fault.clone());
        live.assert_resolves(Wire::Http1);
        assert_eq!(live.resolver.call_count(), before + 2, "{fault:?}");
    }
    live.finish();
}

#[test]
fn a_resolver_that_keeps_refusing_is_asked_twice() {
    let live = live(&BOTH, "");
    for fault in [Fault::GoAway, Fault::RefusedStream, Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer] {
        let before = live.resolver.call_count();
        live.resolver.set_fault(Some(fault.clone()));
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "closed");
        assert_eq!(live.resolver.call_count(), before + 2, "{fault:?}");
        live.resolver.clear_faults();
        live.assert_resolves(Wire::Http1);
    }
    live.finish();
}

#[test]
fn a_stream_that_hangs_is_a_timeout_and_the_next_call_is_answered() {
    for fault in [Fault::Hang, Fault::HangInBody, Fault::HangConnection] {
        let live = live(&BOTH, "authgear_timeout 400ms;");
        live.assert_resolves(Wire::Http1);
        live.resolver.push_fault(fault);
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 504, "error", "timeout");
        // The client may hear of it a moment before the call itself ends, and with it the dead connection.
        live.nginx.wait_for_log("timed out", PATIENCE);
        live.assert_resolves(Wire::Http1);
        live.finish();
    }
}

#[test]
fn a_dead_connection_is_noticed_by_pings_and_its_call_is_made_again() {
    let live = live(&BOTH, "authgear_timeout 60s;");
    live.assert_resolves(Wire::Http1);
    live.resolver.push_fault(Fault::HangConnection);
    let mut client = Http1::connect(live.nginx.port()).expect("nginx accepts");
    client.set_timeout(Duration::from_secs(50));
    let started = Instant::now();
    let response = client.exchange(&live.unique()).expect("an answer");
    assert_ending(&response, 200, "valid", "resolved");
    // 5 s to the ping and 2 s for its answer.
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    assert_eq!(live.resolver.connections(), 2);
    live.finish();
}

#[test]
fn no_request_is_lost_while_connections_are_sent_away_under_load() {
    let live = live(&BOTH, "");
    for _ in 0..4 {
        let before = live.resolver.call_count();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(live.resolver.wait_for_calls(before + 20, PATIENCE));
                live.resolver.push_fault(Fault::GoAway);
            });
            let answers = burst(&live.nginx, Wire::Http1, 100, 4, |_| live.unique());
            for answer in answers {
                let answer = answer.expect("an answer");
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        });
    }
    live.finish();
}
