use super::*;
use crate::cache_key::{ResolverId, Secret};
use crate::credentials::{Presented, present};
use proptest::prelude::*;
use std::collections::HashSet;

fn key(name: usize) -> CacheKey {
    let value = format!("Bearer {name}");
    let Presented::Credentials(found) = present([(&b"authorization"[..], value.as_bytes())], b"") else {
        panic!("no credentials")
    };
    CacheKey::new(&Secret::new([0; 32]), &ResolverId::digest(&[]), &found)
}

fn boarding<W>(waiter: W, max: u32) -> Boarding<W> {
    Boarding { waiter, client: None, now: 0, timeout: 10, max }
}

fn from<W>(client: &str, boarding: Boarding<W>) -> Boarding<W> {
    Boarding { client: Some(client.parse().unwrap()), ..boarding }
}

/// The id of a flight that this boarding starts.
fn lead<W: Copy>(flights: &mut Flights<W>, name: usize, boarding: Boarding<W>) -> FlightId {
    match flights.join(key(name), &boarding) {
        Ok(Joined::Lead(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_leads_and_the_others_follow() {
    let mut flights = Flights::default();
    let first = lead(&mut flights, 1, boarding('a', 8));
    assert_eq!(flights.join(key(1), &boarding('b', 8)), Ok(Joined::Follow));
    lead(&mut flights, 2, boarding('c', 8));
    let landed: Vec<_> = flights.land(first).collect();
    assert_eq!(landed, [('a', Role::Leader), ('b', Role::Follower)]);
    assert_eq!(flights.land(first).count(), 0);
    lead(&mut flights, 1, boarding('d', 8));
}

#[test]
fn a_flight_past_its_deadline_is_not_followed_and_still_lands() {
    let mut flights = Flights::default();
    let late = lead(&mut flights, 1, boarding('a', 8));
    assert_eq!(flights.join(key(1), &Boarding { now: 9, ..boarding('b', 8) }), Ok(Joined::Follow));
    let new = lead(&mut flights, 1, Boarding { now: 10, ..boarding('c', 8) });
    assert_eq!(flights.land(late).map(|(waiter, _)| waiter).collect::<String>(), "ab");
    assert_eq!(flights.join(key(1), &Boarding { now: 11, ..boarding('d', 8) }), Ok(Joined::Follow));
    assert_eq!(flights.land(new).map(|(waiter, _)| waiter).collect::<String>(), "cd");
}

#[test]
fn beyond_the_bound_a_flight_can_be_followed_but_not_started() {
    let mut flights = Flights::default();
    let first = lead(&mut flights, 1, boarding(1, 2));
    lead(&mut flights, 2, boarding(2, 2));
    assert_eq!(flights.join(key(3), &boarding(3, 2)), Err(Overload::Total));
    assert_eq!(flights.join(key(2), &boarding(4, 2)), Ok(Joined::Follow));
    assert_eq!(flights.land(first).count(), 1);
    lead(&mut flights, 3, boarding(3, 2));
}

#[test]
fn one_address_holds_at_most_a_quarter() {
    let mut flights = Flights::default();
    let first = lead(&mut flights, 0, from("192.0.2.1", boarding(0, 8)));
    lead(&mut flights, 1, from("192.0.2.1", boarding(1, 8)));
    assert_eq!(flights.join(key(2), &from("192.0.2.1", boarding(2, 8))), Err(Overload::Client { held: 2 }));
    assert_eq!(
        flights.join(key(2), &from("::ffff:192.0.2.1", boarding(2, 8))),
        Err(Overload::Client { held: 2 })
    );
    lead(&mut flights, 3, from("192.0.2.2", boarding(3, 8)));
    assert_eq!(flights.land(first).count(), 1);
    lead(&mut flights, 2, from("192.0.2.1", boarding(2, 8)));
    lead(&mut Flights::default(), 0, from("192.0.2.1", boarding(0, 1)));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let mut flights = Flights::default();
    lead(&mut flights, 1, from("2001:db8::1", boarding(1, 4)));
    assert_eq!(
        flights.join(key(2), &from("2001:db8::ffff:0:0:2", boarding(2, 4))),
        Err(Overload::Client { held: 1 })
    );
    lead(&mut flights, 3, from("2001:db8:0:1::1", boarding(3, 4)));
}

proptest! {
    /// In any order of events each waiter is woken exactly once, and at most `max` calls fly.
    #[test]
    fn every_waiter_is_woken_once(
        events in prop::collection::vec((0..4usize, any::<bool>(), 0..3u8), 0..200), max in 1..5u32,
    ) {
        let mut flights = Flights::default();
        let (mut waiting, mut woken, mut flying) = (HashSet::new(), HashSet::new(), Vec::new());
        for (event, (name, lands, client)) in events.into_iter().enumerate() {
            if lands && !flying.is_empty() {
                for (waiter, _) in flights.land(flying.swap_remove(name % flying.len())) {
                    prop_assert!(waiting.remove(&waiter) && woken.insert(waiter));
                }
            } else {
                let boarding = from(&format!("192.0.2.{client}"), Boarding { now: event as u64, ..boarding(event, max) });
                match flights.join(key(name), &boarding) {
                    Ok(Joined::Lead(id)) => flying.push(id),
                    Ok(Joined::Follow) => {}
                    Err(_) => continue,
                }
                waiting.insert(event);
            }
            prop_assert!(flights.flights.len() <= max as usize);
        }
        for id in flying {
            for (waiter, _) in flights.land(id) {
                prop_assert!(waiting.remove(&waiter) && woken.insert(waiter));
            }
        }
        prop_assert!(waiting.is_empty() && flights.flights.is_empty());
        prop_assert!(flights.current.is_empty() && flights.by_client.is_empty());
    }
}
