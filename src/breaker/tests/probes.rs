//! When probes are sent, and by which clients.

use super::*;

#[test]
fn probes_come_early_and_then_ever_later() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    // Each is from a new client, because a client whose call failed is a suspect.
    for (from, expected) in (100..).zip([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
        let (wait, sent) = bench.next(from..from + 1);
        assert_eq!(wait, expected);
        // There is one probe at a time, and the next wait starts when it has ended.
        bench.now += TIMEOUT - 1;
        assert!(bench.is_refused(from) && bench.is_refused(9));
        let row = bench.land(1, sent, Evidence::Failure).unwrap();
        assert_eq!(row.wait.min(BREAKER.fail_timeout), (2 * expected).min(10_000));
    }
    let (_, sent) = bench.next(9..10);
    bench.land(1, sent, Evidence::Success);
    assert!(bench.is_closed(1, 9));
    // After a success, the next outage starts with the shortest wait again.
    bench.now += 1;
    bench.fail(1, 5);
    assert_eq!(bench.next(9..10).0, 250);
}

#[test]
fn no_wait_is_longer_than_fail_timeout() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    let hasty = Breaker { fail_timeout: 100, ..BREAKER };
    for from in 100..105 {
        bench.now += 99;
        assert!(bench.admit_by(1, from, false, hasty).is_none());
        bench.now += 1;
        let sent = bench.admit_by(1, from, false, hasty).unwrap();
        bench.land(1, sent, Evidence::Failure);
    }
    // With the longer `fail_timeout` of other locations.
    assert_eq!(bench.next(8..9).0, 8_000);
}

/// 200 requests per second while the resolver refuses connections for some time.
#[test]
fn an_outage_costs_what_it_lasts_and_little_more() {
    for (outage, longest) in [(100, 200), (500, 500), (1_000, 1_280), (5_000, 5_280), (60_000, 10_280)] {
        // Enough clients to open it for all, or fewer.
        for clients in [1, 4, 5, 6, 20] {
            let mut bench = Bench::new();
            let (start, mut probes) = (bench.now, 0);
            let recovered = loop {
                bench.now += 5;
                let from = u8::try_from(bench.now / 5 % clients).unwrap();
                let Some(sent) = bench.send(1, from) else { continue };
                let is_over = bench.now >= start + outage;
                bench.land(1, sent, if is_over { Evidence::Success } else { Evidence::Failure });
                if is_over {
                    break bench.now - start - outage;
                }
                probes += u32::from(sent.probe.is_some());
            };
            assert!(recovered <= longest, "{outage} ms, {clients} clients: {recovered} ms more");
            // 0.25, 0.75, 1.75, 3.75, 7.75 and 15.75 s after it opened, and then every 10 s.
            let most = if outage > 16_000 { 6 + (outage - 15_750) / 10_000 } else { 5 };
            assert!(u64::from(probes) <= most, "{outage} ms, {clients} clients: {probes} probes");
        }
    }
}

#[test]
fn calls_in_flight_when_it_opens_put_no_probe_off() {
    let mut bench = Bench::new();
    bench.now += TIMEOUT;
    // A hundred calls hang, and time out one after the other.
    for n in 0..100 {
        bench.now += 2;
        bench.end(1, n, TIMEOUT, Evidence::Failure);
    }
    let (wait, sent) = bench.next(200..201);
    assert_eq!(wait, 60, "a quarter of a second after the first of them");
    bench.now += 10;
    for n in 100..120 {
        bench.end(1, n, TIMEOUT, Evidence::Failure);
    }
    assert!(bench.is_refused(201), "they are no probes that ended");
    bench.now += 490;
    bench.land(1, sent, Evidence::Failure);
    assert_eq!(bench.next(200..202).0, 500);
}

#[test]
fn a_probe_whose_end_nobody_told_is_followed_by_another() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 250;
    let lost = bench.probe(9);
    bench.now += TIMEOUT - 1;
    assert!(bench.is_refused(7));
    bench.now += 1;
    let next = bench.probe(7);
    // The lost probe's end arrives late and doesn't affect the probe in flight.
    bench.land(1, lost, Evidence::Failure);
    bench.now += TIMEOUT - 1;
    assert!(bench.is_refused(8));
    bench.land(1, next, Evidence::Success);
    assert!(bench.is_closed(1, 8));
}

#[test]
fn a_probe_that_says_nothing_makes_room_for_another() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 250;
    let sent = bench.probe(9);
    bench.end(1, 8, 5, Evidence::None);
    assert!(bench.is_refused(8), "that was another call");
    assert_eq!(bench.land(1, sent, Evidence::None), None);
    let sent = bench.probe(9);
    assert!(bench.is_refused(9));
    bench.land(1, sent, Evidence::Failure);
    assert_eq!(bench.next(10..11).0, 500, "it says nothing about the wait either");
    assert_eq!(bench.end(2, 9, 5, Evidence::None), None);
}

#[test]
fn suspects_leave_the_probe_to_the_others_where_it_is_open_to_all() {
    let mut bench = Bench::new();
    bench.fail(1, 5);
    bench.now += 250;
    assert!(bench.is_refused(4), "the others come first");
    let sent = bench.probe(9);
    bench.now += 1_000;
    assert!(bench.is_refused(4), "one is under way");
    bench.land(1, sent, Evidence::Failure);
    // No other client sends a request, so the suspects send the probe, a little later.
    let (wait, sent) = bench.next(2..5);
    assert_eq!(wait, 750);
    assert!(bench.is_refused(3));
    let other = bench.probe(8);
    bench.land(1, sent, Evidence::Failure);
    assert!(bench.is_refused(7), "the other's is under way still");
    bench.land(1, other, Evidence::Success);
    assert!(bench.is_closed(1, 3) && bench.is_closed(1, 7));
}
