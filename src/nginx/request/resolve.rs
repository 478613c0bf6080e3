//! How a request gets its outcome: from its own state, from the cache, or from the resolver.

use std::sync::Arc;

use nginx_sys::{ngx_int_t, ngx_msec_t};

use crate::access::{CacheStatus, Need, Reason, need};
use crate::cache::Found;
use crate::cache_key::CacheKey;
use crate::credentials::{Credentials, present};
use crate::freshness::{Age, StaleWindows, Stamp};
use crate::nginx::ffi::callback::INTERNAL_ERROR;
use crate::nginx::ffi::clock;
use crate::nginx::ffi::pool::OutOfMemory;
use crate::nginx::ffi::request::Request;
use crate::nginx::request::report;
use crate::nginx::request::state::{Landed, RequestState};
use crate::nginx::request::suspend;
use crate::nginx::request::verdict::{Resolved, apply};
use crate::nginx::worker;
use crate::nginx::worker::{Refused, Wanted};
use crate::resolver::Outcome;
use crate::resolver::error::ResolveError;
use crate::resolver::question::Question;
use crate::session::answer::{Answer, Finding};
use crate::settings::Settings;
use crate::single_flight::Role;

/// The credentials that an answer is for.
#[derive(Clone, Copy)]
struct Asked {
    key: CacheKey,
    /// Whether there is a single credential.
    is_single: bool,
}

/// Checks the credentials, and either decides the request from what is known of them or makes it wait.
///
/// # Errors
/// [`OutOfMemory`].
pub fn start(r: Request, state: &RequestState, settings: &Settings) -> Result<ngx_int_t, OutOfMemory> {
    let presented = present(r.header_lines(), settings.target.cookie_prefix().as_bytes());
    state.kinds.set(presented.kinds());
    match need(presented) {
        Need::Nothing(resolution, reason) => {
            state.cache_status.set(None);
            let finding = Finding::Resolved(resolution);
            let outcome = Arc::new(Ok(Answer { finding, max_age: None, set_cookies: Vec::new() }));
            let resolved = Resolved { key: None, outcome, reason, waited: None, role: Role::Follower };
            apply(r, state, settings, resolved)
        }
        Need::Answer(credentials) => ask(r, state, settings, credentials),
    }
}

fn ask(
    r: Request,
    state: &RequestState,
    settings: &Settings,
    credentials: Credentials,
) -> Result<ngx_int_t, OutOfMemory> {
    let key = worker::with(|worker| settings.target.keys(worker.secret()).key(&credentials));
    let Some(key) = key else {
        if let Some(log) = r.log() {
            log.error(format_args!("request gets 500: the resolver could not be set up in this worker, see the [alert] at its start"));
        }
        return Ok(INTERNAL_ERROR);
    };
    if let Some(landed) = known(state, key, settings) {
        let asked = Asked { key, is_single: credentials.is_single() };
        return conclude(r, state, settings, asked, &landed);
    }
    let found = settings.cache.as_ref().and_then(|cache| worker::with(|worker| worker.look_up(&key, cache)));
    let is_renewal = matches!(found, Some(Found::Stale { on_error: true, .. }));
    let status = match found {
        Some(Found::Fresh(outcome)) => return give(r, state, settings, &key, outcome, CacheStatus::Hit),
        Some(Found::Stale { outcome, while_updating: true, .. }) => {
            let question = question(r, credentials.clone());
            let wanted = Wanted { key, settings, question, timeout: settings.timeout, is_renewal: true };
            if worker::with(|worker| worker.refresh(wanted)) == Some(true) {
                return give(r, state, settings, &key, outcome, CacheStatus::Updating);
            }
            CacheStatus::Expired
        }
        Some(Found::Stale { .. } | Found::Expired) => CacheStatus::Expired,
        Some(Found::Missing) => CacheStatus::Miss,
        None => CacheStatus::Bypass,
    };
    state.cache_status.set(Some(status));
    let is_single = credentials.is_single();
    let question = question(r, credentials);
    suspend::suspend(r, state, key, settings, question, is_renewal).or_else(|refused| {
        worker::with(|worker| worker.count_skipped(refused));
        let error = match refused {
            Refused::Overload(overload) => {
                report::overload(r.log(), settings, overload);
                ResolveError::Overload
            }
            Refused::Breaker => {
                // With a single credential the distinction is irrelevant.
                let is_without = |worker: &mut worker::Worker| worker.fails_without_500(&settings.target);
                ResolveError::Breaker { after_500: is_single || worker::with(is_without) != Some(true) }
            }
        };
        let outcome = Err(error);
        let landed = failed(outcome, 0);
        state.answered.replace(Some((key, landed.clone())));
        conclude(r, state, settings, Asked { key, is_single }, &landed)
    })
}

