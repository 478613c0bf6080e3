//! Outer levels give what inner ones don't say: the zone, each kind's time, the stale windows.

use super::super::harness::{Nginx, Request, Wire, send};
use super::super::standin::echo::Http;
use super::super::standin::{Fault, Kind, Resolver};
use super::{MOMENT, ask_counting, built, cached, fill, to, token_of, wait_until};

/// Calls that two requests of each kind of answer cost in that place: valid, invalid, none.
fn calls(live: &super::Live, target: &str) -> [u64; 3] {
    let unique = |name: &str| format!("app_session={}{name}", target.replace('/', ""));
    let none = Request::get(target).header("Cookie", unique("none"));
    let accounts = live.accounts();
    let bearer = |user: &str| format!("Bearer {}", accounts.mint(user, Kind::Bearer));
    let valid = Request::get(target).header("Authorization", bearer("alice"));
    let invalid = Request::get(target).header("Authorization", bearer("disabled"));
    [valid, invalid, none].map(|request| ask_counting(live, &request).1 + ask_counting(live, &request).1)
}

#[test]
fn each_kind_s_time_is_inherited_by_itself() {
    let live = built(
        "location /a/ { authgear_cache_valid 0; {pass}\n\
           location /a/b/ { authgear_cache_valid none 0; {pass}\n\
             location /a/b/c/ { authgear_cache_valid valid 10m; authgear_cache_valid invalid 0; {pass} } }\n\
           location /a/same/ { authgear_cache sessions; {pass} } }",
        |builder| {
            builder
                .http("authgear_cache_valid 10m;\nauthgear_cache_valid invalid 0;")
                .server("authgear_cache_valid invalid 10m;")
        },
    );
    for (target, expected) in [
        ("/", [1, 1, 1]),
        ("/a/", [2, 1, 1]),
        ("/a/b/", [2, 1, 2]),
        ("/a/b/c/", [1, 2, 2]),
        ("/a/same/", [2, 1, 1]),
    ] {
        assert_eq!(calls(&live, target), expected, "{target}");
    }
    live.finish();
}

#[test]
fn the_zone_is_inherited_replaced_and_switched_off() {
    let live = cached(
        "location /in/ { {pass}\n\
           location /in/other/ { authgear_cache others; {pass} location /in/other/in/ { {pass} } }\n\
           location /in/off/ { authgear_cache off; {pass} location /in/off/in/ { {pass} }\n\
             location /in/off/on/ { authgear_cache sessions; {pass} } } }",
    );
    let request = token_of("alice", 1);
    for (target, expected) in [
        ("/", "resolved MISS"),
        ("/in/", "hit HIT"),
        ("/in/other/", "resolved MISS"),
        ("/in/other/in/", "hit HIT"),
        ("/in/off/", "resolved BYPASS"),
        ("/in/off/in/", "resolved BYPASS"),
        ("/in/off/on/", "hit HIT"),
        ("/", "hit HIT"),
    ] {
        assert_eq!(super::ask(&live, &to(target, &request)), format!("200 valid {expected}"), "{target}");
    }
    live.finish();
}

#[test]
fn stale_windows_are_inherited_as_a_whole() {
    let live = built(
        &format!(
            "{}\nauthgear_cache_use_stale error=10m;\n\
             location /in/ {{ {{pass}} }}\n\
             location /off/ {{ authgear_cache_use_stale off; {{pass}} }}\n\
             location /updating/ {{ authgear_cache_use_stale updating=1ms; {{pass}} }}",
            super::SHORT
        ),
        |builder| builder.http("authgear_cache_use_stale updating=10m;"),
    );
    let filled = fill(&live, &live.alice());
    wait_until(filled, MOMENT);
    live.resolver.set_fault(Some(Fault::Status(503)));
    for (target, expected) in [
        ("/", "200 valid stale STALE"),
        ("/in/", "200 valid stale STALE"),
        ("/off/", "502 error status EXPIRED"),
        ("/updating/", "502 error status EXPIRED"),
    ] {
        assert_eq!(super::ask(&live, &to(target, live.alice())), expected, "{target}");
    }
    live.finish();
}

#[test]
fn servers_with_one_zone_share_their_answers() {
    let (resolver, other, echo) = (Resolver::start(), Resolver::start(), Http::start());
    let pass = format!("location / {{ proxy_pass http://{}; }}", echo.addr());
    let cache = format!("{}\n{}\n{pass}", super::CACHE, super::LONG);
    let resolve = format!("authgear_resolve {};", resolver.url());
    let nginx = Nginx::builder()
        .http(format!("{}\nadd_header X-Result $authgear_result;\n{resolve}", super::ZONES))
        .server(&cache)
        .server_named("same.example", &cache)
        .server_named("off.example", format!("authgear_cache off;\n{pass}"))
        .server_named("others.example", cache.replace("authgear_cache sessions", "authgear_cache others"))
        .server_named("elsewhere.example", format!("authgear_resolve {};\n{cache}", other.url()))
        .start();
    let ask = |host: &str| {
        let response = send(&nginx, Wire::Http1, token_of("alice", 1).host(host));
        response.header("x-cache").unwrap_or_else(|| "no cache".to_owned())
    };
    let expected = [
        ("localhost", "MISS", [1, 0]),
        ("same.example", "HIT", [1, 0]),
        ("others.example", "MISS", [2, 0]),
        ("off.example", "no cache", [3, 0]),
        ("elsewhere.example", "MISS", [3, 1]),
        ("elsewhere.example", "HIT", [3, 1]),
        ("same.example", "HIT", [3, 1]),
    ];
    for (host, status, calls) in expected {
        assert_eq!(ask(host), status, "{host}");
        assert_eq!([resolver.call_count(), other.call_count()], calls, "{host}");
    }
    nginx.finish();
}
