use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const BREAKER: Breaker = Breaker { max_fails: 3, fail_timeout: 1_000 };
const TIMEOUT: Millis = 300;

/// Memory as nginx gives it, and the time.
struct Bench {
    memory: Vec<u64>,
    now: Millis,
}

fn id(name: u32) -> ResolverId {
    ResolverId::digest(&[&name.to_le_bytes()])
}

fn client(name: u8) -> Client {
    Client::from(std::net::IpAddr::from([192, 0, 2, name]))
}

impl Bench {
    fn new() -> Self {
        Self { memory: vec![0; BYTES / 8], now: 50_000 }
    }

    fn circuits(&mut self) -> Circuits<'_> {
        Circuits::over(self.memory.as_mut_bytes()).unwrap().0
    }

    fn admit(&mut self, name: u32, from: u8) -> bool {
        let attempt = Attempt { client: client(from), now: self.now, until: self.now + TIMEOUT };
        self.circuits().admit(&id(name), attempt, BREAKER)
    }

    /// A call that was sent at a time before this one ends.
    fn end(&mut self, name: u32, from: u8, ago: Millis, says: Says) -> Option<Row> {
        let ended = Ended { client: client(from), asked: self.now - ago, now: self.now, says };
        self.circuits().note(&id(name), ended)
    }

    fn fail(&mut self, name: u32, times: u8) {
        for from in 0..times {
            assert!(self.end(name, from, 1, Says::Fails).is_some());
        }
    }
}

#[test]
fn it_opens_after_so_many_failures_without_a_success() {
    let mut bench = Bench::new();
    bench.fail(1, 2);
    assert!(bench.admit(1, 9));
    assert_eq!(bench.end(1, 9, 1, Says::Works), Some(Row { fails: 2, since: 50_000, refused: 0 }));
    bench.now += 10;
    bench.fail(1, 2);
    assert!(bench.admit(1, 9));
    bench.fail(1, 1);
    assert!(!bench.admit(1, 9) && !bench.admit(1, 0));
    assert!(bench.admit(2, 9), "another resolver's");
    assert_eq!(bench.end(1, 9, 1, Says::Works), Some(Row { fails: 3, since: 50_010, refused: 2 }));
    assert!(bench.admit(1, 9) && bench.admit(1, 9));
    assert_eq!(bench.end(1, 9, 1, Says::Works), None);
}

#[test]
fn one_call_at_a_time_tries_whether_it_works_again() {
    let mut bench = Bench::new();
    bench.fail(1, 3);
    bench.now += 999;
    assert!(!bench.admit(1, 9));
    bench.now += 1;
    assert!(bench.admit(1, 9) && !bench.admit(1, 9) && !bench.admit(1, 8));
    assert_eq!(bench.end(1, 9, 5, Says::Fails).map(|row| (row.fails, row.refused)), Some((4, 3)));
    bench.now += 999;
    assert!(!bench.admit(1, 9));
    bench.now += 1;
    assert!(bench.admit(1, 9));
    // Whoever tried is gone.
    bench.now += TIMEOUT - 1;
    assert!(!bench.admit(1, 8));
    bench.now += 1;
    assert!(bench.admit(1, 8));
    bench.end(1, 8, 5, Says::Works);
    assert!(bench.admit(1, 8) && bench.admit(1, 8));
}

#[test]
fn a_try_that_says_nothing_makes_room_for_another() {
    let mut bench = Bench::new();
    bench.fail(1, 3);
    bench.now += 1_000;
    assert!(bench.admit(1, 9));
    assert_eq!(bench.end(1, 9, 5, Says::Nothing), None);
    assert!(bench.admit(1, 9) && !bench.admit(1, 9));
    assert_eq!(bench.end(2, 9, 5, Says::Nothing), None);
}

#[test]
fn failures_of_one_client_shut_no_other_out() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.end(1, 6, 1, Says::Fails);
    }
    assert!(!bench.admit(1, 6));
    // Another one is let through, one at a time, and speaks for all.
    assert!(bench.admit(1, 7) && !bench.admit(1, 8) && !bench.admit(1, 6));
    bench.end(1, 7, 1, Says::Works);
    assert!(bench.admit(1, 6) && bench.admit(1, 8));
    for _ in 0..3 {
        bench.end(1, 6, 0, Says::Fails);
    }
    assert!(bench.admit(1, 7));
    bench.end(1, 7, 1, Says::Fails);
    assert!(!bench.admit(1, 8), "two clients' calls have failed");
}

