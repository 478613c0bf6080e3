use super::*;
use crate::cache_key::{KeyMaker, ResolverId, Secret};
use crate::credentials::{Presented, present};
use proptest::prelude::*;
use std::collections::HashSet;

fn key(name: usize) -> CacheKey {
    let value = format!("Bearer {name}");
    let Presented::Credentials(found) = present([(&b"authorization"[..], value.as_bytes())], b"") else {
        panic!("no credentials")
    };
    KeyMaker::new(&Secret::new([0; 32]), &ResolverId::digest(&[])).key(&found)
}

fn boarding<W>(leader: W, max: u32) -> Boarding<W> {
    let resolver = ResolverId::digest(&[]);
    Boarding { leader: Some(leader), resolver, kind: Kind::New(None), now: 0, timeout: 10, max }
}

fn from<W>(client: &str, boarding: Boarding<W>) -> Boarding<W> {
    let client = client.parse::<std::net::IpAddr>().unwrap();
    Boarding { kind: Kind::New(Some(client.into())), ..boarding }
}

type Plain<W> = Flights<W, ()>;

/// Starts a flight and returns its id.
fn lead<W: Copy>(flights: &mut Plain<W>, name: usize, boarding: Boarding<W>) -> FlightId {
    flights.lead(key(name), &boarding, ()).unwrap()
}

fn joins<W: Copy>(flights: &mut Plain<W>, name: usize, waiter: W, now: u64) -> bool {
    flights.is_flying(&key(name), now) && flights.join(&key(name), waiter, now).is_some()
}

fn landed<W: Copy>(flights: &mut Plain<W>, id: FlightId) -> Vec<(W, Role)> {
    flights.land(id).map(|landing| landing.waiters).unwrap_or_default()
}

#[test]
fn the_first_leads_and_the_others_follow() {
    let mut flights = Flights::default();
    assert!(!joins(&mut flights, 1, 'a', 0));
    let first = lead(&mut flights, 1, boarding('a', 8));
    assert!(joins(&mut flights, 1, 'b', 0) && !joins(&mut flights, 2, 'c', 0));
    assert_eq!(landed(&mut flights, first), [('a', Role::Leader), ('b', Role::Follower)]);
    assert_eq!(landed(&mut flights, first), []);
    assert!(!joins(&mut flights, 1, 'd', 0));
}

#[test]
fn a_flight_past_its_deadline_is_not_followed_and_still_lands() {
    let mut flights = Flights::default();
    let late = lead(&mut flights, 1, boarding('a', 8));
    assert!(joins(&mut flights, 1, 'b', 9) && !joins(&mut flights, 1, 'x', 10));
    let new = lead(&mut flights, 1, Boarding { now: 10, ..boarding('c', 8) });
    let names =
        |waiters: Vec<(char, Role)>| waiters.into_iter().map(|(waiter, _)| waiter).collect::<String>();
    assert_eq!(names(landed(&mut flights, late)), "ab");
    assert!(joins(&mut flights, 1, 'd', 11));
    assert_eq!(names(landed(&mut flights, new)), "cd");
}

#[test]
fn a_call_that_nobody_waits_for_can_be_joined() {
    let mut flights = Flights::default();
    let id = lead(&mut flights, 1, Boarding { leader: None, ..boarding('a', 1) });
    assert!(joins(&mut flights, 1, 'b', 0));
    assert_eq!(landed(&mut flights, id), [('b', Role::Follower)]);
}

#[test]
fn renewals_have_a_bound_of_their_own() {
    let mut flights = Flights::default();
    lead(&mut flights, 1, from("192.0.2.1", boarding('a', 1)));
    let renewal = Boarding { kind: Kind::Renewal, ..boarding('b', 1) };
    // As many as one user can have sessions in the cache, however small the limit is.
    let ids: Vec<_> = (2..18).map(|name| lead(&mut flights, name, renewal)).collect();
    assert_eq!(flights.lead(key(18), &renewal, ()), Err(Overload::Total));
    landed(&mut flights, ids[0]);
    lead(&mut flights, 18, Boarding { leader: None, ..renewal });
    assert_eq!(flights.lead(key(19), &boarding('c', 1), ()), Err(Overload::Total));
}

#[test]
fn a_call_that_is_made_elsewhere_counts_for_nobody() {
    let mut flights = Flights::default();
    let followed = flights.follow(key(1), 'a', 10, ());
    assert!(joins(&mut flights, 1, 'b', 0) && !joins(&mut flights, 1, 'c', 10));
    let led = lead(&mut flights, 2, from("192.0.2.1", boarding('d', 1)));
    assert_eq!(landed(&mut flights, followed), [('a', Role::Follower), ('b', Role::Follower)]);
    assert_eq!(flights.lead(key(3), &boarding('e', 1), ()), Err(Overload::Total));
    landed(&mut flights, led);
    lead(&mut flights, 3, boarding('e', 1));
}

