//! A circuit breaker for each resolver: while calls fail, most requests are told so without one.
//!
//! The state is in memory that all workers share. The caller holds its lock, under which nothing here panics, allocates or takes
//! long. Whatever the memory holds is a state that can be worked with, so nothing in it counts as damage.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::cache_key::ResolverId;
use crate::client::Client;
use crate::freshness::Millis;

/// A resolver's circuit is in one of so many places, which its id names.
const WAYS: usize = 8;
const SETS: usize = 64;

/// So many clients whose calls fail may be at fault themselves. When there are more, the resolver is.
const SUSPECTS: usize = 4;

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
    /// Without the call there is an old answer.
    pub is_renewal: bool,
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
    /// How many clients' calls they were; `None` for so many that all clients are shut out.
    pub clients: Option<u32>,
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
    /// The clients whose calls failed last, each in the place after that of the one before it.
    suspects: [Client; SUSPECTS],
    since: Millis,
    /// When the last success came.
    succeeded: Millis,
    refused: u64,
    of_suspects: Lane,
    of_others: Lane,
    fails: u32,
    /// How many suspects there have been.
    suspected: u32,
}

/// Calls that see whether the resolver works again. Suspects have theirs apart from the others: who makes its own calls fail
/// neither takes the place of somebody whose call would not, nor has the others wait for longer.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Lane {
    /// When the last failure came.
    failed: Millis,
    /// A call is being made, and is over by then.
    trying_until: Millis,
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
        let Some(circuit) = self.find(resolver).filter(|circuit| circuit.shuts_out(attempt.client, breaker))
        else {
            return true;
        };
        let is_suspect = circuit.is_suspect(attempt.client);
        // Who makes its own calls fail is not to have an old answer by that for long: it may be to a session that has ended.
        let waits = !attempt.is_renewal || circuit.is_of_many();
        let lane = if is_suspect { &mut circuit.of_suspects } else { &mut circuit.of_others };
        if lane.admits(attempt, if waits { breaker.fail_timeout } else { 0 }) {
            return true;
        }
        circuit.refused = circuit.refused.saturating_add(1);
        false
    }

    /// Takes note of a call's end. Returns the row of failures that it lengthened, or ended.
    pub fn note(&mut self, resolver: &ResolverId, ended: Ended) -> Option<Row> {
        match ended.says {
            Says::Nothing => {
                let circuit = self.find(resolver)?;
                (circuit.of_suspects.trying_until, circuit.of_others.trying_until) = (0, 0);
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

    /// Whether this client's calls aren't made, but for those that find out.
    #[must_use]
    pub fn shuts_out(&mut self, resolver: &ResolverId, client: Client, breaker: Breaker) -> bool {
        self.find(resolver).is_some_and(|circuit| circuit.shuts_out(client, breaker))
    }

    fn find(&mut self, resolver: &ResolverId) -> Option<&mut Circuit> {
        self.set(resolver)?.iter_mut().find(|circuit| circuit.resolver == *resolver.as_bytes())
    }

    /// A resolver that isn't there yet takes the place of the one that was heard of least recently.
    fn find_or_add(&mut self, resolver: &ResolverId) -> Option<&mut Circuit> {
        let is_another = |circuit: &Circuit| circuit.resolver != *resolver.as_bytes();
        let heard = |circuit: &Circuit| circuit.of_suspects.failed.max(circuit.succeeded);
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
        Self { resolver: *resolver.as_bytes(), ..Self::new_zeroed() }
    }

    fn shuts_out(&self, client: Client, breaker: Breaker) -> bool {
        self.fails >= breaker.max_fails && (self.is_of_many() || self.is_suspect(client))
    }

    fn is_suspect(&self, client: Client) -> bool {
        self.suspects().contains(&client)
    }

    fn suspects(&self) -> &[Client] {
        let number = usize::try_from(self.suspected).unwrap_or(SUSPECTS).min(SUSPECTS);
        self.suspects.get(..number).unwrap_or(&[])
    }

    /// Whether so many clients' calls failed that none of them is at fault. Of fewer each may be, by what a firewall before the
    /// resolver makes of it, and is not to shut others out.
    fn is_of_many(&self) -> bool {
        usize::try_from(self.suspected).is_ok_and(|suspected| suspected > SUSPECTS)
    }

    fn fail(&mut self, ended: Ended) {
        if self.fails == 0 {
            self.since = ended.now;
        }
        self.fails = self.fails.saturating_add(1);
        let failed = Lane { failed: ended.now, trying_until: 0 };
        self.of_suspects = failed;
        if !self.is_suspect(ended.client) {
            self.of_others = failed;
            self.suspect(ended.client);
        }
    }

    fn suspect(&mut self, client: Client) {
        let place = usize::try_from(self.suspected).unwrap_or(0) % SUSPECTS;
        if let Some(suspect) = self.suspects.get_mut(place) {
            *suspect = client;
        }
        self.suspected = self.suspected.saturating_add(1);
    }

    fn row(&self) -> Row {
        let clients = (!self.is_of_many()).then_some(self.suspected);
        Row { fails: self.fails, clients, since: self.since, refused: self.refused }
    }
}

impl Lane {
    fn admits(&mut self, attempt: Attempt, fail_timeout: Millis) -> bool {
        let is_over = attempt.now >= self.failed.saturating_add(fail_timeout);
        let admits = is_over && attempt.now >= self.trying_until;
        if admits {
            self.trying_until = attempt.until;
        }
        admits
    }
}

#[cfg(test)]
#[path = "breaker/tests.rs"]
mod tests;
