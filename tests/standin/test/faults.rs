//! Each fault over HTTP/1.1.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::client::{SOON, connect, header, read_all, read_head, request, resolve};
use super::standin::{Fault, Kind, Resolver};

fn alice(resolver: &Resolver) -> String {
    format!("Authorization: Bearer {}", resolver.accounts().login("alice").bearer)
}

/// A connection on which alice's request has been sent.
fn asked(resolver: &Resolver) -> TcpStream {
    let mut stream = connect(resolver.addr());
    stream.write_all(request("GET", "/resolve", &[&alice(resolver)]).as_bytes()).unwrap();
    stream
}

/// Reads until the server closes.
fn answer_to_the_end(fault: Fault) -> String {
    let resolver = Resolver::start();
    resolver.push_fault(fault);
    read_all(&mut asked(&resolver))
}

fn head_of(fault: Fault) -> String {
    let resolver = Resolver::start();
    resolver.push_fault(fault);
    read_head(&mut asked(&resolver))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn connections_break_where_the_fault_says() {
    assert_eq!(answer_to_the_end(Fault::CloseBeforeAnswer), "");
    let half = answer_to_the_end(Fault::CloseInHead);
    assert!(half.starts_with("HTTP/1.1 200 OK\r\n") && !half.contains("\r\n\r\n"), "{half}");
    let short = answer_to_the_end(Fault::CloseInBody);
    assert_eq!(header(&short, "Content-Length"), Some("20"));
    assert!(short.ends_with("\r\n\r\nten bytes."), "{short}");
    assert_eq!(answer_to_the_end(Fault::Garbage(b"\0garbage".into())), "\0garbage");

    for fault in [Fault::ResetBeforeAnswer, Fault::ResetInHead] {
        let resolver = Resolver::start();
        resolver.push_fault(fault);
        let error = asked(&resolver).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn hanging_calls_are_in_flight_until_the_client_leaves() {
    for (fault, expected) in [
        (Fault::Hang, ""),
        (Fault::HangInHead, "HTTP/1.1 200 OK\r\n"),
        (Fault::HangInBody, "HTTP/1.1 200 OK\r\n"),
    ] {
        let resolver = Resolver::start();
        resolver.push_fault(fault);
        let mut stream = asked(&resolver);
        let mut seen = vec![0; expected.len()];
        stream.read_exact(&mut seen).unwrap();
        assert_eq!(seen, expected.as_bytes());
        assert!(resolver.wait_for_calls(1, SOON));
        assert_eq!(resolver.in_flight(), 1);
        drop(stream);
        assert!(resolver.wait_until_idle(SOON));
    }
}

#[test]
fn answers_are_changed_as_the_fault_says() {
    assert!(head_of(Fault::Status(503)).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    let json = head_of(Fault::PanicJson500);
    assert_eq!(header(&json, "Content-Type"), Some("application/json"));
    assert_eq!(header(&json, "Content-Length"), Some("110"));
    let text = head_of(Fault::Text500);
    assert_eq!((&text[9..12], header(&text, "Content-Length")), ("500", Some("15")));
    assert_eq!(header(&head_of(Fault::NoHeadersFor200), "X-Authgear-Session-Valid"), None);
    assert_eq!(header(&head_of(Fault::Redirect("/x".into())), "Location"), Some("/x"));

    let twice = pairs(&[("X-Authgear-User-Id", "a"), ("x-authgear-user-id", "b")]);
    let answer = head_of(Fault::Headers(twice));
    assert!(
        answer.contains("X-Authgear-User-Id: a\r\n") && answer.contains("x-authgear-user-id: b\r\n"),
        "{answer}"
    );
    assert_eq!(answer.to_lowercase().matches("x-authgear-user-id").count(), 2);
    let answer = head_of(Fault::ReplaceHeaders(pairs(&[("X-Authgear-Session-Valid", "TRUE")])));
    assert_eq!(answer.to_lowercase().matches("x-authgear-").count(), 1);
    assert!(head_of(Fault::HugeHeaders(65_536)).len() > 65_536);
    let exact = Fault::Answer { status: 204, headers: pairs(&[("A", "b")]), body: Vec::new() };
    assert!(head_of(exact).starts_with("HTTP/1.1 204 No Content\r\nA: b\r\nDate: "));
    assert_eq!(header(&head_of(Fault::Body(b"text".into())), "Content-Length"), Some("4"));
}

#[test]
fn chunks_trailers_and_interim_answers_are_well_formed() {
    let read = |fault: Fault, end: &str| {
        let resolver = Resolver::start();
        resolver.push_fault(fault);
        let mut stream = asked(&resolver);
        let mut text = read_head(&mut stream);
        while !text.ends_with(end) {
            text.push_str(&read_head(&mut stream));
        }
        text
    };
    let chunked = read(Fault::Chunked(b"abcd".into()), "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
    assert_eq!(header(&chunked, "Transfer-Encoding"), Some("chunked"));
    assert_eq!(header(&chunked, "Content-Length"), None);
    read(Fault::Trailers(pairs(&[("X-Authgear-User-Id", "evil")])), "0\r\nX-Authgear-User-Id: evil\r\n\r\n");
    let hints =
        read(Fault::EarlyHints(pairs(&[("X-Authgear-User-Id", "evil")])), "Content-Length: 0\r\n\r\n");
    assert!(
        hints.starts_with("HTTP/1.1 103 Early Hints\r\nX-Authgear-User-Id: evil\r\n\r\nHTTP/1.1 200 OK\r\n")
    );
    let hundred = read(Fault::OneHundredContinue, "Content-Length: 0\r\n\r\n");
    assert!(hundred.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

#[test]
fn raw_bytes_leave_the_connection_open() {
    let resolver = Resolver::start();
    resolver.push_fault(Fault::Raw(b"HTTP/1.1 200 Fine\r\n\r\n".into()));
    let mut stream = asked(&resolver);
    assert_eq!(read_head(&mut stream), "HTTP/1.1 200 Fine\r\n\r\n");
    stream.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!((resolver.connections(), resolver.call_count()), (1, 2));
}

#[test]
fn delays_and_slow_heads_end_in_the_normal_answer() {
    for fault in [
        Fault::Delay(Duration::from_millis(5)),
        Fault::SlowHead(Duration::from_nanos(1)),
        Fault::Delay(Duration::ZERO).then(Fault::Delay(Duration::ZERO)),
    ] {
        assert_eq!(header(&head_of(fault), "X-Authgear-Session-Valid"), Some("true"));
    }
    let late = head_of(Fault::Delay(Duration::from_millis(5)).then(Fault::Status(502)));
    assert!(late.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{late}");
}

#[test]
fn the_gate_holds_answers_that_were_made_before() {
    let resolver = Resolver::start();
    resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<TcpStream> = (0..3).map(|_| asked(&resolver)).collect();
    assert!(resolver.wait_for_gate(3, SOON));
    assert_eq!((resolver.at_gate(), resolver.in_flight(), resolver.max_in_flight()), (3, 3, 3));
    resolver.accounts().revoke(&resolver.accounts().login("alice").bearer);
    assert_eq!(resolver.release(1), 1);
    assert_eq!(resolver.at_gate(), 2);
    resolver.open_gate();
    for stream in &mut waiting {
        assert_eq!(header(&read_head(stream), "X-Authgear-Session-Valid"), Some("true"));
    }
    assert_eq!(resolver.in_flight(), 0);
    // An open gate stops no call until it is set again.
    assert_eq!(header(&read_head(&mut asked(&resolver)), "X-Authgear-Session-Valid"), None);
    resolver.push_fault(Fault::Gate.then(Fault::Status(503)));
    let mut last = asked(&resolver);
    assert!(resolver.wait_for_gate(1, SOON));
    resolver.clear_faults();
    assert!(read_head(&mut last).starts_with("HTTP/1.1 503 "));
}

#[test]
fn pushed_faults_come_before_the_rule_and_the_rule_before_the_steady_one() {
    let resolver = Resolver::start();
    let status = |headers: &[&str]| resolve(resolver.addr(), headers)[9..12].to_owned();
    resolver.set_fault(Some(Fault::Status(501)));
    resolver.set_rule(|call| call.header("x-rule").map(|_| Fault::Status(502)));
    resolver.push_fault(Fault::Status(503));
    resolver.push_fault(Fault::Status(504));
    assert_eq!(["X-Rule: 1"; 3].map(|line| status(&[line])), ["503", "504", "502"]);
    assert_eq!(status(&[]), "501");
    resolver.clear_faults();
    assert_eq!(status(&["X-Rule: 1"]), "200");
}

#[test]
fn a_session_lock_lets_one_call_of_a_session_through() {
    let resolver = Resolver::builder().lock_sessions(true).start();
    resolver.push_fault(Fault::Gate);
    let mut first = asked(&resolver);
    assert!(resolver.wait_for_gate(1, SOON));
    assert!(read_head(&mut asked(&resolver)).starts_with("HTTP/1.1 500 "));
    let bob = resolver.accounts().login("bob").header(Kind::Session, "");
    let bob = format!("{}: {}", bob.0, bob.1);
    let other = resolve(resolver.addr(), &[&bob]);
    assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
    resolver.open_gate();
    assert!(read_head(&mut first).starts_with("HTTP/1.1 200 "));
    assert!(read_head(&mut asked(&resolver)).starts_with("HTTP/1.1 200 "));
}

/// Observed on the real server: the lock is that of the credential that resolves, regardless of dead ones before it.
#[test]
fn a_dead_credential_beside_a_locked_session_gets_500() {
    let resolver = Resolver::builder().lock_sessions(true).start();
    let bob = resolver.accounts().login("bob").header(Kind::Session, "");
    let bob = format!("{}: {}", bob.0, bob.1);
    resolver.push_fault(Fault::Gate);
    std::thread::scope(|scope| {
        scope.spawn(|| resolve(resolver.addr(), &[&bob]));
        assert!(resolver.wait_for_gate(1, SOON));
        let other = resolve(resolver.addr(), &["Authorization: Bearer dead", &bob]);
        assert!(other.starts_with("HTTP/1.1 500 "), "{other}");
        resolver.open_gate();
    });
}
