//! `authgear_cache_use_stale updating=`: an old answer at once, while the resolver is asked in the background.

use std::time::Duration;

use super::super::harness::{Request, for_each_wire, poll, send};
use super::super::standin::Fault;
use super::{
    Live, MOMENT, PATIENCE, SHORT, age, ask, assert_asked, cached, fill, session_of, to, token_of, told,
    wait_until,
};

const UPDATING: &str = "200 valid stale UPDATING";
const HIT: &str = "200 valid hit HIT";

/// `/old/` gives old answers; what it asks for in the background is fresh in `/`.
fn live() -> Live {
    cached(&format!(
        "authgear_breaker off;\nset_real_ip_from 127.0.0.1;\nreal_ip_header X-Client;\n\
         location /old/ {{ {SHORT} authgear_cache_use_stale updating=10m; {{pass}}\n\
           location /old/admin/ {{ authgear_require role=admin; {{pass}} }}\n\
           location /old/one/ {{ authgear_max_inflight 1; {{pass}} }}\n\
           location /old/brief/ {{ authgear_timeout 200ms; {{pass}} }} }}\n\
         location /tight/ {{ {SHORT} authgear_cache_use_stale updating=150ms; {{pass}} }}\n\
         location /both/ {{ {SHORT} authgear_cache_use_stale updating=150ms error=10m; {{pass}} }}\n\
         location /bypass/ {{ authgear_cache off; {{pass}} }}\n\
         location /error/ {{ {SHORT} authgear_cache_use_stale error=10m; {{pass}} }}"
    ))
}

/// Waits until this is what becomes of a request.
#[track_caller]
fn wait_for(live: &Live, request: &Request, expected: &str) {
    let mut last = String::new();
    let found = poll(PATIENCE, || {
        last = ask(live, request);
        (last == expected).then_some(())
    });
    assert!(found.is_some(), "{expected} expected: {last}");
}

#[test]
fn the_old_answer_comes_at_once_and_one_call_is_made_however_many_ask() {
    let live = live();
    for_each_wire(|wire| {
        let request = to("/old/", token_of("alice", wire as u64));
        age(&live, &request);
        let before = live.resolver.call_count();
        live.resolver.set_fault(Some(Fault::Gate));
        // The resolver doesn't answer, and nobody waits for it.
        for _ in 0..10 {
            assert_eq!(told(&send(&live.nginx, wire, &request)), UPDATING);
        }
        assert!(live.resolver.wait_for_gate(1, PATIENCE));
        for _ in 0..10 {
            assert_eq!(told(&send(&live.nginx, wire, &request)), UPDATING);
        }
        assert_eq!((live.resolver.call_count(), live.resolver.at_gate()), (before + 1, 1));
        live.resolver.clear_faults();
    });
    live.finish();
}

#[test]
fn the_answer_of_the_background_call_is_used_from_then_on() {
    let live = live();
    let request = token_of("alice", 1);
    age(&live, &request);
    live.accounts().update("alice", |alice| alice.roles = vec!["reduced".into()]);
    live.resolver.set_fault(Some(Fault::Gate));
    assert_asked(&live, &to("/old/", &request), UPDATING);
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    live.resolver.clear_faults();
    let role = || {
        live.echo.clear();
        assert_asked(&live, &request, HIT);
        live.echo.last().and_then(|seen| seen.text("x-authgear-user-roles").map(str::to_owned))
    };
    let renewed = poll(PATIENCE, || (role().as_deref() == Some("reduced")).then_some(()));
    assert!(renewed.is_some());
    assert_eq!(live.resolver.call_count(), 2);
    live.finish();
}

#[test]
fn the_background_call_is_made_for_the_client_that_asks_now() {
    let live = live();
    let client = |address: &str, agent: &str, n| {
        to("/old/", token_of("alice", n)).header("X-Client", address).header("User-Agent", agent)
    };
    for n in 0..2 {
        let at = fill(&live, &client("192.0.2.1", "the first/1", n));
        let before = live.resolver.call_count();
        wait_until(at, MOMENT);
        let request = client("192.0.2.2", "the second/2", n).header("Traceparent", "00-1-2-01");
        assert_asked(&live, &request, UPDATING);
        assert!(live.resolver.wait_for_calls(before + 1, PATIENCE));
        let call = live.resolver.last_call().expect("a call");
        assert_eq!(call.text("x-forwarded-for"), Some("192.0.2.2"));
        assert_eq!(call.text("user-agent"), Some("the second/2"));
        assert_eq!(call.text("traceparent"), Some("00-1-2-01"));
        let token = format!("Bearer user:alice:{n}");
        assert_eq!(call.text("authorization"), Some(token.as_str()));
    }
    live.finish();
}

#[test]
fn a_session_with_an_idle_timeout_lives_on_by_background_calls() {
    let live = live();
    let accounts = live.accounts();
    accounts.set_idle_timeout(Some(Duration::from_secs(3600)));
    let request = to("/old/", live.request_of("alice", super::Kind::Session));
    age(&live, &request);
    for calls in 2..5 {
        // Three times this would be the end of it.
        accounts.advance(Duration::from_secs(1500));
        let called = poll(PATIENCE, || {
            let told = ask(&live, &request);
            assert!([UPDATING, HIT].contains(&told.as_str()), "{told}");
            (live.resolver.call_count() >= calls).then_some(())
        });
        assert!(called.is_some());
    }
    // Its own call, or one of those that came before.
    let told = ask(&live, &to("/bypass/", &request));
    assert!(told.starts_with("200 valid ") && told.ends_with(" BYPASS"), "{told}");
    live.finish();
}

