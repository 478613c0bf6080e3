//! A circuit breaker for each resolver: while calls fail, most requests are told so without one.
//!
//! The state is in memory that all workers share. The caller holds its lock, under which nothing here panics, allocates or takes
//! long. Whatever the memory holds is a state that can be worked with, so nothing in it counts as damage.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::cache_key::ResolverId;
use crate::client::Client;
use crate::freshness::Millis;

/// A resolver's circuit is in one of so many places, which its id names.
const WAYS: usize = 8;
const SETS: usize = 64;

/// What the circuits take of the memory.
pub const BYTES: usize = SETS * WAYS * size_of::<Circuit>();

/// `authgear_breaker`: after so many failures without a success between, no calls for so long; then one, to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub max_fails: u32,
    pub fail_timeout: Millis,
}

/// A call that somebody wants to make.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub client: Client,
    pub now: Millis,
    /// By then it is over, or never will be.
    pub until: Millis,
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub client: Client,
    /// When it was sent.
    pub asked: Millis,
    pub now: Millis,
    pub says: Says,
}

/// What a call's end says of the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It can't be reached, or has no time: one failure more.
    Fails,
    /// It answers, whatever.
    Works,
    /// Nothing: the call failed for reasons of our own.
    Nothing,
}

/// Failures without a success between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub fails: u32,
    /// When the first of them came.
    pub since: Millis,
    /// How many requests were told so without a call.
    pub refused: u64,
}

/// What is known of a resolver. Zeroed memory knows nothing of any.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Circuit {
    resolver: [u8; 32],
    /// Whose calls failed, if all were of one client.
    client: Client,
    since: Millis,
    /// When the last failure came.
    failed: Millis,
    /// When the last success came.
    succeeded: Millis,
    /// A call is being made to see whether the resolver works again, and is over by then.
    trying_until: Millis,
    refused: u64,
    fails: u32,
    /// Whether the calls that failed were of several clients.
    is_of_several: u32,
}

/// The circuits in a piece of memory.
pub struct Circuits<'a>(&'a mut [Circuit]);

impl<'a> Circuits<'a> {
    /// The circuits in this memory, and what is left of it. `None` if it is too short, or not aligned as u64.
    #[must_use]
    pub fn over(memory: &'a mut [u8]) -> Option<(Self, &'a mut [u8])> {
        let (circuits, rest) = <[Circuit]>::mut_from_prefix_with_elems(memory, SETS * WAYS).ok()?;
        Some((Self(circuits), rest))
    }

    /// Forgets everything.
    pub fn format(&mut self) {
        self.0.as_mut_bytes().fill(0);
    }

    /// Whether a call may be made. If so, its end is to be told of.
    pub fn admit(&mut self, resolver: &ResolverId, attempt: Attempt, breaker: Breaker) -> bool {
        let Some(circuit) = self.find(resolver) else { return true };
        if circuit.fails < breaker.max_fails {
            return true;
        }
        let is_open = attempt.now < circuit.failed.saturating_add(breaker.fail_timeout);
        let is_trying = attempt.now < circuit.trying_until;
        if is_trying || is_open && !circuit.is_blind_to(attempt.client) {
            circuit.refused = circuit.refused.saturating_add(1);
            return false;
        }
        circuit.trying_until = attempt.until;
        true
    }

    /// Takes note of a call's end. Returns the row of failures that it lengthened, or ended.
    pub fn note(&mut self, resolver: &ResolverId, ended: Ended) -> Option<Row> {
        match ended.says {
            Says::Nothing => {
                self.find(resolver)?.trying_until = 0;
                None
            }
            Says::Works => {
                let circuit = self.find_or_add(resolver)?;
                let row = (circuit.fails > 0).then(|| circuit.row());
                *circuit = Circuit { succeeded: ended.now, ..Circuit::new(resolver) };
                row
            }
            Says::Fails => {
                let circuit = self.find_or_add(resolver)?;
                // It says how things were before they got better.
                if ended.asked < circuit.succeeded {
                    return None;
                }
                circuit.fail(ended);
                Some(circuit.row())
            }
        }
    }

    /// How many calls to it have failed in a row.
    #[must_use]
    pub fn fails(&mut self, resolver: &ResolverId) -> u32 {
        self.find(resolver).map_or(0, |circuit| circuit.fails)
    }

    fn find(&mut self, resolver: &ResolverId) -> Option<&mut Circuit> {
        self.set(resolver)?.iter_mut().find(|circuit| circuit.resolver == *resolver.as_bytes())
    }

    /// A resolver that isn't there yet takes the place of the one that was heard of least recently.
    fn find_or_add(&mut self, resolver: &ResolverId) -> Option<&mut Circuit> {
        let is_another = |circuit: &Circuit| circuit.resolver != *resolver.as_bytes();
        let heard = |circuit: &Circuit| circuit.failed.max(circuit.succeeded);
        let set = self.set(resolver)?.iter_mut();
        let circuit = set.min_by_key(|circuit| (is_another(circuit), heard(circuit)))?;
        if is_another(circuit) {
            *circuit = Circuit::new(resolver);
        }
        Some(circuit)
    }

    fn set(&mut self, resolver: &ResolverId) -> Option<&mut [Circuit]> {
        let [first, ..] = *resolver.as_bytes();
        self.0.chunks_exact_mut(WAYS).nth(usize::from(first) % SETS)
    }
}

impl Circuit {
    fn new(resolver: &ResolverId) -> Self {
        Self {
            resolver: *resolver.as_bytes(),
            client: Client::UNKNOWN,
            since: 0,
            failed: 0,
            succeeded: 0,
            trying_until: 0,
            refused: 0,
            fails: 0,
            is_of_several: 0,
        }
    }

    /// Whether it was one client's calls that failed, and this isn't that client: it may be at fault, by what a firewall before
    /// the resolver makes of it, and is not to shut others out.
    fn is_blind_to(&self, client: Client) -> bool {
        self.is_of_several == 0 && self.client != client
    }

    fn fail(&mut self, ended: Ended) {
        if self.fails == 0 {
            (self.since, self.client, self.is_of_several) = (ended.now, ended.client, 0);
        } else if self.client != ended.client {
            self.is_of_several = 1;
        }
        self.fails = self.fails.saturating_add(1);
        (self.failed, self.trying_until) = (ended.now, 0);
    }

    fn row(&self) -> Row {
        Row { fails: self.fails, since: self.since, refused: self.refused }
    }
}

#[cfg(test)]
#[path = "breaker/tests.rs"]
mod tests;
