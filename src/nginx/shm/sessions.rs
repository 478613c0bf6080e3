//! L2: the zones that `authgear_cache_zone` declares.

use std::cell::RefCell;
use std::ffi::c_void;

use nginx_sys::{ngx_int_t, ngx_shm_zone_t};

use super::{Arena, zone};
use crate::cache::{Fill, Shared, Stays};
use crate::cache_key::CacheKey;
use crate::freshness::{Millis, Stamp};
use crate::links::Damaged;
use crate::metrics::render::Zone;
use crate::nginx::log;
use crate::session::{Resolution, codec};
use crate::store::{Layout, MAX_PAYLOAD, Put, Store, Usage};

/// A zone for sessions.
pub struct SessionZone {
    name: String,
    arena: Arena,
    layout: Layout,
    /// What is read of the zone, so that nothing is allocated under its lock.
    buffer: RefCell<Box<[u8]>>,
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn on_init(zone: *mut ngx_shm_zone_t, _: *mut c_void) -> ngx_int_t {
    // SAFETY: C API: nginx calls back with a zone that it has set up.
    unsafe { zone::set_up(zone, format) }
}

pub(super) fn format(memory: &mut [u8]) {
    let layout = Layout::of(memory.len());
    if let Some(mut store) = layout.and_then(|layout| Store::over(memory, &layout)) {
        store.format();
    }
}

impl SessionZone {
    /// The zone of this name, as nginx has set it up.
    #[must_use]
    pub fn new(name: &str, zone: &ngx_shm_zone_t) -> Option<Self> {
        let arena = Arena::of(zone)?;
        let layout = Layout::of(arena.bytes())?;
        let buffer = RefCell::new(vec![0; MAX_PAYLOAD].into_boxed_slice());
        Some(Self { name: name.to_owned(), arena, layout, buffer })
    }

    fn with<R>(&self, body: impl FnOnce(&mut Store<'_>) -> Result<R, Damaged>) -> Option<R> {
        self.arena.with(format, |memory| body(&mut Store::over(memory, &self.layout).ok_or(Damaged)?))
    }
}

impl Shared for SessionZone {
    fn get(&self, key: &CacheKey) -> Option<(Stamp, Resolution)> {
        let mut buffer = self.buffer.borrow_mut();
        let (stamp, len) = self.with(|store| store.get(key, &mut buffer))??;
        Some((stamp, codec::decode(buffer.get(..len)?)?))
    }

    fn put(&self, key: &CacheKey, fill: &Fill<'_>, resolution: &Resolution) -> Stays {
        let mut payload = Vec::new();
        codec::encode(resolution, &mut payload);
        let put = self.with(|store| store.put(key, fill.user, fill.stamp, &payload));
        let crowded_out = match put {
            Some(Put::Older) => return Stays::Old,
            Some(Put::Stored { crowded_out }) => crowded_out,
            Some(Put::TooLarge) | None => None,
        };
        if let Some(asked) = crowded_out {
            self.tell_full(fill, asked);
        }
        Stays::New
    }

    fn void(&self, key: &CacheKey, asked: Millis) {
        self.with(|store| store.void(key, asked));
    }

    fn touch(&self, key: &CacheKey) {
        self.with(|store| store.touch(key));
    }

    fn epoch(&self) -> Millis {
        self.arena.epoch()
    }
}

impl SessionZone {
    /// What is in it, if that can be seen now.
    #[must_use]
    pub fn look(&self) -> Option<Zone> {
        let (usage, used_bytes) = self.with(|store| Ok((store.usage(), store.used_bytes())))?;
        let Usage { valid, negative, evictions, negative_evictions } = usage;
        let bytes = self.arena.bytes() as u64;
        Some(Zone { bytes, used_bytes, valid, negative, evictions, negative_evictions })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sessions had to go, the youngest of which was asked for at this moment.
    fn tell_full(&self, fill: &Fill<'_>, asked: Millis) {
        // It may have been of no use to anybody any more; zones are full of that.
        let last = fill.times.valid.saturating_add(fill.windows.error.max(fill.windows.updating));
        if fill.now.saturating_sub(asked) < last && self.arena.may_tell_full(fill.now) {
            let name = &self.name;
            log::cycle().warn(format_args!(
                "zone \"{name}\" is full, sessions that were still of use had to go; give it more memory in \"authgear_cache_zone\""
            ));
        }
    }
}
