//! Logs how each request is decided, one line per decision, at the level debug.
//!
//! The values are those of the variables. Nothing from the client is included: credentials appear only as their kinds and
//! the fingerprint of their key.

use std::fmt::{self, Display};

use crate::access::{CacheStatus, Verdict};
use crate::cache_key::CacheKey;
use crate::nginx::ffi::log::Log;
use crate::nginx::ffi::request::Request;
use crate::nginx::request::state::RequestState;
use crate::resolver::target::Target;

/// What happens to a request after its decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It continues; other modules decide whether it is let in.
    Declined,
    /// It meets the requirement.
    Allowed,
    Status(u16),
}

impl Then {
    #[must_use]
    pub fn of(verdict: &Verdict<'_>) -> Self {
        match verdict {
            Verdict::Decline(_) => Self::Declined,
            Verdict::Allow(..) => Self::Allowed,
            Verdict::Deny(unmet, _) => Self::Status(unmet.status()),
            Verdict::Refuse(refusal) => Self::Status(refusal.status),
            Verdict::Fail(status) => Self::Status(*status),
        }
    }
}

impl Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => f.write_str("declined"),
            Self::Allowed => f.write_str("allowed"),
            Self::Status(status) => status.fmt(f),
        }
    }
}

/// Logs that a request has been decided by an outcome.
#[inline]
pub fn decision(
    r: Request,
    state: &RequestState,
    target: &Target,
    key: Option<&CacheKey>,
    then: impl FnOnce() -> Then,
) {
    if let Some(log) = r.log().filter(|log| log.is_debug()) {
        tell(log, state, target, key, then());
    }
}

#[cold]
fn tell(log: Log, state: &RequestState, target: &Target, key: Option<&CacheKey>, then: Then) {
    let (result, reason) = (OrDash(state.result()), OrDash(state.reason()));
    let cache = OrDash(state.cache_status.get().map(CacheStatus::as_str));
    let (credential, time, key) = (state.kinds.get(), OrDash(state.waited()), OrDash(key));
    let (endpoint, origin) = (target.endpoint(), target.origin());
    log.debug(format_args!(
        "decided result={result} reason={reason} cache={cache} credential={credential} time={time} fingerprint={key} status={then} resolver=\"{endpoint}\" origin=\"{origin}\""
    ));
}

/// Logs that a request is in a location that doesn't resolve. The result of an earlier location is kept.
pub fn off(r: Request) {
    if let Some(log) = r.log() {
        log.debug(format_args!("decided result=- reason=off status=declined"));
    }
}

/// Displays `None` as a dash, as nginx's own logs do.
struct OrDash<T>(Option<T>);

impl<T: Display> Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}
