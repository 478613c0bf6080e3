//! Which bytes of `Cookie` and `Authorization` are credentials, and that exactly those are sent.

use super::super::harness::{Request, Wire, for_each_wire};
use super::super::live::{Live, assert_ending};
use super::super::standin::{Kind, Resolver};
use super::{no_call, one_call};

/// `Cookie` lines, and the one that the resolver gets.
const SENT: &[(&[&[u8]], &[u8])] = &[
    (&[b"session=x"], b"session=x"),
    (&[b"app_session=x"], b"app_session=x"),
    (&[b"app_access_token=x"], b"app_access_token=x"),
    (&[b"a=b; session=x; c=d"], b"session=x"),
    (&[b"session=\"quoted\""], b"session=\"quoted\""),
    (&[b"session=\"a;b\""], b"session=\"a"),
    (&[b"session=a=b=="], b"session=a=b=="),
    (&[b"session=a b  c"], b"session=a b  c"),
    (&[b"session = x"], b"session = x"),
    (&[b"session\t=\tx"], b"session\t=\tx"),
    (&[b"session"], b"session"),
    (&[b"session="], b"session="),
    (&[b"session=a; session=b"], b"session=a; session=b"),
    (&[b"session=a;session=b"], b"session=a; session=b"),
    (&[b"session=a ;\t session=b"], b"session=a; session=b"),
    (&[b"session=; session=b"], b"session=; session=b"),
    (&[b";;; session=a;;"], b"session=a"),
    (&[b"session=a,app_session=b"], b"session=a,app_session=b"),
    (&[b"$Version=1; session=a; $Path=/"], b"session=a"),
    (&[b"session=a; app_session=b; app_access_token=c"], b"session=a; app_session=b; app_access_token=c"),
    (&[b"app_access_token=c; session=a; app_session=b"], b"app_access_token=c; session=a; app_session=b"),
    (&[b"session=a", b"x=y", b"app_session=b"], b"session=a; app_session=b"),
    (&[b"session=%73%00%0a"], b"session=%73%00%0a"),
    (&[b"session=\\\\\\\""], b"session=\\\\\\\""),
    (&[b"session=\xff\x80\xc3\xa9"], b"session=\xff\x80\xc3\xa9"),
    (&[b"Session=a; session=b; SESSION=c"], b"session=b"),
    (&[b"session=a\x01; app_session=b"], b"app_session=b"),
    (&[b"session=a\x7f; app_session=b"], b"app_session=b"),
    (&[b"x=\x01; session=b"], b"session=b"),
];

#[test]
fn credential_cookies_are_sent_byte_for_byte_in_their_order() {
    let live = Live::start();
    for_each_wire(|wire| {
        for (lines, expected) in SENT {
            let request = lines.iter().fold(Request::get("/"), |r, line| r.header("Cookie", line));
            let (response, call) = one_call(&live, wire, &request);
            assert_eq!(response.status, 200);
            assert_eq!(call.header_all("cookie"), [*expected], "{:?}", String::from_utf8_lossy(expected));
            assert_eq!(call.header("authorization"), None);
        }
    });
    live.finish();
}

/// No credential is in these.
const COOKIES_OF_OTHERS: &[&[u8]] = &[
    b"",
    b";",
    b"=",
    b"a=b",
    b"Session=x",
    b"SESSION=x",
    b"App_Session=x",
    b"xsession=x",
    b"session2=x",
    b"sessio=x",
    b"my session=x",
    b"a=session=x",
    b"a=b, session=x",
    b"a=\"b; \"",
    b"\"session\"=x",
    b"app-session=x",
    b"app.session=x",
    b"%73ession=x",
    b"=session",
    b"session\xa0=x",
    b"\xa0session=x",
    b"session=\x01",
    b"session=x\x1f",
    b"session=\x7f",
    b"session=x\x0b; app_session=\x0c",
];

#[test]
fn a_request_without_a_credential_makes_no_call_and_passes() {
    let live = Live::start();
    for_each_wire(|wire| {
        for cookie in COOKIES_OF_OTHERS {
            let response = no_call(&live, wire, &Request::get("/").header("Cookie", cookie));
            assert_ending(&response, 200, "none", "no_credential");
        }
        assert_ending(&no_call(&live, wire, &Request::get("/")), 200, "none", "no_credential");
    });
    live.finish();
}

