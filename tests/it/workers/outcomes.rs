//! Outcomes that are not kept reach the followers in other workers all the same, and nobody who comes later.

use std::time::{Duration, Instant};

use super::super::stage::pairs;
use super::{Crew, Fault, PATIENCE, PATIENT, Pid, Request, Resolver, answers, assert_ending, assert_is};

/// What a call comes to, what each request gets of it, and what it costs.
struct Case {
    fault: Fault,
    /// Status, result, the leader's reason and that of the followers.
    ending: (u16, &'static str, &'static str, &'static str),
    calls: u64,
}

fn case(fault: Fault, status: u16, result: &'static str, reason: &'static str, calls: u64) -> Case {
    let follower = if reason == "resolved" { "coalesced" } else { reason };
    Case { fault, ending: (status, result, reason, follower), calls }
}

fn headers(headers: &[(&str, &str)]) -> Fault {
    Fault::Headers(pairs(headers))
}

/// Two followers in each worker, and the leader in the first.
pub(super) fn places(workers: &[Pid]) -> Vec<Pid> {
    workers.iter().chain(workers).copied().collect()
}

/// Everybody gets the case's outcome; the next request asks for itself, in whichever worker.
#[track_caller]
fn assert_shared(crew: &Crew, case: &Case, request: &Request) {
    let workers = crew.workers();
    let before = crew.resolver().call_count();
    crew.resolver().set_fault(Some(Fault::Gate.then(case.fault.clone())));
    let waiting = crew.flock_at_gate(&places(&workers), request);
    crew.resolver().open_gate();
    let (status, result, leader, follower) = case.ending;
    for (n, answer) in answers(waiting).iter().enumerate() {
        assert_ending(answer, status, result, if n == 0 { leader } else { follower });
    }
    assert_eq!(crew.resolver().call_count(), before + case.calls, "{:?}", case.fault);
    crew.resolver().set_fault(Some(case.fault.clone()));
    for (n, worker) in (1..).zip(&workers) {
        assert_ending(&crew.ask(*worker, request), status, result, leader);
        assert_eq!(crew.resolver().call_count(), before + (n + 1) * case.calls, "{:?}", case.fault);
    }
    crew.resolver().clear_faults();
    let answer = crew.ask(workers[1], request);
    assert_is(&answer, &crew.live, "alice", "resolved");
}

#[test]
fn failures_reach_the_followers_in_other_workers_and_nobody_else() {
    let cases = [
        case(Fault::PanicJson500, 502, "error", "status", 1),
        case(Fault::Status(404), 502, "error", "status", 1),
        case(Fault::Garbage(b"garbage\r\n\r\n".to_vec()), 502, "error", "malformed", 1),
        case(headers(&[("X-Authgear-Session-Valid", "TRUE")]), 502, "error", "malformed", 1),
        case(Fault::CloseInBody, 502, "error", "closed", 1),
        // With the second attempt.
        case(Fault::CloseBeforeAnswer, 502, "error", "closed", 2),
    ];
    for crew in [Crew::start(3, PATIENT), Crew::cached(3, PATIENT)] {
        for case in &cases {
            assert_shared(&crew, case, &crew.live.unique());
        }
        crew.finish();
    }
}

#[test]
fn without_a_cache_every_answer_is_for_those_that_wait() {
    let crew = Crew::start(3, PATIENT);
    let none = Fault::ReplaceHeaders(Vec::new());
    let invalid = Fault::ReplaceHeaders(pairs(&[("X-Authgear-Session-Valid", "false")]));
    let valid = headers(&[("X-Unknown", "1")]);
    for (fault, result) in [(valid, "valid"), (invalid, "invalid"), (none, "none")] {
        assert_shared(&crew, &case(fault, 200, result, "resolved", 1), &crew.live.unique());
    }
    crew.finish();
}

#[test]
fn answers_that_are_not_to_be_kept_are_for_those_that_wait() {
    let crew = Crew::cached(3, PATIENT);
    for control in ["no-store", "no-cache", "max-age=0"] {
        let valid = case(headers(&[("Cache-Control", control)]), 200, "valid", "resolved", 1);
        assert_shared(&crew, &valid, &crew.live.unique());
    }
    // As Authgear answers when its database fails.
    let none = case(Fault::NoHeadersFor200, 200, "none", "resolved", 1);
    let session = crew.live.accounts().mint("alice", super::Kind::Session);
    assert_shared(&crew, &none, &Request::get("/").header("Cookie", format!("session={session}")));
    crew.finish();
}

#[test]
fn a_refusal_reaches_the_followers_with_all_its_challenges() {
    let challenges = ["Bearer realm=\"a\", error=\"invalid_token\"", "Basic realm=\"b\""];
    let answer = |status, challenges: &[&str]| {
        let headers = challenges.iter().map(|challenge| ("WWW-Authenticate", *challenge));
        let headers = pairs(&headers.collect::<Vec<_>>());
        Fault::Answer { status, headers, body: b"refused".into() }
    };
    for crew in [Crew::start(3, PATIENT), Crew::cached(3, PATIENT)] {
        for (status, challenges) in [(401, &challenges[..]), (403, &[]), (401, &challenges[1..])] {
            let before = crew.resolver().call_count();
            crew.resolver().set_fault(Some(Fault::Gate.then(answer(status, challenges))));
            let waiting = crew.flock_at_gate(&places(&crew.workers()), &crew.live.unique());
            crew.resolver().open_gate();
            for answer in answers(waiting) {
                assert_eq!((answer.status, answer.all("www-authenticate")), (status, own(challenges)));
                assert_eq!(super::ending(&answer).2, "refused");
            }
            assert_eq!(crew.resolver().call_count(), before + 1);
        }
        assert_eq!(crew.live.echo.requests().len(), 0);
        crew.finish();
    }
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_timeout_reaches_the_followers_in_other_workers() {
    const TIMEOUT: Duration = Duration::from_millis(800);
    for _ in 0..10 {
        let crew = Crew::start(3, "authgear_timeout 800ms;");
        let request = crew.live.alice();
        let connections: Vec<_> =
            places(&crew.workers()).iter().map(|worker| crew.connect(*worker)).collect();
        crew.resolver().set_fault(Some(Fault::Hang));
        let start = Instant::now();
        let waiting: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                connection.send(&request).expect("sent");
                assert!(crew.resolver().wait_for_calls(1, PATIENCE));
                connection
            })
            .collect();
        crew.wait_for_suspended(6);
        // Who comes later than half of the time has another call made.
        let in_time = start.elapsed() < TIMEOUT / 3;
        let answers = answers(waiting);
        if in_time {
            answers.iter().for_each(|answer| assert_ending(answer, 504, "error", "timeout"));
            assert_eq!(crew.resolver().call_count(), 1);
            crew.resolver().clear_faults();
            for worker in crew.workers() {
                assert_is(&crew.ask(worker, &request), &crew.live, "alice", "resolved");
            }
            crew.finish();
            return;
        }
        crew.finish();
    }
    panic!("this machine is too slow");
}

