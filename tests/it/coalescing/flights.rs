//! Equal requests in one worker share one call.

use super::super::stage::identity_told;
use super::super::standin::Kind;
use super::{Fault, Live, PATIENCE, Resolver, Wire, answers, assert_ending, ending, flock, send};

const N: usize = 12;

#[test]
fn equal_requests_cost_one_call_and_all_get_its_answer() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Gate));
    let waiting = flock(&live, N, &live.alice());
    live.resolver.clear_faults();
    let answers = answers(waiting);
    assert_ending(&answers[0], 200, "valid", "resolved");
    let identity_of_leader = identity_told(&answers[0]);
    assert!(identity_of_leader.len() >= 6, "{identity_of_leader:?}");
    for answer in &answers[1..] {
        assert_ending(answer, 200, "valid", "coalesced");
        assert_eq!(identity_told(answer), identity_of_leader);
    }
    assert_eq!(live.resolver.call_count(), 1);
    live.finish();
}

#[test]
fn what_is_no_credential_makes_no_difference() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Gate));
    let request = live.alice();
    let mut waiting = flock(&live, 1, &request);
    for other in [
        super::Request { method: b"DELETE".to_vec(), ..request.clone() },
        super::Request { target: b"/elsewhere?x".to_vec(), ..request.clone() },
        request.clone().host("OTHER.example:99"),
        request.clone().header("User-Agent", "another").header("X-Request-ID", "7"),
        request.clone().header("Cookie", "a=b; c=d"),
        request.clone().header("X-Forwarded-For", "6.6.6.6"),
    ] {
        waiting.push(live.begin(&other));
    }
    live.nginx.wait_until_in_hand(7);
    assert_eq!(live.resolver.call_count(), 1);
    live.resolver.clear_faults();
    assert!(answers(waiting).iter().all(|answer| answer.status == 200));
    live.finish();
}

#[test]
fn different_credentials_are_different_calls() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Gate));
    let get = || super::Request::get("/");
    let (alice, bob) = ("Bearer user:alice:1", "Bearer user:bob:1");
    let requests = [
        (get().header("Authorization", alice), "alice"),
        (get().header("Authorization", bob), "bob"),
        (get().header("Authorization", "bearer user:alice:1"), "alice"),
        (get().header("Cookie", "app_session=user:alice:1"), "alice"),
        (get().header("Cookie", "app_access_token=user:alice:1"), "alice"),
        (get().header("Cookie", "app_session=user:bob:1"), "bob"),
        (get().header("Cookie", "app_session=user:alice:1; app_session=user:bob:1"), "alice"),
        (get().header("Cookie", "app_session=user:bob:1; app_session=user:alice:1"), "bob"),
        (get().header("Cookie", "app_session=user:alice:1; session=x"), "alice"),
        (get().header("Authorization", bob).header("Cookie", "app_session=user:alice:1"), "bob"),
        (get().header("Authorization", alice).header("Cookie", "app_session=user:bob:1"), "alice"),
    ];
    let waiting: Vec<_> = requests.iter().map(|(request, _)| live.begin(request)).collect();
    assert!(live.resolver.wait_for_gate(requests.len(), PATIENCE), "{}", live.resolver.at_gate());
    live.resolver.clear_faults();
    for (answer, (request, user)) in answers(waiting).iter().zip(&requests) {
        assert_ending(answer, 200, "valid", "resolved");
        let id = ("x-authgear-user-id".to_owned(), live.accounts().user(user).id);
        assert!(identity_told(answer).contains(&id), "{request:?}");
    }
    live.finish();
}

#[test]
fn different_resolvers_are_different_calls() {
    let other = Resolver::start();
    let lines = format!(
        "location /other/ {{ authgear_resolve {}; try_files \"\" =204; }}\n\
         location /origin/ {{ authgear_origin https://auth.example.com; try_files \"\" =204; }}\n\
         location /path/ {{ authgear_resolve {{url}}/resolve; try_files \"\" =204; }}",
        other.url()
    );
    let resolver = Resolver::start();
    let lines = lines.replace("{url}", &resolver.url());
    let live = Live::with(resolver, &lines);
    live.resolver.set_fault(Some(Fault::Gate));
    other.set_fault(Some(Fault::Gate));
    let to = |target: &str| super::Request { target: target.into(), ..live.alice() };
    let waiting: Vec<_> = ["/", "/other/", "/origin/", "/path/"].map(|target| live.begin(&to(target))).into();
    assert!(live.resolver.wait_for_gate(3, PATIENCE) && other.wait_for_gate(1, PATIENCE));
    live.resolver.clear_faults();
    other.clear_faults();
    assert!(answers(waiting).iter().all(|answer| super::ending(answer).2 == "resolved"));
    live.finish();
}

