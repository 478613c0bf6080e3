//! Two workers: each has a memory of its own and both have the zone.

use std::cell::RefCell;

use super::super::harness::{Http1, Request, Signal, Wire, burst, poll, process};
use super::super::stage::with_bearer;
use super::super::standin::Resolver;
use super::identities::{ODD, every_byte};
use super::{
    CACHE, Fault, LONG, Live, MOMENT, PATIENCE, SHORT, built, session_of, to, token_of, told, wait_until,
    with_headers,
};

pub(super) fn live(lines: &str) -> Live {
    let lines = format!("{LONG}\nlocation /pid {{ authgear_resolve off; return 200 $pid; }}\n{lines}");
    built(&lines, |builder| builder.workers(2))
}

/// A connection to each worker. The other one is stopped meanwhile, so that only this one can accept.
pub(super) fn connections(live: &Live) -> [RefCell<Http1>; 2] {
    let workers = live.nginx.worker_pids();
    let [one, two] = workers[..] else { panic!("two workers: {workers:?}") };
    [(one, two), (two, one)].map(|(worker, other)| {
        process::signal(other, Signal::STOP);
        let stopped = poll(PATIENCE, || process::is_stopped(other).then_some(()));
        assert!(stopped.is_some(), "a worker is not to be stopped");
        let mut connection = Http1::connect(live.nginx.port()).expect("nginx accepts");
        let answer = connection.exchange(&Request::get("/pid"));
        process::signal(other, Signal::CONT);
        assert_eq!(answer.expect("an answer").text(), worker.to_string());
        RefCell::new(connection)
    })
}

pub(super) fn ask(connection: &RefCell<Http1>, request: &Request) -> String {
    told(&connection.borrow_mut().exchange(request).expect("an answer"))
}

#[test]
fn what_one_worker_has_asked_the_other_knows() {
    let live = live("");
    let [one, two] = connections(&live);
    let none = with_bearer("unknown");
    let requests = [
        (token_of("alice", 1), "valid"),
        (token_of("disabled", 1), "invalid"),
        (none, "none"),
        (session_of(&live, "bob", 1), "valid"),
    ];
    for (request, result) in &requests {
        assert_eq!(ask(&one, request), format!("200 {result} resolved MISS"));
        // Once from the zone, and once from what the worker has remembered of that.
        for connection in [&two, &one, &two] {
            assert_eq!(ask(connection, request), format!("200 {result} hit HIT"));
        }
    }
    assert_eq!(live.resolver.call_count(), 4);
    live.finish();
}

/// What the backend gets from each worker, again and again, of one answer.
#[track_caller]
fn assert_same(live: &Live, request: &Request) {
    let [one, two] = connections(live);
    let before = live.resolver.call_count();
    let seen = [&one, &two, &one, &two].map(|connection| {
        live.echo.clear();
        ask(connection, request);
        live.echo.last().expect("the backend was asked")
    });
    assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
    assert_eq!(live.resolver.call_count(), before + 1);
}

/// Answers that are not like others.
pub(super) fn odd_answers() -> Vec<Fault> {
    let many = (0..60).map(|n| (format!("X-Authgear-Number-{n}"), n.to_string()));
    let long = (0..7).map(|n| (format!("X-Authgear-{}{n}", "n".repeat(100)), "x".repeat(900)));
    vec![
        with_headers(&ODD),
        with_headers(&[("X-Authgear-User-Roles", ""), ("X-Authgear-User-Verified", "")]),
        Fault::Headers(many.collect()),
        Fault::Headers(long.collect()),
        Fault::Raw(every_byte().0),
    ]
}

#[test]
fn the_backend_gets_the_same_from_each_worker() {
    let live = live("");
    for user in live.accounts().names() {
        assert_same(&live, &token_of(&user, 1));
    }
    for (n, fault) in (10..).zip(odd_answers()) {
        live.resolver.push_fault(fault);
        assert_same(&live, &token_of("alice", n));
    }
    live.finish();
}

#[test]
fn an_old_answer_in_one_worker_is_replaced_by_what_the_other_learns() {
    let live = live(&format!("location /short/ {{ {SHORT} {{pass}} }}"));
    let [one, two] = connections(&live);
    let short = to("/short/", token_of("alice", 1));
    // Both have it in their own memory.
    assert_eq!(ask(&one, &short), "200 valid resolved MISS");
    assert_eq!(ask(&two, &token_of("alice", 1)), "200 valid hit HIT");
    live.accounts().update("alice", |alice| alice.roles = vec!["reduced".into()]);
    let until = |live: &Live| wait_until(live.resolver.last_call().expect("a call").at, MOMENT);
    until(&live);
    assert_eq!(ask(&two, &short), "200 valid resolved EXPIRED");
    // What the first remembers is too old; what the second has put into the zone is not, unless the machine is slow.
    let first = ask(&one, &short);
    assert!(["200 valid hit HIT", "200 valid resolved EXPIRED"].contains(&first.as_str()), "{first}");
    live.accounts().revoke("user:alice:1");
    until(&live);
    assert_eq!(ask(&one, &short), "200 none resolved EXPIRED");
    until(&live);
    let second = ask(&two, &short);
    assert!(second.starts_with("200 none "), "{second}");
    live.finish();
}

