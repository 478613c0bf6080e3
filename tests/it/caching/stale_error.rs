//! `authgear_cache_use_stale error=`: an old answer instead of a failure.

use std::time::Duration;

use super::super::harness::{Http1, Request, Wire, send};
use super::super::live::assert_ending;
use super::super::stage::{pairs, with_bearer};
use super::super::standin::{Call, Fault, Kind, Resolver};
use super::{
    CACHE, Live, MOMENT, PATIENCE, SHORT, ZONES, ask, assert_asked, cached, fill, to, token_of, told,
    wait_until,
};

const STALE: &str = "200 valid stale STALE";

fn live() -> Live {
    cached(&format!(
        "location /stale/ {{ {SHORT} authgear_cache_use_stale error=10m; {{pass}} \n\
           location /stale/brief/ {{ authgear_timeout 300ms; {{pass}} }}\n\
           location /stale/admin/ {{ authgear_require role=admin; {{pass}} }}\n\
           location /stale/429/ {{ authgear_on_error 429; {{pass}} }}\n\
           location /stale/open/ {{ authgear_on_error anonymous; {{pass}} }}\n\
           location /stale/one/ {{ authgear_max_inflight 1; {{pass}} }} }}\n\
         location /tight/ {{ {SHORT} authgear_cache_use_stale error=150ms; {{pass}}\n\
           location /tight/admin/ {{ authgear_require role=admin; {{pass}} }}\n\
           location /tight/open/ {{ authgear_on_error anonymous; {{pass}} }} }}\n\
         location /plain/ {{ {SHORT} {{pass}} }}"
    ))
}

/// Fills the cache for these, and waits until it is old.
fn age(live: &Live, requests: &[Request]) {
    let last = requests.iter().map(|request| fill(live, request)).last();
    wait_until(last.expect("a request"), MOMENT);
}

/// What becomes of old answers when the call for the `n`th request meets the `n`th fault, all at the same time.
fn with_faults(live: &Live, target: &str, faults: &[Fault]) -> Vec<String> {
    let requests: Vec<_> = (0..).zip(faults).map(|(n, _)| to(target, token_of("alice", n))).collect();
    age(live, &requests);
    let by_number = faults.to_vec();
    live.resolver.set_rule(move |call: &Call| {
        let number = call.text("authorization")?.rsplit(':').next()?.parse::<usize>().ok()?;
        by_number.get(number).cloned()
    });
    let mut waiting: Vec<Http1> = requests.iter().map(|request| live.begin(request)).collect();
    let told =
        waiting.iter_mut().map(|connection| told(&connection.receive(b"GET").expect("an answer"))).collect();
    live.resolver.clear_faults();
    told
}

#[test]
fn an_old_answer_is_given_when_the_resolver_fails() {
    let live = live();
    let faults = [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::Status(520),
        Fault::Status(599),
        Fault::PanicJson500,
        Fault::Text500,
        Fault::CloseBeforeAnswer,
        Fault::ResetBeforeAnswer,
        Fault::CloseInHead,
        Fault::ResetInHead,
        Fault::CloseInBody,
    ];
    for (fault, told) in faults.iter().zip(with_faults(&live, "/stale/", &faults)) {
        assert_eq!(told, STALE, "{fault:?}");
    }
    live.finish();
}

#[test]
fn an_old_answer_is_given_when_the_resolver_is_silent() {
    let live = live();
    let faults = [Fault::Hang, Fault::HangInHead, Fault::HangInBody, Fault::SlowHead(Duration::from_secs(2))];
    for (fault, told) in faults.iter().zip(with_faults(&live, "/stale/brief/", &faults)) {
        assert_eq!(told, STALE, "{fault:?}");
    }
    live.finish();
}

