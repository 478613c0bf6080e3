//! Processes finished calls: keeps their answers, and reports them to the other workers and to the breaker.

use std::sync::Arc;

use super::flight::{Call, Course, Note};
use super::following::Unlanded;
use super::state::Worker;
use super::waiter::WaiterId;
use crate::breaker::{Breaker, Ended, Evidence, Row};
use crate::cache::{Fill, stamp};
use crate::cache_key::CacheKey;
use crate::endpoint::Origin;
use crate::freshness::{Millis, Stamp};
use crate::nginx::ffi::clock;
use crate::resolver::error::ResolveError;
use crate::resolver::target::Target;
use crate::resolver::{Completion, Outcome, relay};
use crate::session::Resolution;
use crate::session::answer::{Answer, Finding};
use crate::settings::CacheSettings;
use crate::settings::consequence::Consequence;
use crate::single_flight::{Landing, Role};

/// A flight that has ended.
pub struct Arrival {
    pub key: CacheKey,
    /// The leader comes first.
    pub waiters: Vec<(WaiterId, Role)>,
    /// `None` if the worker that made the call is gone; ask again.
    pub outcome: Option<Arc<Outcome>>,
    /// Set for an answer that may be reused.
    pub stamp: Option<Stamp>,
    /// Set if this worker made the call.
    pub call: Option<Called>,
}

/// A finished call of this worker, for the log.
pub struct Called {
    pub target: Arc<Target>,
    pub breaker: Option<Breaker>,
    pub consequence: Consequence,
    /// The series of failures that the call extended or ended.
    pub row: Option<Row>,
    /// See [`Completion`].
    pub other_issuer: Option<Origin>,
}

impl Worker {
    /// Returns the next finished call of this worker. Its answer is in the caches, and the other workers have been
    /// notified.
    pub fn next_arrival(&mut self) -> Option<Arrival> {
        loop {
            let Completion { flight, outcome, claimed } = self.completions.try_recv().ok()?;
            let Some(Landing { key, note, waiters }) = self.flights.land(flight) else { continue };
            let outcome = Arc::new(outcome);
            let (stamp, call) = match &note.course {
                Course::Called(call) => {
                    let expires = claimed.lasts.map(|lasts| call.asked.saturating_add(lasts));
                    let stamp = stamp(&outcome, call.kinds, call.asked, expires);
                    let called = self.end_call(&key, &note, call, &outcome, stamp);
                    (stamp, Some(Called { other_issuer: claimed.other_issuer, ..called }))
                }
                Course::Followed(_) => (None, None),
            };
            return Some(Arrival { key, waiters, outcome: Some(outcome), stamp, call });
        }
    }

    fn end_call(
        &mut self,
        key: &CacheKey,
        note: &Note,
        call: &Call,
        outcome: &Arc<Outcome>,
        stamp: Option<Stamp>,
    ) -> Called {
        self.keep(key, note, stamp, outcome);
        if call.is_background && is_no_renewal(outcome, call.is_single) {
            self.contradict(key, note, call.asked);
        }
        if let Some(claim) = call.claim {
            self.land(Unlanded { claim, outcome: Some(relay::encode(outcome, stamp.as_ref())) });
        }
        let evidence = outcome.as_ref().as_ref().map_or_else(ResolveError::evidence, |_| Evidence::Success);
        let Call { client, asked, probe, .. } = *call;
        let ended = Ended { client, asked, now: clock::boot(), probe, evidence };
        self.shared.metrics().tally(self.me.slot).call(outcome, ended.now.saturating_sub(call.asked));
        let row = self.shared.with(|state| Ok(state.circuits.note(&note.target.id(), ended)));
        Called {
            target: Arc::clone(&note.target),
            breaker: call.breaker,
            consequence: call.consequence,
            row: row.flatten(),
            other_issuer: None,
        }
    }

    /// The old answer was served while this call was made, and must not be served again.
    fn contradict(&self, key: &CacheKey, note: &Note, asked: Millis) {
        for CacheSettings { zone, .. } in &note.caches {
            if let Some(Some(cache)) = self.caches.get(zone.0) {
                cache.contradict(key, asked);
            }
        }
    }

    /// Stores an answer in the caches of all locations that waited for it.
    pub(super) fn keep(&self, key: &CacheKey, note: &Note, stamp: Option<Stamp>, outcome: &Arc<Outcome>) {
        let Some(stamp) = stamp else { return };
        let user = user(outcome).map_or(0, |user| note.target.keys(&self.secret).user_number(user));
        for CacheSettings { zone, times, stale } in &note.caches {
            if let Some(Some(cache)) = self.caches.get(zone.0) {
                let fill = Fill { stamp, user, now: clock::boot(), times, windows: stale };
                cache.fill(key, &fill, outcome);
            }
        }
    }
}

/// Whether a client may have caused the outcome of a call: with an address or a user agent that a firewall in front of the
/// resolver rejects, or through the lock of another session. Nobody must be able to keep an old session alive that way.
fn is_no_renewal(outcome: &Outcome, is_single: bool) -> bool {
    match outcome {
        Ok(answer) => matches!(answer.finding, Finding::Refused(_)),
        Err(error) => !error.allows_stale(is_single),
    }
}

fn user(outcome: &Outcome) -> Option<&[u8]> {
    match outcome.as_ref() {
        Ok(Answer { finding: Finding::Resolved(Resolution::Valid(session)), .. }) => {
            session.headers().get("x-authgear-user-id")
        }
        _ => None,
    }
}
