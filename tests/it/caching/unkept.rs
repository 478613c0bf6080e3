//! What is never kept: failures, refusals, cookies, and the answer that there is no session beside a `session` cookie.

use super::super::harness::{Http1, Request, Response, for_each_wire, send};
use super::super::stage::pairs;
use super::super::standin::{Call, Fault, Kind};
use super::{
    Live, MOMENT, PATIENCE, SHORT, Wire, ask, ask_counting, assert_asked, cached, fill, session_of, to,
    token_of, told, wait_until, with_headers,
};

/// Every failure that ends by itself.
fn failures() -> Vec<Fault> {
    let answer = |headers: &[(&str, &str)], body: &str| Fault::Answer {
        status: 200,
        headers: pairs(headers),
        body: body.into(),
    };
    let user = ("X-Authgear-User-Id", "u");
    let valid = ("X-Authgear-Session-Valid", "true");
    let mut faults: Vec<_> =
        [400, 404, 405, 408, 410, 429, 431, 500, 501, 502, 503, 504, 505, 599, 201, 206, 301, 304]
            .map(Fault::Status)
            .into();
    faults.extend([
        Fault::CloseBeforeAnswer,
        Fault::ResetBeforeAnswer,
        Fault::CloseInHead,
        Fault::ResetInHead,
        Fault::CloseInBody,
        Fault::Garbage(b"nothing\r\n\r\n".to_vec()),
        Fault::Raw(b"HTTP/9.9 200 OK\r\n\r\n".to_vec()),
        Fault::PanicJson500,
        Fault::Text500,
        Fault::GoAway,
        Fault::RefusedStream,
        Fault::Redirect("https://example.com/".into()),
        Fault::HugeHeaders(200_000),
        answer(&[valid], ""),
        answer(&[user], ""),
        answer(&[valid, valid, user], ""),
        answer(&[("X-Authgear-Session-Valid", "TRUE"), user], ""),
        answer(&[("X-Authgear-Session-Valid", "false"), user], ""),
        answer(&[], "a page of somebody else's"),
    ]);
    faults
}

/// The failures that a request's own patience ends.
fn silences() -> Vec<Fault> {
    let slow = std::time::Duration::from_secs(2);
    vec![Fault::Hang, Fault::HangInHead, Fault::HangInBody, Fault::HangConnection, Fault::SlowHead(slow)]
}

/// Sends all requests at once; each gets the fault of its number.
fn with_faults(live: &Live, faults: Vec<Fault>, request: impl Fn(u64) -> Request) -> Vec<Response> {
    let count = faults.len() as u64;
    live.resolver.set_rule(move |call: &Call| {
        let number = call.text("authorization")?.rsplit(':').next()?.parse::<usize>().ok()?;
        faults.get(number).cloned()
    });
    let mut waiting: Vec<Http1> = (0..count).map(|n| live.begin(&request(n))).collect();
    waiting.iter_mut().map(|connection| connection.receive(b"GET").expect("an answer")).collect()
}

#[test]
fn failures_are_not_kept() {
    let live = cached("authgear_breaker off; location /brief/ { authgear_timeout 300ms; {pass} }");
    for (faults, target, user) in [(failures(), "/", "alice"), (silences(), "/brief/", "bob")] {
        let request = |n| to(target, token_of(user, n));
        for (fault, response) in faults.iter().zip(with_faults(&live, faults.clone(), request)) {
            assert_eq!(told(&response).split(' ').nth(1), Some("error"), "{fault:?}: {response:?}");
        }
        live.resolver.clear_faults();
        for (n, fault) in (0..).zip(&faults) {
            let request = token_of(user, n);
            assert_eq!(ask_counting(&live, &request), ("200 valid resolved MISS".to_owned(), 1), "{fault:?}");
            assert_eq!(ask(&live, &request), "200 valid hit HIT", "{fault:?}");
        }
    }
    live.finish();
}

#[test]
fn a_resolver_that_can_t_be_reached_leaves_nothing_behind() {
    let live = cached("authgear_connect_timeout 1s;");
    assert_asked(&live, &token_of("alice", 1), "200 valid resolved MISS");
    live.resolver.stop_listening();
    live.resolver.close_idle_connections();
    assert_asked(&live, &token_of("alice", 2), "502 error connect MISS");
    assert_asked(&live, &token_of("alice", 1), "200 valid hit HIT");
    live.resolver.resume_listening();
    assert_asked(&live, &token_of("alice", 2), "200 valid resolved MISS");
    live.finish();
}

#[test]
fn requests_beyond_the_bound_leave_nothing_behind() {
    let live = cached("location /one/ { authgear_max_inflight 1; {pass} }");
    live.resolver.set_fault(Some(Fault::Gate));
    let mut first = live.begin(&token_of("alice", 1));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    assert_asked(&live, &to("/one/", token_of("alice", 2)), "502 error overload MISS");
    live.resolver.clear_faults();
    assert_eq!(told(&first.receive(b"GET").expect("an answer")), "200 valid resolved MISS");
    assert_asked(&live, &to("/one/", token_of("alice", 2)), "200 valid resolved MISS");
    live.finish();
}

