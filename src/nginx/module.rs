//! The module as nginx sees it: its tables, and its callbacks in the life of a process.

mod commands;

use nginx_sys::{
    NGX_ERROR, NGX_HTTP_MODULE, NGX_OK, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_conf_t, ngx_cycle_t,
    ngx_http_module_t, ngx_int_t, ngx_module_t, ngx_process, ngx_uint_t,
};

use crate::nginx::conf::levels::{
    create_location_conf, create_main_conf, create_server_conf, init_main_conf, merge_location_conf,
    merge_server_conf,
};
use crate::nginx::conf::{advise, key};
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::log;
use crate::nginx::request::phases;
use crate::nginx::request::{suspend, variables};
use crate::nginx::worker;
use crate::nginx::worker::process;
use commands::COMMANDS;

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_main_conf),
    init_main_conf: Some(init_main_conf),
    create_srv_conf: Some(create_server_conf),
    merge_srv_conf: Some(merge_server_conf),
    create_loc_conf: Some(create_location_conf),
    merge_loc_conf: Some(merge_location_conf),
};

/// The module's definition, which nginx looks up by this name.
#[cfg_attr(feature = "export-modules", used, unsafe(no_mangle))]
#[allow(non_upper_case_globals, reason = "nginx's name")]
pub static mut ngx_http_authgear_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const CONTEXT).cast_mut().cast(),
    commands: (&raw mut COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_module: Some(init_module),
    init_process: Some(init_process),
    exit_process: Some(exit_process),
    ..ngx_module_t::default()
};

/// The symbols that nginx looks up in the file. Written by hand, since the macro of the ngx crate sets no order. Without an
/// order, the access handler of a dynamic module runs before `allow`, `deny` and `auth_basic`, and a request that those
/// refuse would cost a call.
#[cfg(feature = "export-modules")]
#[allow(unreachable_pub, reason = "nginx reaches them, by name")]
mod exports {
    use std::ffi::c_char;
    use std::ptr::null_mut;

    use super::ngx_http_authgear_module;
    use super::ngx_module_t;

    #[used]
    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals, reason = "nginx's name")]
    pub static mut ngx_modules: [*mut ngx_module_t; 2] = [&raw mut ngx_http_authgear_module, null_mut()];

    #[used]
    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals, reason = "nginx's name")]
    pub static mut ngx_module_names: [*const c_char; 2] =
        [c"ngx_http_authgear_module".as_ptr(), std::ptr::null()];

    /// Handlers run in the reverse order: auth_request, access, auth_basic, this module.
    #[used]
    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals, reason = "nginx's name")]
    pub static mut ngx_module_order: [*const c_char; 5] = [
        c"ngx_http_authgear_module".as_ptr(),
        c"ngx_http_auth_basic_module".as_ptr(),
        c"ngx_http_access_module".as_ptr(),
        c"ngx_http_auth_request_module".as_ptr(),
        std::ptr::null(),
    ];
}

unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    contain(Site::Configuration, NGX_ERROR as ngx_int_t, || {
        key::set_address(&raw mut ngx_http_authgear_module);
        // SAFETY: CONF: nginx passes the configuration that it reads.
        unsafe { cf.as_mut() }.map_or(NGX_ERROR as ngx_int_t, variables::register)
    })
}

unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    contain(Site::Configuration, NGX_ERROR as ngx_int_t, || {
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let Some(cf) = (unsafe { cf.as_mut() }) else { return NGX_ERROR as ngx_int_t };
        if !process::declare_state_zone(cf) {
            return NGX_ERROR as ngx_int_t;
        }
        advise::on_unused_zones(cf);
        phases::register(cf)
    })
}

/// Called before a configuration is used, by workers that are forked later. An error would terminate nginx, even on a
/// reload.
unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    contain(Site::InitModule, NGX_OK as ngx_int_t, || {
        // SAFETY: C API: nginx passes the cycle.
        if let Some(cycle) = unsafe { cycle.as_ref() } {
            process::prepare(cycle);
        }
        NGX_OK as ngx_int_t
    })
}

/// Called when a worker starts. A failure here makes each request that needs the resolver fail with a 500, but doesn't end
/// the worker, because nginx would not replace it.
unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    contain(Site::InitProcess, NGX_OK as ngx_int_t, || {
        // SAFETY: MAIN THREAD: written once, when the process starts. The cache manager and loader also call this.
        let kind = unsafe { ngx_process };
        // SAFETY: C API: nginx passes the cycle.
        let Some(cycle) = (unsafe { cycle.as_mut() }) else {
            return NGX_OK as ngx_int_t;
        };
        if kind != NGX_PROCESS_WORKER as ngx_uint_t && kind != NGX_PROCESS_SINGLE as ngx_uint_t {
            process::leave_to_workers(cycle);
            return NGX_OK as ngx_int_t;
        }
        if let Err(error) = process::start(cycle, Some(suspend::on_poll), suspend::on_wake) {
            log::cycle().alert(format_args!(
                "the resolver can't be set up in this worker, requests that need it get 500: {error}"
            ));
        }
        NGX_OK as ngx_int_t
    })
}

unsafe extern "C" fn exit_process(_cycle: *mut ngx_cycle_t) {
    contain(Site::ExitProcess, (), worker::stop);
}
