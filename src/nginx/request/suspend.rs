//! Suspends a request until its answer arrives, and resumes it: as `limit_req` delays requests, but waiting for the
//! resolver instead of a time.

use std::sync::Arc;
use std::time::Duration;

use nginx_sys::{
    NGX_AGAIN, NGX_OK, ngx_add_timer, ngx_event_t, ngx_handle_read_event, ngx_http_block_reading,
    ngx_http_core_run_phases, ngx_http_finalize_request, ngx_http_log_ctx_t, ngx_http_request_t,
    ngx_http_run_posted_requests, ngx_http_test_reading, ngx_int_t, ngx_msec_t, ngx_post_event,
    ngx_posted_events,
};

use crate::cache_key::CacheKey;
use crate::freshness::Stamp;
use crate::nginx::conf::in_force;
use crate::nginx::ffi::callback::INTERNAL_ERROR;
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::clock;
use crate::nginx::ffi::request::Request;
use crate::nginx::request::report;
use crate::nginx::request::state::{self, Landed, RequestState, Wait};
use crate::nginx::worker::{self, Arrival, Refused, Wanted};
use crate::resolver::Outcome;
use crate::resolver::error::ResolveError;
use crate::resolver::question::Question;
use crate::settings::Settings;
use crate::single_flight::Role;

/// How much longer the timer of a request runs than the call, so that normally the call itself reports its timeout. By then
/// the connection at fault has been abandoned, and the next request uses another one.
const SLACK: Duration = Duration::from_millis(20);

/// Makes a request wait for an answer, and makes the call if there is none. The wait ends with the answer, with the timer,
/// or when the client leaves. Returns the phase handler's return code.
///
/// The timer also makes a worker that shuts down gracefully wait for the request.
///
/// # Errors
/// [`Refused`]: no call can be made.
pub fn suspend(
    r: Request,
    state: &RequestState,
    key: CacheKey,
    settings: &Settings,
    question: Question,
    is_renewal: bool,
) -> Result<ngx_int_t, Refused> {
    let Some(waiter) = worker::with(|worker| worker.enlist(r)) else { return Ok(INTERNAL_ERROR) };
    let since = begun(state, key).unwrap_or_else(clock::turn);
    state.begun.set(Some((key, since)));
    // From here on, the cleanup of the state removes the waiter from the registry in any case.
    state.wait.set(Some(Wait { waiter, key, since }));
    let left = time_left(state, key, settings);
    let wanted = Wanted { key, settings, question, timeout: left, is_renewal };
    if let Some(Err(refused)) = worker::with(|worker| worker.board(waiter, wanted)) {
        state.cancel();
        return Err(refused);
    }
    // For `post_action`, the client has gone already.
    let on_read = if r.is_post_action() || in_force::ignores_client_abort(r) {
        ngx_http_block_reading
    } else {
        if watch_client(r).is_err() {
            state.cancel();
            return Ok(INTERNAL_ERROR);
        }
        ngx_http_test_reading
    };
    r.set_event_handlers(Some(on_read), Some(on_write_while_suspended));
    set_timer(r, state, left.saturating_add(SLACK));
    Ok(NGX_AGAIN as ngx_int_t)
}

/// The time that a request may still wait for the answer for a key.
#[must_use]
pub fn time_left(state: &RequestState, key: CacheKey, settings: &Settings) -> Duration {
    let waited = begun(state, key).map_or(0, |since| clock::turn().wrapping_sub(since));
    settings.timeout.saturating_sub(Duration::from_millis(waited as u64))
}

fn begun(state: &RequestState, key: CacheKey) -> Option<ngx_msec_t> {
    state.begun.get().filter(|(waits_for, _)| *waits_for == key).map(|(_, since)| since)
}

/// Does nothing, but marks a request as suspended by this module: nginx replaces it with other handlers when it continues
/// or ends the request.
unsafe extern "C" fn on_write_while_suspended(_r: *mut ngx_http_request_t) {}

fn set_timer(r: Request, state: &RequestState, time: Duration) {
    // SAFETY: LIVE REQUEST.
    let log = unsafe { (*r.connection()).log };
    let timer = state.timer.get_or_init(Box::default).as_ptr();
    // SAFETY: STATE; MAIN THREAD: nothing else accesses it now.
    let event = unsafe { &mut *timer };
    event.handler = Some(on_timer);
    // nginx's debug log treats this as a connection, and prints the number at the position of its descriptor.
    event.data = r.as_ptr().cast();
    event.log = log;
    // SAFETY: C API; STATE: it is deleted before the memory is freed.
    unsafe { ngx_add_timer(timer, ngx_msec_t::try_from(time.as_millis()).unwrap_or(ngx_msec_t::MAX)) };
}

/// Makes nginx report when the client leaves, as `limit_req` does.
fn watch_client(r: Request) -> Result<(), ()> {
    // SAFETY: LIVE REQUEST: a connection has its events.
    let read = unsafe { (*r.connection()).read };
    // SAFETY: as above.
    if unsafe { &*read }.ready() != 0 {
        let queue = &raw mut ngx_posted_events;
        // SAFETY: C API: as `limit_req` does.
        unsafe { ngx_post_event(read, queue) };
        return Ok(());
    }
    expect_reading(r)
}

/// Makes the event loop watch the client's connection for reading again. The methods `select` and `poll` stop watching
/// after an event whose handler didn't read.
fn expect_reading(r: Request) -> Result<(), ()> {
    // SAFETY: LIVE REQUEST: a connection has its events.
    let read = unsafe { (*r.connection()).read };
    // SAFETY: C API: as `limit_req` does.
    let handled = unsafe { ngx_handle_read_event(read, 0) };
    if handled == NGX_OK as ngx_int_t { Ok(()) } else { Err(()) }
}

