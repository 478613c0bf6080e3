//! Finds the module's structures in a configuration.

use std::sync::atomic::{AtomicPtr, Ordering};

use nginx_sys::ngx_module_t;
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};

use super::location::{LocationConf, ServerConf};
use super::main::MainConf;

/// The address of the module's definition. The definition refers to everything else and is in `module.rs`, the topmost
/// layer, which sets the address before anything else happens.
static ADDRESS: AtomicPtr<ngx_module_t> = AtomicPtr::new(&raw mut NONE);

/// A module without structures, for a configuration without `http`: nginx doesn't call the module's preconfiguration there.
static mut NONE: ngx_module_t = ngx_module_t::default();

/// Sets the module's address.
pub fn set_address(module: *mut ngx_module_t) {
    ADDRESS.store(module, Ordering::Relaxed);
}

/// The module's address, which identifies it to nginx.
#[must_use]
pub fn address() -> *const ngx_module_t {
    ADDRESS.load(Ordering::Relaxed)
}

/// Finds the structures by the index that nginx assigned to the module.
pub struct Module;

impl HttpModule for Module {
    fn module() -> &'static ngx_module_t {
        // SAFETY: nginx writes to it only while it reads a configuration, and no reference is kept across that.
        unsafe { &*address() }
    }
}

// SAFETY: `create_main_conf` creates one.
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}

// SAFETY: `create_server_conf` creates one.
unsafe impl HttpModuleServerConf for Module {
    type ServerConf = ServerConf;
}

// SAFETY: `create_location_conf` creates one.
unsafe impl HttpModuleLocationConf for Module {
    type LocationConf = LocationConf;
}