#[test]
fn authorization_is_sent_byte_for_byte_if_its_scheme_is_bearer() {
    let live = Live::start();
    for_each_wire(|wire| {
        for value in [
            &b"Bearer x"[..],
            b"bearer x",
            b"BEARER x",
            b"bEaReR x",
            b"Bearer  two  spaces",
            b"Bearer a b c",
            b"Bearer \"x\"",
            b"Bearer a,Bearer b",
            b"Bearer a\tb",
            b"Bearer \xff\x80",
            b"Bearer =",
        ] {
            let (response, call) = one_call(&live, wire, &Request::get("/").header("Authorization", value));
            assert_eq!(response.status, 200);
            assert_eq!(call.header_all("authorization"), [value]);
            assert_eq!(call.header("cookie"), None);
        }
    });
    live.finish();
}

#[test]
fn authorization_of_another_scheme_is_nobody_s_business() {
    let live = Live::start();
    for_each_wire(|wire| {
        for value in [
            &b"Basic dXNlcjpwYXNz"[..],
            b"Digest a=b",
            b"Bearerx",
            b"Bearer",
            b"Bearer:x",
            b"Bearer=x",
            b"DPoP x",
            b"xBearer x",
            b"Basic Bearer x",
            b"",
            b"Bearer x\x01",
            b"Bearer \x7f",
            b"Bearer\x0bx",
        ] {
            let request = Request::get("/").header("Authorization", value);
            assert_ending(&no_call(&live, wire, &request), 200, "none", "no_credential");
            let with_cookie = request.header("Cookie", "session=x");
            let (_, call) = one_call(&live, wire, &with_cookie);
            assert_eq!(call.header("authorization"), None, "{:?}", value.escape_ascii().to_string());
            assert_eq!(call.header("cookie"), Some(&b"session=x"[..]));
        }
    });
    live.finish();
}

#[test]
fn the_cookie_prefix_is_part_of_every_name() {
    let resolver = Resolver::builder().cookie_prefix("acme_").start();
    let live = Live::with(resolver, "authgear_cookie_prefix acme_;");
    for_each_wire(|wire| {
        for kind in [Kind::Session, Kind::AppSession, Kind::AppAccessToken] {
            let (name, value) = live.accounts().login("alice").header(kind, "acme_");
            let (response, call) = one_call(&live, wire, &Request::get("/").header(name, &value));
            assert_ending(&response, 200, "valid", "resolved");
            assert_eq!(call.text("cookie"), Some(value.as_str()));
            for prefix in ["", "ACME_", "acme", "acme_acme_", "xacme_"] {
                let (name, value) = live.accounts().login("alice").header(kind, prefix);
                let response = no_call(&live, wire, &Request::get("/").header(name, value));
                assert_ending(&response, 200, "none", "no_credential");
            }
        }
        let mixed = Request::get("/").header("Cookie", "session=a; acme_session=b; acme_app_session=c");
        let (_, call) = one_call(&live, wire, &mixed);
        assert_eq!(call.text("cookie"), Some("acme_session=b; acme_app_session=c"));
    });
    live.finish();
}

#[test]
fn the_kinds_presented_are_told() {
    let live = Live::with(Resolver::start(), "add_header X-Credential $authgear_credential always;");
    for (authorization, cookie, kinds) in [
        ("", "", "-"),
        ("Basic x", "a=b", "-"),
        ("Bearer x", "", "bearer"),
        ("", "session=x", "session"),
        ("", "session=x; app_access_token=y; app_session=z", "app_session,app_access_token,session"),
        ("Bearer x", "session=x; session=y", "bearer,session"),
    ] {
        let request = Request::get("/").header("Authorization", authorization).header("Cookie", cookie);
        let response = super::send(&live.nginx, Wire::Http1, &request);
        assert_eq!(response.header("x-credential").as_deref(), Some(kinds));
    }
    live.finish();
}
