//! One call per key: the first request that needs an answer leads; requests that arrive before the answer follow.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use slotmap::{SlotMap, new_key_type};

use crate::cache_key::{CacheKey, KeyHasher, ResolverId};
use crate::client::Client;
use crate::store::MAX_PER_USER;

new_key_type! {
    /// Identifies a flight. A key can briefly have two: one past its deadline, and its replacement.
    pub struct FlightId;
}

/// One client may hold at most 1/`CLIENT_SHARE` of all calls. With the default of 512 that is 64: well below the number of
/// streams on one HTTP/2 connection, usually 100 or more (RFC 9113 §6.5.2), so that one client's slow calls leave room for
/// others.
const CLIENT_SHARE: u32 = 8;

/// A request's role in a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
}

/// Refused because the limit on calls in flight is reached, in total or for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    Total,
    Client { held: u32 },
}

/// The parameters of a new flight. Times are in milliseconds of any single clock.
#[derive(Clone, Copy, Debug)]
pub struct Boarding<W> {
    /// `None` for a call that no request waits for.
    pub leader: Option<W>,
    /// The resolver to call. Calls are counted per resolver, so that a resolver that hangs doesn't block calls to others.
    pub resolver: ResolverId,
    pub kind: Kind,
    pub now: u64,
    /// The maximum duration of the flight.
    pub timeout: u64,
    /// The maximum number of calls of one kind to the resolver.
    pub max: u32,
}

/// How a call is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call for unknown credentials. One client may hold an eighth of the limit; clients without an address can't be
    /// distinguished and have no limit of their own.
    New(Option<Client>),
    /// A call for a session that was valid when it was last checked. No client can create many of these, so they count toward
    /// no client's limit. New credentials, however many there are, can't prevent a session from being checked again.
    Renewal,
}

/// The keys with a call in flight, and the waiters of each. `W` identifies a waiter; one that is gone may remain listed. `N`
/// is the caller's note for a flight.
pub struct Flights<W, N> {
    flights: SlotMap<FlightId, Flight<W, N>>,
    current: HashMap<CacheKey, FlightId, BuildHasherDefault<KeyHasher>>,
    counts: HashMap<(ResolverId, Share), u32>,
}

struct Flight<W, N> {
    key: CacheKey,
    waiters: Vec<(W, Role)>,
    /// `None` if another worker makes the call.
    call: Option<(ResolverId, Kind)>,
    deadline: u64,
    note: N,
}

/// The groups of calls that are limited, for each resolver.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Share {
    New,
    Renewals,
    Client(Client),
}

/// A finished flight.
#[derive(Debug)]
pub struct Landing<W, N> {
    pub key: CacheKey,
    pub note: N,
    /// The leader comes first.
    pub waiters: Vec<(W, Role)>,
}

impl<W, N> Default for Flights<W, N> {
    fn default() -> Self {
        Self { flights: SlotMap::with_key(), current: HashMap::default(), counts: HashMap::new() }
    }
}

impl<W: Copy, N> Flights<W, N> {
    /// Joins the flight of a key, if there is one, and returns its note. A flight past its deadline can only time out, so it
    /// can't be joined.
    pub fn join(&mut self, key: &CacheKey, waiter: W, now: u64) -> Option<&mut N> {
        let flight = self.flights.get_mut(*self.current.get(key)?)?;
        if now >= flight.deadline {
            return None;
        }
        flight.waiters.push((waiter, Role::Follower));
        Some(&mut flight.note)
    }

    /// Whether there is a flight that can be joined.
    #[must_use]
    pub fn is_flying(&self, key: &CacheKey, now: u64) -> bool {
        let flight = self.current.get(key).and_then(|id| self.flights.get(*id));
        flight.is_some_and(|flight| now < flight.deadline)
    }

    /// Starts a flight whose call is made by the caller. It replaces one that is past its deadline.
    ///
    /// # Errors
    /// [`Overload`], if a limit is reached.
    pub fn lead(&mut self, key: CacheKey, boarding: &Boarding<W>, note: N) -> Result<FlightId, Overload> {
        self.admit(boarding.resolver, boarding.kind, boarding.max)?;
        let call = Some((boarding.resolver, boarding.kind));
        let waiters = boarding.leader.map(|leader| (leader, Role::Leader)).into_iter().collect();
        let deadline = boarding.now.saturating_add(boarding.timeout);
        Ok(self.start(Flight { key, waiters, call, deadline, note }))
    }

    /// Starts a flight whose call is made by another worker and isn't counted here.
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
        if let Some((resolver, kind)) = call {
            self.release(resolver, kind);
        }
        Some(Landing { key, note, waiters })
    }

    /// The notes of all flights.
    pub fn notes(&self) -> impl Iterator<Item = (FlightId, &N)> {
        self.flights.iter().map(|(id, flight)| (id, &flight.note))
    }

    fn admit(&mut self, resolver: ResolverId, kind: Kind, max: u32) -> Result<(), Overload> {
        let held = |share| self.counts.get(&(resolver, share)).copied().unwrap_or(0);
        if held(kind.share()) >= kind.max(max) {
            return Err(Overload::Total);
        }
        if let Some(client) = kind.client() {
            // However small the limit is, each client may hold at least one call.
            let held = held(client);
            if held >= max.div_ceil(CLIENT_SHARE) {
                return Err(Overload::Client { held });
            }
            *self.counts.entry((resolver, client)).or_default() += 1;
        }
        *self.counts.entry((resolver, kind.share())).or_default() += 1;
        Ok(())
    }

    fn release(&mut self, resolver: ResolverId, kind: Kind) {
        for share in kind.client().into_iter().chain([kind.share()]) {
            let Entry::Occupied(mut count) = self.counts.entry((resolver, share)) else { continue };
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Kind {
    /// However small the limit is, one user's sessions alone can't reach the limit for renewals.
    fn max(self, max: u32) -> u32 {
        match self {
            Self::New(_) => max,
            Self::Renewal => max.max(MAX_PER_USER as u32),
        }
    }

    fn share(self) -> Share {
        match self {
            Self::New(_) => Share::New,
            Self::Renewal => Share::Renewals,
        }
    }

    fn client(self) -> Option<Share> {
        match self {
            Self::New(client) => client.map(Share::Client),
            Self::Renewal => None,
        }
    }
}

#[cfg(test)]
mod tests;
