//! Shared memory: one arena per zone, guarded by the zone's slab mutex.
//!
//! When a worker dies, nginx unlocks that mutex but doesn't undo partial writes. So the arena has a dirty flag, which is
//! set during each access: whoever finds it set on entry empties the arena. The `RwLock` of the ngx crate would stay locked
//! forever.

pub mod zone;

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use nginx_sys::{ngx_shm_zone_t, ngx_shmtx_trylock, ngx_shmtx_unlock, ngx_slab_pool_t};

use crate::cache_key::Secret;
use crate::freshness::Millis;
use crate::links::Damaged;
use crate::nginx::ffi::clock;
use crate::nginx::ffi::log;

/// Identifies an arena of this module with this layout.
const MAGIC: u64 = u64::from_be_bytes(*b"authgear") ^ 6;

/// How long to wait for the lock, in milliseconds. Its holder needs only microseconds, unless it isn't scheduled, or died
/// in a configuration that the master no longer takes care of; in that case the lock is never released.
const PATIENCE: Millis = 10;

/// The header of an arena.
#[repr(C, align(64))]
struct Head {
    magic: u64,
    len: u64,
    dirty: AtomicU32,
    /// In the module's own zone: the number of the most recently started configuration.
    generation: AtomicU32,
    epoch: AtomicU64,
    /// When it was last logged that the zone is full.
    told_full: AtomicU64,
    /// In the module's own zone: the secret for the cache keys.
    secret: [u8; 32],
}

/// How long not to wait for the lock again after a timeout, in milliseconds: the event loop has other work.
const IMPATIENCE: Millis = 100;

/// The memory of a zone, as mapped in this process.
pub struct Arena {
    pool: NonNull<ngx_slab_pool_t>,
    head: NonNull<Head>,
    body: NonNull<u8>,
    len: usize,
    /// When waiting for the lock last timed out.
    missed: Cell<Millis>,
}

impl Arena {
    /// Returns the arena of a zone that nginx has set up and `zone` has initialized.
    #[must_use]
    pub fn of(zone: &ngx_shm_zone_t) -> Option<Self> {
        let pool = pool(zone)?;
        // SAFETY: ZONE: nginx puts a slab pool at the start of each zone.
        let head = NonNull::new(unsafe { pool.as_ref() }.data.cast::<Head>())?;
        // SAFETY: ZONE: `zone::create` put a head there, and nothing else is ever put there.
        let len = usize::try_from(unsafe { head.as_ref() }.len).ok()?;
        // SAFETY: ZONE: the body follows the head.
        let body = unsafe { head.add(1) }.cast();
        Some(Self { pool, head, body, len, missed: Cell::new(0) })
    }

    /// Splits off a region that is used without the lock; access it atomically.
    #[must_use]
    pub fn set_apart<T>(self) -> Option<(NonNull<T>, Self)> {
        let len = self.len.checked_sub(size_of::<T>())?;
        let piece = self.body.cast::<T>();
        // SAFETY: ZONE: the body has that many bytes.
        let body = unsafe { self.body.add(size_of::<T>()) };
        Some((piece, Self { body, len, ..self }))
    }

    fn head(&self) -> &Head {
        // SAFETY: ZONE: it stays mapped as long as the process lives. Its mutable fields are atomic.
        unsafe { self.head.as_ref() }
    }