#[test]
fn other_failures_are_what_they_are() {
    let live = live();
    let answer = |headers: &[(&str, &str)], body: &str| Fault::Answer {
        status: 200,
        headers: pairs(headers),
        body: body.into(),
    };
    let cases = [
        (Fault::Status(400), "502 error status EXPIRED"),
        (Fault::Status(404), "502 error status EXPIRED"),
        (Fault::Status(429), "502 error status EXPIRED"),
        (Fault::Status(431), "502 error status EXPIRED"),
        (Fault::Status(501), "502 error status EXPIRED"),
        (Fault::Status(505), "502 error status EXPIRED"),
        (Fault::Status(401), "401 error refused EXPIRED"),
        (Fault::Status(403), "403 error refused EXPIRED"),
        (Fault::Redirect("/login".into()), "502 error status EXPIRED"),
        (Fault::Garbage(b"nothing\r\n\r\n".to_vec()), "502 error malformed EXPIRED"),
        (answer(&[("X-Authgear-Session-Valid", "true")], ""), "502 error malformed EXPIRED"),
        (answer(&[("X-Authgear-Session-Valid", "yes")], ""), "502 error malformed EXPIRED"),
        (answer(&[], "a page"), "502 error malformed EXPIRED"),
        (Fault::HugeHeaders(200_000), "502 error malformed EXPIRED"),
        (Fault::NoHeadersFor200, "200 none resolved EXPIRED"),
    ];
    let faults: Vec<_> = cases.iter().map(|(fault, _)| fault.clone()).collect();
    for ((fault, expected), told) in cases.iter().zip(with_faults(&live, "/stale/", &faults)) {
        assert_eq!(told, *expected, "{fault:?}");
    }
    live.finish();
}

/// Authgear locks a session while it resolves it, and a call that finds it locked may be answered with 500: the one failure
/// that a user can cause, with a session that lives. It gives that user its own old answer alone, within its window; what the same
/// user gets with several credentials is in `stale_several`.
#[test]
fn a_user_who_keeps_a_session_locked_gets_no_more_than_its_own_old_answer() {
    let lines = format!(
        "{CACHE}\n{SHORT}\nauthgear_cache_use_stale error=10m;\n\
                         location /plain/ {{ authgear_cache_use_stale off; {{pass}} }}"
    );
    let resolver = Resolver::builder().lock_sessions(true).start();
    let live = Live::build(resolver, &lines, |builder| builder.http(ZONES));
    age(&live, &[token_of("alice", 1), token_of("bob", 1)]);
    live.accounts().update("alice", |user| user.roles = vec![]);
    live.resolver.push_fault(Fault::Gate);
    let mut locks = live.begin(&token_of("alice", 1).header("Cookie", "session=x"));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    assert_asked(&live, &to("/plain/", token_of("alice", 1)), "502 error status EXPIRED");
    assert_asked(&live, &token_of("alice", 1), STALE);
    assert_asked(&live, &token_of("bob", 1), "200 valid resolved EXPIRED");
    live.resolver.open_gate();
    assert_eq!(locks.receive(b"GET").expect("an answer").status, 200);
    assert_asked(&live, &token_of("alice", 1), "200 valid resolved EXPIRED");
    live.finish();
}

#[test]
fn clients_that_make_too_many_calls_get_nothing_old_by_it() {
    let live = live();
    let request = to("/stale/one/", live.alice());
    age(&live, std::slice::from_ref(&request));
    live.resolver.set_fault(Some(Fault::Gate));
    let mut held = live.begin(&token_of("bob", 1));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    // Calls for sessions that were valid are counted by themselves: this one is looked at again all the same.
    let mut renewal = live.begin(&request);
    assert!(live.resolver.wait_for_gate(2, PATIENCE));
    assert_eq!(ask(&live, &to("/stale/one/", token_of("bob", 2))), "502 error overload MISS");
    live.resolver.clear_faults();
    assert_eq!(told(&held.receive(b"GET").expect("an answer")), "200 valid resolved MISS");
    assert_eq!(told(&renewal.receive(b"GET").expect("an answer")), "200 valid resolved EXPIRED");
    live.finish();
}

/// One user has sixteen sessions in the cache at most, so it takes several to get here.
#[test]
fn an_old_answer_is_given_when_calls_for_old_sessions_are_too_many() {
    let live = live();
    let requests: Vec<_> =
        (0..17).map(|n| to("/stale/one/", token_of(if n < 9 { "alice" } else { "bob" }, n))).collect();
    age(&live, &requests);
    live.resolver.set_fault(Some(Fault::Gate));
    let (last, others) = requests.split_last().expect("some");
    let mut held: Vec<Http1> = others.iter().map(|request| live.begin(request)).collect();
    assert!(live.resolver.wait_for_gate(16, PATIENCE));
    let response = send(&live.nginx, Wire::Http1, last);
    assert_ending(&response, 200, "valid", "stale");
    assert_eq!(response.header("x-time").as_deref(), Some("-"), "it waited for nothing");
    live.resolver.clear_faults();
    for connection in &mut held {
        assert_eq!(told(&connection.receive(b"GET").expect("an answer")), "200 valid resolved EXPIRED");
    }
    live.finish();
}

