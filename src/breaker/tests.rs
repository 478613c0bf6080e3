mod model;
mod probes;

use super::*;

/// `max_fails` is greater than the maximum number of suspects.
const BREAKER: Breaker = Breaker { max_fails: 5, fail_timeout: 10_000 };
const TIMEOUT: Millis = 3_000;

/// Memory as provided by nginx, and the current time.
struct Bench {
    memory: Vec<u64>,
    now: Millis,
}

/// A call in flight.
#[derive(Clone, Copy, Debug)]
struct Sent {
    from: u8,
    asked: Millis,
    probe: Option<Probe>,
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

    fn admit_by(&mut self, name: u32, from: u8, is_renewal: bool, breaker: Breaker) -> Option<Sent> {
        let attempt = Attempt { client: client(from), now: self.now, until: self.now + TIMEOUT, is_renewal };
        let probe = match self.circuits().admit(&id(name), attempt, breaker) {
            Admission::Refused => return None,
            Admission::Free => None,
            Admission::Probe(probe) => Some(probe),
        };
        Some(Sent { from, asked: self.now, probe })
    }

    fn send(&mut self, name: u32, from: u8) -> Option<Sent> {
        self.admit_by(name, from, false, BREAKER)
    }

    /// Sends a probe to the first resolver.
    fn probe(&mut self, from: u8) -> Sent {
        let sent = self.send(1, from).expect("a call may be made");
        assert!(sent.probe.is_some(), "the breaker is closed");
        sent
    }

    fn renew(&mut self, from: u8) -> Option<Sent> {
        self.admit_by(1, from, true, BREAKER)
    }

    fn is_refused(&mut self, from: u8) -> bool {
        self.send(1, from).is_none()
    }

    fn is_closed(&mut self, name: u32, from: u8) -> bool {
        self.send(name, from).is_some_and(|sent| sent.probe.is_none())
    }

    fn land(&mut self, name: u32, sent: Sent, evidence: Evidence) -> Option<Row> {
        let Sent { from, asked, probe } = sent;
        let ended = Ended { client: client(from), asked, now: self.now, probe, evidence };
        self.circuits().note(&id(name), ended)
    }

    /// Ends a call that was sent `ago` milliseconds before now.
    fn end(&mut self, name: u32, from: u8, ago: Millis, evidence: Evidence) -> Option<Row> {
        self.land(name, Sent { from, asked: self.now - ago, probe: None }, evidence)
    }

    /// Ends this many failing calls, each of a different client.
    fn fail(&mut self, name: u32, times: u8) {
        for from in 0..times {
            assert!(self.end(name, from, 1, Evidence::Failure).is_some());
        }
    }

    /// Returns the wait until a call from one of these clients is admitted, and that call, now in flight.
    fn next(&mut self, clients: std::ops::Range<u8>) -> (Millis, Sent) {
        let since = self.now;
        loop {
            for from in clients.clone() {
                if let Some(sent) = self.send(1, from) {
                    return (self.now - since, sent);
                }
            }
            assert!(self.now < since + 60_000, "no call is let through");
            self.now += 10;
        }
    }
}

#[test]
fn it_opens_after_so_many_failures_without_a_success() {
    let mut bench = Bench::new();
    bench.fail(1, 4);
    assert!(bench.is_closed(1, 9) && bench.is_closed(1, 0));
    let row = Row { fails: 4, clients: Some(4), since: 50_000, refused: 0, wait: 250 };
    assert_eq!(bench.end(1, 9, 1, Evidence::Success), Some(row));
    bench.now += 10;
    bench.fail(1, 4);
    assert!(bench.is_closed(1, 9));
    bench.end(1, 9, 1, Evidence::Failure);
    assert!(bench.is_refused(9) && bench.is_refused(0));
    assert!(bench.is_closed(2, 9), "another resolver's");
    assert_eq!(
        bench.end(1, 9, 1, Evidence::Success),
        Some(Row { fails: 5, clients: None, since: 50_010, refused: 2, wait: 250 })
    );
    assert!(bench.is_closed(1, 9) && bench.is_closed(1, 9));
    assert_eq!(bench.end(1, 9, 1, Evidence::Success), None);
}

