//! An answer is for the very same credentials, byte for byte, and for the same resolver.

use super::super::harness::{Request, for_each_wire, send};
use super::super::stage::identity_told;
use super::super::standin::{Kind, Resolver};
use super::{Live, Wire, ask, ask_counting, cached, to};

fn cookie(line: &str) -> Request {
    Request::get("/").header("Cookie", line)
}

fn bearer(line: &str) -> Request {
    Request::get("/").header("Authorization", line)
}

/// Requests that the resolver could tell apart, and whose they are.
fn different() -> Vec<(Request, Option<&'static str>)> {
    let (alice, bob) = ("user:alice:1", "user:bob:1");
    let both = |authorization: &str, line: &str| bearer(authorization).header("Cookie", line);
    vec![
        (bearer("Bearer user:alice:1"), Some("alice")),
        (bearer("bearer user:alice:1"), Some("alice")),
        (bearer("Bearer user:bob:1"), Some("bob")),
        (bearer("Bearer user:alice:"), Some("alice")),
        (bearer("Bearer user:alice:11"), Some("alice")),
        (cookie(&format!("app_session={alice}")), Some("alice")),
        (cookie(&format!("app_session={bob}")), Some("bob")),
        (cookie(&format!("app_access_token={alice}")), Some("alice")),
        (cookie(&format!("app_access_token={bob}")), Some("bob")),
        (cookie(&format!("app_session={alice}; app_session={bob}")), Some("alice")),
        (cookie(&format!("app_session={bob}; app_session={alice}")), Some("bob")),
        (cookie(&format!("app_session={alice}; app_access_token={bob}")), Some("alice")),
        (cookie(&format!("app_session={bob}; app_access_token={alice}")), Some("bob")),
        (cookie(&format!("app_session=; app_access_token={alice}")), Some("alice")),
        (cookie(&format!("app_session={alice}; session=x")), Some("alice")),
        (cookie(&format!("app_session=\"{bob}\"")), Some("bob")),
        (both("Bearer user:alice:1", &format!("app_session={bob}")), Some("alice")),
        (both("Bearer user:bob:1", &format!("app_session={alice}")), Some("bob")),
        (both("Bearer x", &format!("app_session={bob}")), Some("bob")),
        (both("Bearer x", &format!("app_session={alice}")), Some("alice")),
        (cookie("app_session=x"), None),
        (cookie("app_access_token=x"), None),
        (bearer("Bearer x"), None),
    ]
}

/// Whose identity the backend gets.
fn user_of(live: &Live, wire: Wire, request: &Request) -> Option<String> {
    let headers = identity_told(&send(&live.nginx, wire, request));
    headers.into_iter().find(|(name, _)| name == "x-authgear-user-id").map(|(_, id)| id)
}

#[test]
fn no_set_of_credentials_gets_another_s_answer() {
    let live = cached("");
    let requests = different();
    let id = |user: &Option<&str>| user.map(|user| live.accounts().user(user).id);
    for (n, (request, user)) in (1..).zip(&requests) {
        assert_eq!(user_of(&live, Wire::Http1, request), id(user), "{request:?}");
        assert_eq!(live.resolver.call_count(), n, "{request:?}");
    }
    for_each_wire(|wire| {
        for (request, user) in &requests {
            assert_eq!(user_of(&live, wire, request), id(user), "{request:?}");
        }
    });
    assert_eq!(live.resolver.call_count(), requests.len() as u64, "from the cache, all of them");
    live.finish();
}

#[test]
fn what_the_resolver_is_not_sent_makes_no_difference() {
    let live = cached("");
    let line = format!("app_session={}", live.accounts().login("alice").app_session);
    assert_eq!(ask(&live, &cookie(&line)), "200 valid resolved MISS");
    for request in [
        cookie(&format!("a=b; {line}; c=d")),
        cookie("a=b").header("Cookie", &line),
        cookie(&line).header("Authorization", "Basic YTpi"),
        cookie(&line).header("User-Agent", "another").header("X-Request-ID", "1"),
        cookie(&line).header("X-Forwarded-For", "192.0.2.1").header("X-Forwarded-Host", "other.example"),
        cookie(&line).host("Other.Example:80"),
        Request { method: b"POST".to_vec(), ..cookie(&line) }.body("body"),
        to("/another?query", cookie(&line)),
        cookie(&line).http10(),
    ] {
        assert_eq!(ask_counting(&live, &request), ("200 valid hit HIT".to_owned(), 0), "{request:?}");
    }
    live.finish();
}

#[test]
fn each_resolver_has_answers_of_its_own() {
    let resolver = Resolver::start();
    let other = Resolver::builder().accounts(resolver.accounts()).start();
    let url = resolver.url();
    let lines = format!(
        "{}\n{}\n\
         location /same/ {{ authgear_resolve {url}/_resolver/resolve; {{pass}} }}\n\
         location /same-origin/ {{ authgear_origin {url}; {{pass}} }}\n\
         location /path/ {{ authgear_resolve {url}/resolve; {{pass}} }}\n\
         location /other/ {{ authgear_resolve {}; {{pass}} }}\n\
         location /origin/ {{ authgear_origin https://auth.example.com; {{pass}} }}\n\
         location /origin-http/ {{ authgear_origin http://auth.example.com; {{pass}} }}\n\
         location /prefix/ {{ authgear_cookie_prefix p_; {{pass}} }}",
        super::CACHE,
        super::LONG,
        other.url()
    );
    let live = Live::build(resolver, &lines, |builder| builder.http(super::ZONES));
    let request = live.request_of("alice", Kind::Bearer);
    for (target, expected) in [
        ("/", "resolved MISS"),
        ("/same/", "hit HIT"),
        ("/same-origin/", "hit HIT"),
        ("/path/", "resolved MISS"),
        ("/other/", "resolved MISS"),
        ("/origin/", "resolved MISS"),
        ("/origin-http/", "resolved MISS"),
        ("/prefix/", "resolved MISS"),
    ] {
        let told = ask(&live, &to(target, &request));
        assert_eq!(told, format!("200 valid {expected}"), "{target}");
        assert_eq!(ask(&live, &to(target, &request)), "200 valid hit HIT", "{target}");
    }
    live.finish();
}

#[test]
fn zones_of_every_size_keep_answers() {
    let sizes = ["32k", "33000", "36k", "40000", "64k", "100k", "1m", "64m"];
    let zones: Vec<_> =
        sizes.iter().map(|size| format!("authgear_cache_zone zone=of{size}:{size};")).collect();
    let location = |size: &&str| format!("location /{size}/ {{ authgear_cache of{size}; {{pass}} }}\n");
    let lines = sizes.iter().map(location).collect::<String>();
    let lines = format!("{}\n{}\n{lines}", super::CACHE, super::LONG);
    let live = Live::build(Resolver::start(), &lines, |builder| {
        builder.http(super::ZONES).http(zones.join("\n")).workers(2)
    });
    let request = live.request_of("alice", Kind::Session);
    for size in sizes {
        let request = to(&format!("/{size}/"), &request);
        let (first, calls) = ask_counting(&live, &request);
        assert_eq!((first.as_str(), calls), ("200 valid resolved MISS", 1), "{size}");
        for _ in 0..10 {
            assert_eq!(ask(&live, &request), "200 valid hit HIT", "{size}");
        }
    }
    live.finish();
}
