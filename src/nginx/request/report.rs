//! Error log lines about calls: one per second for each resolver and kind of failure, with the number of suppressed lines.

use std::fmt::{self, Display};

use nginx_sys::ngx_time;

use crate::breaker::{Breaker, Row};
use crate::cache_key::{CacheKey, ResolverId};
use crate::endpoint::Origin;
use crate::nginx::ffi::callback::last_panic;
use crate::nginx::ffi::clock;
use crate::nginx::ffi::log::{self, Log};
use crate::nginx::worker::{self, Called};
use crate::resolver::Outcome;
use crate::resolver::error::ResolveError;
use crate::session::answer::AnswerError;
use crate::settings::Settings;
use crate::settings::consequence::{Consequence, Time};
use crate::single_flight::Overload;

/// Reports a finished call. `leader` is the log of the request that caused it, which names the client and the request, if
/// that request still waits.
pub fn call(leader: Option<Log>, call: &Called, key: CacheKey, outcome: &Outcome) {
    match outcome {
        Ok(_) => {
            works_again(call);
            if let Some(issuer) = &call.other_issuer {
                took_for_none(leader, call, issuer);
            }
        }
        Err(error) => failed(leader, call, key, error),
    }
}

fn failed(leader: Option<Log>, call: &Called, key: CacheKey, error: &ResolveError) {
    let (id, is_open) = (call.target.id(), opened(call).is_some());
    let Some(unsaid) = unsaid(id, if is_open { "breaker" } else { error.reason() }) else { return };
    let (log, endpoint) = (leader.unwrap_or_else(log::cycle), call.target.endpoint());
    let (row, consequence) = (in_words(call), call.consequence.when(error.is_timeout() && !is_open));
    let advice = advice(error, call.target.origin());
    log.error(format_args!(
        "resolver \"{endpoint}\" failed: {error}{advice}{row}; {consequence}; fingerprint {key}{unsaid}"
    ));
    if matches!(error, ResolveError::Internal(_))
        && let Some(place) = last_panic()
    {
        log.alert(format_args!("panic in the resolver thread at {place}: please report this bug"));
    }
}

/// What to check, for errors with a usual cause.
fn advice(error: &ResolveError, origin: &Origin) -> String {
    match error {
        ResolveError::Answer(AnswerError::Status(404)) => format!(
            ", check that the URL is that of Authgear's resolver (port 3001 by default) and that \"{origin}\" is the origin of an app"
        ),
        _ => String::new(),
    }
}

/// The breaker, if the series of failures has opened it.
fn opened(call: &Called) -> Option<(Breaker, Row)> {
    let (breaker, row) = (call.breaker?, call.row?);
    (row.fails >= breaker.max_fails).then_some((breaker, row))
}

fn in_words(call: &Called) -> String {
    let Some(Row { fails: fails @ 2.., clients, since, refused, wait }) = call.row else {
        return String::new();
    };
    let ago = clock::boot().saturating_sub(since) / 1000;
    let calls = format!(", {fails} calls in a row since {ago}s ago");
    match opened(call) {
        None => calls,
        Some((Breaker { fail_timeout, .. }, _)) => {
            let time = Time(wait.min(fail_timeout));
            let whom = match clients {
                None => String::new(),
                Some(1) => " for the client whose calls failed".to_owned(),
                Some(clients) => format!(" for the {clients} clients whose calls failed"),
            };
            format!(
                "{calls}, {refused} requests were decided without one; no calls for {time} by \"authgear_breaker\"{whom}"
            )
        }
    }
}

fn works_again(call: &Called) {
    let Some((_, Row { fails, since, refused, .. })) = opened(call) else { return };
    let Some(unsaid) = unsaid(call.target.id(), "works") else { return };
    let (endpoint, after) = (call.target.endpoint(), clock::boot().saturating_sub(since) / 1000);
    log::cycle().notice(format_args!(
        "resolver \"{endpoint}\" works again after {after}s: {fails} calls had failed, {refused} requests were decided without one{unsaid}"
    ));
}

/// The resolver found no session for a token of another origin. Clients can cause this, so at most one line per minute is
/// logged.
fn took_for_none(leader: Option<Log>, call: &Called, issuer: &Origin) {
    let Some(unsaid) = unsaid_by(call.target.id(), "issuer", ngx_time() / 60) else { return };
    let (log, endpoint, origin) =
        (leader.unwrap_or_else(log::cycle), call.target.endpoint(), call.target.origin());
    log.warn(format_args!(
        "resolver \"{endpoint}\" found no session for a JWT: the token's issuer is \"{issuer}\" (not verified), and the resolver is asked for \"{origin}\"; if that issuer is your Authgear, check \"authgear_origin\", and TRUST_PROXY at Authgear{unsaid}"
    ));
}

/// Reports that a request needs a call while too many are in flight.
pub fn overload(request: Option<Log>, settings: &Settings, overload: Overload) {
    let (log, max) = (request.unwrap_or_else(log::cycle), settings.max_inflight);
    let endpoint = settings.target.endpoint();
    let in_words = || Consequence::of(settings).when(false);
    match overload {
        Overload::Total => {
            let Some(unsaid) = unsaid(settings.target.id(), "overload") else { return };
            let consequence = in_words();
            log.error(format_args!(
                "resolver \"{endpoint}\" not asked: {max} calls are in flight, as many as \"authgear_max_inflight\" allows; {consequence}{unsaid}"
            ));
        }
        Overload::Client { held } => {
            let Some(unsaid) = unsaid(settings.target.id(), "share") else { return };
            let consequence = in_words();
            log.error(format_args!(
                "resolver \"{endpoint}\" not asked: this client address has {held} of {max} calls in flight, its share of \"authgear_max_inflight\"; {consequence}; behind a load balancer set up ngx_http_realip_module{unsaid}"
            ));
        }
    }
}

fn unsaid(resolver: ResolverId, kind: &'static str) -> Option<Unsaid> {
    unsaid_by(resolver, kind, ngx_time())
}

/// Allows one line each time the value of the clock changes.
fn unsaid_by(resolver: ResolverId, kind: &'static str, clock: i64) -> Option<Unsaid> {
    worker::with(|worker| worker.failures.pass((resolver, kind), clock)).flatten().map(Unsaid)
}

/// The number of suppressed lines of this kind.
struct Unsaid(u32);

impl Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ", and {} more like this before", self.0) }
    }
}
