//! Credentials above 16 KiB are invalid without a call.

use super::super::harness::{Request, for_each_wire};
use super::super::live::{Live, assert_ending};
use super::super::stage::{identity_told, token_of, with_bearer};
use super::super::standin::Resolver;
use super::{no_call, one_call};

const LIMIT: usize = 16 * 1024;

fn roomy() -> Live {
    Live::build(Resolver::start(), "", |builder| {
        // Above nginx's own limit of 8k for a line the module's own is out of reach.
        builder.http("large_client_header_buffers 8 64k;\nproxy_buffer_size 64k;\nproxy_buffers 8 64k;\nproxy_busy_buffers_size 128k;")
    })
}

fn bearer(size: usize) -> Request {
    with_bearer(&"x".repeat(size - "Bearer ".len()))
}

#[test]
fn sixteen_kibibytes_are_sent_and_one_byte_more_is_invalid() {
    let live = roomy();
    for_each_wire(|wire| {
        let (response, call) = one_call(&live, wire, &bearer(LIMIT));
        assert_ending(&response, 200, "none", "resolved");
        assert_eq!(call.header("authorization").map(<[u8]>::len), Some(LIMIT));
        let response = no_call(&live, wire, &bearer(LIMIT + 1));
        assert_eq!(super::super::live::ending(&response).1, "invalid");
        let expected = vec![("x-authgear-session-valid".to_owned(), "false".to_owned())];
        assert_eq!(identity_told(&response), expected, "as if the resolver had said it");
    });
    live.finish();
}

#[test]
fn the_limit_is_on_all_credentials_together() {
    let live = roomy();
    let half = "x".repeat(LIMIT / 2);
    for_each_wire(|wire| {
        for request in [
            bearer(LIMIT / 2).header("Cookie", format!("session={half}")),
            Request::get("/").header("Cookie", format!("session={half}; app_session={half}")),
            Request::get("/").header("Cookie", format!("session={half}; session={half}")),
            Request::get("/").header("Cookie", format!("session=a; session={}", "x".repeat(LIMIT))),
            // The good credential first: what is cut must not pass for the whole.
            token_of("alice", 1).header("Cookie", format!("session={}", "x".repeat(LIMIT))),
            Request::get("/").header("Cookie", "session;".repeat(LIMIT / 4)),
        ] {
            let response = no_call(&live, wire, &request);
            assert_eq!(super::super::live::ending(&response).1, "invalid");
        }
    });
    live.finish();
}

#[test]
fn what_is_no_credential_does_not_count() {
    let live = roomy();
    let other = "x".repeat(LIMIT);
    for_each_wire(|wire| {
        let request = Request::get("/").header("Cookie", format!("a={other}; session=x; b={other}"));
        let (response, call) = one_call(&live, wire, &request);
        assert_ending(&response, 200, "invalid", "resolved");
        assert_eq!(call.text("cookie"), Some("session=x"));
        let basic = Request::get("/").header("Authorization", format!("Basic {other}"));
        assert_ending(&no_call(&live, wire, &basic), 200, "none", "no_credential");
    });
    live.finish();
}
