use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// It takes more failures than there may be suspects.
const BREAKER: Breaker = Breaker { max_fails: 5, fail_timeout: 1_000 };
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
        let attempt = self.attempt(from);
        self.circuits().admit(&id(name), attempt, BREAKER)
    }

    fn attempt(&self, from: u8) -> Attempt {
        Attempt { client: client(from), now: self.now, until: self.now + TIMEOUT, is_renewal: false }
    }

    /// A call that was sent at a time before this one ends.
    fn end(&mut self, name: u32, from: u8, ago: Millis, says: Says) -> Option<Row> {
        let ended = Ended { client: client(from), asked: self.now - ago, now: self.now, says, is_500: false };
        self.circuits().note(&id(name), ended)
    }

    /// Of as many clients.
    fn fail(&mut self, name: u32, times: u8) {
        for from in 0..times {
            assert!(self.end(name, from, 1, Says::Fails).is_some());
        }
    }
}

#[test]
fn it_opens_after_so_many_failures_without_a_success() {
    let mut bench = Bench::new();
    bench.fail(1, 4);
    assert!(bench.admit(1, 9) && bench.admit(1, 0));
    let row = Row { fails: 4, clients: Some(4), since: 50_000, refused: 0 };
    assert_eq!(bench.end(1, 9, 1, Says::Works), Some(row));
    bench.now += 10;
    bench.fail(1, 4);
    assert!(bench.admit(1, 9));
    bench.end(1, 9, 1, Says::Fails);
    assert!(!bench.admit(1, 9) && !bench.admit(1, 0));
    assert!(bench.admit(2, 9), "another resolver's");
    assert_eq!(
        bench.end(1, 9, 1, Says::Works),
        Some(Row { fails: 5, clients: None, since: 50_010, refused: 2 })
    );
    assert!(bench.admit(1, 9) && bench.admit(1, 9));
    assert_eq!(bench.end(1, 9, 1, Says::Works), None);
}

#[test]
fn one_call_at_a_time_tries_whether_it_works_again() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 999;
    assert!(!bench.admit(1, 9));
    bench.now += 1;
    assert!(bench.admit(1, 9) && !bench.admit(1, 9) && !bench.admit(1, 8));
    assert_eq!(bench.end(1, 9, 5, Says::Fails).map(|row| (row.fails, row.refused)), Some((6, 3)));
    bench.now += 999;
    assert!(!bench.admit(1, 8));
    bench.now += 1;
    assert!(bench.admit(1, 8));
    // Whoever tried is gone.
    bench.now += TIMEOUT - 1;
    assert!(!bench.admit(1, 7));
    bench.now += 1;
    assert!(bench.admit(1, 7));
    bench.end(1, 7, 5, Says::Works);
    assert!(bench.admit(1, 7) && bench.admit(1, 7));
}

#[test]
fn a_try_that_says_nothing_makes_room_for_another() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 1_000;
    assert!(bench.admit(1, 9));
    assert_eq!(bench.end(1, 9, 5, Says::Nothing), None);
    assert!(bench.admit(1, 9) && !bench.admit(1, 9));
    assert_eq!(bench.end(2, 9, 5, Says::Nothing), None);
}

#[test]
fn failures_of_a_few_clients_shut_no_other_out() {
    let mut bench = Bench::new();
    for from in [1, 2, 3, 4, 1, 2, 3, 4] {
        bench.end(1, from, 1, Says::Fails);
    }
    for from in 1..5 {
        assert!(!bench.admit(1, from));
    }
    assert!((5..9).all(|from| bench.admit(1, from)));
    // The others aren't as many as to wait for one of them.
    bench.end(1, 4, 1, Says::Fails);
    assert!((5..9).all(|from| bench.admit(1, from)));
    bench.end(1, 5, 1, Says::Fails);
    assert!((1..9).all(|from| !bench.admit(1, from)), "too many to be at fault");
    bench.end(1, 6, 1, Says::Works);
    assert!((1..9).all(|from| bench.admit(1, from)));
}

#[test]
fn whose_calls_fail_keeps_nobody_else_shut_out() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 900;
    // The first one isn't among the last four: it counts as any other.
    assert_eq!(bench.end(1, 4, 1, Says::Fails).map(|row| row.fails), Some(6));
    bench.now += 100;
    assert!(!bench.admit(1, 4), "its own failure was 100 ms ago");
    assert!(bench.admit(1, 9) && !bench.admit(1, 8), "the others wait since that of another");
    bench.now += 900;
    // Each kind tries without regard to the other.
    assert!(bench.admit(1, 4) && !bench.admit(1, 3) && bench.admit(1, 8));
    bench.end(1, 4, 1, Says::Fails);
    bench.now += TIMEOUT;
    assert!(!bench.admit(1, 4) && bench.admit(1, 7));
    bench.end(1, 7, 1, Says::Fails);
    bench.now += 999;
    assert!(!bench.admit(1, 8));
    bench.now += 1;
    assert!(bench.admit(1, 8));
}

#[test]
fn suspects_have_their_old_answers_looked_at_one_at_a_time() {
    let mut bench = Bench::new();
    let renew = |bench: &mut Bench, from| {
        let attempt = Attempt { is_renewal: true, ..bench.attempt(from) };
        bench.circuits().admit(&id(1), attempt, BREAKER)
    };
    for _ in 0..5 {
        bench.end(1, 6, 1, Says::Fails);
    }
    assert!(!bench.admit(1, 6) && bench.circuits().shuts_out(&id(1), client(6), BREAKER));
    assert!(!bench.circuits().shuts_out(&id(1), client(7), BREAKER));
    assert!(renew(&mut bench, 6) && !renew(&mut bench, 6) && !bench.admit(1, 6));
    bench.end(1, 6, 1, Says::Fails);
    assert!(!bench.admit(1, 6) && renew(&mut bench, 6));
    bench.end(1, 6, 1, Says::Works);
    // Where it is the resolver that fails they wait as all do.
    bench.now += 1;
    bench.fail(1, 5);
    assert!(!renew(&mut bench, 1) && !renew(&mut bench, 9));
}

