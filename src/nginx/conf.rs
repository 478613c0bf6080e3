//! The configuration structures, and how levels are merged.

pub mod advise;
pub mod client_abort;
pub mod levels;
pub mod main;
mod others;
pub mod place;

use std::sync::Arc;
use std::time::Duration;

use nginx_sys::{ngx_conf_t, ngx_flag_t, ngx_msec_t};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf, NgxHttpCoreModule};

use super::log::{refuse_configuration, refuse_configuration_at};
use super::module::Module;
use super::request::Request;
use crate::resolver::tls::{Roots, TlsError};
use crate::settings::{Overrides, Resolve, Settings, SettingsError, StatusFormat};
use others::Others;
use place::{Place, Places};

/// What nginx's own setters find before a directive is read, and leave where it isn't written.
const UNSET_FLAG: ngx_flag_t = -1;
const UNSET_MSEC: ngx_msec_t = ngx_msec_t::MAX;

/// One per server.
#[repr(C)]
pub struct ServerConf {
    pub strip_headers: ngx_flag_t,
    /// Where the block begins.
    place: Option<Place>,
    /// Where the block begins that has `underscores_in_headers on`, if that is in force.
    underscores: Option<Place>,
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
    pub places: Places,
    /// Where the block begins.
    place: Option<Place>,
    /// What other modules' lines say here of identity headers.
    others: Others,
    /// `authgear_status`, which inner levels don't inherit, as they don't inherit any handler.
    pub status: Option<StatusFormat>,
    merged: bool,
    settings: Option<Arc<Settings>>,
}

impl Default for ServerConf {
    fn default() -> Self {
        Self { strip_headers: UNSET_FLAG, place: None, underscores: None }
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
            places: Places::default(),
            place: None,
            others: Others::default(),
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
pub fn settings(r: Request) -> Result<Option<Arc<Settings>>, NoConfiguration> {
    Module::location_conf(&r)
        .filter(|conf| conf.merged)
        .map(|conf| conf.settings.clone())
        .ok_or(NoConfiguration)
}

/// Whether identity headers that clients send are removed from every request of the server.
#[must_use]
pub fn strips_headers(r: Request) -> bool {
    // A merged configuration says 0 or 1; whatever else it were, stripping is the safe side.
    Module::server_conf(&r).is_none_or(|server| server.strip_headers != 0)
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
        } else {
            self.settle(outer, cf)?;
        }
        let slots = &Module::main_conf(cf).ok_or(())?.slots;
        self.others = Others::at_level(cf, slots, &outer.others, self.place.as_ref());
        self.advise(cf);
        Ok(())
    }

    fn settle(&mut self, outer: &mut Self, cf: &mut ngx_conf_t) -> Result<(), ()> {
        if !outer.merged {
            // The http level: nothing is around it, and nginx merges it into others only.
            outer.collect();
        }
        if self.overrides.resolve == Some(Resolve::Off) {
            // What is to be mended, should something be required that is written elsewhere.
            self.places.require.clone_from(&self.places.resolve);
        }
        self.overrides.inherit(&outer.overrides);
        self.places.inherit(&outer.places);
        let settings = {
            let main = Module::main_conf(cf).ok_or(())?;
            let zone = |name: &str| main.use_zone(name);
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
        self.places.clone_from(&outer.places);
        self.settings.clone_from(&outer.settings);
    }

    fn refuse(&self, error: &SettingsError, cf: &mut ngx_conf_t) {
        let place = match error {
            SettingsError::RequireWithoutResolve => &self.places.require,
            SettingsError::UnknownZone(_) => &self.places.cache,
            SettingsError::Tls(TlsError::NoSystemRoots | TlsError::Name) => &self.places.resolve,
            _ => &self.places.certificate,
        };
        match place {
            Some(place) => refuse_configuration_at(cf, format_args!("{error}"), format_args!("{place}")),
            None => refuse_configuration(cf, format_args!("{error}")),
        }
    }
}

impl ServerConf {
    fn merge(&mut self, outer: &Self, cf: &ngx_conf_t) {
        if self.strip_headers == UNSET_FLAG {
            self.strip_headers = if outer.strip_headers == UNSET_FLAG { 1 } else { outer.strip_headers };
        }
        if lets_underscores_in(cf) {
            self.underscores = outer.underscores.clone().or_else(|| self.place.clone());
        }
    }
}

/// The core's structure for the server that nginx merges, which is merged before, or for `http`.
fn lets_underscores_in(cf: &ngx_conf_t) -> bool {
    NgxHttpCoreModule::server_conf(cf).is_some_and(|core| core.underscores_in_headers == 1)
}
