//! Flights of this worker: joining them, making their calls, and what comes of them.

use std::sync::Arc;
use std::time::Duration;

use super::follow::Unlanded;
use super::{WaiterId, Worker};
use crate::cache::{Fill, stamp};
use crate::cache_key::CacheKey;
use crate::claims::{ClaimId, Joined};
use crate::credentials::Kinds;
use crate::freshness::{Millis, Stamp};
use crate::nginx::{clock, log};
use crate::resolver::error::ResolveError;
use crate::resolver::question::Question;
use crate::resolver::target::Target;
use crate::resolver::{Completion, Job, Lease, Outcome, relay};
use crate::session::Resolution;
use crate::session::answer::{Answer, Finding};
use crate::settings::{CacheSettings, Settings};
use crate::single_flight::{Boarding, Landing, Overload, Role};

/// A claim outlives the call by this much: by then the outcome has been handed on, or never will be.
const SLACK: Millis = 20;

/// What is noted with a flight.
pub(super) struct Note {
    pub(super) course: Course,
    target: Arc<Target>,
    /// Where its answer is to be kept.
    caches: Vec<CacheSettings>,
}

/// Who makes the call of a flight.
pub(super) enum Course {
    /// This worker.
    Called(Call),
    /// The one that holds this claim.
    Followed(ClaimId),
}

/// A call of this worker's.
pub(super) struct Call {
    /// When it was sent.
    asked: Millis,
    /// When the credentials end.
    expires: Option<Millis>,
    kinds: Kinds,
    is_background: bool,
    /// `None` where the other workers can't be told of it.
    pub(super) claim: Option<ClaimId>,
}

/// A flight has ended.
pub struct Arrival {
    pub key: CacheKey,
    /// The leader first.
    pub waiters: Vec<(WaiterId, Role)>,
    /// `None`: whoever made the call is gone; ask again.
    pub outcome: Option<Arc<Outcome>>,
    /// Whom this worker asked.
    pub target: Option<Arc<Target>>,
}

impl Note {
    fn new(course: Course, settings: &Settings) -> Self {
        Self { course, target: Arc::clone(&settings.target), caches: settings.cache.into_iter().collect() }
    }

    fn add(&mut self, cache: Option<CacheSettings>) {
        if let Some(cache) = cache.filter(|cache| !self.caches.contains(cache)) {
            self.caches.push(cache);
        }
    }
}

impl Worker {
    /// Joins a waiter to the flight of a key, in this worker or another, and makes the call where there is none.
    ///
    /// # Errors
    /// [`Overload`]: there are too many calls in flight to start one more.
    pub fn board(
        &mut self,
        waiter: WaiterId,
        key: CacheKey,
        settings: &Settings,
        question: Question,
        timeout: Duration,
    ) -> Result<(), Overload> {
        let turn = clock::turn() as u64;
        if let Some(note) = self.flights.join(&key, waiter, turn) {
            note.add(settings.cache);
            return Ok(());
        }
        let (now, time) = (clock::boot(), millis(timeout));
        let deadline = now.saturating_add(time).saturating_add(SLACK);
        let joined = self.claims.with(|claims| claims.join(&key, self.me, now, deadline));
        let claim = match joined {
            Some(Joined::Follow(claim, leader)) => {
                let note = Note::new(Course::Followed(claim), settings);
                let flight = self.flights.follow(key, waiter, turn.saturating_add(time), note);
                self.follow(flight, claim, leader);
                return Ok(());
            }
            Some(Joined::Lead(claim)) => Some(claim),
            Some(Joined::Full) | None => None,
        };
        self.call(Some(waiter), key, settings, question, timeout, claim)
    }

    /// Makes a call that nobody waits for, unless there is one for the key. Tells whether there is one now: where not, the answer
    /// that it was to renew is as good as expired, or a session could live on for want of a call.
    pub fn refresh(&mut self, key: CacheKey, settings: &Settings, question: Question) -> bool {
        if self.flights.is_flying(&key, clock::turn() as u64) {
            return true;
        }
        let now = clock::boot();
        let deadline = now.saturating_add(millis(settings.timeout)).saturating_add(SLACK);
        let led = self.claims.with(|claims| {
            let claim = claims.lead(&key, self.me, now, deadline)?;
            Ok((claim, claim.is_none() && claims.is_flying(&key, now)?))
        });
        match led {
            Some((_, true)) => true,
            Some((claim, false)) => self.call(None, key, settings, question, settings.timeout, claim).is_ok(),
            None => false,
        }
    }

