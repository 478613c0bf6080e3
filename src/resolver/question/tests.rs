use super::*;
use crate::credentials::{Presented, present};
use crate::endpoint::{endpoint, origin};
use proptest::prelude::*;
use std::time::Duration;

fn target(url: &str, public: Option<&str>) -> Target {
    let public = public.map(|public| origin(public).unwrap());
    Target::new(&endpoint(url).unwrap(), public.as_ref(), "", Duration::from_secs(1), None).unwrap()
}

fn ask(lines: &[(&str, &[u8])], client: Option<&str>, target: &Target) -> Vec<String> {
    let lines = || lines.iter().map(|(name, value)| (name.as_bytes(), *value));
    let Presented::Credentials(credentials) = present(lines(), b"") else { panic!("no credentials") };
    let client = client.map(|client| client.parse().unwrap());
    let headers = Question::new(credentials, client, lines()).headers(target).unwrap();
    let mut text: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    text.sort();
    text
}

#[test]
fn the_resolver_sees_the_listed_headers_and_nothing_else() {
    let lines: &[(&str, &[u8])] = &[
        ("Host", b"evil.example"),
        ("Authorization", b"Bearer token"),
        ("Cookie", b"a=b; session=s; app_session=t"),
        ("User-Agent", b"curl/8"),
        ("user-agent", b"second"),
        ("X-Request-ID", b"r1"),
        ("TraceParent", b"00-1"),
        ("tracestate", b"a=1"),
        ("X-Forwarded-For", b"6.6.6.6"),
        ("X-Forwarded-Host", b"evil.example"),
        ("X-Original-Host", b"evil.example"),
        ("Forwarded", b"for=6.6.6.6"),
        ("X-Real-IP", b"6.6.6.6"),
        ("Accept", b"*/*"),
        ("Range", b"bytes=0-"),
        ("Expect", b"100-continue"),
        ("X-Authgear-User-Id", b"admin"),
    ];
    let target = target("http://10.0.0.5:3001", Some("https://auth.example.com"));
    assert_eq!(
        ask(lines, Some("2001:db8::1"), &target),
        [
            "authorization: Bearer token",
            "cookie: session=s; app_session=t",
            "host: auth.example.com",
            "traceparent: 00-1",
            "tracestate: a=1",
            "user-agent: curl/8",
            "x-forwarded-for: 2001:db8::1",
            "x-forwarded-host: auth.example.com",
            "x-forwarded-proto: https",
            "x-request-id: r1",
        ]
    );
}

#[test]
fn without_an_origin_of_its_own_the_endpoint_is_the_origin() {
    assert_eq!(
        ask(&[("cookie", b"session=s")], None, &target("http://a:3001", None)),
        ["cookie: session=s", "x-forwarded-host: a:3001", "x-forwarded-proto: http"]
    );
}

#[test]
fn lines_that_could_make_the_call_fail_are_left_out() {
    let long = [b'a'; MAX_LINE + 1];
    for value in [&b""[..], b"caf\xe9", b"a\tb", b"a\x01", &long] {
        let sent = ask(&[("cookie", b"session=s"), ("user-agent", value)], None, &target("http://a", None));
        assert!(!sent.iter().any(|line| line.starts_with("user-agent")), "{value:?}");
    }
    let longest = [b'a'; MAX_LINE];
    let sent = ask(&[("cookie", b"session=s"), ("user-agent", &longest)], None, &target("http://a", None));
    assert!(sent.iter().any(|line| line.starts_with("user-agent")));
}

#[test]
fn an_odd_first_line_is_not_replaced_by_the_second() {
    let lines: &[(&str, &[u8])] =
        &[("cookie", b"session=s"), ("user-agent", b"\x80"), ("user-agent", b"fine")];
    assert!(!ask(lines, None, &target("http://a", None)).iter().any(|line| line.starts_with("user-agent")));
}

proptest! {
    /// Accepted credentials can always be sent: no client can make a call fail by the bytes it sends.
    #[test]
    fn whatever_counts_as_a_credential_can_be_sent(authorization: Vec<u8>, cookie: Vec<u8>, agent: Vec<u8>) {
        let authorization = [b"Bearer ", authorization.as_slice()].concat();
        let cookie = [b"session=", cookie.as_slice()].concat();
        let lines = || [(&b"authorization"[..], authorization.as_slice()), (b"cookie", &cookie), (b"user-agent", &agent)];
        if let Presented::Credentials(credentials) = present(lines(), b"") {
            prop_assert!(Question::new(credentials, None, lines()).headers(&target("http://a", None)).is_some());
        }
    }
}
