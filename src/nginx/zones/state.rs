//! The module's own zone: what its workers count, what they know of the resolvers, and who of them makes a call, or waits for its
//! outcome.

use std::ffi::c_void;
use std::ptr::NonNull;

use nginx_sys::{ngx_int_t, ngx_shm_zone_t};

use crate::breaker::{self, Circuits};
use crate::claims::{Claims, Layout};
use crate::links::Damaged;
use crate::metrics::Metrics;
use crate::nginx::ffi::shm::{Arena, zone};

/// The name of the zone. No directive can declare one of this name.
pub const NAME: &str = "authgear:state";
/// Its size, the same in every configuration, so that every reload keeps it: claims for 8,192 calls at least.
pub const BYTES: usize = 2 * 1024 * 1024;

/// What all workers share besides sessions.
pub struct SharedState {
    pub(super) arena: Arena,
    layout: Layout,
    metrics: NonNull<Metrics>,
}

/// The same under the lock.
pub struct State<'a> {
    pub circuits: Circuits<'a>,
    pub claims: Claims<'a>,
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn on_init(zone: *mut ngx_shm_zone_t, _: *mut c_void) -> ngx_int_t {
    // SAFETY: C API: nginx calls back with a zone that it has set up.
    unsafe { zone::set_up(zone, |memory| memory.get_mut(size_of::<Metrics>()..).map_or((), format)) }
}

// The body of an arena begins at a place that nginx and the head align for this.
const _: () = assert!(align_of::<Metrics>() <= 64 && size_of::<Metrics>().is_multiple_of(64));

pub(super) fn format(memory: &mut [u8]) {
    if let Some(mut state) = layout(memory.len()).and_then(|layout| State::over(memory, &layout)) {
        state.circuits.format();
        state.claims.format();
    }
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::of(bytes.checked_sub(breaker::BYTES)?)
}

impl<'a> State<'a> {
    pub(super) fn over(memory: &'a mut [u8], layout: &Layout) -> Option<Self> {
        let (circuits, rest) = Circuits::over(memory)?;
        Some(Self { circuits, claims: Claims::over(rest, layout)? })
    }
}

impl SharedState {
    #[must_use]
    pub fn new(arena: Arena) -> Option<Self> {
        let (metrics, arena) = arena.set_apart()?;
        let layout = layout(arena.bytes())?;
        Some(Self { arena, layout, metrics })
    }

    /// What is counted, by all workers at once.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        // SAFETY: ZONE: set apart for this, zeroed when it was new; all that changes in it is atomic.
        unsafe { self.metrics.as_ref() }
    }

    /// Runs a function on the state; `None` where it can't be had, or was thrown away.
    pub fn with<R>(&self, body: impl FnOnce(&mut State<'_>) -> Result<R, Damaged>) -> Option<R> {
        self.arena.with(format, |memory| body(&mut State::over(memory, &self.layout).ok_or(Damaged)?))
    }
}
