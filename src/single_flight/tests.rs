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

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn the_first_leads_and_the_others_follow() {
    let mut flights = Flights::default();
    assert_eq!(flights.join(key(1), 'a', None, 8), Ok(Role::Leader));
    assert_eq!(flights.join(key(1), 'b', None, 8), Ok(Role::Follower));
    assert_eq!(flights.join(key(2), 'c', None, 8), Ok(Role::Leader));
    let landed: Vec<_> = flights.land(&key(1)).collect();
    assert_eq!(landed, [('a', Role::Leader), ('b', Role::Follower)]);
    assert_eq!(flights.join(key(1), 'd', None, 8), Ok(Role::Leader));
    assert_eq!(flights.land(&key(3)).count(), 0);
}

#[test]
fn beyond_the_bound_a_flight_can_be_followed_but_not_started() {
    let mut flights = Flights::default();
    assert_eq!(flights.join(key(1), 1, None, 2), Ok(Role::Leader));
    assert_eq!(flights.join(key(2), 2, None, 2), Ok(Role::Leader));
    assert_eq!(flights.join(key(3), 3, None, 2), Err(Overload));
    assert_eq!(flights.join(key(2), 4, None, 2), Ok(Role::Follower));
    assert_eq!(flights.land(&key(1)).count(), 1);
    assert_eq!(flights.join(key(3), 3, None, 2), Ok(Role::Leader));
}

#[test]
fn one_address_holds_at_most_a_quarter() {
    let mut flights = Flights::default();
    for name in 0..2 {
        assert_eq!(flights.join(key(name), name, address("192.0.2.1"), 8), Ok(Role::Leader));
    }
    assert_eq!(flights.join(key(2), 2, address("192.0.2.1"), 8), Err(Overload));
    assert_eq!(flights.join(key(3), 3, address("::ffff:192.0.2.1"), 8), Err(Overload));
    assert_eq!(flights.join(key(4), 4, address("192.0.2.2"), 8), Ok(Role::Leader));
    assert_eq!(flights.land(&key(0)).count(), 1);
    assert_eq!(flights.join(key(5), 5, address("192.0.2.1"), 8), Ok(Role::Leader));
    // However small the bound is, a client can have one call.
    assert_eq!(Flights::default().join(key(6), 6, address("192.0.2.1"), 1), Ok(Role::Leader));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let mut flights = Flights::default();
    assert_eq!(flights.join(key(1), 1, address("2001:db8::1"), 4), Ok(Role::Leader));
    assert_eq!(flights.join(key(2), 2, address("2001:db8::ffff:0:0:2"), 4), Err(Overload));
    assert_eq!(flights.join(key(3), 3, address("2001:db8:0:1::1"), 4), Ok(Role::Leader));
}

proptest! {
    /// In any order of events each waiter is woken exactly once, and at most `max` calls fly.
    #[test]
    fn every_waiter_is_woken_once(
        events in prop::collection::vec((0..6usize, any::<bool>(), 0..3u8), 0..200), max in 1..5u32,
    ) {
        let mut flights = Flights::default();
        let (mut waiting, mut woken) = (HashSet::new(), HashSet::new());
        for (waiter, (name, lands, client)) in events.into_iter().enumerate() {
            if lands {
                for (waiter, _) in flights.land(&key(name)) {
                    prop_assert!(waiting.remove(&waiter) && woken.insert(waiter));
                }
            } else if flights.join(key(name), waiter, address(&format!("192.0.2.{client}")), max).is_ok() {
                waiting.insert(waiter);
            }
            prop_assert!(flights.len() <= max as usize);
        }
        for name in 0..6 {
            for (waiter, _) in flights.land(&key(name)) {
                prop_assert!(waiting.remove(&waiter) && woken.insert(waiter));
            }
        }
        prop_assert!(waiting.is_empty() && flights.is_empty() && flights.by_client.is_empty());
    }
}
