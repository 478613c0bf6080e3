//! Zones are declared while the configuration is read, and set up, or taken over from the configuration before, when all
//! of it has been read.

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

/// What nginx calls when it has the memory.
pub type Init = unsafe extern "C" fn(*mut ngx_shm_zone_t, *mut std::ffi::c_void) -> ngx_int_t;

/// The least that nginx's own modules take for a zone.
#[must_use]
pub fn min_bytes() -> usize {
    // SAFETY: MAIN THREAD: written once, at nginx's start.
    8 * unsafe { ngx_pagesize }
}

/// Declares a zone of the module that has this address. `None`: it can't be declared, and nginx has said why.
pub fn declare(
    cf: &mut ngx_conf_t,
    module: *const ngx_module_t,
    name: &str,
    size: usize,
    init: Init,
) -> Option<NonNull<ngx_shm_zone_t>> {
    // SAFETY: CONF: a pool is there as long as a configuration is read.
    let mut name = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }?;
    // SAFETY: C API: the tag is the module's address.
    let zone = unsafe { ngx_shared_memory_add(cf, &raw mut name, size, module.cast_mut().cast()) };
    let mut zone = NonNull::new(zone)?;
    // SAFETY: CONF: the zone is in a list of the cycle's, whose elements stay where they are.
    unsafe { zone.as_mut() }.init = Some(init);
    Some(zone)
}

/// Sets a zone up: nginx calls back with its memory. `format` makes a body empty.
///
/// # Safety
/// The zone is one that nginx has set up memory for, with a slab pool in it.
pub unsafe fn set_up(zone: *mut ngx_shm_zone_t, format: impl Fn(&mut [u8])) -> ngx_int_t {
    contain(Site::Configuration, NGX_ERROR as ngx_int_t, || {
        // SAFETY: the caller's.
        let Some(zone) = (unsafe { zone.as_mut() }) else { return NGX_ERROR as ngx_int_t };
        // A zone of the same name, size and tag: nginx keeps its memory across a reload.
        if Arena::of(zone).is_some_and(|arena| arena.head().magic == MAGIC) {
            return NGX_OK as ngx_int_t;
        }
        tell_of_another_size(zone);
        match create(zone) {
            Ok(arena) => {
                // The others come to it when this process has let them.
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

/// Takes all of the slab's pages, once.
fn create(zone: &ngx_shm_zone_t) -> io::Result<Arena> {
    let pool = super::pool(zone).ok_or_else(|| io::Error::other("it has no memory"))?.as_ptr();
    // SAFETY: ZONE: nginx has put a slab pool there, and no other process knows of it yet.
    let free = unsafe { (*pool).pfree };
    // SAFETY: MAIN THREAD: written once, at nginx's start.
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
    // SAFETY: ZONE: pages are aligned for it, and ours from now on.
    unsafe { head.write(new) };
    // SAFETY: ZONE: the pool's word for whoever uses it.
    unsafe { (*pool).data = head.cast() };
    Arena::of(zone).ok_or_else(|| io::Error::other("its memory can't be found again"))
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the buffer is as long as said. Up to 256 bytes come whole or not at all (getrandom(2)).
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) == Ok(bytes.len()) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// nginx gives a zone of another size new memory, without a word.
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

/// While a configuration is read this is still the one before.
fn zones_of_running_cycle() -> impl Iterator<Item = &'static ngx_shm_zone_t> {
    // SAFETY: MAIN THREAD: nginx changes it between two configurations.
    let cycle = unsafe { ngx_cycle };
    // SAFETY: C API: null, or the cycle that runs; it is not freed before the new one does.
    let first = unsafe { cycle.as_ref() }.map(|cycle| &cycle.shared_memory.part);
    // SAFETY: LIST.
    let parts = std::iter::successors(first, |part: &&ngx_list_part_t| unsafe { part.next.as_ref() });
    parts.filter(|part| part.nelts > 0).flat_map(|part| {
        // SAFETY: LIST: a list of zones.
        unsafe { std::slice::from_raw_parts(part.elts.cast::<ngx_shm_zone_t>(), part.nelts) }
    })
}
