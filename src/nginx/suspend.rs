//! Suspends a request until an answer is there, and resumes it: the way `limit_req` delays requests, with the resolver
//! in the place of the clock.

use std::ptr::NonNull;
use std::rc::Rc;
use std::time::Duration;

use nginx_sys::{
    NGX_AGAIN, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_add_timer, ngx_current_msec, ngx_del_timer,
    ngx_event_t, ngx_handle_read_event, ngx_http_block_reading, ngx_http_core_run_phases,
    ngx_http_finalize_request, ngx_http_log_ctx_t, ngx_http_request_empty_handler, ngx_http_request_t,
    ngx_http_run_posted_requests, ngx_http_test_reading, ngx_int_t, ngx_msec_t, ngx_post_event,
    ngx_posted_events,
};

use super::callback::{Site, contain};
use super::state::{self, Landed, RequestState, Wait};
use super::worker::{self, WaiterId};
use super::{access, log};
use crate::cache_key::CacheKey;
use crate::resolver::error::ResolveError;
use crate::resolver::{Completion, Outcome};
use crate::single_flight::Role;

/// A request's timer runs this much longer than the call, so that it learns from the call itself that it timed out: the
/// connection that is to blame has been left behind by then, and the next request gets another.
const SLACK: Duration = Duration::from_millis(20);

/// Has the request wait: the answer, the timer or the client's leaving ends that. Returns what the handler returns.
///
/// The timer also keeps a worker that exits gracefully from leaving before the request is done.
pub fn suspend(
    r: &mut ngx_http_request_t,
    state: &RequestState,
    waiter: WaiterId,
    key: CacheKey,
    timeout: Duration,
) -> ngx_int_t {
    state.wait.replace(Wait::Suspended { waiter, key, since: now() });
    if watch_client(r).is_err() {
        cancel(state);
        return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    }
    r.read_event_handler = Some(ngx_http_test_reading);
    r.write_event_handler = Some(ngx_http_request_empty_handler);

    // SAFETY: LIVE REQUEST.
    let log = unsafe { (*r.connection).log };
    let timer = state.timer.as_ptr();
    // SAFETY: POOL: the state, and the timer in it, stay where they are; MAIN THREAD: nobody else writes to it now.
    let event = unsafe { &mut *timer };
    event.handler = Some(on_timer);
    // nginx's debug log takes this for a connection, and prints the number where that has its descriptor.
    event.data = (&raw mut *r).cast();
    event.log = log;
    // SAFETY: C API; `cancel` deletes it before the memory goes.
    unsafe { ngx_add_timer(timer, milliseconds(timeout.saturating_add(SLACK))) };
    NGX_AGAIN as ngx_int_t
}

/// Has nginx tell when the client goes, as `limit_req` does.
fn watch_client(r: &ngx_http_request_t) -> Result<(), ()> {
    // SAFETY: LIVE REQUEST: a connection has its events.
    let read = unsafe { (*r.connection).read };
    // SAFETY: as above.
    if unsafe { &*read }.ready() != 0 {
        let queue = &raw mut ngx_posted_events;
        // SAFETY: C API: as `limit_req` does.
        unsafe { ngx_post_event(read, queue) };
        return Ok(());
    }
    // SAFETY: C API: as `limit_req` does.
    let handled = unsafe { ngx_handle_read_event(read, 0) };
    if handled == NGX_OK as ngx_int_t { Ok(()) } else { Err(()) }
}

/// Ends a request's waiting, if it does wait; the flight goes on without it.
pub fn cancel(state: &RequestState) {
    delete_timer(state);
    if let Wait::Suspended { waiter, .. } = state.wait.take() {
        worker::with(|worker| worker.forget(waiter));
    }
}

fn delete_timer(state: &RequestState) {
    let timer = state.timer.as_ptr();
    // SAFETY: POOL, MAIN THREAD.
    if unsafe { &*timer }.timer_set() != 0 {
        // SAFETY: C API: it is set.
        unsafe { ngx_del_timer(timer) };
    }
}

/// Calls are over: resume who waits for them. Called by the event loop after a wake.
///
/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn on_wake(_event: *mut ngx_event_t) {
    contain(Site::Wake, (), || {
        if let Some(waker) = worker::with(|worker| worker.waker()) {
            waker.clear();
        }
        while let Some((completion, waiting)) = worker::with(|worker| worker.next_landing()).flatten() {
            let Completion { outcome, key, target, .. } = completion;
            let outcome = Rc::new(outcome);
            for (r, role) in waiting {
                land(r, &outcome, role);
            }
            access::log_failure(&target, key, &outcome);
        }
    });
}

