//! The whole header section of a call, and that nothing of the client's changes it.

use super::super::harness::{Request, Wire, for_each_wire};
use super::super::live::{Live, assert_ending};
use super::super::stage::{pairs, token_of};
use super::super::standin::tls::Leaf;
use super::super::standin::{Kind, Pki, Resolver, Version};
use super::{authority, headers_of, one_call};

const TOKEN: &str = "Bearer user:alice:1";

fn alice() -> Request {
    token_of("alice", 1)
}

/// What a call has beside the credential, for a client at 127.0.0.1. `accept` is the client library's own.
fn expected(host: &str, proto: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all = pairs(&[
        ("accept", "*/*"),
        ("host", host),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", proto),
    ]);
    all.extend(pairs(more));
    all.sort();
    all
}

#[test]
fn a_call_has_the_credential_and_the_forwarded_headers_and_nothing_else() {
    let live = Live::start();
    let host = authority(&live.resolver);
    for_each_wire(|wire| {
        let (response, call) = one_call(&live, wire, &alice());
        assert_ending(&response, 200, "valid", "resolved");
        assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
        assert_eq!(call.target, "/_resolver/resolve");
        let cookie = Request::get("/").header("Cookie", "a=b; session=c");
        let (_, call) = one_call(&live, wire, &cookie);
        assert_eq!(headers_of(&call), expected(&host, "http", &[("cookie", "session=c")]));
    });
    live.finish();
}

#[test]
fn another_origin_replaces_the_endpoint_in_every_header() {
    for (origin, host, proto) in [
        ("https://auth.example.com", "auth.example.com", "https"),
        ("https://auth.example.com:443", "auth.example.com", "https"),
        ("http://auth.example.com:8080", "auth.example.com:8080", "http"),
        ("https://AUTH.Example.com/", "auth.example.com", "https"),
    ] {
        let live = Live::with(Resolver::start(), &format!("authgear_origin {origin};"));
        for_each_wire(|wire| {
            let (_, call) = one_call(&live, wire, &alice());
            assert_eq!(headers_of(&call), expected(host, proto, &[("authorization", TOKEN)]), "{origin}");
        });
        live.finish();
    }
}

#[test]
fn the_tls_name_shows_in_no_header() {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    let resolver = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
    let host = authority(&resolver);
    let ca = folder.path().join("ca.pem");
    let lines =
        format!("authgear_ssl_name auth.example.com;\nauthgear_ssl_trusted_certificate {};", ca.display());
    let live = Live::with(resolver, &lines);
    let (response, call) = one_call(&live, Wire::Http1, &alice());
    assert_ending(&response, 200, "valid", "resolved");
    assert_eq!(headers_of(&call), expected(&host, "https", &[("authorization", TOKEN)]));
    assert_eq!(call.version, Version::Http1);
    live.finish();
}

/// Sent by a client beside a credential, none of these may show in the call.
const UNWANTED: &[(&str, &str)] = &[
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Method", "DELETE"),
    ("X-Forwarded-Uri", "/evil"),
    ("X_Forwarded_For", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;host=evil.example;proto=gopher"),
    ("X-Original-Host", "evil.example"),
    ("X-Original-Proto", "gopher"),
    ("X-Original-For", "6.6.6.6"),
    ("X-Original-URL", "/evil"),
    ("X-Original-Method", "DELETE"),
    ("X-Rewrite-URL", "/evil"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Client-IP", "6.6.6.6"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("True-Client-IP", "6.6.6.6"),
    ("Via", "1.1 evil"),
    ("Range", "bytes=0-1"),
    ("If-Range", "x"),
    ("If-None-Match", "*"),
    ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("Accept", "text/evil"),
    ("Accept-Encoding", "gzip"),
    ("Accept-Language", "tlh"),
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Origin", "https://evil.example"),
    ("Referer", "https://evil.example/"),
    ("Content-Type", "text/evil"),
    ("Content-Encoding", "gzip"),
    ("Max-Forwards", "0"),
    ("Proxy-Authorization", "Bearer user:bob:1"),
    ("X-Authgear-User-Id", "mallory"),
    ("X-Authgear-Xhr", "1"),
    ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("Sec-Fetch-Mode", "navigate"),
    ("X-Anything", "else"),
    ("Priority", "u=0"),
];

#[test]
fn no_other_header_of_the_client_shows_in_the_call() {
    let plain = Live::start();
    let lenient = Live::build(Resolver::start(), "", |builder| {
        builder.http("underscores_in_headers on;\nignore_invalid_headers off;")
    });
    for live in [plain, lenient] {
        let host = authority(&live.resolver);
        for_each_wire(|wire| {
            let mut everything = alice();
            for (name, value) in UNWANTED {
                // One request a header, so that none hides behind another; and all of them at once.
                let (_, call) = one_call(&live, wire, &alice().header(name, value));
                assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]), "{name}");
                everything = everything.header(name, value);
            }
            let (_, call) = one_call(&live, wire, &everything);
            assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
        });
        live.finish();
    }
}