#[test]
fn failures_of_a_few_clients_shut_no_other_out() {
    let mut bench = Bench::new();
    for from in [1, 2, 3, 4, 1, 2, 3, 4] {
        bench.end(1, from, 1, Evidence::Failure);
    }
    for from in 1..5 {
        assert!(bench.is_refused(from));
    }
    assert!((5..9).all(|from| bench.is_closed(1, from)));
    // Further failures of the same clients don't add suspects.
    bench.end(1, 4, 1, Evidence::Failure);
    assert!((5..9).all(|from| bench.is_closed(1, from)));
    bench.end(1, 5, 1, Evidence::Failure);
    assert!((1..9).all(|from| bench.is_refused(from)), "too many to be at fault");
    bench.end(1, 6, 1, Evidence::Success);
    assert!((1..9).all(|from| bench.is_closed(1, from)));
}

#[test]
fn suspects_have_their_old_answers_looked_at_one_at_a_time() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.end(1, 6, 1, Evidence::Failure);
    }
    assert!(bench.is_refused(6) && bench.circuits().shuts_out(&id(1), client(6), BREAKER));
    assert!(!bench.circuits().shuts_out(&id(1), client(7), BREAKER));
    for _ in 0..8 {
        let sent = bench.renew(6).unwrap();
        assert!(bench.renew(6).is_none() && bench.is_refused(6));
        bench.now += 1;
        bench.land(1, sent, Evidence::Failure);
        assert!(bench.is_refused(6));
    }
    // These probes don't prolong the wait for that client's other probes.
    bench.now += 250;
    let sent = bench.probe(6);
    bench.land(1, sent, Evidence::Success);
    // If the resolver is at fault, renewals wait like all other calls.
    bench.now += 1;
    bench.fail(1, 5);
    assert!(bench.renew(1).is_none() && bench.renew(9).is_none());
}

#[test]
fn an_ipv6_site_is_one_suspect() {
    let mut bench = Bench::new();
    let from = |host: u16| Client::from(std::net::IpAddr::from([0x2001, 0xdb8, 6, host, 0, 0, 0, 1]));
    let evidence = Evidence::Failure;
    for host in 0..9 {
        let ended = Ended { client: from(host), asked: 49_999, now: 50_000, probe: None, evidence };
        bench.circuits().note(&id(1), ended);
    }
    let attempt = Attempt { client: from(9), now: bench.now, until: bench.now + TIMEOUT, is_renewal: false };
    assert_eq!(bench.circuits().admit(&id(1), attempt, BREAKER), Admission::Refused);
    assert!(bench.is_closed(1, 1));
}

#[test]
fn failures_of_before_the_last_success_dont_count() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 1_000;
    bench.end(1, 1, 1, Evidence::Success);
    bench.now += 100;
    for from in 0..9 {
        assert_eq!(bench.end(1, from, 101, Evidence::Failure), None);
    }
    assert!(bench.is_closed(1, 9));
    bench.fail(1, 5);
    assert!(bench.is_refused(9));
}

#[test]
fn each_location_judges_by_its_own_numbers() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 200;
    let patient = Breaker { max_fails: 6, ..BREAKER };
    let hasty = Breaker { fail_timeout: 200, ..BREAKER };
    assert!(bench.admit_by(1, 9, false, patient).is_some_and(|sent| sent.probe.is_none()));
    assert!(bench.is_refused(9));
    assert!(bench.admit_by(1, 9, false, hasty).is_some_and(|sent| sent.probe.is_some()));
}

#[test]
fn formatting_forgets_everything() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    assert!(bench.is_refused(9));
    bench.circuits().format();
    assert!(bench.is_closed(1, 9));
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
    let mut is_open = |name: &u32| !bench.is_closed(*name, 9);
    assert!(is_open(&1_000_000) && is_open(&99_999));
    assert_eq!((0..99_000).filter(&mut is_open).count(), 0);
    assert!((99_000..100_000).filter(is_open).count() > 200);
}

#[test]
fn it_knows_whether_a_500_is_among_the_failures() {
    let mut bench = Bench::new();
    let end = |bench: &mut Bench, evidence| {
        let sent = Sent { from: 1, asked: bench.now - 1, probe: None };
        bench.land(1, sent, evidence);
        bench.circuits().fails_without_500(&id(1))
    };
    assert!(!bench.circuits().fails_without_500(&id(1)), "nothing has failed");
    assert!(end(&mut bench, Evidence::Failure));
    assert!(!end(&mut bench, Evidence::Error500));
    assert!(!end(&mut bench, Evidence::Failure), "it is still among them");
    assert!(!end(&mut bench, Evidence::Success));
    bench.now += 1;
    assert!(end(&mut bench, Evidence::Failure), "the 500 was before the success");
}