#[test]
fn beyond_the_bound_a_flight_can_be_followed_but_not_started() {
    let mut flights = Flights::default();
    let first = lead(&mut flights, 1, boarding(1, 2));
    lead(&mut flights, 2, boarding(2, 2));
    assert_eq!(flights.lead(key(3), &boarding(3, 2), ()), Err(Overload::Total));
    assert!(joins(&mut flights, 2, 4, 0));
    assert_eq!(landed(&mut flights, first).len(), 1);
    lead(&mut flights, 3, boarding(3, 2));
}

#[test]
fn each_resolver_has_bounds_of_its_own() {
    let mut flights = Flights::default();
    lead(&mut flights, 1, from("192.0.2.1", boarding(1, 1)));
    let other = Boarding { resolver: ResolverId::digest(&[b"another"]), ..from("192.0.2.1", boarding(2, 1)) };
    lead(&mut flights, 2, other);
    assert_eq!(flights.lead(key(3), &other, ()), Err(Overload::Total));
}

#[test]
fn one_address_holds_at_most_an_eighth() {
    let mut flights = Flights::default();
    let refused = Err(Overload::Client { held: 2 });
    let first = lead(&mut flights, 0, from("192.0.2.1", boarding(0, 16)));
    lead(&mut flights, 1, from("192.0.2.1", boarding(1, 16)));
    assert_eq!(flights.lead(key(2), &from("192.0.2.1", boarding(2, 16)), ()), refused);
    assert_eq!(flights.lead(key(2), &from("::ffff:192.0.2.1", boarding(2, 16)), ()), refused);
    lead(&mut flights, 3, from("192.0.2.2", boarding(3, 16)));
    assert_eq!(landed(&mut flights, first).len(), 1);
    lead(&mut flights, 2, from("192.0.2.1", boarding(2, 16)));
    lead(&mut Flights::default(), 0, from("192.0.2.1", boarding(0, 1)));
}

#[test]
fn an_ipv6_site_counts_as_one_address() {
    let mut flights = Flights::default();
    lead(&mut flights, 0, from("2001:db8::1", boarding(0, 8)));
    for network in 1..9 {
        let same = from(&format!("2001:db8:0:{network}::1"), boarding(1, 8));
        assert_eq!(flights.lead(key(1), &same, ()), Err(Overload::Client { held: 1 }));
    }
    lead(&mut flights, 2, from("2001:db8:1::1", boarding(2, 8)));
}

proptest! {
    /// In any order of events, each waiter is woken exactly once, and at most `max` calls are in flight.
    #[test]
    fn every_waiter_is_woken_once(
        events in prop::collection::vec((0..4usize, 0..4u8, 0..3u8), 0..200), max in 1..5u32,
    ) {
        let mut flights = Flights::default();
        let (mut waiting, mut woken, mut flying) = (HashSet::new(), HashSet::new(), Vec::new());
        for (event, (name, what, client)) in events.into_iter().enumerate() {
            let now = event as u64;
            match what {
                0 if !flying.is_empty() => {
                    for (waiter, _) in landed(&mut flights, flying.swap_remove(name % flying.len())) {
                        prop_assert!(waiting.remove(&waiter) && woken.insert(waiter));
                    }
                }
                _ if joins(&mut flights, name, event, now) => prop_assert!(waiting.insert(event)),
                1 => {
                    flying.push(flights.follow(key(name), event, now + 10, ()));
                    waiting.insert(event);
                }
                _ => {
                    let boarding = from(&format!("192.0.2.{client}"), Boarding { now, ..boarding(event, max) });
                    if let Ok(id) = flights.lead(key(name), &boarding, ()) {
                        flying.push(id);
                        waiting.insert(event);
                    }
                }
            }
            let calls = flights.counts.get(&(ResolverId::digest(&[]), Share::New)).copied().unwrap_or(0);
            prop_assert!(calls <= max);
            prop_assert_eq!(calls as usize, flights.flights.values().filter(|flight| flight.call.is_some()).count());
        }
        for id in flying {
            for (waiter, _) in landed(&mut flights, id) {
                prop_assert!(waiting.remove(&waiter) && woken.insert(waiter));
            }
        }
        prop_assert!(waiting.is_empty() && flights.flights.is_empty());
        prop_assert!(flights.current.is_empty() && flights.counts.is_empty());
    }
}