fn question(r: Request, credentials: Credentials) -> Question {
    Question::new(credentials, r.client_address(), r.header_lines())
}

/// The request's own answer for these credentials, if any: the phases run again after a wait and after a redirect.
fn known(state: &RequestState, key: CacheKey, settings: &Settings) -> Option<Landed> {
    let known =
        state.answered.borrow().as_ref().filter(|(of, _)| *of == key).map(|(_, landed)| landed.clone());
    let Some(known) = known else { return too_late(state, key, settings) };
    if is_outdated(&known, settings) {
        // Ask again, as for a new request.
        state.answered.take();
        state.begun.take();
        return None;
    }
    // The call that this request followed had started long before it, or had a shorter timeout than this location has: ask
    // again, within the remaining time.
    let is_timeout = (*known.outcome).as_ref().is_err_and(ResolveError::is_timeout);
    let is_early = suspend::time_left(state, key, settings) > settings.timeout / 2;
    (!(is_timeout && is_early && known.role == Role::Follower)).then_some(known)
}

/// A request that has used up its time waiting for calls without an outcome makes no call of its own.
fn too_late(state: &RequestState, key: CacheKey, settings: &Settings) -> Option<Landed> {
    let waited = suspend::time_left(state, key, settings).is_zero().then_some(settings.timeout)?;
    let waited = ngx_msec_t::try_from(waited.as_millis()).unwrap_or(ngx_msec_t::MAX);
    Some(failed(Err(ResolveError::Timeout), waited))
}

/// A failure that isn't the result of a call made for this request.
fn failed(outcome: Outcome, waited: ngx_msec_t) -> Landed {
    Landed { outcome: Arc::new(outcome), role: Role::Follower, waited, stamp: None, turn: clock::turn() }
}

/// Whether the request's own answer is too old for the current location. The same times apply as to cached answers, but an
/// answer is always good for the turn of the event loop in which it arrived: so a redirect causes no second call, however
/// long the call took and however short the times are. Failures and refusals are never outdated.
fn is_outdated(known: &Landed, settings: &Settings) -> bool {
    let is_resolution = matches!(&*known.outcome, Ok(Answer { finding: Finding::Resolved(_), .. }));
    let is_fresh =
        |stamp: Stamp| stamp.judge(clock::boot(), &settings.times, &StaleWindows::default()) == Age::Fresh;
    is_resolution && known.turn != clock::turn() && !known.stamp.is_some_and(is_fresh)
}

/// Decides the request by a cached answer.
fn give(
    r: Request,
    state: &RequestState,
    settings: &Settings,
    key: &CacheKey,
    outcome: Arc<Outcome>,
    status: CacheStatus,
) -> Result<ngx_int_t, OutOfMemory> {
    state.cache_status.set(Some(status));
    let reason = reason(status);
    let resolved = Resolved { key: Some(key), outcome, reason, waited: None, role: Role::Follower };
    apply(r, state, settings, resolved)
}

fn reason(status: CacheStatus) -> Reason {
    if status == CacheStatus::Hit { Reason::Hit } else { Reason::Stale }
}

/// Decides the request by the outcome of a call. If the resolver failed, uses a stale answer if this location allows it.
fn conclude(
    r: Request,
    state: &RequestState,
    settings: &Settings,
    asked: Asked,
    landed: &Landed,
) -> Result<ngx_int_t, OutOfMemory> {
    let Landed { outcome, role, waited, .. } = landed;
    let has_called = !(**outcome).as_ref().is_err_and(ResolveError::is_without_call);
    let waited = has_called.then_some(*waited);
    let mut resolved = Resolved {
        key: Some(&asked.key),
        outcome: Arc::clone(outcome),
        reason: Reason::new(outcome, *role),
        waited,
        role: *role,
    };
    if let Some((kept, status)) = instead_of(outcome, asked, settings) {
        state.cache_status.set(Some(status));
        (resolved.outcome, resolved.reason, resolved.role) = (kept, reason(status), Role::Follower);
    }
    apply(r, state, settings, resolved)
}

/// The cached answer that may be used instead of a failure.
fn instead_of(outcome: &Outcome, asked: Asked, settings: &Settings) -> Option<(Arc<Outcome>, CacheStatus)> {
    let Asked { key, is_single } = asked;
    outcome.as_ref().err().filter(|error| error.allows_stale(is_single))?;
    let cache = settings.cache.as_ref().filter(|cache| cache.stale.error > 0)?;
    match worker::with(|worker| worker.look_up(&key, cache))? {
        // Another request got an answer in the meantime.
        Found::Fresh(outcome) => Some((outcome, CacheStatus::Hit)),
        Found::Stale { outcome, on_error: true, .. } => Some((outcome, CacheStatus::Stale)),
        Found::Stale { .. } | Found::Expired | Found::Missing => None,
    }
}
