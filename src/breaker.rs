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

/// How long after the failure that opened it the breaker has a call made to see whether the resolver works again, in milliseconds. Each
/// probe that fails doubles the wait, up to `fail_timeout`: so an outage costs what it lasts and not much more.
const FIRST_WAIT: Millis = 250;

/// `authgear_breaker`: after `max_fails` failures without a success between, no calls but one at a time to see whether the
/// resolver works again, in the long run one per `fail_timeout`.
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

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Refused,
    /// The breaker is closed.
    Free,
    Probe(Probe),
}

/// A call that is made although the breaker is open. Its end is to be noted with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    is_of_suspects: bool,
    until: Millis,
    /// How long to wait for the next probe if this one fails.
    next_wait: Millis,
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub client: Client,
    /// When it was sent.
    pub asked: Millis,
    pub now: Millis,
    pub probe: Option<Probe>,
    pub evidence: Evidence,
}

/// What the end of a call says about the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It can't be reached, has no time, or reports a failure of its own.
    Failure,
    /// It fails with the status 500, which a client can cause.
    Error500,
    /// It answers.
    Success,
    /// The call failed for reasons that have nothing to do with the resolver.
    None,
}

/// Failures without a success between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub fails: u32,
    /// How many clients' calls they were; `None` for so many that all clients are shut out.
    pub clients: Option<u32>,
    /// When the first of them came.
    pub since: Millis,
    /// How many requests were refused without a call.
    pub refused: u64,
    /// For how long after this failure the breaker lets no call be made, before `fail_timeout` limits it.
    pub wait: Millis,
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
    /// How many of the failures were a status of 500.
    fails_with_500: u64,
}

/// The probes of some clients. Suspects have a lane of their own: clients that make their own calls fail neither take the
/// place of others' probes nor make the others wait longer.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Lane {
    /// When the last failure came that the next probe waits for.
    failed: Millis,
    /// A probe is under way, and is over by then.
    trying_until: Millis,
    /// How long the next probe waits; 0 for [`FIRST_WAIT`].
    wait: Millis,
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

    /// Whether a call may be made. The end of one that is made is to be noted.
    pub fn admit(&mut self, resolver: &ResolverId, attempt: Attempt, breaker: Breaker) -> Admission {
        let circuit = self.find(resolver).filter(|circuit| circuit.shuts_out(attempt.client, breaker));
        circuit.map_or(Admission::Free, |circuit| circuit.admit(attempt, breaker))
    }

    /// Takes note of a call's end. Returns the row of failures that it lengthened, or ended.
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

    /// Whether calls have failed in a row, none of them with the status 500.
    #[must_use]
    pub fn fails_without_500(&mut self, resolver: &ResolverId) -> bool {
        self.find(resolver).is_some_and(|circuit| circuit.fails > 0 && circuit.fails_with_500 == 0)
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
        self.fails >= breaker.max_fails && (self.is_open_for_all() || self.is_suspect(client))
    }

    fn is_suspect(&self, client: Client) -> bool {
        self.suspects().contains(&client)
    }

    fn suspects(&self) -> &[Client] {
        let number = usize::try_from(self.suspected).unwrap_or(SUSPECTS).min(SUSPECTS);
        self.suspects.get(..number).unwrap_or(&[])
    }

    /// Whether so many clients' calls failed that none of them is at fault. Of fewer each may be, by what a firewall before the
    /// resolver makes of it, and must not shut others out.
    fn is_open_for_all(&self) -> bool {
        usize::try_from(self.suspected).is_ok_and(|suspected| suspected > SUSPECTS)
    }

    /// Whether a client that is shut out may make a probe.
    fn admit(&mut self, attempt: Attempt, breaker: Breaker) -> Admission {
        let is_open_for_all = self.is_open_for_all();
        let is_of_suspects = self.is_suspect(attempt.client);
        // A suspect's old answer is checked without a wait: clients that make their own calls fail must not keep a session alive
        // by that.
        let waits = !attempt.is_renewal || is_open_for_all;
        let mut due = if waits { self.lane(is_of_suspects).due(breaker) } else { 0 };
        if is_of_suspects && is_open_for_all {
            // One probe is enough. Suspects leave it to the others, and make one only if these don't.
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

    /// The lane of a probe, if that is still the one that is waited for.
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

    /// When the next probe may be made.
    fn due(&self, breaker: Breaker) -> Millis {
        self.failed.saturating_add(self.wait().min(breaker.fail_timeout))
    }

    /// A call that isn't a probe has failed. If it was sent before the last failure it says nothing new: calls in flight when
    /// the breaker opened may take long to fail, and don't put off its probes.
    fn put_off(&mut self, ended: Ended) {
        if ended.asked > self.failed {
            self.failed = ended.now;
        }
    }
}

#[cfg(test)]
mod tests;
