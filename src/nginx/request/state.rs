//! The module's state of a request. A cleanup handler of the request's pool owns it, so that it survives internal redirects
//! and named locations, which clear `r->ctx`.

use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use nginx_sys::{ngx_del_timer, ngx_event_t, ngx_msec_t, ngx_pool_cleanup_t};

use crate::access::{CacheStatus, Ending, Reason};
use crate::cache_key::CacheKey;
use crate::credentials::Kinds;
use crate::freshness::Stamp;
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::pool::{self, OutOfMemory};
use crate::nginx::ffi::request::Request;
use crate::nginx::worker::{self, WaiterId};
use crate::resolver::Outcome;
use crate::single_flight::Role;

/// All fields are cells: nginx functions may call back into the module while a reference is held.
#[derive(Default)]
pub struct RequestState {
    /// The client's identity headers have been removed; those present now are the module's own.
    pub stripped: Cell<bool>,
    /// Set while the request is suspended.
    pub wait: Cell<Option<Wait>>,
    /// The kinds of credentials that were presented last.
    pub kinds: Cell<Kinds>,
    /// The key of the answer that it waits for, and since when; it may have to wait more than once.
    pub begun: Cell<Option<(CacheKey, ngx_msec_t)>>,
    /// The last result from the cache.
    pub cache_status: Cell<Option<CacheStatus>>,
    /// The last decision, for the variables.
    pub decided: RefCell<Option<Decided>>,
    /// The resolver's outcome for the credentials with this key, for when the phases run again.
    pub answered: RefCell<Option<(CacheKey, Landed)>>,
    pub challenged: Cell<bool>,
    pub cookies_set: Cell<bool>,
    /// Created by the first wait; most requests never wait.
    pub timer: OnceCell<Box<Timer>>,
}

impl RequestState {
    /// Counts the finished request by its last decision.
    fn count(&self) {
        if let Some(outcome) = self.decided.borrow().as_ref().and_then(|decided| decided.outcome.as_ref()) {
            let (ending, cache) = (Ending::of(outcome), self.cache_status.get());
            worker::with(|worker| worker.count(ending, cache));
        }
    }

    /// The result of resolving, as a word.
    #[must_use]
    pub fn result(&self) -> Option<&'static str> {
        self.decided.borrow().as_ref()?.outcome.as_ref().map(|outcome| Ending::of(outcome).as_str())
    }

    /// The reason, as a word.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.decided.borrow().as_ref().map(|decided| decided.reason.as_str())
    }

    #[must_use]
    pub fn waited(&self) -> Option<Seconds> {
        self.decided.borrow().as_ref()?.waited.map(Seconds)
    }

    /// Stops waiting, if the request waits; the flight continues without it.
    pub fn cancel(&self) {
        self.delete_timer();
        if let Some(wait) = self.wait.take() {
            worker::with(|worker| worker.take(wait.waiter));
        }
    }

    pub fn delete_timer(&self) {
        let Some(timer) = self.timer.get().map(|timer| timer.as_ptr()) else { return };
        // SAFETY: STATE, MAIN THREAD.
        if unsafe { &*timer }.timer_set() != 0 {
            // SAFETY: C API: it is set.
            unsafe { ngx_del_timer(timer) };
        }
    }

    /// The request is in a location that doesn't resolve. The result of an earlier location is kept.
    pub fn decided_off(&self) {
        let mut decided = self.decided.borrow_mut();
        decided.get_or_insert(Decided { outcome: None, reason: Reason::Off, waited: None });
    }
}

#[derive(Clone, Copy)]
pub struct Wait {
    pub waiter: WaiterId,
    /// The key of the answer that it waits for.
    pub key: CacheKey,
    pub since: ngx_msec_t,
}

/// The outcome of a flight, as delivered to one of its requests.
#[derive(Clone)]
pub struct Landed {
    pub outcome: Arc<Outcome>,
    pub role: Role,
    /// How long the request waited for it, in milliseconds.
    pub waited: ngx_msec_t,
    /// Set for an answer that may be reused.
    pub stamp: Option<Stamp>,
    /// The turn of the event loop in which the request got it.
    pub turn: ngx_msec_t,
}

pub struct Decided {
    /// `None` if resolving is off.
    pub outcome: Option<Arc<Outcome>>,
    pub reason: Reason,
    /// How long the request waited for the resolver, in milliseconds; `None` if it did not wait.
    pub waited: Option<ngx_msec_t>,
}

/// A time in milliseconds, displayed in seconds like the times in nginx's own variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub ngx_msec_t);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// The timer of a suspended request. nginx keeps pointers into it while it is set.
pub struct Timer(UnsafeCell<ngx_event_t>);

impl Default for Timer {
    fn default() -> Self {
        // SAFETY: an event is plain C data, and nginx initializes it with zeroes too.
        Self(UnsafeCell::new(unsafe { std::mem::zeroed() }))
    }
}

impl Timer {
    #[must_use]
    pub fn as_ptr(&self) -> *mut ngx_event_t {
        self.0.get()
    }
}

/// Returns the state of a request, if it has one. A subrequest shares the pool, and thus the state, of its main request.
///
/// It is found through the pool's cleanup handlers, as in nginx's realip module.
#[must_use]
pub fn find(r: Request) -> Option<Rc<RequestState>> {
    // SAFETY: LIVE REQUEST.
    let mut next = unsafe { (*r.pool()).cleanup };
    while let Some(cleanup) = NonNull::new(next) {
        // SAFETY: POOL: the list of handlers is in the pool.
        let cleanup: &ngx_pool_cleanup_t = unsafe { cleanup.as_ref() };
        if cleanup.handler.is_some_and(|handler| handler as usize == on_cleanup as *const () as usize) {
            let state = cleanup.data.cast::<RequestState>();
            // SAFETY: POOL: `find_or_create` put the pointer of an Rc there, which `on_cleanup` releases.
            unsafe { Rc::increment_strong_count(state) };
            // SAFETY: as above; this takes over the new count.
            return Some(unsafe { Rc::from_raw(state) });
        }
        next = cleanup.next;
    }
    None
}

/// Returns the state of a request. Creates it if there is none.
///
/// # Errors
/// If the pool is out of memory.
pub fn find_or_create(r: Request) -> Result<Rc<RequestState>, OutOfMemory> {
    if let Some(state) = find(r) {
        return Ok(state);
    }
    let mut cleanup = pool::cleanup(r)?;
    // SAFETY: POOL: a cleanup handler in the pool.
    let cleanup = unsafe { cleanup.as_mut() };
    let state = Rc::new(RequestState::default());
    cleanup.data = Rc::into_raw(Rc::clone(&state)).cast_mut().cast();
    cleanup.handler = Some(on_cleanup);
    Ok(state)
}

/// Called when the request ends. Nothing may point to it from here on, even if a step panics.
unsafe extern "C" fn on_cleanup(data: *mut c_void) {
    // SAFETY: POOL: `find_or_create` registered this handler with the pointer of an Rc, and nginx calls it once.
    let state = unsafe { Rc::from_raw(data.cast::<RequestState>()) };
    contain(Site::Cleanup, (), || state.count());
    let cancel = || {
        state.cancel();
        true
    };
    if !contain(Site::Cleanup, false, cancel) && !contain(Site::Cleanup, false, cancel) {
        // A remaining timer or waiter would be a use after free. Aborting is the lesser evil.
        std::process::abort();
    }
}