#[test]
fn an_ipv6_site_is_one_suspect() {
    let mut bench = Bench::new();
    let from = |host: u16| Client::from(std::net::IpAddr::from([0x2001, 0xdb8, 6, host, 0, 0, 0, 1]));
    for host in 0..9 {
        let ended =
            Ended { client: from(host), asked: 49_999, now: 50_000, says: Says::Fails, is_500: false };
        bench.circuits().note(&id(1), ended);
    }
    let attempt = Attempt { client: from(9), ..bench.attempt(0) };
    assert!(!bench.circuits().admit(&id(1), attempt, BREAKER));
    assert!(bench.admit(1, 1));
}

#[test]
fn failures_of_before_the_last_success_dont_count() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 1_000;
    bench.end(1, 1, 1, Says::Works);
    bench.now += 100;
    for from in 0..9 {
        assert_eq!(bench.end(1, from, 101, Says::Fails), None);
    }
    assert!(bench.admit(1, 9));
    bench.fail(1, 5);
    assert!(!bench.admit(1, 9));
}

#[test]
fn each_location_judges_by_its_own_numbers() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    let attempt = Attempt { now: bench.now + 500, until: bench.now + 800, ..bench.attempt(9) };
    let patient = Breaker { max_fails: 6, ..BREAKER };
    let hasty = Breaker { fail_timeout: 500, ..BREAKER };
    assert!(bench.circuits().admit(&id(1), attempt, patient));
    assert!(!bench.circuits().admit(&id(1), attempt, BREAKER));
    assert!(bench.circuits().admit(&id(1), attempt, hasty));
}

#[test]
fn formatting_forgets_everything() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
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
        bench.fail(name, 5);
        bench.fail(1_000_000, 5);
    }
    assert!(!bench.admit(1_000_000, 9) && !bench.admit(99_999, 9));
    let mut is_open = |name: &u32| !bench.admit(*name, 9);
    assert_eq!((0..99_000).filter(&mut is_open).count(), 0);
    assert!((99_000..100_000).filter(is_open).count() > 200);
}

/// What it is to do, said again without memory and places.
#[derive(Default)]
struct Model {
    fails: u32,
    succeeded: Millis,
    /// The last of them last.
    suspects: Vec<u8>,
    is_of_many: bool,
    of_suspects: (Millis, Millis),
    of_others: (Millis, Millis),
}

impl Model {
    fn fail(&mut self, from: u8, now: Millis) {
        self.fails += 1;
        self.of_suspects = (now, 0);
        if !self.suspects.contains(&from) {
            self.of_others = (now, 0);
            self.suspects.push(from);
            if self.suspects.len() > SUSPECTS {
                self.suspects.remove(0);
                self.is_of_many = true;
            }
        }
    }

    fn admit(&mut self, from: u8, now: Millis) -> bool {
        let is_suspect = self.suspects.contains(&from);
        if self.fails < BREAKER.max_fails || !is_suspect && !self.is_of_many {
            return true;
        }
        let (failed, trying) = if is_suspect { &mut self.of_suspects } else { &mut self.of_others };
        let may_try = now >= *failed + BREAKER.fail_timeout && now >= *trying;
        if may_try {
            *trying = now + TIMEOUT;
        }
        may_try
    }
}

proptest! {
    #[test]
    fn it_does_as_the_naive_one(events in prop::collection::vec((0..3u32, 0..8u8, 0..9u8, 0..400u64), 1..300)) {
        let mut bench = Bench::new();
        let mut models: HashMap<u32, Model> = HashMap::new();
        for (name, from, what, time) in events {
            bench.now += time;
            let now = bench.now;
            let model = models.entry(name).or_default();
            match what {
                0..=3 => {
                    bench.end(name, from, time, Says::Fails);
                    if now - time >= model.succeeded {
                        model.fail(from, now);
                    }
                }
                4 if time % 8 == 0 => {
                    bench.end(name, from, time, Says::Works);
                    *model = Model { succeeded: now, ..Model::default() };
                }
                5 if time % 4 == 0 => {
                    bench.end(name, from, time, Says::Nothing);
                    (model.of_suspects.1, model.of_others.1) = (0, 0);
                }
                _ => prop_assert_eq!(bench.admit(name, from), model.admit(from, now)),
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

#[test]
fn it_knows_whether_a_500_is_among_the_failures() {
    let mut bench = Bench::new();
    let end = |bench: &mut Bench, says, is_500| {
        let ended = Ended { client: client(1), asked: bench.now - 1, now: bench.now, says, is_500 };
        bench.circuits().note(&id(1), ended);
        bench.circuits().fails_without_500(&id(1))
    };
    assert!(!bench.circuits().fails_without_500(&id(1)), "nothing has failed");
    assert!(end(&mut bench, Says::Fails, false));
    assert!(!end(&mut bench, Says::Fails, true));
    assert!(!end(&mut bench, Says::Fails, false), "it is still among them");
    assert!(!end(&mut bench, Says::Works, false));
    bench.now += 1;
    assert!(end(&mut bench, Says::Fails, false), "that was before the success");
}
