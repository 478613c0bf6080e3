//! Zones are declared while the configuration is read. After all of it has been read, they are set up, or taken over from
//! the previous configuration.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_conf_t, ngx_cycle, ngx_int_t, ngx_list_part_t, ngx_module_t, ngx_pagesize,
    ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_alloc, ngx_str_t,
};

use super::{Arena, Head, MAGIC};
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::log;
use crate::nginx::ffi::request::bytes;

/// The function that nginx calls when the memory is available.
pub type Init = unsafe extern "C" fn(*mut ngx_shm_zone_t, *mut std::ffi::c_void) -> ngx_int_t;

/// The minimum size of a zone, the same as for nginx's own modules.
#[must_use]
pub fn min_bytes() -> usize {
    // SAFETY: MAIN THREAD: written once, when nginx starts.
    8 * unsafe { ngx_pagesize }
}

/// Declares a zone that belongs to the module at this address. Returns `None` if that fails; nginx has logged why.
pub fn declare(
    cf: &mut ngx_conf_t,
    module: *const ngx_module_t,
    name: &str,
    size: usize,
    init: Init,
) -> Option<NonNull<ngx_shm_zone_t>> {
    // SAFETY: CONF: a configuration has a pool while it is read.
    let mut name = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }?;
    // SAFETY: C API: the tag is the module's address.
    let zone = unsafe { ngx_shared_memory_add(cf, &raw mut name, size, module.cast_mut().cast()) };
    let mut zone = NonNull::new(zone)?;
    // SAFETY: CONF: the zone is in a list of the cycle, whose elements don't move.
    unsafe { zone.as_mut() }.init = Some(init);
    Some(zone)
}

/// Sets up a zone when nginx calls back with its memory. `format` makes a body empty.
///
/// # Safety
/// The zone must be one for which nginx has set up memory, with a slab pool in it.
pub unsafe fn set_up(zone: *mut ngx_shm_zone_t, format: impl Fn(&mut [u8])) -> ngx_int_t {
    contain(Site::Configuration, NGX_ERROR as ngx_int_t, || {
        // SAFETY: the caller guarantees it.
        let Some(zone) = (unsafe { zone.as_mut() }) else { return NGX_ERROR as ngx_int_t };
        // If name, size and tag are unchanged, nginx keeps the memory across a reload.
        if Arena::of(zone).is_some_and(|arena| arena.head().magic == MAGIC) {
            return NGX_OK as ngx_int_t;
        }
        tell_of_another_size(zone);
        match create(zone) {
            Ok(arena) => {
                // No other process can access the memory before this function returns.
                let formatted = arena.with(&format, |memory| {
                    format(memory);
                    Ok(())
                });
                if formatted.is_some() { NGX_OK as ngx_int_t } else { NGX_ERROR as ngx_int_t }
            }
            Err(error) => {
                let name = zone.shm.name;
                log::cycle().alert(format_args!("zone \"{name}\" can't be set up: {error}"));
                NGX_ERROR as ngx_int_t
            }
        }
    })
}

/// Allocates all of the slab's pages, once.
fn create(zone: &ngx_shm_zone_t) -> io::Result<Arena> {
    let pool = super::pool(zone).ok_or_else(|| io::Error::other("it has no memory"))?.as_ptr();
    // SAFETY: ZONE: nginx has put a slab pool there, and no other process uses it yet.
    let free = unsafe { (*pool).pfree };
    // SAFETY: MAIN THREAD: written once, when nginx starts.
    let size = free * unsafe { ngx_pagesize };
    // SAFETY: C API.
    let head = unsafe { ngx_slab_alloc(pool, size) }.cast::<Head>();
    if head.is_null() || size <= size_of::<Head>() {
        return Err(io::Error::other("its memory is not in one piece"));
    }
    let len = size - size_of::<Head>();
    let new = Head {
        magic: MAGIC,
        len: len as u64,
        dirty: AtomicU32::new(0),
        generation: AtomicU32::new(0),
        epoch: AtomicU64::new(0),
        told_full: AtomicU64::new(0),
        secret: random_bytes()?,
    };
    // SAFETY: ZONE: pages are sufficiently aligned, and these are ours from now on.
    unsafe { head.write(new) };
    // SAFETY: ZONE: a field of the pool that is free for the zone's user.
    unsafe { (*pool).data = head.cast() };
    Arena::of(zone).ok_or_else(|| io::Error::other("its memory can't be found again"))
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the buffer has that length. Up to 256 bytes are returned completely or not at all (getrandom(2)).
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) == Ok(bytes.len()) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// Logs that a zone starts empty because its size has changed: nginx replaces its memory silently.
fn tell_of_another_size(zone: &ngx_shm_zone_t) {
    let before = zones_of_running_cycle().find(|other| {
        other.tag == zone.tag
            && bytes(&other.shm.name) == bytes(&zone.shm.name)
            && other.shm.size != zone.shm.size
    });
    if let Some(before) = before {
        let (name, old, new) = (zone.shm.name, before.shm.size, zone.shm.size);
        log::cycle()
            .notice(format_args!("zone \"{name}\" starts empty: its size was {old} bytes and is {new} now"));
    }
}

/// The zones of the running cycle. While a configuration is read, that is still the previous one.
fn zones_of_running_cycle() -> impl Iterator<Item = &'static ngx_shm_zone_t> {
    // SAFETY: MAIN THREAD: nginx changes it only between two configurations.
    let cycle = unsafe { ngx_cycle };
    // SAFETY: C API: null, or the running cycle; it isn't freed before the new one runs.
    let first = unsafe { cycle.as_ref() }.map(|cycle| &cycle.shared_memory.part);
    // SAFETY: LIST.
    let parts = std::iter::successors(first, |part: &&ngx_list_part_t| unsafe { part.next.as_ref() });
    parts.filter(|part| part.nelts > 0).flat_map(|part| {
        // SAFETY: LIST: the elements are zones.
        unsafe { std::slice::from_raw_parts(part.elts.cast::<ngx_shm_zone_t>(), part.nelts) }
    })
}