/// Resumes requests whose calls have finished. nginx calls it after a wake.
///
/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn on_wake(_event: *mut ngx_event_t) {
    contain(Site::Wake, (), || {
        worker::with(|worker| worker.clear_wakes());
        arrivals();
    });
}

/// Polls for what has no wake.
///
/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn on_poll(_event: *mut ngx_event_t) {
    contain(Site::Poll, (), || {
        worker::with(|worker| worker.check());
        arrivals();
    });
}

fn arrivals() {
    while let Some(arrival) = worker::with(|worker| worker.next_arrival()).flatten() {
        arrive(arrival);
    }
    for arrival in worker::with(|worker| worker.collect()).unwrap_or_default() {
        arrive(arrival);
    }
}

fn arrive(arrival: Arrival) {
    let Arrival { key, waiters, outcome, stamp, call } = arrival;
    if let (Some(outcome), Some(call)) = (&outcome, call) {
        let leader =
            waiters.first().and_then(|(waiter, _)| worker::with(|worker| worker.get(*waiter)).flatten());
        report::call(leader.and_then(Request::log), &call, key, outcome);
    }
    for (waiter, role) in waiters {
        // Take each waiter only now: resuming a request can run any nginx code, which may end another request.
        if let Some(r) = worker::with(|worker| worker.take(waiter)).flatten() {
            land(r, outcome.as_ref(), stamp, role);
        }
    }
}

/// The resolver took too long for this request. The call may still continue.
unsafe extern "C" fn on_timer(event: *mut ngx_event_t) {
    // SAFETY: C API: nginx passes the event that `suspend` set up, whose data is the request.
    let r = unsafe { (*event).data }.cast::<ngx_http_request_t>();
    // SAFETY: WAITER: the timer is deleted before the request is freed.
    let Some(r) = (unsafe { Request::new(r) }) else { return };
    let wait = contain(Site::Timer, None, || Some(state::find(r).and_then(|state| state.wait.get())));
    let Some(wait) = wait else { return fail(r) };
    // An answer that has arrived counts, even if its wake is still pending. This may end the request.
    contain(Site::Poll, (), || {
        if worker::with(|worker| worker.may_look()) == Some(true) {
            arrivals();
        }
    });
    if let Some(r) = wait.and_then(|wait| worker::with(|worker| worker.take(wait.waiter)).flatten()) {
        land(r, Some(&Arc::new(Err(ResolveError::Timeout))), None, Role::Follower);
    }
}

/// Delivers the outcome to a waiting request and resumes it; without an outcome it will ask again. A panic fails only this
/// request.
fn land(r: Request, outcome: Option<&Arc<Outcome>>, stamp: Option<Stamp>, role: Role) {
    let landed = contain(Site::Resume, None, || {
        let Some(state) = state::find(r) else { return Some(false) };
        state.delete_timer();
        let Some(Wait { key, since, .. }) = state.wait.take() else { return Some(false) };
        let turn = clock::turn();
        let waited = turn.wrapping_sub(since);
        let landed =
            |outcome: &Arc<Outcome>| Landed { outcome: Arc::clone(outcome), role, waited, stamp, turn };
        state.answered.replace(outcome.map(|outcome| (key, landed(outcome))));
        Some(true)
    });
    match landed {
        Some(true) => resume(r, || {
            // SAFETY: C API: as ngx_http_request_handler does for a request that is ready to continue.
            unsafe { ngx_http_core_run_phases(r.as_ptr()) };
        }),
        Some(false) => {}
        None => fail(r),
    }
}

/// Ends a waiting request with a 500.
fn fail(r: Request) {
    contain(Site::Resume, (), || {
        if let Some(state) = state::find(r) {
            state.cancel();
        }
    });
    resume(r, || {
        // SAFETY: C API: as any handler does that ends a request outside the phases.
        unsafe { ngx_http_finalize_request(r.as_ptr(), INTERNAL_ERROR) };
    });
}

/// Continues a request from where it was suspended. The request may have been freed afterwards.
fn resume(r: Request, go_on: impl FnOnce()) {
    let is_suspended = r
        .write_event_handler()
        .is_some_and(|handler| handler as usize == on_write_while_suspended as *const () as usize);
    if !is_suspended {
        // nginx has taken over: it is ending the request, or has redirected it for `post_action`.
        return;
    }
    r.set_event_handlers(Some(ngx_http_block_reading), Some(ngx_http_core_run_phases));
    let connection = r.connection();
    set_log_request(r);
    if expect_reading(r).is_ok() {
        go_on();
    } else {
        // SAFETY: C API: as `limit_req` does.
        unsafe { ngx_http_finalize_request(r.as_ptr(), INTERNAL_ERROR) };
    }
    // SAFETY: C API: as ngx_http_request_handler does; nginx keeps the memory of a connection that it has closed.
    unsafe { ngx_http_run_posted_requests(connection) };
}

/// Like nginx's inline function `ngx_http_set_log_request`: makes log lines name this request.
fn set_log_request(r: Request) {
    // SAFETY: LIVE REQUEST.
    let log = unsafe { (*r.connection()).log };
    // SAFETY: the log of a connection that has a request carries nginx's own context.
    let context = unsafe { (*log).data }.cast::<ngx_http_log_ctx_t>();
    // SAFETY: as above.
    if let Some(context) = unsafe { context.as_mut() } {
        context.current_request = r.as_ptr();
    }
}