/// What a worker remembers says nothing of what the others have learnt since then, and the zone may have forgotten that.
#[test]
fn no_worker_gives_an_old_answer_that_another_has_replaced() {
    let lines = format!(
        "{CACHE}\n{SHORT}\nauthgear_breaker off;\nauthgear_cache_use_stale error=10m;\n\
         location /pid {{ authgear_resolve off; return 200 $pid; }}"
    );
    let live = Live::build(Resolver::start(), &lines, |builder| {
        builder.workers(2).http("authgear_cache_zone zone=sessions:32k;")
    });
    let [one, two] = connections(&live);
    let request = token_of("alice", 1);
    assert_eq!(ask(&two, &request), "200 valid resolved MISS");
    wait_until(live.resolver.last_call().expect("a call").at, MOMENT);
    live.accounts().revoke("user:alice:1");
    assert_eq!(ask(&one, &request), "200 none resolved EXPIRED");
    for n in 0..60 {
        assert_eq!(ask(&one, &with_bearer(&format!("bad{n}"))), "200 none resolved MISS");
    }
    live.resolver.set_fault(Some(Fault::Status(503)));
    let told = ask(&two, &request);
    assert!(told.starts_with("502 error status "), "{told}");
    live.finish();
}

#[test]
fn no_worker_gives_an_answer_that_is_too_old_whoever_asked_for_it() {
    let live = live(&format!("location /short/ {{ {SHORT} {{pass}} }}"));
    let [one, two] = connections(&live);
    let short = to("/short/", token_of("alice", 1));
    assert_eq!(ask(&one, &token_of("alice", 1)), "200 valid resolved MISS");
    wait_until(live.resolver.last_call().expect("a call").at, MOMENT);
    // From the zone, and from what it has remembered since then.
    assert_eq!(ask(&two, &token_of("alice", 1)), "200 valid hit HIT");
    live.accounts().revoke("user:alice:1");
    assert_eq!(ask(&two, &short), "200 none resolved EXPIRED");
    live.finish();
}

#[test]
fn equal_requests_over_many_connections_cost_one_call() {
    let live = live("");
    for wire in [Wire::Http1, Wire::Http2] {
        let user = if wire == Wire::Http1 { "alice" } else { "bob" };
        let before = live.resolver.call_count();
        for response in burst(&live.nginx, wire, 100, 10, |_| token_of(user, 1)) {
            let told = told(&response.expect("an answer"));
            let expected = ["200 valid resolved MISS", "200 valid coalesced MISS", "200 valid hit HIT"];
            assert!(expected.contains(&told.as_str()), "{told}");
        }
        assert_eq!(live.resolver.call_count(), before + 1);
    }
    live.finish();
}

#[test]
fn a_background_call_of_one_worker_is_for_both() {
    let live = live(&format!("location /old/ {{ {SHORT} authgear_cache_use_stale updating=10m; {{pass}} }}"));
    let [one, two] = connections(&live);
    let old = to("/old/", token_of("alice", 1));
    assert_eq!(ask(&one, &old), "200 valid resolved MISS");
    wait_until(live.resolver.last_call().expect("a call").at, MOMENT);
    live.accounts().update("alice", |alice| alice.roles = vec!["later".into()]);
    live.resolver.set_fault(Some(Fault::Gate));
    for connection in [&one, &two, &one, &two] {
        assert_eq!(ask(connection, &old), "200 valid stale UPDATING");
    }
    assert!(live.resolver.wait_for_gate(1, PATIENCE));
    assert_eq!(live.resolver.call_count(), 2);
    live.resolver.clear_faults();
    // In `/` this worker's own answer is fresh; it is by the short time that the newer one is looked for.
    for connection in [&one, &two] {
        let renewed = poll(PATIENCE, || {
            live.echo.clear();
            let told = ask(connection, &old);
            assert!(["200 valid stale UPDATING", "200 valid hit HIT"].contains(&told.as_str()), "{told}");
            let seen = live.echo.last().expect("the backend was asked");
            (seen.text("x-authgear-user-roles") == Some("later")).then_some(())
        });
        assert!(renewed.is_some());
    }
    live.finish();
}
