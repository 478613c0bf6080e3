//! One retry, where the head of an answer was not complete; none where it was.

use super::super::harness::Wire;
use super::{ConnectionFault, Fault, Live, assert_ending, send};

#[test]
fn a_connection_that_ends_before_an_answer_costs_one_more_call_and_nobody_sees_it() {
    let live = Live::start();
    for fault in [Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer] {
        let before = live.resolver.call_count();
        live.resolver.push_fault(fault);
        live.assert_resolves(Wire::Http1);
        assert_eq!(live.resolver.call_count() - before, 2);
    }
    assert!(!live.nginx.error_log().contains("[error]"), "nothing to worry about");
    live.finish();
}

#[test]
fn the_retry_says_the_same() {
    let live = Live::start();
    live.resolver.push_fault(Fault::CloseBeforeAnswer);
    let request =
        live.alice().header("Cookie", "session=x").header("User-Agent", "a").header("X-Request-ID", "1");
    send(&live.nginx, Wire::Http1, request);
    let calls = live.resolver.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].raw_head, calls[1].raw_head);
    assert_ne!(calls[0].connection, calls[1].connection);
    live.finish();
}

#[test]
fn connections_that_end_at_once_are_tried_twice() {
    for fault in [ConnectionFault::Close, ConnectionFault::Reset] {
        let live = Live::start();
        live.resolver.set_connection_fault(Some(fault));
        let response = send(&live.nginx, Wire::Http1, live.alice());
        // An early RST meets the connect itself.
        let (status, _, reason) = super::ending(&response);
        assert!(status == 502 && ["closed", "connect"].contains(&reason.as_str()), "{response:?}");
        assert_eq!((live.resolver.connections(), live.resolver.call_count()), (2, 0));
        live.resolver.clear_faults();
        live.assert_resolves(Wire::Http1);
        live.finish();
    }
}

/// The library doesn't tell a connection that ends inside the head of an answer from one that ends before it.
#[test]
fn an_answer_whose_head_broke_off_is_asked_for_once_more() {
    for fault in [Fault::CloseInHead, Fault::ResetInHead, Fault::Garbage(b"HTTP/1.1 200 OK\r\n".to_vec())] {
        let live = Live::start();
        live.resolver.set_fault(Some(fault.clone()));
        let response = send(&live.nginx, Wire::Http1, live.alice());
        assert_eq!((response.status, live.resolver.call_count()), (502, 2), "{fault:?}");
        live.resolver.clear_faults();
        live.assert_resolves(Wire::Http1);
        live.finish();
    }
}

#[test]
fn an_answer_whose_body_broke_off_is_not_asked_for_again() {
    let live = Live::start();
    live.resolver.push_fault(Fault::CloseInBody);
    let response = send(&live.nginx, Wire::Http1, live.alice());
    assert_eq!((response.status, live.resolver.call_count()), (502, 1));
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn an_answer_that_broke_off_lends_no_identity() {
    let live = Live::start();
    for fault in [
        Fault::CloseInHead,
        Fault::CloseInBody,
        Fault::Garbage(
            b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: a\r\n".to_vec(),
        ),
        Fault::Garbage(
            b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: a\r\n\
              Transfer-Encoding: chunked\r\n\r\n5\r\nab"
                .to_vec(),
        ),
    ] {
        let response = super::fail_with(&live, Wire::Http1, &fault, &live.alice());
        assert_ending(&response, 502, "error", "closed");
    }
    assert_eq!(live.echo.requests().len(), 0);
    live.finish();
}