#[test]
fn refusals_are_not_kept() {
    let live = cached("");
    for (n, status) in [(1, 401), (2, 403)] {
        let challenge = vec![("WWW-Authenticate".to_owned(), "Bearer error=\"no\"".to_owned())];
        let refusal = Fault::Answer { status, headers: challenge, body: Vec::new() };
        live.resolver.set_fault(Some(refusal));
        for_each_wire(|wire| {
            let response = send(&live.nginx, wire, token_of("alice", n));
            assert_eq!(told(&response), format!("{status} error refused MISS"));
            assert_eq!(response.all("www-authenticate"), ["Bearer error=\"no\""]);
        });
        live.resolver.clear_faults();
        assert_asked(&live, &token_of("alice", n), "200 valid resolved MISS");
        // Nor does one take the place of an answer that is kept: nobody is asked.
        live.resolver.set_fault(Some(Fault::Status(status)));
        assert_asked(&live, &token_of("alice", n), "200 valid hit HIT");
        live.resolver.clear_faults();
    }
    live.finish();
}

#[test]
fn cookies_of_the_resolver_s_are_for_the_request_that_was_resolved() {
    let live = cached("authgear_pass_set_cookie on;");
    for_each_wire(|wire| {
        let dead = Request::get("/").header("Cookie", format!("session=dead{wire:?}"));
        let valid = session_of(&live, "alice", u64::from(wire == Wire::Http2));
        for (request, result) in [(dead, "invalid"), (valid, "valid")] {
            live.resolver.push_fault(with_headers(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]));
            let miss = send(&live.nginx, wire, &request);
            assert_eq!(told(&miss), format!("200 {result} resolved MISS"));
            assert_eq!(miss.all("set-cookie"), ["a=1", "b=2"]);
            for _ in 0..2 {
                let hit = send(&live.nginx, wire, &request);
                assert_eq!(told(&hit), format!("200 {result} hit HIT"));
                assert_eq!(hit.all("set-cookie"), [""; 0]);
            }
        }
    });
    live.finish();
}

#[test]
fn cookies_that_come_in_the_background_are_for_nobody() {
    let live = cached(&format!(
        "authgear_pass_set_cookie on;\nlocation /old/ {{ {SHORT} authgear_cache_use_stale updating=10m; {{pass}} }}\n\
         location /bypass/ {{ authgear_cache off; {{pass}} }}"
    ));
    let request = session_of(&live, "alice", 1);
    wait_until(fill(&live, &request), MOMENT);
    let cookie = with_headers(&[("Set-Cookie", "a=1")]);
    live.resolver.set_fault(Some(Fault::Gate.then(cookie)));
    let updating = send(&live.nginx, Wire::Http1, to("/old/", &request));
    assert_eq!((told(&updating).as_str(), updating.all("set-cookie").len()), ("200 valid stale UPDATING", 0));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    // Who waits for that call didn't cause it.
    let mut waiting = live.begin(&to("/bypass/", &request));
    live.nginx.wait_until_in_hand(1);
    live.resolver.open_gate();
    let follower = waiting.receive(b"GET").expect("an answer");
    assert_eq!(
        (told(&follower).as_str(), follower.all("set-cookie").len()),
        ("200 valid coalesced BYPASS", 0)
    );
    live.finish();
}

/// Authgear owes a "false" for such a cookie; "none" is what it says when its database fails.
#[test]
fn that_there_is_no_session_is_not_kept_beside_a_session_cookie() {
    let live = cached("");
    let cookie = |line: &str| Request::get("/").header("Cookie", line);
    let token = |line: &str| cookie(line).header("Authorization", "Bearer unknown");
    live.resolver.set_fault(Some(Fault::NoHeadersFor200));
    for request in [
        live.request_of("alice", Kind::Session),
        cookie("session="),
        cookie("a=b; session=x; c=d"),
        cookie("app_session=x; session=y"),
        cookie("session=y; app_access_token=x"),
        cookie("a=b").header("Cookie", "session=y"),
        token("session=y"),
    ] {
        for _ in 0..2 {
            let counted = ask_counting(&live, &request);
            assert_eq!(counted, ("200 none resolved MISS".to_owned(), 1), "{request:?}");
        }
    }
    for request in [
        live.request_of("alice", Kind::Bearer),
        live.request_of("alice", Kind::AppSession),
        live.request_of("alice", Kind::AppAccessToken),
        // Names are what they are: these are nobody's session cookies.
        token("Session=y; sessions=y; xsession=y; p_session=y"),
    ] {
        assert_asked(&live, &request, "200 none resolved MISS");
        assert_asked(&live, &request, "200 none hit HIT");
    }
    live.finish();
}

#[test]
fn the_session_cookie_is_the_one_with_the_prefix() {
    let live = cached("authgear_cookie_prefix p_;");
    live.resolver.set_fault(Some(Fault::NoHeadersFor200));
    let cookie = |line: &str| Request::get("/").header("Cookie", line);
    for expected in ["resolved MISS", "resolved MISS"] {
        assert_asked(&live, &cookie("p_session=x"), &format!("200 none {expected}"));
    }
    for expected in ["resolved MISS", "hit HIT"] {
        assert_asked(&live, &cookie("session=x; p_app_session=y"), &format!("200 none {expected}"));
    }
    live.finish();
}
