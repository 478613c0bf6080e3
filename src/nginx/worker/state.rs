//! The state of a worker process: its waiting requests, the flights that they wait for, and the caches.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nginx_sys::{ngx_event_handler_pt, ngx_msec_t};
use slotmap::SlotMap;

use super::flight::{Note, Refused};
use super::following::Following;
use super::poll::Poll;
use super::waiter::WaiterId;
use crate::access::{CacheStatus, Ending};
use crate::cache::{Cache, Found};
use crate::cache_key::{CacheKey, ResolverId, Secret};
use crate::claims::Owner;
use crate::metrics::Skipped;
use crate::metrics::render::{Resolver, Status, VERSION};
use crate::nginx::conf::main::KnownResolver;
use crate::nginx::ffi::bridge::{Listener, Waker};
use crate::nginx::ffi::log::RateLimit;
use crate::nginx::ffi::request::Request;
use crate::nginx::zones::sessions::SessionZone;
use crate::nginx::zones::state::SharedState;
use crate::resolver::Completion;
use crate::resolver::thread::ResolverThread;
use crate::settings::CacheSettings;
use crate::single_flight::{Flights, Overload};

/// How long an exiting worker waits for the resolver thread.
const STOP_DEADLINE: Duration = Duration::from_millis(500);

/// The arguments for starting a worker.
pub(super) struct Start {
    pub me: Owner,
    pub secret: Secret,
    /// Indexed by `ZoneId`. `None` if the zone could not be set up.
    pub caches: Vec<Option<Cache<SessionZone>>>,
    pub shared: SharedState,
    /// For the resolver thread of this process.
    pub waker: Arc<Waker>,
    pub listener: Listener,
    /// Those of all workers of the configuration, by worker number.
    pub wakers: Vec<Arc<Waker>>,
    /// The callback for work that has no wake: see [`Worker::check`].
    pub on_poll: ngx_event_handler_pt,
}

pub struct Worker {
    pub(super) me: Owner,
    pub(super) secret: Secret,
    pub(super) waiters: SlotMap<WaiterId, Request>,
    pub(super) flights: Flights<WaiterId, Note>,
    pub(super) following: Following,
    pub(super) caches: Vec<Option<Cache<SessionZone>>>,
    pub(super) shared: SharedState,
    pub(super) completions: Receiver<Completion>,
    pub(super) completion_sender: Sender<Completion>,
    pub(super) waker: Arc<Waker>,
    pub(super) listener: Listener,
    pub(super) wakers: Vec<Arc<Waker>>,
    pub(super) poll: Poll,
    /// When a timer last checked for arrivals: see [`Worker::may_look`].
    pub(super) looked: ngx_msec_t,
    /// Started by the first call, so a worker that never resolves has no second thread. If it can't be started, or has
    /// ended, the next call tries again.
    pub(super) thread: Option<ResolverThread>,
    /// Limits the log lines about failures, by resolver and kind.
    pub failures: RateLimit<(ResolverId, &'static str)>,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Runs a function on the worker's state. Returns `None` in a process without state (the master, the cache manager), or if
/// the start failed. The function must not call any nginx function that could call back into the module.
pub fn with<R>(body: impl FnOnce(&mut Worker) -> R) -> Option<R> {
    WORKER.with_borrow_mut(|worker| worker.as_mut().map(body))
}

/// Sets up the worker's state.
pub(super) fn start(start: Start) {
    let Start { me, secret, caches, shared, waker, listener, wakers, on_poll } = start;
    let (completion_sender, completions) = channel();
    let worker = Worker {
        me,
        secret,
        waiters: SlotMap::with_key(),
        flights: Flights::default(),
        following: Following::default(),
        caches,
        shared,
        completions,
        completion_sender,
        waker,
        listener,
        wakers,
        poll: Poll::new(on_poll),
        looked: ngx_msec_t::MAX,
        thread: None,
        failures: RateLimit::default(),
    };
    worker.end_claims_of_predecessor();
    WORKER.set(Some(worker));
}

/// Hands the worker's calls over to their followers, stops the resolver thread, and drops the state.
pub fn stop() {
    let Some(worker) = WORKER.take() else { return };
    worker.abandon_all();
    if let Some(thread) = worker.thread {
        thread.stop(STOP_DEADLINE);
    }
}

impl Worker {
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Looks up a key in a location's cache.
    #[must_use]
    pub fn look_up(&self, key: &CacheKey, cache: &CacheSettings) -> Found {
        match self.caches.get(cache.zone.0) {
            Some(Some(found)) => {
                found.look_up(key, crate::nginx::ffi::clock::boot(), &cache.times, &cache.stale)
            }
            _ => Found::Missing,
        }
    }

    /// Counts a resolved request that has ended.
    pub fn count(&self, ending: Ending, cache: Option<CacheStatus>) {
        self.shared.metrics().tally(self.me.slot).request(ending, cache);
    }

    /// Counts a request that needed a call and got none.
    pub fn count_skipped(&self, refused: Refused) {
        let why = match refused {
            Refused::Breaker => Skipped::Breaker,
            Refused::Overload(Overload::Total) => Skipped::Overload,
            Refused::Overload(Overload::Client { .. }) => Skipped::Client,
        };
        self.shared.metrics().tally(self.me.slot).skip(why);
    }

    /// The data for `authgear_status`, for these resolvers.
    #[must_use]
    pub fn status(&self, resolvers: &[KnownResolver]) -> Status {
        let caches = self.caches.iter().flatten().map(Cache::shared);
        let zones = caches.filter_map(|zone| Some((zone.name().to_owned(), zone.look()?))).collect();
        let ids: Vec<ResolverId> = resolvers.iter().map(|known| known.target.id()).collect();
        let mut fails = vec![0; ids.len()];
        let inflight = self.shared.with(|state| {
            for (fails, id) in fails.iter_mut().zip(&ids) {
                *fails = state.circuits.fails(id);
            }
            Ok(state.claims.usage().flying)
        });
        let mut by_url = BTreeMap::new();
        for (known, fails) in resolvers.iter().zip(fails) {
            // Resolvers that differ only in other settings have the same name; report the worst of them.
            let resolver: &mut Resolver = by_url.entry(known.name()).or_default();
            resolver.is_open |= known.breaker.is_some_and(|breaker| fails >= breaker.max_fails);
            resolver.fails = resolver.fails.max(fails);
        }
        Status {
            version: VERSION,
            totals: self.shared.metrics().totals(),
            inflight: inflight.unwrap_or(0),
            resolvers: by_url,
            zones,
        }
    }

    /// Registers a waiting request.
    pub fn enlist(&mut self, r: Request) -> WaiterId {
        self.waiters.insert(r)
    }

    /// Clears the wakes so far.
    pub fn clear_wakes(&self) {
        self.listener.clear();
    }

    /// Whether a timer may check for arrivals: once per millisecond, since all timers that fire at the same time would find
    /// the same.
    pub fn may_look(&mut self) -> bool {
        let now = crate::nginx::ffi::clock::turn();
        std::mem::replace(&mut self.looked, now) != now
    }

    /// Returns the request with this id, if it still waits.
    #[must_use]
    pub fn get(&self, waiter: WaiterId) -> Option<Request> {
        self.waiters.get(waiter).copied()
    }

    /// Removes a request from the registry.
    pub fn take(&mut self, waiter: WaiterId) -> Option<Request> {
        self.waiters.remove(waiter)
    }
}
