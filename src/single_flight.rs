//! One call per key: the first request that needs an answer leads, the ones that come before it is there follow.

use std::collections::HashMap;
use std::net::IpAddr;

use slotmap::{SlotMap, new_key_type};

use crate::cache_key::CacheKey;

new_key_type! {
    /// Names a flight. A key may have two for a moment: one that is past its deadline, and the one that replaces it.
    pub struct FlightId;
}

/// A request's part in a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
}

/// What came of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The flight is new: whoever joined has to make the call.
    Lead(FlightId),
    Follow,
}

/// Refused: the calls in flight are as many as may be, in all or for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    Total,
    Client { held: u32 },
}

/// A request that wants to join. Times are in milliseconds, on any one clock.
#[derive(Clone, Copy, Debug)]
pub struct Boarding<W> {
    pub waiter: W,
    /// The address of its client. Without one there is nothing to tell clients apart by.
    pub client: Option<IpAddr>,
    pub now: u64,
    /// How long a flight takes at most that this request leads.
    pub timeout: u64,
    /// How many flights there may be; one client may have a quarter of them.
    pub max: u32,
}

/// The calls that are in flight, and who waits for each. `W` names a waiter; one that has gone may stay listed.
pub struct Flights<W> {
    flights: SlotMap<FlightId, Flight<W>>,
    current: HashMap<CacheKey, FlightId>,
    by_client: HashMap<IpAddr, u32>,
}

struct Flight<W> {
    key: CacheKey,
    leader: W,
    followers: Vec<W>,
    client: Option<IpAddr>,
    deadline: u64,
}

impl<W> Default for Flights<W> {
    fn default() -> Self {
        Self { flights: SlotMap::with_key(), current: HashMap::new(), by_client: HashMap::new() }
    }
}

impl<W: Copy> Flights<W> {
    /// Joins the flight of a key, or starts one. A flight whose deadline has passed can only bring word of that, so a new
    /// one takes its place.
    ///
    /// # Errors
    /// [`Overload`] where a flight would have to be started and may not be.
    pub fn join(&mut self, key: CacheKey, boarding: &Boarding<W>) -> Result<Joined, Overload> {
        let current = self.current.get(&key).and_then(|id| self.flights.get_mut(*id));
        if let Some(flight) = current.filter(|flight| boarding.now < flight.deadline) {
            flight.followers.push(boarding.waiter);
            return Ok(Joined::Follow);
        }
        let client = boarding.client.map(network);
        self.admit(client, boarding.max)?;
        let id = self.flights.insert(Flight {
            key,
            leader: boarding.waiter,
            followers: Vec::new(),
            client,
            deadline: boarding.now.saturating_add(boarding.timeout),
        });
        self.current.insert(key, id);
        Ok(Joined::Lead(id))
    }

    /// Ends a flight; returns its waiters, the leader first.
    pub fn land(&mut self, id: FlightId) -> impl Iterator<Item = (W, Role)> + use<W> {
        let flight = self.flights.remove(id);
        if let Some(flight) = &flight {
            if self.current.get(&flight.key) == Some(&id) {
                self.current.remove(&flight.key);
            }
            self.release(flight.client);
        }
        flight.into_iter().flat_map(|Flight { leader, followers, .. }| {
            std::iter::once((leader, Role::Leader))
                .chain(followers.into_iter().map(|follower| (follower, Role::Follower)))
        })
    }

    fn admit(&mut self, client: Option<IpAddr>, max: u32) -> Result<(), Overload> {
        if self.flights.len() >= max as usize {
            return Err(Overload::Total);
        }
        if let Some(client) = client {
            let held = self.by_client.entry(client).or_default();
            // However small the bound is, a client can have one.
            if *held >= max.div_ceil(4) {
                return Err(Overload::Client { held: *held });
            }
            *held += 1;
        }
        Ok(())
    }

    fn release(&mut self, client: Option<IpAddr>) {
        let Some(client) = client else { return };
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
