//! The key to the module's structures in a configuration.

use std::sync::atomic::{AtomicPtr, Ordering};

use nginx_sys::ngx_module_t;
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};

use super::location::{LocationConf, ServerConf};
use super::main::MainConf;

/// The address of the module's definition, which has to name everything and stands at the top: `module.rs` tells it here,
/// before anything else is done.
static ADDRESS: AtomicPtr<ngx_module_t> = AtomicPtr::new(&raw mut NONE);

/// No module, which has no structures: for a configuration without `http`, where nginx doesn't ask the module to prepare.
static mut NONE: ngx_module_t = ngx_module_t::default();

/// Takes note of the module's address.
pub fn set_address(module: *mut ngx_module_t) {
    ADDRESS.store(module, Ordering::Relaxed);
}

/// The module's address, by which nginx knows it.
#[must_use]
pub fn address() -> *const ngx_module_t {
    ADDRESS.load(Ordering::Relaxed)
}

/// The key: it finds the structures by the index that nginx gave to the module.
pub struct Module;

impl HttpModule for Module {
    fn module() -> &'static ngx_module_t {
        // SAFETY: nginx writes to it only while it reads a configuration, and no reference is kept across that.
        unsafe { &*address() }
    }
}

// SAFETY: `create_main_conf` makes one.
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}

// SAFETY: `create_server_conf` makes one.
unsafe impl HttpModuleServerConf for Module {
    type ServerConf = ServerConf;
}

// SAFETY: `create_location_conf` makes one.
unsafe impl HttpModuleLocationConf for Module {
    type LocationConf = LocationConf;
}
