//! One call per key: the first request that needs an answer leads, the ones that come before it is there follow.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use slotmap::{SlotMap, new_key_type};

use crate::cache_key::{CacheKey, KeyHasher, ResolverId};
use crate::client::Client;
use crate::store::MAX_PER_USER;

new_key_type! {
    /// Names a flight. A key may have two for a moment: one that is past its deadline, and the one that replaces it.
    pub struct FlightId;
}

/// One client's calls are at most this part of all. Of the default, 512, that is 64: well below the streams of one HTTP/2
/// connection, of which servers usually allow 100 or more (RFC 9113 §6.5.2), so that one client's slow calls leave room for others.
const CLIENT_SHARE: u32 = 8;

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
    /// Whom the call asks: a resolver that hangs holds up no calls to others.
    pub resolver: ResolverId,
    pub kind: Kind,
    pub now: u64,
    /// How long the flight takes at most.
    pub timeout: u64,
    /// How many calls of a kind there may be to the resolver.
    pub max: u32,
}

/// What calls are counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of credentials of which nothing is known. One client may have an eighth of what there may be; without an address there
    /// is nothing to tell clients apart by.
    New(Option<Client>),
    /// Of a session that was valid when it was last looked at. Nobody can make many of these, so they count for no client: new
    /// credentials, in whatever number, don't keep a session from being looked at again.
    Renewal,
}

/// The keys for which an answer is on its way, and who waits for each. `W` names a waiter; one that has gone may stay listed.
/// `N` is what the caller notes with a flight.
pub struct Flights<W, N> {
    flights: SlotMap<FlightId, Flight<W, N>>,
    current: HashMap<CacheKey, FlightId, BuildHasherDefault<KeyHasher>>,
    counts: HashMap<(ResolverId, Share), u32>,
}

struct Flight<W, N> {
    key: CacheKey,
    waiters: Vec<(W, Role)>,
    /// `None` where the call is made elsewhere.
    call: Option<(ResolverId, Kind)>,
    deadline: u64,
    note: N,
}

/// What has a bound, for each resolver.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Share {
    New,
    Renewals,
    Client(Client),
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
        Self { flights: SlotMap::with_key(), current: HashMap::default(), counts: HashMap::new() }
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
        self.admit(boarding.resolver, boarding.kind, boarding.max)?;
        let call = Some((boarding.resolver, boarding.kind));
        let waiters = boarding.leader.map(|leader| (leader, Role::Leader)).into_iter().collect();
        let deadline = boarding.now.saturating_add(boarding.timeout);
        Ok(self.start(Flight { key, waiters, call, deadline, note }))
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
        if let Some((resolver, kind)) = call {
            self.release(resolver, kind);
        }
        Some(Landing { key, note, waiters })
    }

    /// What is noted of each flight.
    pub fn notes(&self) -> impl Iterator<Item = (FlightId, &N)> {
        self.flights.iter().map(|(id, flight)| (id, &flight.note))
    }

    fn admit(&mut self, resolver: ResolverId, kind: Kind, max: u32) -> Result<(), Overload> {
        let held = |share| self.counts.get(&(resolver, share)).copied().unwrap_or(0);
        if held(kind.share()) >= kind.max(max) {
            return Err(Overload::Total);
        }
        if let Some(client) = kind.client() {
            // However small the bound is, a client can have one.
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
    /// However small the bound is, the sessions of one user alone don't reach that of renewals.
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
