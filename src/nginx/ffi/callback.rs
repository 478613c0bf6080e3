//! The panic boundary: every callback from nginx goes through here, and no panic passes it.
//!
//! A panic that unwinds into C frames would abort the worker, and with it every request that it serves. Contained, a panic
//! fails a single request: each kind of callback defines a fallback, and no fallback lets a request pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};

use nginx_sys::{NGX_DECLINED, NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_http_request_t, ngx_int_t};

use crate::nginx::ffi::log;
use crate::nginx::ffi::pool::OutOfMemory;
use crate::nginx::ffi::request::Request;

/// The return value of a handler that makes nginx continue with the request.
pub const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;
/// The return value of a handler that can't do its work.
pub const INTERNAL_ERROR: ngx_int_t = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;

/// The places where nginx calls the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Configuration,
    Directive,
    InitModule,
    InitProcess,
    ExitProcess,
    PostRead,
    Preaccess,
    Access,
    /// Not a callback, but a point within one: just before a call is submitted.
    #[cfg(feature = "fault-injection")]
    Call,
    /// Not a callback either: the resolver thread takes a job.
    #[cfg(feature = "fault-injection")]
    Thread,
    Status,
    Variable,
    Wake,
    Poll,
    Resume,
    Timer,
    Cleanup,
}

/// Where the last panic happened. Shared between threads: the event loop also logs the panics of the resolver thread.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the body of a callback. If it panics, logs the panic and returns `fallback`.
pub fn contain<T>(site: Site, fallback: T, body: impl FnOnce() -> T) -> T {
    install_panic_hook();
    let contained = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "fault-injection")]
        injected::panic_at(site);
        body()
    }));
    match contained {
        Ok(value) => value,
        Err(payload) => {
            // Its destructor could panic as well.
            std::mem::forget(payload);
            let location = last_panic().unwrap_or_else(|| "an unknown place".into());
            log::cycle()
                .alert(format_args!("panic in {site:?} callback at {location}: please report this bug"));
            fallback
        }
    }
}

/// Runs a phase handler on a request. Answers a panic or an out-of-memory condition with a 500.
pub(in crate::nginx) fn handle(
    site: Site,
    r: *mut ngx_http_request_t,
    body: impl FnOnce(Request) -> Result<ngx_int_t, OutOfMemory>,
) -> ngx_int_t {
    contain(site, INTERNAL_ERROR, || {
        // SAFETY: LIVE REQUEST.
        let Some(r) = (unsafe { Request::new(r) }) else {
            return INTERNAL_ERROR;
        };
        body(r).unwrap_or(INTERNAL_ERROR)
    })
}

/// Returns the location of the last panic, and clears it.
#[must_use]
pub fn last_panic() -> Option<String> {
    LAST_PANIC.lock().ok()?.take()
}

/// Replaces Rust's default panic hook, which would print the message, possibly with values from requests, to stderr. This
/// one only records the location, for the code that contains the panic to log.
fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            if let Ok(mut last) = LAST_PANIC.lock() {
                *last = panic.location().map(ToString::to_string);
            }
        }));
    });
}

/// Fault injection for tests. `env AUTHGEAR_PANIC=Access:2` in nginx's configuration makes the second call at that site
/// panic.
#[cfg(feature = "fault-injection")]
pub mod injected {
    use super::Site;
    use std::cell::Cell;

    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
        static CHANGES: Cell<u32> = const { Cell::new(0) };
        static ASKED: Cell<u32> = const { Cell::new(0) };
    }

    /// `env AUTHGEAR_DIE_LOCKED=3` in nginx's configuration kills the worker in the middle of its third change of shared
    /// memory.
    pub fn die_locked(memory: &mut [u8]) {
        let wanted = std::env::var("AUTHGEAR_DIE_LOCKED").ok().and_then(|wanted| wanted.parse().ok());
        let Some(wanted): Option<u32> = wanted else { return };
        let changes = CHANGES.get() + 1;
        CHANGES.set(changes);
        if changes == wanted {
            memory.iter_mut().take(64 * 1024).for_each(|byte| *byte = 0xa5);
            // SAFETY: no pointers.
            let pid = unsafe { libc::getpid() };
            // SAFETY: as above.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }

    /// `env AUTHGEAR_NO_MEMORY=3` in nginx's configuration makes a worker's third allocation from a request's pool fail;
    /// `3+` makes all later ones fail as well. The first failure is logged.
    pub fn is_out_of_memory() -> bool {
        let Ok(wanted) = std::env::var("AUTHGEAR_NO_MEMORY") else { return false };
        let (first, is_last) = wanted.strip_suffix('+').map_or((&*wanted, true), |first| (first, false));
        let Ok(first): Result<u32, _> = first.parse() else { return false };
        let asked = ASKED.get() + 1;
        ASKED.set(asked);
        if asked == first {
            crate::nginx::ffi::log::cycle().notice(format_args!("out of memory, as injected"));
        }
        asked == first || asked > first && !is_last
    }

    /// `env AUTHGEAR_LOSE_WAKES=1` in nginx's configuration suppresses all wakes.
    pub fn is_wake_lost() -> bool {
        std::env::var_os("AUTHGEAR_LOSE_WAKES").is_some()
    }

    #[allow(clippy::panic, reason = "this is what the feature is for")]
    pub fn panic_at(site: Site) {
        let Ok(wanted) = std::env::var("AUTHGEAR_PANIC") else {
            return;
        };
        let Some((name, call)) = wanted.split_once(':') else {
            return;
        };
        if format!("{site:?}") != name {
            return;
        }
        let calls = CALLS.get() + 1;
        CALLS.set(calls);
        if Ok(calls) == call.parse() {
            panic!("injected");
        }
    }
}