#[test]
fn a_background_call_that_fails_leaves_the_old_answer_until_the_window_ends() {
    let live = live();
    let request = live.alice();
    let at = fill(&live, &request);
    wait_until(at, 2 * MOMENT);
    live.resolver.set_fault(Some(Fault::Status(500)));
    let mut calls = 1;
    for _ in 0..3 {
        // Each failure is followed by another call.
        let called = poll(PATIENCE, || {
            assert_asked(&live, &to("/old/", &request), UPDATING);
            (live.resolver.call_count() > calls).then_some(())
        });
        assert!(called.is_some());
        calls = live.resolver.call_count();
    }
    assert!(live.resolver.wait_until_idle(PATIENCE));
    for (target, expected) in [
        ("/tight/", "502 error status EXPIRED"),
        ("/both/", "200 valid stale STALE"),
        ("/error/", "200 valid stale STALE"),
        ("/old/", UPDATING),
        ("/", HIT),
    ] {
        // Whose call it is, if one is in flight, makes no difference.
        assert!(live.resolver.wait_until_idle(PATIENCE));
        assert_eq!(ask(&live, &to(target, &request)), expected, "{target}");
    }
    assert!(live.resolver.wait_until_idle(PATIENCE));
    live.finish();
}

#[test]
fn a_resolver_that_hangs_is_asked_again_when_its_time_is_over() {
    let live = live();
    let request = to("/old/brief/", live.alice());
    age(&live, &request);
    live.resolver.set_fault(Some(Fault::Hang));
    let called = poll(PATIENCE, || {
        assert_asked(&live, &request, UPDATING);
        (live.resolver.call_count() >= 4).then_some(())
    });
    assert!(called.is_some());
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn a_session_that_has_ended_is_invalid_with_the_next_request_after_the_call() {
    let live = live();
    let request = session_of(&live, "alice", 1);
    let cookie = live.accounts().wildcard("alice", super::Kind::Session, 1);
    age(&live, &request);
    live.accounts().revoke(&cookie);
    assert_asked(&live, &to("/old/", &request), UPDATING);
    wait_for(&live, &request, "200 invalid hit HIT");
    let told = ask(&live, &to("/old/", &request));
    assert!(told.starts_with("200 invalid "), "{told}");
    live.finish();
}

#[test]
fn a_request_that_must_not_have_the_old_answer_waits_for_the_background_call() {
    let live = live();
    let request = live.alice();
    let at = fill(&live, &request);
    wait_until(at, 2 * MOMENT);
    live.resolver.set_fault(Some(Fault::Gate));
    assert_asked(&live, &to("/old/", &request), UPDATING);
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    let mut waiting = ["/tight/", "/error/"].map(|target| live.begin(&to(target, &request)));
    live.nginx.wait_until_in_hand(2);
    live.resolver.clear_faults();
    for connection in &mut waiting {
        let told = told(&connection.receive(b"GET").expect("an answer"));
        assert_eq!(told, "200 valid coalesced EXPIRED");
    }
    assert_eq!(live.resolver.call_count(), 2);
    live.finish();
}

#[test]
fn an_old_answer_meets_what_is_required() {
    let live = live();
    let (alice, bob) = (live.alice(), token_of("bob", 1));
    fill(&live, &alice);
    age(&live, &bob);
    assert_asked(&live, &to("/old/admin/", &alice), UPDATING);
    assert_asked(&live, &to("/old/admin/", &bob), "403 valid require_role UPDATING");
    // Both cost a call in the background.
    assert!(live.resolver.wait_for_calls(4, PATIENCE) && live.resolver.wait_until_idle(PATIENCE));
    live.finish();
}

#[test]
fn background_calls_have_room_of_their_own_and_without_it_nothing_old_is_given() {
    let live = live();
    // As many as one user has sessions in the cache, and one of another's.
    let alices: Vec<_> = (0..16).map(|n| to("/old/one/", token_of("alice", n))).collect();
    let carol = to("/old/one/", token_of("norole", 1));
    alices.iter().for_each(|alice| age(&live, alice));
    age(&live, &carol);
    live.resolver.set_fault(Some(Fault::Gate));
    let mut other = live.begin(&token_of("bob", 1));
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    for alice in alices.iter().chain(&alices) {
        assert_asked(&live, alice, UPDATING);
    }
    assert!(live.resolver.wait_for_gate(17, PATIENCE));
    assert_asked(&live, &carol, "502 error overload EXPIRED");
    live.resolver.clear_faults();
    assert_eq!(told(&other.receive(b"GET").expect("an answer")), "200 valid resolved MISS");
    assert!(live.resolver.wait_until_idle(PATIENCE));
    assert_eq!(live.resolver.call_count(), 17 + 1 + 16);
    live.finish();
}

#[test]
fn an_answer_that_a_client_may_have_brought_about_renews_nothing() {
    for fault in [Fault::Status(403), Fault::Status(429), Fault::Garbage(b"x\r\n\r\n".to_vec())] {
        let live = live();
        let request = to("/old/", live.alice());
        age(&live, &request);
        live.resolver.set_fault(Some(fault));
        assert_asked(&live, &request, UPDATING);
        assert!(live.resolver.wait_for_calls(2, PATIENCE) && live.resolver.wait_until_idle(PATIENCE));
        let is_void = || ask(&live, &request).ends_with(" EXPIRED").then_some(());
        assert!(poll(PATIENCE, is_void).is_some(), "it is given again");
        live.finish();
    }
}