    fn call(
        &mut self,
        leader: Option<WaiterId>,
        key: CacheKey,
        settings: &Settings,
        question: Question,
        timeout: Duration,
        claim: Option<ClaimId>,
    ) -> Result<(), Overload> {
        let boarding = Boarding {
            leader,
            client: question.client,
            now: clock::turn() as u64,
            timeout: millis(timeout),
            max: settings.max_inflight,
        };
        let (asked, unix) = (clock::boot(), clock::unix_millis());
        let end = question.credentials.expires(unix / 1000);
        // One less, for the part of a millisecond that the clock leaves out: the end is a bound.
        let left = end.map(|end| end.saturating_mul(1000).saturating_sub(unix.saturating_add(1)));
        let expires = left.map(|left| asked.saturating_add(left));
        let kinds = question.credentials.kinds();
        let call = Call { asked, expires, kinds, is_background: leader.is_none(), claim };
        match self.flights.lead(key, &boarding, Note::new(Course::Called(call), settings)) {
            Ok(flight) => {
                let target = Arc::clone(&settings.target);
                let waker = Arc::clone(&self.waker);
                let lease = Lease::new(flight, key, target, self.completion_sender.clone(), waker);
                self.submit(Job { timeout, question, lease });
                Ok(())
            }
            Err(overload) => {
                if let Some(claim) = claim {
                    self.land(Unlanded { claim, outcome: None });
                }
                Err(overload)
            }
        }
    }

    fn submit(&self, job: Job) {
        #[cfg(feature = "fault-injection")]
        crate::nginx::callback::injected::panic_at(crate::nginx::callback::Site::Call);
        match self.thread.get_or_try_init(super::thread::start_thread) {
            Ok(thread) => thread.submit(job),
            Err(error) => {
                log::cycle().error(format_args!("the resolver thread can't be started: {error}"));
                job.lease.complete(Err(ResolveError::Internal("the resolver thread can't be started")));
            }
        }
    }

    /// The next call of this worker's that is over. What is to be kept of it has been kept, and the other workers know.
    pub fn next_arrival(&mut self) -> Option<Arrival> {
        loop {
            let Completion { flight, target, outcome, .. } = self.completions.try_recv().ok()?;
            let Some(Landing { key, note, waiters }) = self.flights.land(flight) else { continue };
            let outcome = Arc::new(outcome);
            if let Course::Called(call) = &note.course {
                let stamp = stamp(&outcome, call.kinds, call.asked, call.expires);
                self.keep(&key, &note, stamp, &outcome);
                if call.is_background && is_no_renewal(&outcome) {
                    self.contradict(&key, &note, call.asked);
                }
                if let Some(claim) = call.claim {
                    self.land(Unlanded { claim, outcome: Some(relay::encode(&outcome, stamp.as_ref())) });
                }
            }
            return Some(Arrival { key, waiters, outcome: Some(outcome), target: Some(target) });
        }
    }

    /// The old answer was given while this call was made, and is not to be given again.
    fn contradict(&self, key: &CacheKey, note: &Note, asked: Millis) {
        for CacheSettings { zone, .. } in &note.caches {
            if let Some(Some(cache)) = self.caches.get(zone.0) {
                cache.contradict(key, asked);
            }
        }
    }

    /// Keeps an answer in the caches of all locations that waited for it.
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

/// Whether a call came to something that a client may have brought about, by an address or an agent that a firewall before the
/// resolver refuses: with it, nobody may keep an old session alive.
fn is_no_renewal(outcome: &Outcome) -> bool {
    match outcome {
        Ok(answer) => matches!(answer.finding, Finding::Refused(_)),
        Err(error) => !error.allows_stale(),
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

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
