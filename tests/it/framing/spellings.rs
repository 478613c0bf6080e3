//! However host and URI are spelt, the resolver gets the same request.

use super::super::harness::{Request, Wire, for_each_wire, try_send};
use super::super::stage::{Stage, by, identity, identity_of};
use super::builder;

/// What the resolver got, of requests that must all be let through.
fn heads(stage: &Stage, wire: Wire, requests: Vec<Request>) -> Vec<String> {
    let nginx = builder(stage).start();
    let heads = requests.into_iter().map(|request| {
        let seen = stage.ask(&nginx, wire, by("alice", request));
        assert_eq!(identity(&seen), identity_of("alice"));
        String::from_utf8(stage.resolver.last_call().expect("a call").raw_head).expect("text")
    });
    let heads = heads.collect();
    nginx.finish();
    heads
}

#[track_caller]
fn assert_all_the_same(heads: &[String]) {
    for head in heads {
        assert_eq!(head, &heads[0]);
    }
}

#[test]
fn the_spelling_of_the_host_makes_no_difference() {
    let hosts = [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:80",
        "localhost:8443",
        "127.0.0.1",
        "[::1]",
        "[::1]:1",
        "other.example",
        "xn--bcher-kva.example",
        "a_b",
        "localhost:",
    ];
    let stage = Stage::start();
    for_each_wire(|wire| {
        let requests = hosts.iter().map(|host| Request::get("/").host(host)).collect();
        assert_all_the_same(&heads(&stage, wire, requests));
    });
}

#[test]
fn the_absolute_form_makes_no_difference() {
    let targets = [
        "/",
        "http://localhost/",
        "http://LocalHost:80/",
        "http://other.example/",
        "HTTP://other.example./x",
        "http://other.example?query",
        "https://other.example/",
        "http://other.example/a/%2e%2e/x",
    ];
    let stage = Stage::start();
    let requests = targets.iter().map(Request::get).collect();
    assert_all_the_same(&heads(&stage, Wire::Http1, requests));
}

#[test]
fn path_and_query_make_no_difference() {
    let targets = [
        "/",
        "//",
        "/a/../b",
        "/a/./b",
        "/%2e%2e%2fb",
        "/a%00",
        "/_resolver/resolve",
        "/?x=1&x=2",
        "/#",
        "/a;b=c",
        "/\u{e9}",
        "/%ff",
        "/?\"<>",
        "/..;/admin",
        "/a\\b",
        "/%252e",
        "/?x_traceparent=00-1-2-3",
    ];
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    for_each_wire(|wire| {
        let mut passed = 0;
        for target in targets {
            stage.resolver.reset_counters();
            stage.echo.clear();
            // nginx itself may refuse one: then nobody is asked.
            let status = try_send(&nginx, wire, by("alice", Request::get(target)))
                .map_or(400, |response| response.status);
            let calls = stage.resolver.calls();
            assert_eq!(
                (calls.len(), stage.echo.requests().len()),
                if status == 200 { (1, 1) } else { (0, 0) },
                "{target}"
            );
            passed += calls.len();
            for call in calls {
                assert_eq!(
                    (call.target.as_str(), call.header("x-original-uri")),
                    ("/_resolver/resolve", None)
                );
                let text = String::from_utf8(call.raw_head).expect("text");
                assert!(text.starts_with("GET /_resolver/resolve HTTP/1.1\r\n"), "{text}");
            }
        }
        assert!(passed >= 12, "only {passed} got through");
    });
    nginx.finish();
}

#[test]
fn no_framing_of_the_client_reaches_the_resolver() {
    let plain = || Request::get("/");
    let requests = vec![
        plain(),
        plain().header("Connection", "close"),
        plain().header("Connection", "x-forwarded-for, authorization, host"),
        plain().header("TE", "trailers, deflate"),
        plain().header("Range", "bytes=0-1").header("If-Match", "*").header("If-None-Match", "*"),
        plain().header("Upgrade", "websocket").header("Connection", "Upgrade"),
        plain().header("Accept-Encoding", "gzip").header("Accept", "*/*").header("Cache-Control", "no-cache"),
        plain().header("X-Forwarded-Host", "evil.example").header("X-Forwarded-Proto", "https"),
        plain()
            .header("Forwarded", "for=1.2.3.4;host=evil.example;proto=https")
            .header("X-Real-IP", "1.2.3.4"),
        plain()
            .header("X-Original-Host", "evil.example")
            .header("X-Original-Proto", "https")
            .header("X-Original-For", "1.2.3.4"),
        plain().header("X-HTTP-Method-Override", "POST").header("X-Rewrite-URL", "/x"),
        plain().http10(),
        Request::post("/", "body"),
        Request::post("/", "body").header("Expect", "100-continue"),
        Request::new("PUT", "/").chunked(["body"]).header("Content-Encoding", "gzip"),
    ];
    let stage = Stage::start();
    assert_all_the_same(&heads(&stage, Wire::Http1, requests));
}
