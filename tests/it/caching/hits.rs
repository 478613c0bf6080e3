//! What a request is told of the cache, and that a hit takes no call.

use super::super::harness::{Http1, Http2, Request, for_each_wire, send};
use super::super::standin::{Fault, Kind};
use super::{Live, SHORT, Wire, ask, ask_counting, assert_asked, cached, session_of, to, token_of, told};

#[test]
fn the_second_request_of_each_kind_of_credential_takes_no_call() {
    let live = cached("");
    for_each_wire(|wire| {
        for kind in Kind::ALL {
            let user = if wire == Wire::Http1 { "alice" } else { "bob" };
            let request = live.request_of(user, kind);
            for (expected, calls) in [("resolved MISS", 1), ("hit HIT", 0), ("hit HIT", 0)] {
                let before = live.resolver.call_count();
                let response = send(&live.nginx, wire, &request);
                assert_eq!(told(&response), format!("200 valid {expected}"), "{kind:?}");
                assert_eq!(live.resolver.call_count() - before, calls, "{kind:?}");
            }
        }
    });
    live.finish();
}

#[test]
fn a_hit_is_a_hit_over_each_version_of_http_and_on_a_kept_connection() {
    let live = cached("");
    assert_asked(&live, &live.alice(), "200 valid resolved MISS");
    for_each_wire(|wire| assert_eq!(told(&send(&live.nginx, wire, live.alice())), "200 valid hit HIT"));
    let mut http1 = Http1::connect(live.nginx.port()).expect("nginx accepts");
    let mut http2 = Http2::connect(live.nginx.h2_port()).expect("nginx accepts");
    for _ in 0..20 {
        assert_eq!(told(&http1.exchange(&live.alice()).expect("an answer")), "200 valid hit HIT");
        assert_eq!(told(&http2.exchange(&live.alice()).expect("an answer")), "200 valid hit HIT");
    }
    drop(http2);
    assert_eq!(live.resolver.call_count(), 1);
    live.finish();
}

#[test]
fn requests_that_need_no_answer_have_nothing_to_do_with_the_cache() {
    let live = cached("large_client_header_buffers 4 32k;\nlocation /off/ { authgear_resolve off; {pass} }");
    let basic = Request::get("/").header("Authorization", "Basic YTpi");
    let large = Request::get("/").header("Cookie", format!("session={}", "x".repeat(17_000)));
    for _ in 0..2 {
        assert_asked(&live, &Request::get("/"), "200 none no_credential -");
        assert_asked(&live, &basic, "200 none no_credential -");
        assert_asked(&live, &large, "200 invalid too_large -");
        assert_asked(&live, &to("/off/", live.alice()), "200 - off -");
    }
    assert_eq!(live.resolver.call_count(), 0);
    live.finish();
}

#[test]
fn a_location_without_a_cache_neither_reads_nor_keeps() {
    let live = cached("location /bypass/ { authgear_cache off; {pass} }");
    let bypass = |request: &Request| assert_eq!(ask_counting(&live, &to("/bypass/", request)).1, 1);
    bypass(&token_of("alice", 1));
    assert_asked(&live, &to("/bypass/", token_of("alice", 1)), "200 valid resolved BYPASS");
    assert_asked(&live, &token_of("alice", 1), "200 valid resolved MISS");
    assert_asked(&live, &token_of("alice", 1), "200 valid hit HIT");
    bypass(&token_of("alice", 1));
    assert_asked(&live, &token_of("alice", 1), "200 valid hit HIT");
    live.finish();
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let live = Live::build(
        super::Resolver::start(),
        "add_header X-Cache $authgear_cache_status always;\nadd_header X-Time $authgear_resolve_time always;",
        |builder| builder.http(super::ZONES),
    );
    for calls in 1..=3 {
        assert_asked(&live, &live.alice(), "200 valid resolved BYPASS");
        assert_eq!(live.resolver.call_count(), calls);
    }
    live.finish();
}

#[test]
fn an_answer_that_is_too_old_is_told_from_none() {
    let live = cached(&format!("location /short/ {{ {SHORT} {{pass}} }}"));
    let request = to("/short/", live.alice());
    assert_asked(&live, &request, "200 valid resolved MISS");
    for _ in 0..2 {
        super::wait_until(live.resolver.last_call().expect("a call").at, super::MOMENT);
        assert_asked(&live, &request, "200 valid resolved EXPIRED");
    }
    // The last answer is in the cache again.
    assert_asked(&live, &live.alice(), "200 valid hit HIT");
    live.finish();
}

#[test]
fn equal_requests_at_the_same_time_share_a_call_and_its_answer_is_kept() {
    let live = cached(
        "location /other/ { authgear_cache others; {pass} }\nlocation /bypass/ { authgear_cache off; {pass} }",
    );
    for (n, leader) in [(1, "/bypass/"), (2, "/"), (3, "/other/")] {
        let request = token_of("alice", n);
        live.resolver.set_fault(Some(Fault::Gate));
        let mut waiting = vec![live.begin(&to(leader, &request))];
        assert!(live.resolver.wait_for_gate(1, super::PATIENCE));
        waiting.extend(["/", "/other/"].map(|target| live.begin(&to(target, &request))));
        live.nginx.wait_until_in_hand(3);
        live.resolver.clear_faults();
        let told: Vec<_> = waiting.iter_mut().map(|c| told(&c.receive(b"GET").expect("an answer"))).collect();
        assert!(told[0].starts_with("200 valid resolved "), "{told:?}");
        assert_eq!(told[1..], ["200 valid coalesced MISS"; 2]);
        // Whoever led, the answer is in the caches of all who waited.
        for target in ["/", "/other/"] {
            assert_eq!(ask_counting(&live, &to(target, &request)), ("200 valid hit HIT".to_owned(), 0));
        }
    }
    live.finish();
}

#[test]
fn the_answer_is_kept_although_the_client_has_left() {
    let live = cached("");
    for (request, n) in [(live.alice(), 1), (session_of(&live, "bob", 1), 2)] {
        live.resolver.set_fault(Some(Fault::Gate));
        live.begin(&request).reset();
        assert!(live.resolver.wait_for_gate(1, super::PATIENCE));
        live.nginx.wait_until_in_hand(0);
        live.resolver.clear_faults();
        // The next request may come before the answer: then it waits for it.
        let next = ask(&live, &request);
        assert!(["200 valid hit HIT", "200 valid coalesced MISS"].contains(&next.as_str()), "{next}");
        assert_asked(&live, &request, "200 valid hit HIT");
        assert_eq!(live.resolver.call_count(), n);
    }
    live.finish();
}

#[test]
fn a_body_gets_through_beside_a_hit() {
    let live = cached("");
    let body: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let post = Request { method: b"POST".to_vec(), ..live.alice() };
    for_each_wire(|wire| {
        let mut seen = Vec::new();
        for request in [post.clone().body(&body), post.clone().body(&body), post.clone().chunked([&body])] {
            let response = send(&live.nginx, wire, &request);
            assert_eq!(response.status, 200);
            let last = live.echo.last().expect("the backend was asked");
            seen.push((last.body_len, last.body_hash));
        }
        assert!(seen[0].0 == 200_000 && seen.iter().all(|body| *body == seen[0]), "{seen:?}");
    });
    assert_eq!(live.resolver.call_count(), 1);
    live.finish();
}