#[test]
fn a_failure_is_shared_and_costs_one_call() {
    let cases = [
        (Fault::Status(500), 502, "status", 1),
        (Fault::CloseInBody, 502, "closed", 1),
        (Fault::Garbage(b"x\r\n\r\n".to_vec()), 502, "malformed", 1),
    ];
    let live = Live::start();
    for (fault, status, reason, calls) in cases {
        let before = live.resolver.call_count();
        live.resolver.set_fault(Some(Fault::Gate.then(fault)));
        let waiting = flock(&live, N, &live.alice());
        live.resolver.open_gate();
        for answer in answers(waiting) {
            assert_ending(&answer, status, "error", reason);
        }
        assert_eq!(live.resolver.call_count(), before + calls);
        live.resolver.clear_faults();
        assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    }
    live.finish();
}

#[test]
fn nobody_waits_past_the_timeout_of_the_call() {
    let live = Live::with(Resolver::start(), "authgear_timeout 1500ms;");
    live.resolver.set_fault(Some(Fault::Gate));
    let started = std::time::Instant::now();
    let waiting = flock(&live, N, &live.alice());
    for answer in answers(waiting) {
        assert_ending(&answer, 504, "error", "timeout");
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(9));
    assert_eq!(live.resolver.call_count(), 1);
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn a_refusal_is_shared_with_its_challenges() {
    let live = Live::start();
    let headers = [("WWW-Authenticate", "Bearer realm=\"a\""), ("WWW-Authenticate", "Basic realm=\"b\"")];
    let headers = super::super::stage::pairs(&headers);
    live.resolver.set_fault(Some(Fault::Gate.then(Fault::Answer { status: 401, headers, body: Vec::new() })));
    let waiting = flock(&live, N, &live.alice());
    live.resolver.open_gate();
    for answer in answers(waiting) {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.all("www-authenticate"), ["Bearer realm=\"a\"", "Basic realm=\"b\""]);
    }
    assert_eq!(live.echo.requests().len(), 0);
    live.finish();
}

#[test]
fn a_leader_that_leaves_does_not_end_the_call_for_the_others() {
    let live = Live::start();
    for how in ["reset", "close"] {
        let before = live.resolver.call_count();
        live.resolver.set_fault(Some(Fault::Gate));
        let mut waiting = flock(&live, N, &live.alice());
        let leader = waiting.remove(0);
        if how == "reset" {
            leader.reset()
        } else {
            drop(leader)
        }
        live.nginx.wait_until_in_hand(N - 1);
        assert_eq!(live.resolver.in_flight(), 1);
        live.resolver.clear_faults();
        for answer in answers(waiting) {
            assert_ending(&answer, 200, "valid", "coalesced");
        }
        assert_eq!(live.resolver.call_count(), before + 1);
    }
    live.finish();
}

#[test]
fn a_call_whose_clients_have_all_left_goes_on_and_is_joined_by_the_next() {
    let live = Live::start();
    live.resolver.set_fault(Some(Fault::Gate));
    drop(flock(&live, N, &live.alice()));
    live.nginx.wait_until_in_hand(0);
    assert_eq!(live.resolver.in_flight(), 1);
    let mut late = live.begin(&live.alice());
    live.nginx.wait_until_in_hand(1);
    assert_eq!(live.resolver.call_count(), 1);
    live.resolver.clear_faults();
    assert_ending(&late.receive(b"GET").expect("an answer"), 200, "valid", "coalesced");
    live.finish();
}

#[test]
fn later_requests_make_calls_of_their_own() {
    let live = Live::start();
    for calls in 1..=5 {
        assert_ending(&send(&live.nginx, Wire::Http2, live.alice()), 200, "valid", "resolved");
        assert_eq!(live.resolver.call_count(), calls);
    }
    // Without a cache a session that has ended is noticed by the very next request.
    let session = live.request_of("alice", Kind::Session);
    assert_eq!(ending(&send(&live.nginx, Wire::Http1, &session)).1, "valid");
    live.accounts().revoke(&live.accounts().login("alice").session);
    assert_eq!(ending(&send(&live.nginx, Wire::Http1, &session)).1, "invalid");
    live.finish();
}

#[test]
fn followers_of_one_answer_are_judged_by_the_settings_of_their_own_location() {
    let lines = "location /open/ { authgear_on_error anonymous; try_files \"\" =204; }\n\
                 location /busy/ { authgear_on_error 429; try_files \"\" =204; }";
    let live = Live::with(Resolver::start(), lines);
    live.resolver.set_fault(Some(Fault::Gate.then(Fault::Status(500))));
    let to = |target: &str| super::Request { target: target.into(), ..live.alice() };
    let mut waiting = flock(&live, 1, &to("/"));
    waiting.extend(["/open/", "/busy/"].map(|target| live.begin(&to(target))));
    live.nginx.wait_until_in_hand(3);
    assert_eq!(live.resolver.call_count(), 1);
    live.resolver.open_gate();
    let statuses: Vec<_> = answers(waiting).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [502, 204, 429]);
    live.finish();
}