/// The handshake is never answered, until the resolver goes.
#[test]
fn a_connection_that_can_not_be_made_reaches_the_followers_in_other_workers() {
    let gone = Resolver::start();
    gone.set_connection_fault(Some(super::super::standin::ConnectionFault::Hang));
    let url = gone.url().replace("http:", "https:");
    let lines = format!(
        "{PATIENT}\nauthgear_connect_timeout 60s;\n\
         location /gone/ {{ authgear_resolve {url}; authgear_ssl_verify off; try_files \"\" =204; }}"
    );
    let crew = Crew::start(3, &lines);
    let request = Request { target: b"/gone/".to_vec(), ..crew.live.alice() };
    let places = places(&crew.workers());
    let mut waiting = vec![crew.begin(places[0], &request)];
    assert!(gone.wait_for_connections(1, PATIENCE));
    waiting.extend(places[1..].iter().map(|worker| crew.begin(*worker, &request)));
    crew.wait_for_suspended(places.len());
    assert_eq!(gone.connections(), 1);
    drop(gone);
    for answer in answers(waiting) {
        assert_ending(&answer, 502, "error", "connect");
    }
    // One line for the one call; only requests are to be told of it in other workers.
    let log = crew.live.nginx.error_log();
    assert_eq!(log.lines().filter(|line| line.contains("connect failed")).count(), 1, "{log}");
    crew.finish();
}

/// The headers of an answer may have 64 KB; those of an identity 8 KB.
#[test]
fn large_outcomes_reach_the_followers_in_other_workers() {
    let crew = Crew::start(3, PATIENT);
    let roles = "r".repeat(7 * 1024);
    crew.resolver().set_fault(Some(Fault::Gate.then(headers(&[("X-Authgear-User-Roles", &roles)]))));
    let waiting = crew.flock_at_gate(&places(&crew.workers()), &crew.live.alice());
    crew.resolver().open_gate();
    let all = answers(waiting);
    super::assert_one_led(&all, &crew.live, "alice");
    assert!(super::identity_told(&all[5]).contains(&("x-authgear-user-roles".into(), roles)));
    assert_eq!(crew.resolver().call_count(), 1);

    let challenge = "c".repeat(15 * 1024);
    let challenges = pairs(&[("WWW-Authenticate", &challenge); 3]);
    let refusal = Fault::Answer { status: 401, headers: challenges, body: Vec::new() };
    crew.resolver().set_fault(Some(Fault::Gate.then(refusal)));
    let waiting = crew.flock_at_gate(&places(&crew.workers()), &crew.live.alice());
    crew.resolver().open_gate();
    for answer in answers(waiting) {
        assert_eq!((answer.status, answer.all("www-authenticate")), (401, vec![challenge.clone(); 3]));
    }
    crew.finish();
}
