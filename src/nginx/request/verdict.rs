//! Carries out the decision on a request.

use std::sync::Arc;

use nginx_sys::{NGX_OK, ngx_int_t, ngx_msec_t};

use crate::access::{Reason, Terms, Verdict, decide};
use crate::cache_key::CacheKey;
use crate::nginx::ffi::callback::{DECLINED, INTERNAL_ERROR};
use crate::nginx::ffi::clock;
use crate::nginx::ffi::headers_in;
use crate::nginx::ffi::headers_out;
use crate::nginx::ffi::pool::OutOfMemory;
use crate::nginx::ffi::request::Request;
use crate::nginx::request::explain::{self, Then};
use crate::nginx::request::state::{Decided, RequestState};
use crate::resolver::Outcome;
use crate::session::Resolution;
use crate::settings::Settings;
use crate::single_flight::Role;

/// The input for deciding a request.
pub struct Resolved<'a> {
    /// The key of the credentials, if there are any to ask about.
    pub key: Option<&'a CacheKey>,
    pub outcome: Arc<Outcome>,
    pub reason: Reason,
    /// How long the request waited for a call, in milliseconds; `None` if it did not wait.
    pub waited: Option<ngx_msec_t>,
    pub role: Role,
}

/// Carries out the decision: sets or removes the identity headers, and returns the phase handler's return code.
///
/// # Errors
/// [`OutOfMemory`].
pub fn apply(
    r: Request,
    state: &RequestState,
    settings: &Settings,
    resolved: Resolved<'_>,
) -> Result<ngx_int_t, OutOfMemory> {
    let Resolved { key, outcome, reason, waited, role } = resolved;
    let terms = Terms { on_error: settings.on_error, require: settings.require.as_ref(), now: clock::unix() };
    let verdict = decide(&outcome, terms);
    headers_in::replace(r, verdict.resolution().and_then(Resolution::identity_headers))?;
    let reason = if let Verdict::Deny(unmet, _) = verdict { Reason::Unmet(unmet.reason()) } else { reason };
    let decided = Decided { outcome: Some(Arc::clone(&outcome)), reason, waited };
    state.decided.replace(Some(decided));
    explain::decision(r, state, &settings.target, key, || Then::of(&verdict));
    if settings.pass_set_cookie && role == Role::Leader {
        pass_set_cookies(r, state, &outcome)?;
    }
    match verdict {
        Verdict::Decline(_) => Ok(DECLINED),
        Verdict::Allow(_permit, _) => Ok(NGX_OK as ngx_int_t),
        Verdict::Deny(unmet, _) => {
            let challenge = unmet.challenge(&settings.realm, !state.kinds.get().is_empty());
            refuse(r, state, unmet.status(), challenge.map(String::into_bytes).as_slice())
        }
        Verdict::Fail(status) => Ok(ngx_int_t::try_from(status).unwrap_or(INTERNAL_ERROR)),
        Verdict::Refuse(refusal) => refuse(r, state, refusal.status, &refusal.challenges),
    }
}

/// Refuses a request with a status. Adds the challenges to it, once per request.
fn refuse(
    r: Request,
    state: &RequestState,
    status: u16,
    challenges: &[Vec<u8>],
) -> Result<ngx_int_t, OutOfMemory> {
    if let Some(log) = r.log() {
        let reason = state.reason().unwrap_or("-");
        log.info(format_args!("request refused with {status}, reason: {reason}"));
    }
    if !challenges.is_empty() && !state.challenged.replace(true) {
        headers_out::add_challenges(r, challenges)?;
    }
    Ok(ngx_int_t::try_from(status).unwrap_or(INTERNAL_ERROR))
}

/// The resolver clears the cookie of a dead session. Only the client that caused the call may get that `Set-Cookie`.
fn pass_set_cookies(r: Request, state: &RequestState, outcome: &Outcome) -> Result<(), OutOfMemory> {
    let Ok(answer) = outcome else { return Ok(()) };
    if !state.cookies_set.replace(true) {
        for cookie in &answer.set_cookies {
            headers_out::add_set_cookie(r, cookie)?;
        }
    }
    Ok(())
}