#[test]
fn the_window_is_a_bound() {
    let live = live();
    let request = live.alice();
    let at = fill(&live, &request);
    wait_until(at, 2 * MOMENT);
    live.resolver.set_fault(Some(Fault::Status(500)));
    for (target, expected) in [
        ("/tight/", "502 error status EXPIRED"),
        ("/tight/admin/", "502 error status EXPIRED"),
        ("/tight/open/", "200 error status EXPIRED"),
        ("/plain/", "502 error status EXPIRED"),
        ("/stale/", STALE),
        ("/", "200 valid hit HIT"),
    ] {
        assert_eq!(ask(&live, &to(target, &request)), expected, "{target}");
    }
    live.finish();
}

#[test]
fn an_old_answer_beats_what_is_configured_for_failures_and_meets_what_is_required() {
    let live = live();
    let (alice, bob) = (live.alice(), token_of("bob", 1));
    age(&live, &[alice.clone(), bob.clone()]);
    live.resolver.set_fault(Some(Fault::Status(503)));
    for (target, request, expected) in [
        ("/stale/429/", &alice, STALE),
        ("/stale/open/", &alice, STALE),
        ("/stale/admin/", &alice, STALE),
        ("/stale/admin/", &bob, "403 valid require_role STALE"),
    ] {
        assert_eq!(ask(&live, &to(target, request)), expected, "{target}");
    }
    live.echo.clear();
    assert_asked(&live, &to("/stale/open/", &alice), STALE);
    let seen = live.echo.last().expect("the backend was asked");
    assert_eq!(super::super::stage::identity(&seen), super::super::stage::identity_of("alice"));
    live.finish();
}

#[test]
fn answers_of_other_kinds_are_never_given_when_old() {
    let live = live();
    let invalid = live.request_of("disabled", Kind::Bearer);
    let dead = Request::get("/").header("Cookie", "session=dead");
    let none = with_bearer("unknown");
    let requests = [invalid, dead, none].map(|request| to("/stale/", &request));
    age(&live, &requests);
    live.resolver.set_fault(Some(Fault::Status(500)));
    for request in &requests {
        assert_asked(&live, request, "502 error status EXPIRED");
    }
    live.finish();
}

#[test]
fn followers_are_judged_by_their_own_location() {
    let live = live();
    let request = live.alice();
    let at = fill(&live, &request);
    wait_until(at, 2 * MOMENT);
    live.resolver.set_fault(Some(Fault::Gate.then(Fault::Status(500))));
    let targets = ["/plain/", "/stale/", "/tight/", "/stale/admin/", "/plain/"];
    let mut waiting = targets.map(|target| live.begin(&to(target, &request)));
    live.nginx.wait_until_in_hand(targets.len());
    live.resolver.open_gate();
    let told = waiting.each_mut().map(|connection| told(&connection.receive(b"GET").expect("an answer")));
    let failed = "502 error status EXPIRED";
    assert_eq!(told, [failed, STALE, failed, STALE, failed]);
    assert_eq!(live.resolver.call_count(), 2);
    live.finish();
}

#[test]
fn a_location_whose_time_is_nothing_gives_nothing_old() {
    let lines = format!(
        "{CACHE}\nauthgear_cache_valid 10m;\n\
         location /none/ {{ authgear_cache_valid 0; authgear_cache_use_stale error=10m updating=10m; {{pass}} }}"
    );
    let live = Live::build(Resolver::start(), &lines, |builder| builder.http(ZONES));
    fill(&live, &live.alice());
    live.resolver.set_fault(Some(Fault::Status(500)));
    let told = ask(&live, &to("/none/", live.alice()));
    assert!(told.starts_with("502 error status "), "{told}");
    assert_asked(&live, &live.alice(), "200 valid hit HIT");
    live.finish();
}
