//! The panic boundary: what nginx calls goes through here, and no panic goes further.
//!
//! A panic that met C frames would abort the worker, and drop every request in it. Contained, it costs the one request:
//! each kind of callback says what it falls back to, and none falls back to letting a request pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};

use nginx_sys::{NGX_DECLINED, NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_http_request_t, ngx_int_t};

use crate::nginx::ffi::log;
use crate::nginx::ffi::pool::OutOfMemory;
use crate::nginx::ffi::request::Request;

/// What a handler returns to have nginx go on with the request.
pub const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;
/// What it returns where it can't do its work.
pub const INTERNAL_ERROR: ngx_int_t = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;

/// Where nginx calls in.
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
    /// Not a callback, but a place in the one before: a call is being started.
    #[cfg(feature = "fault-injection")]
    Call,
    /// Another place: the resolver's thread takes a job.
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

/// Where the last panic was. Shared by the threads: the event loop logs for the resolver's.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the body of a callback; a panic in it is logged, and `fallback` answers instead.
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
            // Its destructor could panic in turn.
            std::mem::forget(payload);
            let location = last_panic().unwrap_or_else(|| "an unknown place".into());
            log::cycle()
                .alert(format_args!("panic in {site:?} callback at {location}: please report this bug"));
            fallback
        }
    }
}

/// Runs a phase handler on its request. A panic in it, or an end of memory, is a 500.
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

/// Where the last panic was, told once.
#[must_use]
pub fn last_panic() -> Option<String> {
    LAST_PANIC.lock().ok()?.take()
}

/// Replaces Rust's panic hook, which would print the message, and with it values of requests, to stderr. This one keeps
/// the place only, for whoever contains the panic to log.
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

/// Faults on demand, for the tests. Panics: `env AUTHGEAR_PANIC=Access:2` in nginx's configuration makes the
/// second call at that site panic.
#[cfg(feature = "fault-injection")]
pub mod injected {
    use super::Site;
    use std::cell::Cell;

    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
        static CHANGES: Cell<u32> = const { Cell::new(0) };
        static ASKED: Cell<u32> = const { Cell::new(0) };
    }

    /// `env AUTHGEAR_DIE_LOCKED=3` in nginx's configuration: at the third change of shared memory the worker is killed in the
    /// middle of it.
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

    /// `env AUTHGEAR_NO_MEMORY=3` in nginx's configuration: the third time that a worker takes memory from a request's pool
    /// there is none; with `3+` neither from then on. The log tells of the first.
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

    /// `env AUTHGEAR_LOSE_WAKES=1` in nginx's configuration: nobody is woken.
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
