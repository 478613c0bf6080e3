//! Many requests with one credential, over many workers.

use std::collections::BTreeMap;

use super::super::stage::token_of;
use super::{Crew, Fault, Http1, Http2, PATIENCE, PATIENT, Pid, Response, identity_told};
use super::{answers, assert_ending, assert_is, ending};

/// How many answers each worker gave.
fn by_worker(answers: &[Response]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for answer in answers {
        *count.entry(answer.header("x-pid").expect("the worker's id")).or_default() += 1;
    }
    count
}

fn reasons(answers: &[Response]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for answer in answers {
        *count.entry(ending(answer).2).or_default() += 1;
    }
    count
}

/// 60 requests to each worker over HTTP/1.1, and 20 over HTTP/2, all of alice's token.
struct Herd {
    http1: Vec<Http1>,
    http2: Vec<(Http2, Vec<u32>)>,
}

impl Herd {
    fn size(workers: &[Pid]) -> usize {
        80 * workers.len()
    }

    fn start(crew: &Crew, workers: &[Pid]) -> Self {
        let request = crew.live.alice();
        let mut http1: Vec<Http1> = Vec::new();
        let mut http2: Vec<Http2> = Vec::new();
        for worker in workers {
            http1.extend((0..60).map(|_| crew.connect(*worker)));
            http2.push(crew.connect_h2(*worker));
        }
        // At once, as far as one thread can.
        http1.iter_mut().for_each(|connection| connection.send(&request).expect("sent"));
        let streams = http2.into_iter().map(|mut connection| {
            let streams = (0..20).map(|_| connection.send(&request).expect("sent")).collect();
            (connection, streams)
        });
        Self { http2: streams.collect(), http1 }
    }

    fn answers(self) -> Vec<Response> {
        let mut all = answers(self.http1);
        for (mut connection, streams) in self.http2 {
            all.extend(streams.into_iter().map(|stream| connection.receive(stream).expect("an answer")));
        }
        all
    }
}

#[test]
fn a_herd_over_four_workers_costs_one_call() {
    for crew in [Crew::start(4, PATIENT), Crew::cached(4, PATIENT)] {
        crew.resolver().set_fault(Some(Fault::Gate));
        let workers = crew.workers();
        let herd = Herd::start(&crew, &workers);
        crew.wait_for_suspended(Herd::size(&workers));
        assert!(crew.resolver().wait_for_gate(1, PATIENCE));
        assert_eq!(crew.resolver().call_count(), 1);
        crew.resolver().clear_faults();
        let answers = herd.answers();
        for answer in &answers {
            assert_ending(answer, 200, "valid", &ending(answer).2);
            assert_eq!(identity_told(answer), identity_told(&answers[0]));
        }
        assert_eq!(by_worker(&answers).into_values().collect::<Vec<_>>(), [80; 4]);
        let expected = [("coalesced".to_owned(), Herd::size(&workers) - 1), ("resolved".to_owned(), 1)];
        assert_eq!(reasons(&answers), expected.into());
        assert_eq!(crew.resolver().call_count(), 1);
        crew.finish();
    }
}

/// Without anything that holds the call: whatever the order is in which the workers come to it.
#[test]
fn a_herd_costs_one_call_however_fast_the_resolver_is() {
    let crew = Crew::cached(4, PATIENT);
    let workers = crew.workers();
    let answers = Herd::start(&crew, &workers).answers();
    assert_eq!(by_worker(&answers).len(), 4);
    for answer in &answers {
        assert_is(answer, &crew.live, "alice", &ending(answer).2);
    }
    assert_eq!(crew.resolver().call_count(), 1);
    assert_eq!(reasons(&answers)["resolved"], 1);
    crew.finish();
}

#[test]
fn the_answer_to_one_worker_is_a_hit_in_all() {
    let crew = Crew::cached(4, "");
    let workers = crew.workers();
    let request = crew.live.alice();
    assert_is(&crew.ask(workers[0], &request), &crew.live, "alice", "resolved");
    for worker in workers {
        let answer = crew.ask(worker, &request);
        assert_is(&answer, &crew.live, "alice", "hit");
        assert_eq!(answer.header("x-cache").as_deref(), Some("HIT"));
    }
    assert_eq!(crew.resolver().call_count(), 1);
    crew.finish();
}

#[test]
fn many_keys_in_flight_at_a_time_are_not_mixed_up() {
    let crew = Crew::start(3, PATIENT);
    crew.resolver().set_fault(Some(Fault::Gate));
    let workers = crew.workers();
    let token = |n: u64| {
        let user = if n.is_multiple_of(2) { "alice" } else { "bob" };
        (user, token_of(user, n))
    };
    let mut waiting = Vec::new();
    for n in 0..60 {
        // The leader is in another worker each time.
        for shift in 0..workers.len() {
            let worker = workers[(usize::try_from(n).expect("small") + shift) % workers.len()];
            waiting.push((token(n).0, crew.begin(worker, &token(n).1)));
            assert!(crew.resolver().wait_for_gate(usize::try_from(n).expect("small") + 1, PATIENCE));
        }
    }
    crew.wait_for_suspended(180);
    assert_eq!(crew.resolver().call_count(), 60);
    crew.resolver().clear_faults();
    for (user, mut connection) in waiting {
        let answer = connection.receive(b"GET").expect("an answer");
        assert_is(&answer, &crew.live, user, &ending(&answer).2);
    }
    assert_eq!(crew.resolver().call_count(), 60);
    crew.finish();
}

/// A worker's place among those to wake has 64 values.
#[test]
fn seventy_workers_share_one_call() {
    let crew = Crew::start(70, PATIENT);
    let workers = crew.workers();
    assert_eq!(workers.len(), 70);
    let places = [67, 3, 0, 63, 64, 69, 5, 67, 68, 31].map(|number: usize| workers[number]);
    let waiting = crew.flock(&places, &crew.live.alice());
    crew.resolver().clear_faults();
    super::assert_one_led(&answers(waiting), &crew.live, "alice");
    assert_eq!(crew.resolver().call_count(), 1);
    crew.finish();
}

/// `authgear_max_inflight` is about calls: to follow one costs none.
#[test]
fn a_call_of_another_worker_can_be_followed_by_one_that_may_start_none() {
    let crew = Crew::start(3, &format!("{PATIENT}\nauthgear_max_inflight 1;"));
    let [full, leader, third] = crew.workers()[..] else { panic!("three workers") };
    let (mine, shared, next) = (crew.live.unique(), crew.live.alice(), crew.live.unique());
    let mut held = crew.flock(&[full], &mine);
    held.extend(crew.flock_at_gate(&[leader, full, full], &shared));
    let calls = crew.resolver().call_count();
    assert_ending(&crew.ask(full, &next), 502, "error", "overload");
    assert_eq!(crew.resolver().call_count(), calls);
    // Nobody is taken to make the call that was refused there.
    held.extend(crew.flock_at_gate(&[third, full], &next));
    crew.resolver().clear_faults();
    let reasons: Vec<_> = answers(held).iter().map(ending).collect();
    let valid = |reason: &str| (200, "valid".to_owned(), reason.to_owned());
    let expected = ["resolved", "resolved", "coalesced", "coalesced", "resolved", "coalesced"];
    assert_eq!(reasons, expected.map(valid));
    assert_eq!(crew.resolver().call_count(), 3);
    crew.finish();
}
