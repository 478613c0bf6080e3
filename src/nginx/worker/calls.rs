//! The flights of this worker: joining them and making their calls.

use std::sync::Arc;
use std::time::Duration;

use nginx_sys::ngx_time;

use super::flight::{Call, Course, Note, Refused, Wanted};
use super::following::Unlanded;
use super::state::Worker;
use super::waiter::WaiterId;
use crate::breaker::{Admission, Attempt, Ended, Evidence, Probe};
use crate::claims::{ClaimId, Joined};
use crate::client::Client;
use crate::freshness::Millis;
use crate::nginx::ffi::clock;
use crate::nginx::ffi::log;
use crate::nginx::zones::state::State;
use crate::resolver::error::ResolveError;
use crate::resolver::question::Question;
use crate::resolver::target::Target;
use crate::resolver::{Job, Lease};
use crate::settings::consequence::Consequence;
use crate::single_flight::{Boarding, Kind, Overload};

/// How much longer a claim lives than its call, in milliseconds. By then the outcome has been handed on, or never will be.
const SLACK: Millis = 20;

/// The result of trying to lead a flight that nobody waits for.
enum Led {
    /// The key has a flight already.
    Already,
    /// This worker makes the call.
    Here(Grant),
    Refused,
}

/// What a call needs besides the request's own data.
#[derive(Default)]
struct Grant {
    /// `None` if there is no room for a claim.
    claim: Option<ClaimId>,
    /// Set if the breaker is open.
    probe: Option<Probe>,
}

impl Wanted<'_> {
    /// Asks the location's breaker to admit a call. While the breaker is open, an admitted call is a probe.
    fn admit(&self, state: &mut State<'_>, now: Millis, until: Millis) -> Result<Option<Probe>, Refused> {
        let Some(breaker) = self.settings.breaker else { return Ok(None) };
        let client = client(&self.question);
        let attempt = Attempt { client, now, until, is_renewal: self.is_renewal };
        match state.circuits.admit(&self.settings.target.id(), attempt, breaker) {
            Admission::Refused => Err(Refused::Breaker),
            Admission::Free => Ok(None),
            Admission::Probe(probe) => Ok(Some(probe)),
        }
    }

    fn deadline(&self, now: Millis) -> Millis {
        now.saturating_add(millis(self.timeout)).saturating_add(SLACK)
    }
}

fn client(question: &Question) -> Client {
    question.client.map_or(Client::UNKNOWN, Client::from)
}

impl Worker {
    /// Adds a waiter to the flight of a key, in this worker or another. Makes the call if there is no flight.
    ///
    /// # Errors
    /// [`Refused`]: no call can be made.
    pub fn board(&mut self, waiter: WaiterId, wanted: Wanted<'_>) -> Result<(), Refused> {
        if wanted.is_renewal && self.has_failed(&wanted) {
            // There is a stale answer to serve, so the request doesn't wait for a call that may well fail again.
            self.refresh(wanted);
            return Err(Refused::Breaker);
        }
        let key = wanted.key;
        let turn = clock::turn() as u64;
        if let Some(note) = self.flights.join(&key, waiter, turn) {
            note.add(wanted.settings.cache);
            return Ok(());
        }
        let now = clock::boot();
        let deadline = wanted.deadline(now);
        let joined = self.shared.with(|state| {
            let is_flying = state.claims.is_flying(&key, now)?;
            let admitted = if is_flying { Ok(None) } else { wanted.admit(state, now, deadline) };
            let Ok(probe) = admitted else { return Ok(None) };
            state.claims.join(&key, self.me, now, deadline).map(|joined| Some((joined, probe)))
        });
        let grant = match joined {
            Some(Some((Joined::Follow(claim, leader), _))) => {
                let note = Note::new(Course::Followed(claim), wanted.settings);
                let deadline = turn.saturating_add(millis(wanted.timeout));
                let flight = self.flights.follow(key, waiter, deadline, note);
                self.follow(flight, claim, leader);
                return Ok(());
            }
            Some(Some((Joined::Lead(claim), probe))) => Grant { claim: Some(claim), probe },
            Some(Some((Joined::Full, probe))) => Grant { claim: None, probe },
            Some(None) => return Err(Refused::Breaker),
            None => Grant::default(),
        };
        self.call(Some(waiter), wanted, grant).map_err(Refused::Overload)
    }

