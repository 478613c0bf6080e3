//! The configuration structures, and how levels are merged.

pub mod main;

use std::ffi::{c_char, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use nginx_sys::{ngx_conf_t, ngx_flag_t, ngx_http_request_t, ngx_msec_t, ngx_pool_cleanup_add, ngx_uint_t};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};

use super::callback::{Site, contain};
use super::log::{refuse_configuration, refuse_configuration_at};
use super::module::Module;
use crate::resolver::tls::{Roots, TlsError};
use crate::settings::{Overrides, Resolve, Settings, SettingsError, StatusFormat};
use main::MainConf;

/// What nginx's own setters find before a directive is read, and leave where it isn't written.
const UNSET_FLAG: ngx_flag_t = -1;
const UNSET_MSEC: ngx_msec_t = ngx_msec_t::MAX;

/// One per server.
#[repr(C)]
pub struct ServerConf {
    pub strip_headers: ngx_flag_t,
}

/// One per location, and one for each level around it.
#[repr(C)]
pub struct LocationConf {
    // Written by nginx's own setters.
    pub connect_timeout: ngx_msec_t,
    pub timeout: ngx_msec_t,
    pub pass_set_cookie: ngx_flag_t,
    pub ssl_verify: ngx_flag_t,
    /// Everything else that is written at this level; after the merge, with what the outer levels give.
    pub overrides: Overrides,
    pub resolve_place: Option<Place>,
    pub certificate_place: Option<Place>,
    pub require_place: Option<Place>,
    pub cache_place: Option<Place>,
    /// `authgear_status`, which inner levels don't inherit, as they don't inherit any handler.
    pub status: Option<StatusFormat>,
    merged: bool,
    settings: Option<Arc<Settings>>,
}

/// A place in the configuration files.
#[derive(Clone, Debug)]
pub struct Place {
    file: String,
    line: ngx_uint_t,
}

