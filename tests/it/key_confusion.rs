//! No answer is ever given to another set of credentials, or for another resolver: a matrix of locations and requests
//! that share one zone.
//!
//! What a request is to get is learned from a twin of its location that has no cache. Each call to a resolver has a number,
//! which its answer carries to the backend, so that every answer tells what it was given for.
//!
//! A run has time for a part of the matrix: sets without a trick all, of the others a choice by `AUTHGEAR_TEST_SEED`, which
//! is printed. With `AUTHGEAR_TEST_MATRIX=all` it takes a minute.

mod checker;
mod drive;
mod ledger;
mod places;
mod requests;

use std::collections::{BTreeSet, HashMap};

use crate::harness::{Http1, Nginx, Request, Wire, try_send};
use crate::standin::Kind;
use drive::{Dice, ask_all};
use ledger::{Ledger, Outcome, Truth};
use places::{Place, World};
use requests::{Case, PLAIN};

/// How often each request is sent while there is a cache: the first time, and after every other one was kept.
const ROUNDS: usize = 3;

/// One request of one location.
struct Job<'w> {
    place: &'w Place,
    case: &'w Case,
    truth: Truth,
}

impl Job<'_> {
    /// Whether every later request is to find its answer in the cache: not where nobody was asked, or nobody answered.
    fn is_kept(&self) -> bool {
        self.truth.outcome.call.is_some()
    }
}

/// Of each trick this many sets; and of those, each location gets one in two.
const OF_EACH_TRICK: usize = 3;

fn choose(mut cases: Vec<Case>, dice: &mut Dice) -> Vec<Case> {
    if takes_all() {
        return cases;
    }
    dice.shuffle(&mut cases);
    let mut chosen: HashMap<&str, usize> = HashMap::new();
    cases.retain(|case| {
        let so_far = chosen.entry(case.trick).or_default();
        *so_far += 1;
        case.trick == PLAIN || *so_far <= OF_EACH_TRICK
    });
    cases
}

fn takes_all() -> bool {
    std::env::var_os("AUTHGEAR_TEST_MATRIX").is_some()
}

#[test]
fn no_answer_is_given_to_another_set_of_credentials_or_for_another_resolver() {
    let (world, mut dice) = (World::start(), Dice::new());
    let nginx = world.nginx(2);
    let cases = choose(requests::all(world.accounts()), &mut dice);
    let mut ledger = Ledger::new(&world.calls);
    let mut jobs = learn(&world, &nginx, &cases, &mut dice, &ledger);
    assert_the_truth_is_varied(&jobs);
    assert_the_truth_is_the_server_s(&world, &jobs);
    let (mut wrong, mut answers, mut hits, mut kept) = (Vec::new(), 0, 0, 0);
    for round in 0..ROUNDS {
        dice.shuffle(&mut jobs);
        let requests: Vec<Request> = jobs.iter().map(|job| job.case.request(&job.place.cached())).collect();
        for (job, response) in jobs.iter().zip(ask_all(&nginx, &requests)) {
            if let Err(how) = ledger.check(job.place, &job.truth, &response) {
                let Job { place, case, .. } = job;
                wrong.push(format!("round {round}: {} at {}, {}: {how}", case.set, place.name, case.trick));
            }
            answers += 1;
            if round > 0 && job.is_kept() {
                kept += 1;
                hits += usize::from(response.header("x-cache").as_deref() == Some("HIT"));
            }
        }
    }
    println!(
        "{} requests, {answers} answers, {hits} of {kept} from the cache, {} shared",
        jobs.len(),
        ledger.shared
    );
    assert!(wrong.is_empty(), "{} of {answers}:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    // The cache was at work: a worker that doesn't get the lock for 5 ms goes without.
    assert!(hits * 20 >= kept * 19 && kept > 1000, "{hits} of {kept} came from the cache");
    assert!(ledger.shared > 100, "locations with the same resolver share their answers");
    nginx.finish();
}

/// What each request gets from its location's twin.
fn learn<'w>(
    world: &'w World,
    nginx: &Nginx,
    cases: &'w [Case],
    dice: &mut Dice,
    ledger: &Ledger,
) -> Vec<Job<'w>> {
    let mut pairs: Vec<(&Place, &Case)> = Vec::new();
    for place in &world.places {
        let wanted =
            |case: &&Case| case.trick == PLAIN || takes_all() || (dice.below(2) == 0 && !place.fails);
        pairs.extend(cases.iter().filter(wanted).map(|case| (place, case)));
    }
    dice.shuffle(&mut pairs);
    let requests: Vec<Request> = pairs.iter().map(|(place, case)| case.request(&place.plain())).collect();
    let answers = ask_all(nginx, &requests);
    let learned = pairs.into_iter().zip(answers).map(|((place, case), response)| {
        let truth =
            ledger.learn(&response).unwrap_or_else(|how| panic!("{} at {}: {how}", case.set, place.name));
        Job { place, case, truth }
    });
    learned.collect()
}

