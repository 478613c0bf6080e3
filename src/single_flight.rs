//! One call per key: the first request that needs an answer leads, the ones that come before it is there follow.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::cache_key::CacheKey;

/// A request's part in a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
}

/// Refused: the calls in flight are as many as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload;

/// The calls that are in flight, and who waits for each. `W` names a waiter; one that has gone may stay listed.
pub struct Flights<W> {
    flights: HashMap<CacheKey, Flight<W>>,
    by_client: HashMap<IpAddr, u32>,
}

struct Flight<W> {
    leader: W,
    followers: Vec<W>,
    client: Option<IpAddr>,
}

impl<W> Default for Flights<W> {
    fn default() -> Self {
        Self { flights: HashMap::new(), by_client: HashMap::new() }
    }
}

impl<W: Copy> Flights<W> {
    /// Joins the flight of a key, or starts one. A client is known by its address, and holds at most a quarter of the
    /// `max` calls: one that floods leaves room for the others. Without an address there is nothing to tell apart.
    ///
    /// # Errors
    /// [`Overload`] where a flight would have to be started and may not be.
    pub fn join(
        &mut self,
        key: CacheKey,
        waiter: W,
        client: Option<IpAddr>,
        max: u32,
    ) -> Result<Role, Overload> {
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.followers.push(waiter);
            return Ok(Role::Follower);
        }
        let client = client.map(network);
        if self.flights.len() >= max as usize {
            return Err(Overload);
        }
        if let Some(client) = client {
            let held = self.by_client.entry(client).or_default();
            if *held >= max.div_ceil(4) {
                return Err(Overload);
            }
            *held += 1;
        }
        self.flights.insert(key, Flight { leader: waiter, followers: Vec::new(), client });
        Ok(Role::Leader)
    }

    /// Ends the flight of a key; returns its waiters, the leader first.
    pub fn land(&mut self, key: &CacheKey) -> impl Iterator<Item = (W, Role)> + use<W> {
        let flight = self.flights.remove(key);
        if let Some(client) = flight.as_ref().and_then(|flight| flight.client) {
            self.release(client);
        }
        flight.into_iter().flat_map(|Flight { leader, followers, .. }| {
            std::iter::once((leader, Role::Leader))
                .chain(followers.into_iter().map(|follower| (follower, Role::Follower)))
        })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    fn release(&mut self, client: IpAddr) {
        if let Some(held) = self.by_client.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}

/// Who an address belongs to: a subscriber has a whole IPv6 /64 to take addresses from (RFC 6177).
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
#[path = "single_flight/tests.rs"]
mod tests;
