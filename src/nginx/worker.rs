//! The state of a worker process: the requests that wait, the flights they wait for, and the resolver's thread.

use std::cell::RefCell;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nginx_sys::{ngx_http_request_t, ngx_msec_t};
use once_cell::unsync::OnceCell;
use slotmap::{SlotMap, new_key_type};

use super::bridge::Waker;
use super::log::{self, RateLimit};
use crate::cache_key::{CacheKey, ResolverId, Secret};
use crate::resolver::error::ResolveError;
use crate::resolver::question::Question;
use crate::resolver::thread::ResolverThread;
use crate::resolver::{Completion, Job, Lease};
use crate::settings::Settings;
use crate::single_flight::{Boarding, FlightId, Flights, Joined, Overload, Role};

/// A worker that exits waits no longer than this for the resolver's thread.
const STOP_DEADLINE: Duration = Duration::from_millis(500);

new_key_type! {
    /// Names a suspended request. Never used for another one, so an id that outlives its request finds nothing.
    pub struct WaiterId;
}

pub struct Worker {
    secret: Secret,
    waiters: SlotMap<WaiterId, NonNull<ngx_http_request_t>>,
    flights: Flights<WaiterId>,
    completions: Receiver<Completion>,
    completion_sender: Sender<Completion>,
    waker: Arc<Waker>,
    /// Started by the first call: a worker that never resolves has no second thread, and one that can't start it now may
    /// be able to with the next call.
    thread: OnceCell<ResolverThread>,
    /// For the lines about failures, by resolver and kind.
    pub failures: RateLimit<(ResolverId, &'static str)>,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Runs a function on the worker's state; `None` in a process that has none (the master, the cache manager), or whose
/// start failed. The function must not call anything of nginx's that could come back here.
pub fn with<R>(body: impl FnOnce(&mut Worker) -> R) -> Option<R> {
    WORKER.with_borrow_mut(|worker| worker.as_mut().map(body))
}

/// Sets up the worker's state.
///
/// # Errors
/// If the system gives no random bytes.
pub fn start(waker: Arc<Waker>) -> io::Result<()> {
    let (completion_sender, completions) = channel();
    let worker = Worker {
        secret: Secret::new(random_bytes()?),
        waiters: SlotMap::with_key(),
        flights: Flights::default(),
        completions,
        completion_sender,
        waker,
        thread: OnceCell::new(),
        failures: RateLimit::default(),
    };
    WORKER.set(Some(worker));
    Ok(())
}

/// Ends the resolver's thread and drops the state.
pub fn stop() {
    let worker = WORKER.take();
    if let Some(thread) = worker.and_then(|worker| worker.thread.into_inner()) {
        thread.stop(STOP_DEADLINE);
    }
}

impl Worker {
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Lists a request as one that waits.
    pub fn enlist(&mut self, r: NonNull<ngx_http_request_t>) -> WaiterId {
        self.waiters.insert(r)
    }

    /// Joins a waiter to the flight of a key, and makes the call where there is none.
    ///
    /// # Errors
    /// [`Overload`]: there are too many calls in flight to start one more.
    pub fn board(
        &mut self,
        waiter: WaiterId,
        key: CacheKey,
        settings: &Settings,
        question: Question,
        now: ngx_msec_t,
    ) -> Result<(), Overload> {
        let boarding = Boarding {
            waiter,
            client: question.client,
            now: now as u64,
            timeout: u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX),
            max: settings.max_inflight,
        };
        if let Joined::Lead(flight) = self.flights.join(key, &boarding)? {
            self.start_call(flight, key, settings, question);
        }
        Ok(())
    }

    fn start_call(&self, flight: FlightId, key: CacheKey, settings: &Settings, question: Question) {
        let waker = Arc::clone(&self.waker);
        let target = Arc::clone(&settings.target);
        let lease = Lease::new(flight, key, target, self.completion_sender.clone(), waker);
        #[cfg(feature = "fault-injection")]
        super::callback::injected::panic_at(super::callback::Site::Call);
        match self.thread.get_or_try_init(start_thread) {
            Ok(thread) => thread.submit(Job { timeout: settings.timeout, question, lease }),
            Err(error) => {
                log::cycle().error(format_args!("the resolver thread can't be started: {error}"));
                lease.complete(Err(ResolveError::Internal("the resolver thread can't be started")));
            }
        }
    }

    /// The next call that is over, with the waiters that its flight had, the leader first.
    pub fn next_landing(&mut self) -> Option<(Completion, Vec<(WaiterId, Role)>)> {
        let completion = self.completions.try_recv().ok()?;
        let waiters = self.flights.land(completion.flight).collect();
        Some((completion, waiters))
    }

    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The request that has this id, if it still waits.
    #[must_use]
    pub fn get(&self, waiter: WaiterId) -> Option<NonNull<ngx_http_request_t>> {
        self.waiters.get(waiter).copied()
    }

    /// Takes a request off the list.
    pub fn take(&mut self, waiter: WaiterId) -> Option<NonNull<ngx_http_request_t>> {
        self.waiters.remove(waiter)
    }
}

/// Signals are for nginx's thread: the new one starts with all of them blocked, as it inherits the mask.
fn start_thread() -> io::Result<ResolverThread> {
    let _blocked = SignalsBlocked::new();
    ResolverThread::start()
}

/// Blocks all signals of this thread as long as it lives.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        let mut all = std::mem::MaybeUninit::uninit();
        // SAFETY: sigfillset writes the whole set.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: `all` was filled above, and the call writes the old mask to `before`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: written by the call, which can't fail with these arguments.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the buffer is as long as said. Up to 256 bytes come whole or not at all (getrandom(2)).
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) == Ok(bytes.len()) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}