/// The resolver took too long for this request, whatever becomes of the call.
unsafe extern "C" fn on_timer(event: *mut ngx_event_t) {
    // SAFETY: C API: nginx passes the event that was set up in `suspend`, whose data is the request.
    let r = unsafe { (*event).data }.cast::<ngx_http_request_t>();
    let Some(r) = NonNull::new(r) else { return };
    let forgotten = contain(Site::Timer, false, || {
        // SAFETY: WAITER: the timer is deleted before the request goes.
        let state = state::find(unsafe { r.as_ref() });
        if let Some(state) = state
            && let Wait::Suspended { waiter, .. } = *state.wait.borrow()
        {
            worker::with(|worker| worker.forget(waiter));
        }
        true
    });
    if forgotten {
        land(r, &Rc::new(Err(ResolveError::Timeout)), Role::Follower);
    } else {
        fail(r);
    }
}

/// Gives a waiting request its outcome and lets it go on. A panic on the way ends this request alone.
fn land(r: NonNull<ngx_http_request_t>, outcome: &Rc<Outcome>, role: Role) {
    let landed = contain(Site::Resume, None, || {
        // SAFETY: WAITER.
        let Some(state) = state::find(unsafe { r.as_ref() }) else { return Some(false) };
        delete_timer(&state);
        let Wait::Suspended { key, since, .. } = state.wait.take() else { return Some(false) };
        let waited = now().wrapping_sub(since);
        state.wait.replace(Wait::Landed(key, Landed { outcome: Rc::clone(outcome), role, waited }));
        Some(true)
    });
    match landed {
        Some(true) => resume(r, || {
            // SAFETY: C API: as ngx_http_request_handler does for a request that is ready to go on.
            unsafe { ngx_http_core_run_phases(r.as_ptr()) };
        }),
        Some(false) => {}
        None => fail(r),
    }
}

/// Ends a waiting request with a 500.
fn fail(r: NonNull<ngx_http_request_t>) {
    contain(Site::Resume, (), || {
        // SAFETY: WAITER.
        if let Some(state) = state::find(unsafe { r.as_ref() }) {
            cancel(&state);
        }
    });
    resume(r, || {
        // SAFETY: C API: as any handler does that ends a request outside the phases.
        unsafe { ngx_http_finalize_request(r.as_ptr(), NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t) };
    });
}

/// Goes on with a request from where it was suspended. The request may be gone afterwards.
fn resume(r: NonNull<ngx_http_request_t>, go_on: impl FnOnce()) {
    // SAFETY: WAITER: it was taken off the registry just now, and nothing has run since.
    let request = unsafe { &mut *r.as_ptr() };
    let ours = request
        .write_event_handler
        .is_some_and(|handler| handler as usize == ngx_http_request_empty_handler as *const () as usize);
    if !ours {
        // nginx is ending the request: ngx_http_terminate_request puts a handler of its own there.
        return;
    }
    request.read_event_handler = Some(ngx_http_block_reading);
    request.write_event_handler = Some(ngx_http_core_run_phases);
    let connection = request.connection;
    set_log_request(request);
    go_on();
    // SAFETY: C API: as ngx_http_request_handler does; nginx keeps the memory of a connection that it has closed.
    unsafe { ngx_http_run_posted_requests(connection) };
}

/// What the inline function of that name does: lines in the log name this request.
fn set_log_request(request: &mut ngx_http_request_t) {
    let r: *mut ngx_http_request_t = request;
    // SAFETY: LIVE REQUEST.
    let log = unsafe { (*request.connection).log };
    // SAFETY: the log of a connection that has a request carries nginx's own context.
    let context = unsafe { (*log).data }.cast::<ngx_http_log_ctx_t>();
    // SAFETY: as above.
    if let Some(context) = unsafe { context.as_mut() } {
        context.current_request = r;
    }
}

fn milliseconds(time: Duration) -> ngx_msec_t {
    ngx_msec_t::try_from(time.as_millis()).unwrap_or(ngx_msec_t::MAX)
}

/// The event loop's clock, in milliseconds: monotonic, read once a turn.
#[must_use]
pub fn now() -> ngx_msec_t {
    // SAFETY: MAIN THREAD: nginx writes it on this thread.
    unsafe { ngx_current_msec }
}

/// Logs in the terms of the request's own connection.
#[must_use]
pub fn request_log(r: &ngx_http_request_t) -> Option<log::Log> {
    // SAFETY: LIVE REQUEST.
    let log = NonNull::new(unsafe { (*r.connection).log })?;
    // SAFETY: LIVE REQUEST: the connection's log is in its pool.
    Some(unsafe { log::Log::new(log) })
}