#[test]
fn failures_of_before_the_last_success_dont_count() {
    let mut bench = Bench::new();
    bench.fail(1, 3);
    bench.now += 1_000;
    bench.end(1, 1, 1, Says::Works);
    bench.now += 100;
    for from in 0..9 {
        assert_eq!(bench.end(1, from, 101, Says::Fails), None);
    }
    assert!(bench.admit(1, 9));
    bench.fail(1, 3);
    assert!(!bench.admit(1, 9));
}

#[test]
fn each_location_judges_by_its_own_numbers() {
    let mut bench = Bench::new();
    bench.fail(1, 3);
    let attempt = Attempt { client: client(9), now: bench.now + 500, until: bench.now + 800 };
    let patient = Breaker { max_fails: 4, ..BREAKER };
    let hasty = Breaker { fail_timeout: 500, ..BREAKER };
    assert!(bench.circuits().admit(&id(1), attempt, patient));
    assert!(!bench.circuits().admit(&id(1), attempt, BREAKER));
    assert!(bench.circuits().admit(&id(1), attempt, hasty));
}

#[test]
fn formatting_forgets_everything() {
    let mut bench = Bench::new();
    bench.fail(1, 3);
    assert!(!bench.admit(1, 9));
    bench.circuits().format();
    assert!(bench.admit(1, 9));
    assert!(bench.memory.iter().all(|word| *word == 0));
}

#[test]
fn the_resolvers_heard_of_last_are_remembered() {
    let mut bench = Bench::new();
    for name in 0..100_000 {
        bench.now += 1;
        bench.fail(name, 3);
        bench.fail(1_000_000, 3);
    }
    assert!(!bench.admit(1_000_000, 9) && !bench.admit(99_999, 9));
    let mut is_open = |name: &u32| !bench.admit(*name, 9);
    assert_eq!((0..99_000).filter(&mut is_open).count(), 0);
    assert!((99_000..100_000).filter(is_open).count() > 200);
}

/// What it is to do, said again without memory, places or clients.
#[derive(Default)]
struct Model {
    fails: u32,
    failed: Millis,
    succeeded: Millis,
    trying_until: Millis,
}

proptest! {
    #[test]
    fn it_does_as_the_naive_one(events in prop::collection::vec((0..3u32, 0..6u8, 0..400u64), 1..300)) {
        let mut bench = Bench::new();
        let mut models: HashMap<u32, Model> = HashMap::new();
        for (name, what, time) in events {
            bench.now += time;
            let now = bench.now;
            let model = models.entry(name).or_default();
            // All of one client, which is never let through for being another.
            match what {
                0 | 1 => {
                    let asked = now - time;
                    bench.end(name, 1, time, Says::Fails);
                    if asked >= model.succeeded {
                        (model.fails, model.failed, model.trying_until) = (model.fails + 1, now, 0);
                    }
                }
                2 => {
                    bench.end(name, 1, time, Says::Works);
                    *model = Model { succeeded: now, ..Model::default() };
                }
                3 => {
                    bench.end(name, 1, time, Says::Nothing);
                    model.trying_until = 0;
                }
                _ => {
                    let is_closed = model.fails < 3;
                    let may_try = now >= model.failed + 1_000 && now >= model.trying_until;
                    prop_assert_eq!(bench.admit(name, 1), is_closed || may_try);
                    if !is_closed && may_try {
                        model.trying_until = now + TIMEOUT;
                    }
                }
            }
        }
    }

    /// Memory in which a worker died is formatted, but nothing here relies on that.
    #[test]
    fn no_memory_is_too_damaged(bytes in prop::collection::vec(any::<u8>(), 4096), names in prop::collection::vec(0..9u32, 1..50)) {
        let mut bench = Bench::new();
        for (place, byte) in bench.memory.as_mut_bytes().iter_mut().zip(bytes.iter().cycle()) {
            *place = *byte;
        }
        for name in names {
            bench.admit(name, 1);
            for says in [Says::Fails, Says::Nothing, Says::Works] {
                bench.end(name, 1, 1, says);
            }
            prop_assert!(bench.admit(name, 1));
        }
    }
}