impl Place {
    /// Where nginx is reading.
    #[must_use]
    pub fn current(cf: &ngx_conf_t) -> Option<Self> {
        // SAFETY: CONF: null, or the file that nginx reads.
        let file = unsafe { cf.conf_file.as_ref() }?;
        Some(Self { file: file.file.name.to_string(), line: file.line })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Default for ServerConf {
    fn default() -> Self {
        Self { strip_headers: UNSET_FLAG }
    }
}

impl Default for LocationConf {
    fn default() -> Self {
        Self {
            connect_timeout: UNSET_MSEC,
            timeout: UNSET_MSEC,
            pass_set_cookie: UNSET_FLAG,
            ssl_verify: UNSET_FLAG,
            overrides: Overrides::default(),
            resolve_place: None,
            certificate_place: None,
            require_place: None,
            cache_place: None,
            status: None,
            merged: false,
            settings: None,
        }
    }
}

/// A request without a configuration of the module's: it must not go on.
#[derive(Clone, Copy, Debug)]
pub struct NoConfiguration;

/// How requests are resolved where the request is; `None`: not at all.
///
/// # Errors
/// [`NoConfiguration`], which nginx doesn't let happen.
pub fn settings(r: &ngx_http_request_t) -> Result<Option<Arc<Settings>>, NoConfiguration> {
    Module::location_conf(r)
        .filter(|conf| conf.merged)
        .map(|conf| conf.settings.clone())
        .ok_or(NoConfiguration)
}

/// Whether identity headers that clients send are removed from every request of the server.
#[must_use]
pub fn strips_headers(r: &ngx_http_request_t) -> bool {
    // A merged configuration says 0 or 1; whatever else it were, stripping is the safe side.
    Module::server_conf(r).is_none_or(|server| server.strip_headers != 0)
}

impl LocationConf {
    /// Moves what nginx's setters wrote to the rest.
    fn collect(&mut self) {
        let flag = |flag| (flag != UNSET_FLAG).then_some(flag != 0);
        let time = |msec| (msec != UNSET_MSEC).then(|| Duration::from_millis(msec as u64));
        self.overrides.connect_timeout = time(self.connect_timeout);
        self.overrides.timeout = time(self.timeout);
        self.overrides.pass_set_cookie = flag(self.pass_set_cookie);
        self.overrides.ssl_verify = flag(self.ssl_verify);
    }

    fn merge(&mut self, outer: &mut Self, cf: &mut ngx_conf_t) -> Result<(), ()> {
        self.collect();
        self.merged = true;
        if outer.merged && self.overrides.is_empty() {
            self.share(outer);
            return Ok(());
        }
        if !outer.merged {
            // The http level: nothing is around it, and nginx merges it into others only.
            outer.collect();
        }
        if self.overrides.resolve == Some(Resolve::Off) {
            // What is to be mended, should something be required that is written elsewhere.
            self.require_place.clone_from(&self.resolve_place);
        }
        self.overrides.inherit(&outer.overrides);
        self.resolve_place = self.resolve_place.take().or_else(|| outer.resolve_place.clone());
        self.certificate_place = self.certificate_place.take().or_else(|| outer.certificate_place.clone());
        self.require_place = self.require_place.take().or_else(|| outer.require_place.clone());
        self.cache_place = self.cache_place.take().or_else(|| outer.cache_place.clone());
        let settings = {
            let main = Module::main_conf(cf).ok_or(())?;
            let zone = |name: &str| main.zone(name);
            Settings::new(&self.overrides, zone, || main.system_roots.get_or_try_init(Roots::system).cloned())
        };
        match settings {
            Ok(settings) => {
                self.settings = settings.map(Arc::new);
                if let Some(settings) = &self.settings {
                    Module::main_conf_mut(cf).ok_or(())?.add(settings);
                }
                Ok(())
            }
            Err(error) => {
                self.refuse(&error, cf);
                Err(())
            }
        }
    }

    /// Nothing is written here, so everything is as it is around.
    fn share(&mut self, outer: &Self) {
        self.overrides = outer.overrides.clone();
        self.resolve_place.clone_from(&outer.resolve_place);
        self.certificate_place.clone_from(&outer.certificate_place);
        self.require_place.clone_from(&outer.require_place);
        self.cache_place.clone_from(&outer.cache_place);
        self.settings.clone_from(&outer.settings);
    }

    fn refuse(&self, error: &SettingsError, cf: &mut ngx_conf_t) {
        let place = match error {
            SettingsError::RequireWithoutResolve => &self.require_place,
            SettingsError::UnknownZone(_) => &self.cache_place,
            SettingsError::Tls(TlsError::NoSystemRoots | TlsError::Name) => &self.resolve_place,
            _ => &self.certificate_place,
        };
        match place {
            Some(place) => refuse_configuration_at(cf, format_args!("{error}"), format_args!("{place}")),
            None => refuse_configuration(cf, format_args!("{error}")),
        }
    }
}

/// Puts a structure into the configuration's pool, to be dropped with it.
fn create<T: Default>(cf: *mut ngx_conf_t) -> *mut c_void {
    contain(Site::Configuration, std::ptr::null_mut(), || {
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let pool = unsafe { (*cf).pool };
        // SAFETY: C API: it makes room for the structure as well.
        let cleanup = unsafe { ngx_pool_cleanup_add(pool, size_of::<T>()) };
        // SAFETY: POOL: either null or a cleanup handler in the pool.
        let Some(cleanup) = (unsafe { cleanup.as_mut() }) else { return std::ptr::null_mut() };
        // SAFETY: POOL: there is room for one, aligned as asserted below.
        unsafe { cleanup.data.cast::<T>().write(T::default()) };
        cleanup.handler = Some(drop_conf::<T>);
        cleanup.data
    })
}

const _: () = assert!(align_of::<LocationConf>() <= nginx_sys::NGX_ALIGNMENT);

/// Ends a structure with its configuration.
unsafe extern "C" fn drop_conf<T>(data: *mut c_void) {
    // SAFETY: POOL: `create` put one there, and nginx calls this once, before freeing.
    contain(Site::Cleanup, (), || unsafe { data.cast::<T>().drop_in_place() });
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    create::<MainConf>(cf)
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn create_server_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    create::<ServerConf>(cf)
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn create_location_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    create::<LocationConf>(cf)
}

/// Runs a merge on the two levels; a panic in it is a refused configuration.
fn merge<T>(
    levels: (*mut ngx_conf_t, *mut c_void, *mut c_void),
    body: impl FnOnce(&mut ngx_conf_t, &mut T, &mut T) -> Result<(), ()>,
) -> *mut c_char {
    let done = contain(Site::Configuration, None, || {
        let (cf, outer, inner) = levels;
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let cf = unsafe { cf.as_mut() };
        // SAFETY: CONF: nginx passes what `create` made for the two levels, which are distinct.
        let outer = NonNull::new(outer.cast::<T>()).map(|mut outer| unsafe { outer.as_mut() });
        // SAFETY: as above.
        let inner = NonNull::new(inner.cast::<T>()).map(|mut inner| unsafe { inner.as_mut() });
        let (Some(cf), Some(outer), Some(inner)) = (cf, outer, inner) else { return Some(NGX_CONF_ERROR) };
        Some(if body(cf, outer, inner).is_ok() { NGX_CONF_OK } else { NGX_CONF_ERROR })
    });
    done.unwrap_or_else(|| {
        // SAFETY: CONF: nginx passes the configuration that it reads.
        if let Some(cf) = unsafe { levels.0.as_mut() } {
            refuse_configuration(
                cf,
                format_args!("internal error in the authgear module, see the [alert] line above"),
            );
        }
        NGX_CONF_ERROR
    })
}

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn merge_server_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    merge::<ServerConf>((cf, outer, inner), |_, outer, inner| {
        if inner.strip_headers == UNSET_FLAG {
            inner.strip_headers = if outer.strip_headers == UNSET_FLAG { 1 } else { outer.strip_headers };
        }
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
