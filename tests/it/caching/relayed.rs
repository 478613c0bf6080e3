//! One worker makes the call, and requests in the other wait for it.

use super::super::harness::{Request, Response};
use super::super::standin::Fault;
use super::workers::{ask, connections, live, odd_answers};
use super::{Live, MOMENT, PATIENCE, SHORT, fill, session_of, to, token_of, told, wait_until, with_headers};

/// What becomes of two requests, in two workers, that one call is made for: the first one's.
fn together(live: &Live, targets: [&str; 2], request: &Request) -> [String; 2] {
    meeting(live, targets, request, Fault::Gate).map(|response| told(&response))
}

/// Their answers when the call meets this fault, which waits at the gate first.
fn meeting(live: &Live, targets: [&str; 2], request: &Request, fault: Fault) -> [Response; 2] {
    let both = connections(live);
    live.resolver.set_fault(Some(fault));
    for (connection, target) in both.iter().zip(targets) {
        connection.borrow_mut().send(&to(target, request)).expect("nginx reads");
        assert!(live.resolver.wait_for_gate(1, PATIENCE));
    }
    live.nginx.wait_until_in_hand(2);
    live.resolver.open_gate();
    let responses = both.map(|connection| connection.borrow_mut().receive(b"GET").expect("an answer"));
    live.resolver.clear_faults();
    responses
}

#[test]
fn who_waits_for_another_worker_s_call_keeps_its_answer() {
    let live = live(
        "location /bypass/ { authgear_cache off; {pass} }\nlocation /other/ { authgear_cache others; {pass} }",
    );
    let targets = ["/bypass/", "/other/"];
    // It may be that the call was over before the second worker looked.
    let kept = (0..5).find(|n| {
        let request = token_of("alice", *n);
        together(&live, targets, &request)[1] == "200 valid coalesced MISS" && {
            let [one, two] = connections(&live);
            for connection in [&two, &one, &two] {
                assert_eq!(ask(connection, &to("/other/", &request)), "200 valid hit HIT");
            }
            true
        }
    });
    assert!(kept.is_some(), "no call was ever shared");
    live.finish();
}

#[test]
fn what_may_not_be_kept_is_kept_by_no_worker() {
    let live = live("location /other/ { authgear_cache others; {pass} }");
    let no_store = with_headers(&[("Cache-Control", "no-store")]);
    let hiccup = Fault::NoHeadersFor200;
    let cases = [(token_of("alice", 1), no_store), (session_of(&live, "alice", 1), hiccup)];
    for (request, fault) in cases {
        for response in meeting(&live, ["/", "/other/"], &request, Fault::Gate.then(fault.clone())) {
            let first = told(&response);
            assert!(first.ends_with(" MISS"), "{first}");
        }
        let [one, two] = connections(&live);
        live.resolver.set_fault(Some(fault));
        for (connection, target) in [(&one, "/"), (&two, "/other/"), (&two, "/"), (&one, "/other/")] {
            let told = ask(connection, &to(target, &request));
            assert!(told.ends_with(" resolved MISS"), "{told}");
        }
        live.resolver.clear_faults();
    }
    live.finish();
}

#[test]
fn the_backend_gets_the_same_of_a_call_that_another_worker_makes() {
    let live = live("");
    for (n, fault) in (0..).zip(odd_answers()) {
        live.echo.clear();
        for response in meeting(&live, ["/", "/"], &token_of("alice", n), Fault::Gate.then(fault)) {
            assert_eq!(response.status, 200);
        }
        let seen = live.echo.requests();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], seen[1]);
    }
    live.finish();
}

#[test]
fn a_failure_is_the_same_for_who_waits_in_another_worker() {
    let live = live(&format!("location /stale/ {{ {SHORT} authgear_cache_use_stale error=10m; {{pass}} }}"));
    let challenge = vec![("WWW-Authenticate".to_owned(), "Bearer realm=\"a\"".to_owned())];
    let (stale, failed) = ("200 valid stale STALE", "502 error status EXPIRED");
    let cases = [
        (Fault::Status(500), stale),
        (Fault::Status(504), stale),
        (Fault::CloseInBody, stale),
        (Fault::ResetBeforeAnswer, stale),
        (Fault::Status(404), failed),
        (Fault::Status(429), failed),
        (Fault::Garbage(b"nothing\r\n\r\n".to_vec()), "502 error malformed EXPIRED"),
        (Fault::Answer { status: 401, headers: challenge, body: Vec::new() }, "401 error refused EXPIRED"),
    ];
    for (n, (fault, expected)) in (0..).zip(cases) {
        let request = token_of("alice", n);
        wait_until(fill(&live, &to("/stale/", &request)), MOMENT);
        let before = live.resolver.call_count();
        // A call that is made again has to meet the same.
        let fault_at_gate = Fault::Gate.then(fault.clone());
        let responses = meeting(&live, ["/stale/", "/stale/"], &request, fault_at_gate);
        assert_eq!(responses.each_ref().map(told), [expected; 2], "{fault:?}");
        let challenges = responses.map(|response| response.all("www-authenticate"));
        assert_eq!(challenges[0], challenges[1]);
        assert!(
            live.resolver.call_count() <= before + 3,
            "one call, its retry, and one more should the second come late"
        );
    }
    // With a second credential a 500 may be about that one.
    for (n, status, expected) in [(20, 500, failed), (21, 503, stale)] {
        let request = token_of("alice", n).header("Cookie", "session=x");
        wait_until(fill(&live, &to("/stale/", &request)), MOMENT);
        let responses = meeting(&live, ["/stale/"; 2], &request, Fault::Gate.then(Fault::Status(status)));
        assert_eq!(responses.each_ref().map(told), [expected; 2], "{status}");
    }
    live.finish();
}