    /// Whether the location's breaker is open for this client, or waits for a probe to find out whether it may close.
    fn has_failed(&self, wanted: &Wanted<'_>) -> bool {
        let (id, client) = (wanted.settings.target.id(), client(&wanted.question));
        wanted.settings.breaker.is_some_and(|breaker| {
            self.shared.with(|state| Ok(state.circuits.shuts_out(&id, client, breaker))).unwrap_or(false)
        })
    }

    /// Whether calls to a resolver fail, and none of them with status 500, as far as is known.
    pub fn fails_without_500(&self, target: &Target) -> bool {
        self.shared.with(|state| Ok(state.circuits.fails_without_500(&target.id()))).unwrap_or(false)
    }

    /// Makes a call that nobody waits for, unless the key has a flight. Returns whether there is a call now. If not, the
    /// caller must treat the answer to be renewed as expired; otherwise a session could live on because no call is made.
    pub fn refresh(&mut self, wanted: Wanted<'_>) -> bool {
        let key = wanted.key;
        if self.flights.is_flying(&key, clock::turn() as u64) {
            return true;
        }
        let now = clock::boot();
        let deadline = wanted.deadline(now);
        let led = self.shared.with(|state| {
            if state.claims.is_flying(&key, now)? {
                return Ok(Led::Already);
            }
            let Ok(probe) = wanted.admit(state, now, deadline) else { return Ok(Led::Refused) };
            let claim = state.claims.lead(&key, self.me, now, deadline)?;
            Ok(Led::Here(Grant { claim, probe }))
        });
        match led {
            Some(Led::Already) => true,
            Some(Led::Here(grant)) => self.call(None, wanted, grant).is_ok(),
            Some(Led::Refused) | None => false,
        }
    }

    fn call(
        &mut self,
        leader: Option<WaiterId>,
        wanted: Wanted<'_>,
        Grant { claim, probe }: Grant,
    ) -> Result<(), Overload> {
        let Wanted { key, settings, question, timeout, is_renewal } = wanted;
        let resolver = settings.target.id();
        let boarding = Boarding {
            leader,
            resolver,
            kind: if is_renewal { Kind::Renewal } else { Kind::New(question.client.map(Client::from)) },
            now: clock::turn() as u64,
            timeout: millis(timeout),
            max: settings.max_inflight,
        };
        let (asked, unix) = (clock::boot(), clock::unix_millis());
        let call = Call {
            asked,
            kinds: question.credentials.kinds(),
            is_single: question.credentials.is_single(),
            is_background: leader.is_none(),
            client: client(&question),
            breaker: settings.breaker,
            probe,
            consequence: Consequence::of(settings),
            claim,
        };
        let ended = Ended { client: call.client, asked, now: asked, probe, evidence: Evidence::None };
        match self.flights.lead(key, &boarding, Note::new(Course::Called(call), settings)) {
            Ok(flight) => {
                let target = Arc::clone(&settings.target);
                let waker = Arc::clone(&self.waker);
                let lease = Lease::new(flight, target, self.completion_sender.clone(), waker);
                self.submit(Job { timeout, now: unix, question, lease });
                Ok(())
            }
            Err(overload) => {
                self.shared.with(|state| Ok(state.circuits.note(&resolver, ended)));
                if let Some(claim) = claim {
                    self.land(Unlanded { claim, outcome: None });
                }
                Err(overload)
            }
        }
    }

    fn submit(&mut self, job: Job) {
        #[cfg(feature = "fault-injection")]
        crate::nginx::ffi::callback::injected::panic_at(crate::nginx::ffi::callback::Site::Call);
        let Some(job) = self.submit_to_thread(job) else { return };
        match super::thread::start_thread() {
            Ok(thread) => {
                self.thread = Some(thread);
                // A thread that ends at once drops the job, which completes it.
                drop(self.submit_to_thread(job));
            }
            Err(error) => {
                if self.failures.pass((job.lease.target().id(), "thread"), ngx_time()).is_some() {
                    log::cycle().error(format_args!("the resolver thread can't be started: {error}"));
                }
                job.lease.fail(ResolveError::Internal("the resolver thread can't be started"));
            }
        }
    }

    /// Returns the job if no thread is running.
    fn submit_to_thread(&mut self, job: Job) -> Option<Job> {
        let Some(thread) = &self.thread else { return Some(job) };
        let job = thread.submit(job).err()?;
        self.thread = None;
        log::cycle().error(format_args!("the resolver thread has ended, and is started again"));
        Some(job)
    }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
