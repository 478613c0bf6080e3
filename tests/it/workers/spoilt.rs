//! Calls in flight while the memory that workers share is thrown away, because one of them died in the middle of a change.
//!
//! Whatever that memory held: nobody gets the answer to another's credentials.

use std::time::Duration;

use super::super::harness::poll;
use super::super::stage::token_of;
use super::kills::{assert_quiet, dying};
use super::{Crew, Fault, Http1, PATIENCE, PATIENT, Pid, Request, Resolver, assert_is, ending};

/// Far more changes than those workers make that are to live.
const DIES_AT: u32 = 150;

/// Waits at the gate.
const GATE: u64 = 9000;
/// Takes a second and a half: the followers are there by then.
const SLOW: u64 = 8000;

fn crew() -> Crew {
    let crew = Crew::build(4, Resolver::start(), PATIENT, dying(DIES_AT));
    crew.resolver().set_rule(|call| match call.text("authorization")?.rsplit(':').next()?.parse().ok()? {
        GATE => Some(Fault::Gate),
        SLOW => Some(Fault::Delay(Duration::from_millis(1500))),
        _ => None,
    });
    crew
}

/// Has a worker spoil the memory, and returns the one that takes its place.
#[track_caller]
fn spoil(crew: &Crew, worker: Pid) -> Pid {
    let others = crew.workers();
    let mut connection = crew.connect(worker);
    let lives = |n: &u32| connection.exchange(&token_of("norole", u64::from(*n))).is_ok();
    let answered = (0..DIES_AT).take_while(lives).count();
    assert!(answered < DIES_AT as usize, "{worker} doesn't die");
    let new = poll(PATIENCE, || crew.workers().into_iter().find(|pid| !others.contains(pid)));
    new.unwrap_or_else(|| panic!("nobody takes the place of {worker}"))
}

/// Sends a request, and waits until its worker has it in hand and rests.
#[track_caller]
fn begin(crew: &Crew, worker: Pid, request: &Request) -> Http1 {
    crew.wait_until_all_sleep();
    let before = crew.live.nginx.in_hand();
    let connection = crew.begin(worker, request);
    crew.wait_for_suspended(before + 1);
    connection
}

#[track_caller]
fn assert_user(connection: &mut Http1, crew: &Crew, user: &str) {
    let answer = connection.receive(b"GET").expect("an answer");
    assert_is(&answer, &crew.live, user, &ending(&answer).2);
}

/// The outcome of a call from before is for nobody who came after.
#[test]
fn a_leader_of_before_hands_its_answer_to_nobody_else() {
    let crew = crew();
    let [first, second, third, dies] = crew.workers()[..] else { panic!("four workers") };
    let dies = spoil(&crew, dies);
    let mut alice = begin(&crew, first, &token_of("alice", GATE));
    assert!(crew.resolver().wait_for_gate(1, PATIENCE));
    spoil(&crew, dies);
    let mut bobs = vec![begin(&crew, second, &token_of("bob", GATE))];
    assert!(crew.resolver().wait_for_gate(2, PATIENCE));
    bobs.extend([second, third, first].map(|worker| begin(&crew, worker, &token_of("bob", GATE))));
    assert_eq!(crew.resolver().at_gate(), 2);
    assert_eq!(crew.resolver().release(1), 1);
    assert_user(&mut alice, &crew, "alice");
    crew.resolver().clear_faults();
    bobs.iter_mut().for_each(|bob| assert_user(bob, &crew, "bob"));
    assert_quiet(&crew);
    crew.finish();
}

/// And who waited before gets no outcome of a call from after.
#[test]
fn a_follower_of_before_gets_nobody_elses_answer() {
    let crew = crew();
    let [first, second, third, dies] = crew.workers()[..] else { panic!("four workers") };
    let dies = spoil(&crew, dies);
    let mut alices = vec![begin(&crew, first, &token_of("alice", GATE))];
    assert!(crew.resolver().wait_for_gate(1, PATIENCE));
    alices.extend([second, third].map(|worker| begin(&crew, worker, &token_of("alice", GATE))));
    let new = spoil(&crew, dies);
    let mut bobs: Vec<_> =
        [third, new, second].map(|worker| crew.begin(worker, &token_of("bob", SLOW))).into();
    bobs.iter_mut().for_each(|bob| assert_user(bob, &crew, "bob"));
    crew.resolver().clear_faults();
    alices.iter_mut().for_each(|alice| assert_user(alice, &crew, "alice"));
    assert_quiet(&crew);
    crew.finish();
}
