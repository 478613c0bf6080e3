//! L2: the zones declared by `authgear_cache_zone`.

use std::cell::RefCell;
use std::ffi::c_void;

use nginx_sys::{ngx_int_t, ngx_shm_zone_t};

use crate::cache::{Fill, Shared, Stays};
use crate::cache_key::CacheKey;
use crate::freshness::{Kind, Millis, Stamp};
use crate::links::Damaged;
use crate::metrics::render::Zone;
use crate::nginx::ffi::log;
use crate::nginx::ffi::shm::{Arena, zone};
use crate::session::{Resolution, codec};
use crate::store::{Layout, MAX_PAYLOAD, Put, Store, Usage};

/// A zone of sessions.
pub struct SessionZone {
    name: String,
    arena: Arena,
    layout: Layout,
    /// A buffer for reading from the zone, so that nothing is allocated under the lock.
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
    /// Opens the zone of this name, which nginx has set up.
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

/// Stores an answer, and returns the stamp that it has in the store.
fn put(
    store: &mut Store<'_>,
    key: &CacheKey,
    fill: &Fill<'_>,
    payload: &[u8],
) -> Result<(Put, Stamp), Damaged> {
    let since = store.doubt(key, &fill.stamp)?;
    let stamp = since.map_or(fill.stamp, |since| fill.stamp.doubted(since));
    Ok((store.put(key, since.unwrap_or(fill.user), stamp, payload)?, stamp))
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
        let Some((put, stamp)) = self.with(|store| put(store, key, fill, &payload)) else {
            // The content of the zone is unknown, so a "none" may be in doubt.
            let doubted = fill.stamp.kind == Kind::None;
            return Stays::New(if doubted { fill.stamp.doubted(fill.stamp.asked) } else { fill.stamp });
        };
        match put {
            Put::Older => return Stays::Old,
            Put::Stored { crowded_out: Some(asked) } => self.tell_full(fill, asked),
            Put::Stored { crowded_out: None } | Put::TooLarge => {}
        }
        Stays::New(stamp)
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
    /// The usage of the zone, if it can be read now.
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

    /// Logs that sessions were evicted; the youngest of them was asked for at `asked`.
    fn tell_full(&self, fill: &Fill<'_>, asked: Millis) {
        // Don't log if even that one had expired: full zones consist largely of such entries.
        let last = fill.times.valid.saturating_add(fill.windows.error.max(fill.windows.updating));
        if fill.now.saturating_sub(asked) < last && self.arena.may_tell_full(fill.now) {
            let name = &self.name;
            log::cycle().warn(format_args!(
                "zone \"{name}\" is full, sessions that were still of use had to go; give it more memory in \"authgear_cache_zone\""
            ));
        }
    }
}