    /// The number of usable bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn secret(&self) -> Secret {
        Secret::new(self.head().secret)
    }

    /// Answers to calls made at or before this time are invalid.
    #[must_use]
    pub fn epoch(&self) -> Millis {
        self.head().epoch.load(Ordering::Acquire)
    }

    /// Allocates a number for the configuration that is being started.
    #[must_use]
    pub fn next_generation(&self) -> u32 {
        self.head().generation.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Whether to log now that the zone is full: once a minute for all workers together.
    #[must_use]
    pub fn may_tell_full(&self, now: Millis) -> bool {
        let told = self.head().told_full.load(Ordering::Relaxed);
        let is_due = told == 0 || now.saturating_sub(told) >= 60_000;
        let exchange =
            || self.head().told_full.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed);
        is_due && exchange().is_ok()
    }

    /// Runs a function on the memory, with exclusive access across all processes. Memory that is damaged, or in which a
    /// worker died, is formatted first. It is formatted again if the function reports damage. Returns `None` in that case,
    /// and if the lock isn't available.
    ///
    /// The function must not allocate, call nginx or panic: a panic here aborts the process.
    pub fn with<R>(
        &self,
        format: impl Fn(&mut [u8]),
        body: impl FnOnce(&mut [u8]) -> Result<R, Damaged>,
    ) -> Option<R> {
        if !self.lock() {
            return None;
        }
        let unlock = AbortOnPanic;
        // SAFETY: ZONE: the arena has that many bytes, and the lock gives exclusive access.
        let memory = unsafe { std::slice::from_raw_parts_mut(self.body.as_ptr(), self.len) };
        let was_dirty = self.head().dirty.swap(1, Ordering::Acquire) != 0;
        // The flag must be visible before any change.
        fence(Ordering::SeqCst);
        if was_dirty {
            format(memory);
        }
        #[cfg(feature = "fault-injection")]
        crate::nginx::ffi::callback::injected::die_locked(memory);
        let result = body(memory);
        if result.is_err() {
            format(memory);
        }
        if was_dirty || result.is_err() {
            self.void();
        }
        self.head().dirty.store(0, Ordering::Release);
        std::mem::forget(unlock);
        self.unlock();
        if was_dirty {
            log::cycle().error(format_args!(
                "a worker died while it changed the shared memory; what was in it is thrown away, and resolved again"
            ));
        }
        if result.is_err() {
            log::cycle().alert(format_args!(
                "the shared memory is damaged; what was in it is thrown away: please report this bug"
            ));
        }
        result.ok()
    }

    /// Invalidates all existing answers, including those in the workers' own caches.
    fn void(&self) {
        self.head().epoch.fetch_max(clock::boot(), Ordering::AcqRel);
    }

    fn lock(&self) -> bool {
        if self.try_lock() {
            return true;
        }
        let start = clock::boot();
        let is_impatient = start.saturating_sub(self.missed.get()) < IMPATIENCE;
        loop {
            // About ten microseconds: enough for a holder that is running.
            for _ in 0..64 {
                for _ in 0..8 {
                    std::hint::spin_loop();
                }
                if self.try_lock() {
                    return true;
                }
            }
            if is_impatient {
                return false;
            }
            let now = clock::boot();
            if now.saturating_sub(start) > PATIENCE {
                self.missed.set(now);
                return false;
            }
            std::thread::yield_now();
        }
    }

    fn mutex(&self) -> *mut nginx_sys::ngx_shmtx_t {
        // SAFETY: ZONE: a field of the pool; no reference is created, since other processes use it at the same time.
        unsafe { &raw mut (*self.pool.as_ptr()).mutex }
    }

    fn try_lock(&self) -> bool {
        // SAFETY: C API: the mutex that nginx created with the pool.
        unsafe { ngx_shmtx_trylock(self.mutex()) != 0 }
    }

    fn unlock(&self) {
        // SAFETY: C API: this process holds it.
        unsafe { ngx_shmtx_unlock(self.mutex()) };
    }
}

/// The slab pool that nginx puts at the start of a zone.
#[allow(clippy::cast_ptr_alignment, reason = "zones are whole pages")]
fn pool(zone: &ngx_shm_zone_t) -> Option<NonNull<ngx_slab_pool_t>> {
    NonNull::new(zone.shm.addr.cast())
}

/// A panic under the lock leaves memory partially changed. The process ends with the dirty flag set, and nginx unlocks the
/// mutex.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        std::process::abort();
    }
}
