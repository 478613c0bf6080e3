//! The answers that mean nothing: an error each, never an identity, never asked for twice.

use super::super::harness::Wire;
use super::super::live::assert_ending;
use super::super::stage::{identity_told, with_bearer};
use super::super::standin::{Fault, Resolver};
use super::{Live, USER, VALID, answer, ask, for_each_resolver};

const ODD_VALUES: [&str; 12] = [
    "TRUE",
    "True",
    "1",
    "yes",
    "",
    "true,true",
    "true, false",
    "false,true",
    "truex",
    "\"true\"",
    "FALSE",
    "0",
];

#[test]
fn a_session_is_valid_or_invalid_by_exactly_one_spelling() {
    for_each_resolver("", |live| {
        for value in ODD_VALUES {
            for with_user in [true, false] {
                let mut headers = vec![("X-Authgear-Session-Valid", value)];
                headers.extend(with_user.then_some(USER));
                let response = ask(live, Wire::Http1, answer(200, &headers, ""));
                assert_ending(&response, 502, "error", "malformed");
            }
        }
    });
}

#[test]
fn headers_that_contradict_themselves_are_malformed() {
    let invalid = ("X-Authgear-Session-Valid", "false");
    let bob = ("X-Authgear-User-Id", "bob");
    let roles = ("X-Authgear-User-Roles", "admin");
    let cases: &[&[(&str, &str)]] = &[
        &[VALID, VALID, USER],
        &[VALID, invalid, USER],
        &[invalid, VALID, USER],
        &[invalid, invalid],
        &[VALID],
        &[VALID, ("X-Authgear-User-Id", "")],
        &[VALID, USER, USER],
        &[VALID, USER, bob],
        &[VALID, USER, roles, roles],
        &[VALID, USER, ("X-Authgear-New", "a"), ("x-authgear-NEW", "b")],
        &[invalid, USER],
        &[USER],
        &[USER, roles],
    ];
    for_each_resolver("", |live| {
        for headers in cases {
            for status in [200, 204] {
                let response = ask(live, Wire::Http1, answer(status, headers, ""));
                assert_ending(&response, 502, "error", "malformed");
            }
        }
    });
}

#[test]
fn a_200_without_identity_and_with_a_body_is_another_server_s() {
    for_each_resolver("", |live| {
        let html: &[(&str, &str)] = &[("Content-Type", "text/html")];
        let response = ask(live, Wire::Http1, answer(200, html, "<html>Welcome to nginx!"));
        assert_ending(&response, 502, "error", "malformed");
        live.resolver.push_fault(Fault::Chunked(b"x".to_vec()));
        let unknown = with_bearer("x");
        assert_ending(&super::send(&live.nginx, Wire::Http1, &unknown), 502, "error", "malformed");
    });
}

/// As no library would write it.
fn raw(lines: &str) -> Fault {
    Fault::Garbage(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n").into_bytes())
}

#[test]
fn names_that_a_backend_could_fold_are_malformed() {
    let live = Live::start();
    for name in [
        "X_Authgear_User_Id",
        "X-Authgear-User_Id",
        "X-Authgear-User.Id",
        "X-Authgear_User-Roles",
        "X.Authgear.Session.Valid",
        "x-authgear-user~id",
    ] {
        let valid = "X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\n";
        let response = ask(&live, Wire::Http1, raw(&format!("{valid}{name}: mallory\r\n")));
        // An alias outside the prefix may as well be ignored; its value must go nowhere.
        if response.status == 200 {
            assert!(!response.text().contains("mallory"), "{name}: {}", response.text());
            assert!(!name.to_ascii_lowercase().starts_with("x-authgear-"), "{name}");
        } else {
            assert_ending(&response, 502, "error", "malformed");
        }
    }
    live.finish();
}

#[test]
fn heads_that_are_no_http_are_malformed() {
    let live = Live::start();
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid true\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid : true\r\nX-Authgear-User-Id: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X-Authgear-Session-Valid: true\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Authgear-User-Id: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 99 Odd\r\n\r\n",
        b"HTTP/1.1 2000 Odd\r\n\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\0\0\0\0\0\0\0\0",
    ] {
        let response = ask(&live, Wire::Http1, Fault::Garbage(bytes.to_vec()));
        let (status, result, reason) = super::super::live::ending(&response);
        assert_eq!((status, result.as_str()), (502, "error"), "{}", bytes.escape_ascii());
        assert!(["malformed", "closed"].contains(&reason.as_str()), "{reason} for {}", bytes.escape_ascii());
    }
    live.finish();
}