#[track_caller]
fn assert_the_truth_is_varied(jobs: &[Job<'_>]) {
    let users: BTreeSet<_> = jobs.iter().filter_map(|job| job.truth.outcome.user()).collect();
    assert_eq!(users.len(), 4, "alice and bob of two servers: {users:?}");
    let calls = jobs.iter().filter_map(|job| job.truth.outcome.call).collect::<BTreeSet<_>>().len();
    assert!(calls > jobs.len() / 3, "{calls} calls for {} requests", jobs.len());
    for place in ["tls-other-ca", "tls-wrong-name", "tls-other-client"] {
        let outcomes = || jobs.iter().filter(|job| job.place.name == place).map(|job| &job.truth.outcome);
        assert!(outcomes().all(|outcome| outcome.user().is_none()), "{place}");
        assert!(outcomes().filter(|outcome| outcome.status == 502).count() > 8, "{place}");
    }
}

/// The server, given all headers of the client, finds the same user in them.
#[track_caller]
fn assert_the_truth_is_the_server_s(world: &World, jobs: &[Job<'_>]) {
    let mut answers: HashMap<(&str, *const Case), Option<String>> = HashMap::new();
    let mut connections: HashMap<&str, Http1> = HashMap::new();
    let mut compared = 0;
    for Job { place, case, truth } in jobs.iter().filter(|job| job.case.as_the_server_reads) {
        let Some(oracle) = place.oracle else { continue };
        let answer = answers.entry((oracle, std::ptr::from_ref(case))).or_insert_with(|| {
            let resolver = world.resolver(oracle);
            let connect = || Http1::connect(resolver.addr().port()).expect("it accepts");
            let connection = connections.entry(oracle).or_insert_with(connect);
            let request = case.request("/_resolver/resolve").host(resolver.addr().to_string());
            let response = connection.exchange(&request).expect("an answer");
            let user = response.header("x-authgear-user-id")?;
            Some(user.split_once('/')?.0.to_owned())
        });
        assert_eq!(truth.outcome.user(), answer.as_deref(), "{} at {}, {}", case.set, place.name, case.trick);
        compared += 1;
    }
    assert!(compared > 300, "{compared}");
}

/// nginx refuses these itself; were it to let them in, they would have to be kept apart.
#[test]
fn two_authorization_lines_never_get_the_answer_of_one() {
    let world = World::start();
    let nginx = world.nginx(1);
    let line = |user: &str| format!("Bearer {}", world.accounts().login(user).of(Kind::Bearer));
    let request = |target: &str, lines: &[&str]| {
        lines.iter().fold(Request::get(target), |request, user| request.header("Authorization", line(user)))
    };
    for wire in [Wire::Http1, Wire::Http2] {
        for lines in [&["alice"][..], &["bob"], &["alice", "bob"], &["bob", "alice"], &["alice", "alice"]] {
            let outcome = |target| {
                let response = try_send(&nginx, wire, request(target, lines)).expect("an answer");
                Outcome::of(&response).map(|Outcome { status, identity, .. }| (status, identity))
            };
            let truth = outcome("/plain/a");
            assert!(truth.is_ok());
            for _ in 0..2 {
                assert_eq!(outcome("/cached/a"), truth, "{lines:?} over {wire:?}");
            }
        }
    }
    nginx.finish();
}
