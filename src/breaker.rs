//! A circuit breaker for each resolver: while calls fail, most requests fail immediately without a call.
//!
//! The state is in memory shared by all workers. The caller holds its lock; under the lock nothing here panics, allocates or
//! runs long. Any memory content is a usable state, so nothing is treated as damage.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::cache_key::ResolverId;
use crate::client::Client;
use crate::freshness::Millis;

/// The table of circuits is set-associative: a resolver's id selects the set, which has this many places.
const WAYS: usize = 8;
const SETS: usize = 64;

/// Up to this many clients with failing calls may themselves be the cause. If there are more, the resolver is.
const SUSPECTS: usize = 4;

/// The size of all circuits in memory.
pub const BYTES: usize = SETS * WAYS * size_of::<Circuit>();

/// How long after the failure that opened the breaker the first probe is sent, in milliseconds. Each failed probe doubles the
/// wait, up to `fail_timeout`, so recovery takes little longer than the outage itself.
const FIRST_WAIT: Millis = 250;

/// `authgear_breaker`: after `max_fails` failures without a success in between, calls are refused, except for one probe at a
/// time that checks whether the resolver works again. In the long run there is one probe per `fail_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub max_fails: u32,
    pub fail_timeout: Millis,
}

/// A request for permission to make a call.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub client: Client,
    pub now: Millis,
    /// When the call will be over, unless its end is never reported.
    pub until: Millis,
    /// A stale answer is available without the call.
    pub is_renewal: bool,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Refused,
    /// The breaker is closed.
    Free,
    Probe(Probe),
}

/// A call that is made although the breaker is open. Pass this on when noting its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    is_of_suspects: bool,
    until: Millis,
    /// The wait before the next probe if this one fails.
    next_wait: Millis,
}

/// A finished call.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub client: Client,
    /// When the call was sent.
    pub asked: Millis,
    pub now: Millis,
    pub probe: Option<Probe>,
    pub evidence: Evidence,
}

/// What the end of a call indicates about the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It is unreachable, too slow, or reports a failure of its own.
    Failure,
    /// It failed with a status of 500, which a client can cause.
    Error500,
    /// It answered.
    Success,
    /// The call failed for reasons unrelated to the resolver.
    None,
}

/// Consecutive failures without a success in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub fails: u32,
    /// The number of clients whose calls failed; `None` if there are so many that the breaker is open for all clients.
    pub clients: Option<u32>,
    /// When the first failure occurred.
    pub since: Millis,
    /// The number of requests refused without a call.
    pub refused: u64,
    /// How long after this failure no probe is made, before it is limited by `fail_timeout`.
    pub wait: Millis,
}

/// The state of a resolver's circuit. Zeroed memory is an unused circuit.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Circuit {
    resolver: [u8; 32],
    /// The clients whose calls failed most recently, as a ring buffer.
    suspects: [Client; SUSPECTS],
    since: Millis,
    /// When the last call succeeded.
    succeeded: Millis,
    refused: u64,
    of_suspects: Lane,
    of_others: Lane,
    fails: u32,
    /// The number of suspects so far.
    suspected: u32,
    /// How many of the failures were a status of 500.
    fails_with_500: u64,
}

/// The probes of a group of clients. Suspects get a lane of their own, so that clients that make their own calls fail neither
/// use up the others' probes nor make the others wait longer.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Lane {
    /// The last failure from which the wait for the next probe is counted.
    failed: Millis,
    /// The end of the probe in progress, at the latest.
    trying_until: Millis,
    /// The wait before the next probe; 0 means [`FIRST_WAIT`].
    wait: Millis,
}

/// The circuits in a region of memory.
pub struct Circuits<'a>(&'a mut [Circuit]);

impl<'a> Circuits<'a> {
    /// Splits the circuits off this memory and returns them with the rest. Returns `None` if the memory is too short or not
    /// aligned for u64.
    #[must_use]
    pub fn over(memory: &'a mut [u8]) -> Option<(Self, &'a mut [u8])> {
        let (circuits, rest) = <[Circuit]>::mut_from_prefix_with_elems(memory, SETS * WAYS).ok()?;
        Some((Self(circuits), rest))
    }

    /// Clears all state.
    pub fn format(&mut self) {
        self.0.as_mut_bytes().fill(0);
    }

    /// Decides whether a call may be made. If it is made, its end must be noted.
    pub fn admit(&mut self, resolver: &ResolverId, attempt: Attempt, breaker: Breaker) -> Admission {
        let circuit = self.find(resolver).filter(|circuit| circuit.shuts_out(attempt.client, breaker));
        circuit.map_or(Admission::Free, |circuit| circuit.admit(attempt, breaker))
    }

    /// Records the end of a call. Returns the row of failures that it extended or ended.
    pub fn note(&mut self, resolver: &ResolverId, ended: Ended) -> Option<Row> {
        match ended.evidence {
            Evidence::None => {
                if let Some(lane) = self.find(resolver)?.lane_of(ended.probe?) {
                    lane.trying_until = 0;
                }
                None
            }
            Evidence::Success => {
                let circuit = self.find_or_add(resolver)?;
                let row = (circuit.fails > 0).then(|| circuit.row());
                *circuit = Circuit { succeeded: ended.now, ..Circuit::new(resolver) };
                row
            }
            Evidence::Failure | Evidence::Error500 => {
                let circuit = self.find_or_add(resolver)?;
                // The call was sent before the last success, so its failure is outdated.
                if ended.asked < circuit.succeeded {
                    return None;
                }
                circuit.fail(ended);
                Some(circuit.row())
            }
        }
    }

