//! The callbacks for each level of the configuration, which create and merge its structures.

use std::ffi::{c_char, c_void};
use std::ptr::NonNull;

use nginx_sys::{ngx_conf_t, ngx_pool_cleanup_add};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};

use super::client_abort;
use super::location::{LocationConf, ServerConf};
use super::main::MainConf;
use super::merge::lets_underscores_in;
use super::others::{self, Others};
use super::place::Place;
use crate::nginx::conf::key::Module;
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::log::refuse_configuration;

/// Creates a structure in the configuration's pool. It is dropped with the pool.
fn create<T>(cf: *mut ngx_conf_t, make: impl FnOnce(&ngx_conf_t) -> T) -> *mut c_void {
    contain(Site::Configuration, std::ptr::null_mut(), || {
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let Some(cf) = (unsafe { cf.as_ref() }) else { return std::ptr::null_mut() };
        // SAFETY: C API: it also allocates room for the structure.
        let cleanup = unsafe { ngx_pool_cleanup_add(cf.pool, size_of::<T>()) };
        // SAFETY: POOL: either null or a cleanup handler in the pool.
        let Some(cleanup) = (unsafe { cleanup.as_mut() }) else { return std::ptr::null_mut() };
        // SAFETY: POOL: there is room for one; the alignment is asserted below.
        unsafe { cleanup.data.cast::<T>().write(make(cf)) };
        cleanup.handler = Some(drop_conf::<T>);
        cleanup.data
    })
}

const _: () = assert!(align_of::<LocationConf>() <= nginx_sys::NGX_ALIGNMENT);

/// Drops a structure when its configuration is destroyed.
unsafe extern "C" fn drop_conf<T>(data: *mut c_void) {
    // SAFETY: POOL: `create` put one there, and nginx calls this once, before it frees the memory.
    contain(Site::Cleanup, (), || unsafe { data.cast::<T>().drop_in_place() });
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    create(cf, |_| MainConf::default())
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn create_server_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    create(cf, |cf| ServerConf { place: Place::current(cf), ..ServerConf::default() })
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn create_location_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    create(cf, |cf| LocationConf { place: Place::current(cf), ..LocationConf::default() })
}

/// Called when all of `http` has been read and nothing is merged yet, so the settings of `http` itself can still be told
/// apart from those of the servers.
///
/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn init_main_conf(cf: *mut ngx_conf_t, _: *mut c_void) -> *mut c_char {
    let done = contain(Site::Configuration, None, || {
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let done = unsafe { cf.as_mut() }.and_then(prepare_http);
        Some(if done.is_some() { NGX_CONF_OK } else { NGX_CONF_ERROR })
    });
    done.unwrap_or_else(|| refuse_after_panic(cf))
}

fn prepare_http(cf: &mut ngx_conf_t) -> Option<()> {
    let slots = others::slots(cf);
    let level = Module::location_conf(cf)?;
    let lines = Others::at_level(cf, &slots, &Others::default(), level.place.as_ref());
    Module::location_conf_mut(cf)?.others = lines;
    let flags = client_abort::flags(cf);
    let main = Module::main_conf_mut(cf)?;
    (main.slots, main.client_abort) = (slots, flags);
    if lets_underscores_in(cf) {
        let server = Module::server_conf_mut(cf)?;
        server.underscores.clone_from(&server.place);
    }
    Some(())
}

/// Runs a merge of two levels. If it panics, the configuration is rejected.
fn merge<T>(
    levels: (*mut ngx_conf_t, *mut c_void, *mut c_void),
    body: impl FnOnce(&mut ngx_conf_t, &mut T, &mut T) -> Result<(), ()>,
) -> *mut c_char {
    let done = contain(Site::Configuration, None, || {
        let (cf, outer, inner) = levels;
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let cf = unsafe { cf.as_mut() };
        // SAFETY: CONF: nginx passes the structures that `create` made for the two levels, which are distinct.
        let outer = NonNull::new(outer.cast::<T>()).map(|mut outer| unsafe { outer.as_mut() });
        // SAFETY: as above.
        let inner = NonNull::new(inner.cast::<T>()).map(|mut inner| unsafe { inner.as_mut() });
        let (Some(cf), Some(outer), Some(inner)) = (cf, outer, inner) else { return Some(NGX_CONF_ERROR) };
        Some(if body(cf, outer, inner).is_ok() { NGX_CONF_OK } else { NGX_CONF_ERROR })
    });
    done.unwrap_or_else(|| refuse_after_panic(levels.0))
}

fn refuse_after_panic(cf: *mut ngx_conf_t) -> *mut c_char {
    // SAFETY: CONF: nginx passes the configuration that it reads.
    if let Some(cf) = unsafe { cf.as_mut() } {
        refuse_configuration(
            cf,
            format_args!("internal error in the authgear module, see the [alert] line above"),
        );
    }
    NGX_CONF_ERROR
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn merge_server_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    merge::<ServerConf>((cf, outer, inner), |cf, outer, inner| {
        inner.merge(outer, cf);
        Ok(())
    })
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn merge_location_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    merge::<LocationConf>((cf, outer, inner), |cf, outer, inner| inner.merge(outer, cf))
}