#[test]
fn a_switch_of_protocols_is_no_answer() {
    let live = Live::start();
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\
                   X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\n\r\n";
    let response = ask(&live, Wire::Http1, Fault::Garbage(switch.to_vec()));
    assert_eq!((response.status, super::super::live::ending(&response).1.as_str()), (502, "error"));
    live.finish();
}

#[test]
fn identity_headers_above_8_kibibytes_are_malformed() {
    // The backend's answer repeats them.
    let lines = "proxy_buffer_size 32k;\nproxy_buffers 8 32k;";
    for_each_resolver(lines, |live| {
        let with = |size: usize| {
            let big = "r".repeat(size);
            answer(200, &[VALID, USER, ("X-Authgear-User-Roles", big.as_str())], "")
        };
        let response = ask(live, Wire::Http1, with(8000));
        assert_ending(&response, 200, "valid", "resolved");
        assert!(identity_told(&response).contains(&("x-authgear-user-roles".to_owned(), "r".repeat(8000))));
        assert_ending(&ask(live, Wire::Http1, with(8192)), 502, "error", "malformed");
        assert_ending(&ask(live, Wire::Http1, with(20_000)), 502, "error", "malformed");
        let many: Vec<String> = (0..200).map(|n| format!("X-Authgear-Custom-{n:03}")).collect();
        let value = "v".repeat(40);
        let mut headers = vec![VALID, USER];
        headers.extend(many.iter().map(|name| (name.as_str(), value.as_str())));
        assert_ending(&ask(live, Wire::Http1, answer(200, &headers, "")), 502, "error", "malformed");
    });
}

#[test]
fn a_head_above_64_kibibytes_is_malformed() {
    for_each_resolver("", |live| {
        let response = ask(live, Wire::Http1, Fault::HugeHeaders(50_000));
        assert_ending(&response, 200, "valid", "resolved");
        assert_ending(&ask(live, Wire::Http1, Fault::HugeHeaders(66_000)), 502, "error", "malformed");
        // Over HTTP/2 this ends the connection, and so the call is made again.
        live.resolver.set_fault(Some(Fault::HugeHeaders(300_000)));
        assert_ending(&super::send(&live.nginx, Wire::Http1, live.alice()), 502, "error", "malformed");
        live.resolver.clear_faults();
        assert_ending(&super::send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    });
}

#[test]
fn a_head_without_end_is_given_up_in_bounded_memory() {
    let live = Live::with(Resolver::start(), "authgear_timeout 5s;");
    // The thread that makes calls takes memory of its own.
    assert_ending(&super::send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    let before = live.nginx.rss();
    for _ in 0..5 {
        let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
        endless.extend("X-Filler: ".bytes().chain(std::iter::repeat_n(b'f', 8_000_000)));
        let response = ask(&live, Wire::Http1, Fault::Garbage(endless));
        assert_eq!((response.status, super::super::live::ending(&response).1.as_str()), (502, "error"));
    }
    let grown = live.nginx.rss().saturating_sub(before);
    assert!(grown < 16_000_000, "{grown} bytes");
    live.finish();
}

#[test]
fn a_large_body_is_not_read_to_its_end() {
    for_each_resolver("", |live| {
        assert_ending(&super::send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
        let before = live.nginx.rss();
        let huge = vec![b'x'; 20_000_000];
        let response =
            ask(live, Wire::Http1, answer(200, &[VALID, USER], std::str::from_utf8(&huge).expect("x")));
        assert_ending(&response, 200, "valid", "resolved");
        let grown = live.nginx.rss().saturating_sub(before);
        assert!(grown < 16_000_000, "{grown} bytes");
        assert_ending(&super::send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    });
}
