//! Logs advice where requests are resolved, once for each place.

use nginx_sys::ngx_conf_t;
use ngx::http::{HttpModuleMainConf, HttpModuleServerConf};

use super::location::LocationConf;
use super::main::ZoneConf;
use super::place::Place;
use crate::nginx::conf::key::Module;
use crate::nginx::ffi::log::warn_of_configuration_at;
use crate::settings::advice::Advice;

impl LocationConf {
    /// Logs advice on the settings in force at this level, if it resolves.
    pub(super) fn advise(&self, cf: &mut ngx_conf_t) {
        let Some(settings) = self.settings.as_deref() else { return };
        let endpoint = settings.target.endpoint();
        let verifies = self.overrides.ssl_verify.unwrap_or(true);
        let freshness = settings.cache.and_then(|cache| Advice::on_freshness(cache.times.valid));
        tell(cf, Advice::on_transport(endpoint), self.places.resolve.as_ref());
        tell(cf, Advice::on_verification(endpoint, verifies), self.places.ssl_verify.as_ref());
        tell(cf, freshness, self.places.cache_valid.as_ref());
        for lines in self.others.left_over() {
            tell(cf, Some(lines.advice()), lines.place());
        }
        let underscores = Module::server_conf(cf).and_then(|server| server.underscores.clone());
        if underscores.is_some() {
            tell(cf, Some(Advice::Underscores), underscores.as_ref());
        }
    }
}

/// Warns about zones that no level uses.
pub fn on_unused_zones(cf: &mut ngx_conf_t) {
    let Some(main) = Module::main_conf(cf) else { return };
    let unused = main.zones.iter().filter(|zone| !zone.is_used.get());
    let unused: Vec<_> = unused.map(|ZoneConf { name, place, .. }| (name.clone(), place.clone())).collect();
    for (name, place) in unused {
        tell(cf, Some(Advice::UnusedZone(&name)), place.as_ref());
    }
}

fn tell(cf: &mut ngx_conf_t, advice: Option<Advice<'_>>, place: Option<&Place>) {
    let (Some(advice), Some(place)) = (advice, place) else { return };
    let Some(main) = Module::main_conf_mut(cf) else { return };
    if main.advised.insert((advice.subject().to_owned(), place.clone())) {
        warn_of_configuration_at(cf, format_args!("{advice}"), format_args!("{place}"));
    }
}
