//! Claims on keys, in the module's own zone: who on this machine makes a call, and who waits for its outcome.

use std::ffi::c_void;

use nginx_sys::{ngx_int_t, ngx_shm_zone_t};

use super::{Arena, zone};
use crate::blocks::Damaged;
use crate::claims::{Claims, Layout};

/// The claims of all workers.
pub struct SharedClaims {
    arena: Arena,
    layout: Layout,
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn on_init(zone: *mut ngx_shm_zone_t, _: *mut c_void) -> ngx_int_t {
    // SAFETY: C API: nginx calls back with a zone that it has set up.
    unsafe { zone::set_up(zone, format) }
}

fn format(memory: &mut [u8]) {
    let layout = Layout::of(memory.len());
    if let Some(mut claims) = layout.and_then(|layout| Claims::over(memory, &layout)) {
        claims.format();
    }
}

impl SharedClaims {
    #[must_use]
    pub fn new(arena: Arena) -> Option<Self> {
        let layout = Layout::of(arena.bytes())?;
        Some(Self { arena, layout })
    }

    /// Runs a function on the claims; `None` where they can't be had, or were thrown away.
    pub fn with<R>(&self, body: impl FnOnce(&mut Claims<'_>) -> Result<R, Damaged>) -> Option<R> {
        self.arena.with(format, |memory| body(&mut Claims::over(memory, &self.layout).ok_or(Damaged)?))
    }
}
