//! Merges the levels of a configuration.

use std::sync::Arc;
use std::time::Duration;

use nginx_sys::ngx_conf_t;
use ngx::http::{HttpModuleMainConf, HttpModuleServerConf, NgxHttpCoreModule};

use super::key::Module;
use super::location::{LocationConf, ServerConf, UNSET_FLAG, UNSET_MSEC};
use super::others::Others;
use crate::nginx::ffi::log::{refuse_configuration, refuse_configuration_at};
use crate::resolver::tls::{Roots, TlsError};
use crate::settings::{Resolve, Settings, SettingsError};

impl LocationConf {
    /// Moves the values that nginx's setters wrote to the overrides.
    fn collect(&mut self) {
        let flag = |flag| (flag != UNSET_FLAG).then_some(flag != 0);
        let time = |msec| (msec != UNSET_MSEC).then(|| Duration::from_millis(msec as u64));
        self.overrides.connect_timeout = time(self.connect_timeout);
        self.overrides.timeout = time(self.timeout);
        self.overrides.pass_set_cookie = flag(self.pass_set_cookie);
        self.overrides.ssl_verify = flag(self.ssl_verify);
    }

    pub(super) fn merge(&mut self, outer: &mut Self, cf: &mut ngx_conf_t) -> Result<(), ()> {
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
            // The http level: it has no outer level, so nginx never merges it into itself.
            outer.collect();
        }
        if self.overrides.resolve == Some(Resolve::Off) {
            // The place to fix, if a requirement is inherited that needs resolving.
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

    /// Nothing is set at this level, so it shares everything with the outer level.
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
    pub(super) fn merge(&mut self, outer: &Self, cf: &ngx_conf_t) {
        if self.strip_headers == UNSET_FLAG {
            self.strip_headers = if outer.strip_headers == UNSET_FLAG { 1 } else { outer.strip_headers };
        }
        if lets_underscores_in(cf) {
            self.underscores = outer.underscores.clone().or_else(|| self.place.clone());
        }
    }
}

/// Reads the core module's structure of the server that nginx is merging, which is merged already, or of `http`.
pub(super) fn lets_underscores_in(cf: &ngx_conf_t) -> bool {
    NgxHttpCoreModule::server_conf(cf).is_some_and(|core| core.underscores_in_headers == 1)
}