    /// The number of consecutive failures.
    #[must_use]
    pub fn fails(&mut self, resolver: &ResolverId) -> u32 {
        self.find(resolver).map_or(0, |circuit| circuit.fails)
    }

    /// Whether there are consecutive failures, none of them with a status of 500.
    #[must_use]
    pub fn fails_without_500(&mut self, resolver: &ResolverId) -> bool {
        self.find(resolver).is_some_and(|circuit| circuit.fails > 0 && circuit.fails_with_500 == 0)
    }

    /// Whether this client's calls are refused, except for probes.
    #[must_use]
    pub fn shuts_out(&mut self, resolver: &ResolverId, client: Client, breaker: Breaker) -> bool {
        self.find(resolver).is_some_and(|circuit| circuit.shuts_out(client, breaker))
    }

    fn find(&mut self, resolver: &ResolverId) -> Option<&mut Circuit> {
        self.set(resolver)?.iter_mut().find(|circuit| circuit.resolver == *resolver.as_bytes())
    }

    /// Returns the resolver's circuit. If there is none, replaces the least recently updated one in the set.
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
        self.fails >= breaker.max_fails && (self.is_open_for_all() || self.is_suspect(client))
    }

    fn is_suspect(&self, client: Client) -> bool {
        self.suspects().contains(&client)
    }

    fn suspects(&self) -> &[Client] {
        let number = usize::try_from(self.suspected).unwrap_or(SUSPECTS).min(SUSPECTS);
        self.suspects.get(..number).unwrap_or(&[])
    }

    /// Whether calls of so many clients failed that the cause can't be the clients. With fewer, each of them may be the
    /// cause, for example because a firewall in front of the resolver blocks its calls, and must not lock out others.
    fn is_open_for_all(&self) -> bool {
        usize::try_from(self.suspected).is_ok_and(|suspected| suspected > SUSPECTS)
    }

    /// Decides whether a client that is locked out may send a probe.
    fn admit(&mut self, attempt: Attempt, breaker: Breaker) -> Admission {
        let is_open_for_all = self.is_open_for_all();
        let is_of_suspects = self.is_suspect(attempt.client);
        // A suspect may renew a stale answer without waiting: clients that make their own calls fail must not be able to keep
        // a session alive that way.
        let waits = !attempt.is_renewal || is_open_for_all;
        let mut due = if waits { self.lane(is_of_suspects).due(breaker) } else { 0 };
        if is_of_suspects && is_open_for_all {
            // One probe is enough. Suspects leave it to the other clients, and send one only if those don't.
            let head_start = FIRST_WAIT.min(breaker.fail_timeout);
            due = due
                .max(self.of_others.due(breaker).saturating_add(head_start))
                .max(self.of_others.trying_until);
        }
        let lane = self.lane(is_of_suspects);
        if attempt.now < due.max(lane.trying_until) {
            self.refused = self.refused.saturating_add(1);
            return Admission::Refused;
        }
        lane.trying_until = attempt.until;
        let next_wait = lane.wait().saturating_mul(if waits { 2 } else { 1 });
        Admission::Probe(Probe { is_of_suspects, until: attempt.until, next_wait })
    }

    fn fail(&mut self, ended: Ended) {
        if self.fails == 0 {
            self.since = ended.now;
        }
        self.fails = self.fails.saturating_add(1);
        let is_500 = ended.evidence == Evidence::Error500;
        self.fails_with_500 = self.fails_with_500.saturating_add(is_500.into());
        let is_suspect = self.is_suspect(ended.client);
        if let Some((probe, lane)) = ended.probe.and_then(|probe| Some((probe, self.lane_of(probe)?))) {
            *lane = Lane { failed: ended.now, trying_until: 0, wait: probe.next_wait };
        } else {
            self.of_suspects.put_off(ended);
            if !is_suspect {
                self.of_others.put_off(ended);
            }
        }
        if !is_suspect {
            self.suspect(ended.client);
        }
    }

    fn lane(&mut self, is_of_suspects: bool) -> &mut Lane {
        if is_of_suspects { &mut self.of_suspects } else { &mut self.of_others }
    }

    /// The lane of a probe, if the lane is still waiting for that probe.
    fn lane_of(&mut self, probe: Probe) -> Option<&mut Lane> {
        Some(self.lane(probe.is_of_suspects)).filter(|lane| lane.trying_until == probe.until)
    }

    fn suspect(&mut self, client: Client) {
        let place = usize::try_from(self.suspected).unwrap_or(0) % SUSPECTS;
        if let Some(suspect) = self.suspects.get_mut(place) {
            *suspect = client;
        }
        self.suspected = self.suspected.saturating_add(1);
    }

    fn row(&self) -> Row {
        let is_open_for_all = self.is_open_for_all();
        let clients = (!is_open_for_all).then_some(self.suspected);
        let lane = if is_open_for_all { &self.of_others } else { &self.of_suspects };
        Row { fails: self.fails, clients, since: self.since, refused: self.refused, wait: lane.wait() }
    }
}

impl Lane {
    fn wait(&self) -> Millis {
        self.wait.max(FIRST_WAIT)
    }

    /// When the next probe may be sent.
    fn due(&self, breaker: Breaker) -> Millis {
        self.failed.saturating_add(self.wait().min(breaker.fail_timeout))
    }

    /// Handles the failure of a call that isn't a probe. If it was sent before the last failure, it is no new evidence: calls
    /// that were in flight when the breaker opened may take long to fail, and must not delay the probes.
    fn put_off(&mut self, ended: Ended) {
        if ended.asked > self.failed {
            self.failed = ended.now;
        }
    }
}

#[cfg(test)]
mod tests;
