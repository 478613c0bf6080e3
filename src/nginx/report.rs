//! Error log lines about failures: for each resolver and kind of failure one a second, with the number of the others.

use nginx_sys::ngx_time;

use super::callback::last_panic;
use super::log::{self, Log};
use super::worker;
use crate::cache_key::{CacheKey, ResolverId};
use crate::resolver::Outcome;
use crate::resolver::error::ResolveError;
use crate::resolver::target::Target;
use crate::settings::Settings;
use crate::single_flight::Overload;

/// A call failed. `leader` is the log of the request that caused it, if that still waits: it names client and request.
pub fn failed_call(leader: Option<Log>, target: &Target, key: CacheKey, outcome: &Outcome) {
    let Err(error) = outcome else { return };
    let Some(unsaid) = unsaid(target.id(), error.reason()) else { return };
    let (log, endpoint) = (leader.unwrap_or_else(log::cycle), target.endpoint());
    log.error(format_args!("resolver \"{endpoint}\" failed: {error}; flight {key}{unsaid}"));
    if matches!(error, ResolveError::Internal(_))
        && let Some(place) = last_panic()
    {
        log.alert(format_args!("panic in the resolver thread at {place}: please report this bug"));
    }
}

/// A request needs a call, and there are too many.
pub fn overload(request: Option<Log>, settings: &Settings, overload: Overload) {
    let (log, max) = (request.unwrap_or_else(log::cycle), settings.max_inflight);
    match overload {
        Overload::Total => {
            let Some(unsaid) = unsaid(settings.target.id(), "overload") else { return };
            log.error(format_args!(
                "{max} calls to the resolver are in flight, as many as \"authgear_max_inflight\" allows{unsaid}"
            ));
        }
        Overload::Client { held } => {
            let Some(unsaid) = unsaid(settings.target.id(), "share") else { return };
            log.error(format_args!(
                "this client address has {held} of {max} calls in flight, its share of \"authgear_max_inflight\"; behind a load balancer set up ngx_http_realip_module{unsaid}"
            ));
        }
    }
}

fn unsaid(resolver: ResolverId, kind: &'static str) -> Option<Unsaid> {
    worker::with(|worker| worker.failures.pass((resolver, kind), ngx_time())).flatten().map(Unsaid)
}

/// How many lines like this one weren't written.
struct Unsaid(u32);

impl std::fmt::Display for Unsaid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ", and {} more like this before", self.0) }
    }
}