#[test]
fn no_hop_by_hop_header_of_the_client_shows_in_the_call() {
    let live = Live::start();
    let host = authority(&live.resolver);
    for (name, value) in [
        ("Connection", "keep-alive, authorization, x-forwarded-for, cookie"),
        ("Connection", "close"),
        ("Connection", "upgrade"),
        ("Keep-Alive", "timeout=1"),
        ("Upgrade", "websocket"),
        ("TE", "trailers"),
        ("Trailer", "X-Forwarded-For"),
        ("Expect", "100-continue"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Proxy-Connection", "close"),
    ] {
        let (_, call) = one_call(&live, Wire::Http1, &alice().header(name, value));
        assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]), "{name}");
    }
    assert_eq!(live.resolver.connections(), 1, "no client may end the connection to the resolver");
    live.finish();
}

#[test]
fn method_and_body_of_the_client_play_no_part() {
    let live = Live::start();
    let host = authority(&live.resolver);
    for_each_wire(|wire| {
        let bare = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "LOCK"];
        let bare = bare.map(|method| Request::new(method, "/"));
        let bodies = [
            Request::post("/", "body"),
            Request::post("/", "body").header("Expect", "100-continue"),
            Request::new("PUT", "/").chunked(["one", "two"]),
            Request::new("GET", "/").body("a GET with a body"),
        ];
        for request in bare.into_iter().chain(bodies) {
            let (response, call) = one_call(&live, wire, &request.header("Authorization", TOKEN));
            assert_eq!(response.status, 200);
            assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
            assert_eq!(call.target, "/_resolver/resolve");
        }
    });
    // Over HTTP/2 this nginx ends the connection at a trailer.
    let trailer = Request::post("/", "body").trailer("X-Forwarded-For", "6.6.6.6");
    let (_, call) = one_call(&live, Wire::Http1, &trailer.header("Authorization", TOKEN));
    assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
    live.finish();
}

#[test]
fn uri_and_host_of_the_client_play_no_part() {
    let live = Live::start();
    let host = authority(&live.resolver);
    for_each_wire(|wire| {
        let targets =
            ["/", "/a?b=c#d", "//x", "/a/../b", "/%2e%2e/", "/%00x", "/\u{e9}", "/_resolver/resolve?x"];
        let targets = targets.map(Request::get);
        let hosts =
            ["localhost", "LOCALHOST", "localhost.", "localhost:1", "evil.example", "127.0.0.1", "[::1]:8"];
        let hosts = hosts.map(|host| Request::get("/").host(host));
        for request in targets.into_iter().chain(hosts) {
            let request = request.header("Authorization", TOKEN);
            let before = live.resolver.call_count();
            let status = super::super::harness::send(&live.nginx, wire, &request).status;
            // nginx refuses some of them by itself, and then nobody is asked.
            let calls = live.resolver.call_count() - before;
            assert_eq!(calls, u64::from(status == 200), "{status} for {request:?}");
            let call = live.resolver.last_call().expect("at least the first was passed");
            assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
            assert_eq!(call.target, "/_resolver/resolve");
        }
    });
    let absolute = Request::get("http://evil.example/x").header("Authorization", TOKEN);
    let (_, call) = one_call(&live, Wire::Http1, &absolute);
    assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
    let old = Request::get("/").http10().no_host().header("Authorization", TOKEN);
    let (_, call) = one_call(&live, Wire::Http1, &old);
    assert_eq!(headers_of(&call), expected(&host, "http", &[("authorization", TOKEN)]));
    live.finish();
}

#[test]
fn every_kind_of_credential_goes_along_with_the_others() {
    let live = Live::start();
    let host = authority(&live.resolver);
    let login = live.accounts().login("alice");
    let cookie = format!(
        "session={}; app_access_token={}; app_session={}",
        login.session, login.app_access_token, login.app_session
    );
    for_each_wire(|wire| {
        let (name, bearer) = login.header(Kind::Bearer, "");
        let request = Request::get("/").header(name, &bearer).header("Cookie", &cookie);
        let (_, call) = one_call(&live, wire, &request);
        let credentials = [("authorization", bearer.as_str()), ("cookie", cookie.as_str())];
        assert_eq!(headers_of(&call), expected(&host, "http", &credentials));
    });
    live.finish();
}

#[test]
fn the_endpoint_s_path_is_the_path_of_the_call() {
    for (path, target) in [
        ("", "/_resolver/resolve"),
        ("/", "/_resolver/resolve"),
        ("/resolve", "/resolve"),
        ("/a/b%20c/", "/a/b%20c/"),
        ("/resolve/", "/resolve/"),
    ] {
        let resolver = Resolver::start();
        let url = format!("{}{path}", resolver.url());
        let live = Live::at(&url, resolver, "", |builder| builder);
        let (_, call) = one_call(&live, Wire::Http1, &alice());
        assert_eq!(call.target, target);
        live.finish();
    }
}
