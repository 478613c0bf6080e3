//! One call per key: the first request that needs an answer leads, the ones that come before it is there follow.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;

use slotmap::{SlotMap, new_key_type};

use crate::cache_key::{CacheKey, KeyHasher};

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

/// Refused: the calls in flight are as many as may be, in all or for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    Total,
    Client { held: u32 },
}

/// The start of a flight. Times are in milliseconds, on any one clock.
#[derive(Clone, Copy, Debug)]
pub struct Boarding<W> {
    /// `None` for a call that nobody waits for.
    pub leader: Option<W>,
    /// The address of the leader's client. Without one there is nothing to tell clients apart by.
    pub client: Option<IpAddr>,
    pub now: u64,
    /// How long the flight takes at most.
    pub timeout: u64,
    /// How many calls there may be; one client may have a quarter of them. Calls that nobody waits for are counted by themselves, and
    /// for no client: nobody can keep his own session from being looked at again by making others' calls.
    pub max: u32,
}

/// The keys for which an answer is on its way, and who waits for each. `W` names a waiter; one that has gone may stay listed.
/// `N` is what the caller notes with a flight.
pub struct Flights<W, N> {
    flights: SlotMap<FlightId, Flight<W, N>>,
    current: HashMap<CacheKey, FlightId, BuildHasherDefault<KeyHasher>>,
    calls: u32,
    background: u32,
    by_client: HashMap<IpAddr, u32>,
}

struct Flight<W, N> {
    key: CacheKey,
    waiters: Vec<(W, Role)>,
    call: Option<Call>,
    deadline: u64,
    note: N,
}

/// A call of this process's, and whose it is.
enum Call {
    Background,
    For { client: Option<IpAddr> },
}

/// A flight that has ended.
#[derive(Debug)]
pub struct Landing<W, N> {
    pub key: CacheKey,
    pub note: N,
    /// The leader first.
    pub waiters: Vec<(W, Role)>,
}

impl<W, N> Default for Flights<W, N> {
    fn default() -> Self {
        Self {
            flights: SlotMap::with_key(),
            current: HashMap::default(),
            calls: 0,
            background: 0,
            by_client: HashMap::new(),
        }
    }
}

impl<W: Copy, N> Flights<W, N> {
    /// Joins the flight of a key, if there is one; returns its note. A flight whose deadline has passed can only bring word of
    /// that, so nobody joins it.
    pub fn join(&mut self, key: &CacheKey, waiter: W, now: u64) -> Option<&mut N> {
        let flight = self.flights.get_mut(*self.current.get(key)?)?;
        if now >= flight.deadline {
            return None;
        }
        flight.waiters.push((waiter, Role::Follower));
        Some(&mut flight.note)
    }

    /// Whether there is a flight to join.
    #[must_use]
    pub fn is_flying(&self, key: &CacheKey, now: u64) -> bool {
        let flight = self.current.get(key).and_then(|id| self.flights.get(*id));
        flight.is_some_and(|flight| now < flight.deadline)
    }

    /// Starts a flight for which whoever boards makes the call. It takes the place of one that is past its deadline.
    ///
    /// # Errors
    /// [`Overload`].
    pub fn lead(&mut self, key: CacheKey, boarding: &Boarding<W>, note: N) -> Result<FlightId, Overload> {
        let call = match boarding.leader {
            Some(_) => Call::For { client: boarding.client.map(network) },
            None => Call::Background,
        };
        self.admit(&call, boarding.max)?;
        let waiters = boarding.leader.map(|leader| (leader, Role::Leader)).into_iter().collect();
        let deadline = boarding.now.saturating_add(boarding.timeout);
        Ok(self.start(Flight { key, waiters, call: Some(call), deadline, note }))
    }

    /// Starts a flight whose call is made elsewhere, and so costs none here.
    pub fn follow(&mut self, key: CacheKey, waiter: W, deadline: u64, note: N) -> FlightId {
        self.start(Flight { key, waiters: vec![(waiter, Role::Follower)], call: None, deadline, note })
    }

    fn start(&mut self, flight: Flight<W, N>) -> FlightId {
        let key = flight.key;
        let id = self.flights.insert(flight);
        self.current.insert(key, id);
        id
    }

    /// Ends a flight.
    pub fn land(&mut self, id: FlightId) -> Option<Landing<W, N>> {
        let Flight { key, waiters, call, note, .. } = self.flights.remove(id)?;
        if self.current.get(&key) == Some(&id) {
            self.current.remove(&key);
        }
        if let Some(call) = call {
            self.release(&call);
        }
        Some(Landing { key, note, waiters })
    }

    /// What is noted of each flight.
    pub fn notes(&self) -> impl Iterator<Item = (FlightId, &N)> {
        self.flights.iter().map(|(id, flight)| (id, &flight.note))
    }

    fn admit(&mut self, call: &Call, max: u32) -> Result<(), Overload> {
        let Call::For { client } = call else {
            if self.background >= max {
                return Err(Overload::Total);
            }
            self.background += 1;
            return Ok(());
        };
        if self.calls >= max {
            return Err(Overload::Total);
        }
        if let Some(client) = client {
            let held = self.by_client.entry(*client).or_default();
            // However small the bound is, a client can have one.
            if *held >= max.div_ceil(4) {
                return Err(Overload::Client { held: *held });
            }
            *held += 1;
        }
        self.calls += 1;
        Ok(())
    }

    fn release(&mut self, call: &Call) {
        let Call::For { client } = call else {
            self.background -= 1;
            return;
        };
        self.calls -= 1;
        let Some(client) = client else { return };
        if let Some(held) = self.by_client.get_mut(client) {
            *held -= 1;
            if *held == 0 {
                self.by_client.remove(client);
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
