//! The module's own zone: the counters of its workers, the state of the resolvers, and the claims, which record which
//! worker makes a call and which workers wait for its outcome.

use std::ffi::c_void;
use std::ptr::NonNull;

use nginx_sys::{ngx_int_t, ngx_shm_zone_t};

use crate::breaker::{self, Circuits};
use crate::claims::{Claims, Layout};
use crate::links::Damaged;
use crate::metrics::Metrics;
use crate::nginx::ffi::shm::{Arena, zone};

/// The name of the zone. No directive can declare a zone of this name.
pub const NAME: &str = "authgear:state";
/// Its size: room for claims for at least 8,192 calls. It is the same in every configuration, so that a reload keeps the
/// zone.
pub const BYTES: usize = 2 * 1024 * 1024;

/// The state that all workers share, apart from sessions.
pub struct SharedState {
    pub(super) arena: Arena,
    layout: Layout,
    metrics: NonNull<Metrics>,
}

/// A view of the state under the lock.
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

// The start of an arena's body is aligned to 64 bytes by nginx and the head, which is enough for the metrics.
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

    /// The counters, which all workers update concurrently.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        // SAFETY: ZONE: split off for this, zeroed when the zone was created; its mutable fields are atomic.
        unsafe { self.metrics.as_ref() }
    }

    /// Runs a function on the state. Returns `None` if the lock isn't available or the state was damaged.
    pub fn with<R>(&self, body: impl FnOnce(&mut State<'_>) -> Result<R, Damaged>) -> Option<R> {
        self.arena.with(format, |memory| body(&mut State::over(memory, &self.layout).ok_or(Damaged)?))
    }
}
