//! The phase handlers: they bring the events of a request to `access`, and do what it decides.

use std::ptr::NonNull;
use std::rc::Rc;

use nginx_sys::{
    NGX_DECLINED, NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_array_push, ngx_conf_t,
    ngx_http_core_main_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_ACCESS_PHASE,
    ngx_http_phases_NGX_HTTP_POST_READ_PHASE, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ngx_http_request_t,
    ngx_int_t, ngx_msec_t, ngx_time,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::callback::{Site, contain};
use super::headers_in::{self, OutOfMemory};
use super::state::{self, Decided, Landed, RequestState};
use super::{conf, headers_out, report, request, suspend, worker};
use crate::access::{Need, Reason, Terms, Verdict, decide, need};
use crate::cache_key::CacheKey;
use crate::credentials::{Credentials, present};
use crate::resolver::Outcome;
use crate::resolver::error::ResolveError;
use crate::resolver::question::Question;
use crate::session::Resolution;
use crate::session::answer::{Answer, Finding};
use crate::settings::Settings;
use crate::single_flight::Role;

const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;
pub(super) const INTERNAL_ERROR: ngx_int_t = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;

/// Adds the handlers to their phases.
pub fn register(cf: &mut ngx_conf_t) -> ngx_int_t {
    let handlers: [(u32, ngx_http_handler_pt); 3] = [
        (ngx_http_phases_NGX_HTTP_POST_READ_PHASE, Some(on_post_read)),
        (ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, Some(on_preaccess)),
        (ngx_http_phases_NGX_HTTP_ACCESS_PHASE, Some(on_access)),
    ];
    let Some(core) = NgxHttpCoreModule::main_conf_mut(cf) else {
        return NGX_ERROR as ngx_int_t;
    };
    for (phase, handler) in handlers {
        if add_handler(core, phase, handler).is_none() {
            return NGX_ERROR as ngx_int_t;
        }
    }
    NGX_OK as ngx_int_t
}

fn add_handler(core: &mut ngx_http_core_main_conf_t, phase: u32, handler: ngx_http_handler_pt) -> Option<()> {
    let handlers = &mut core.phases.get_mut(phase as usize)?.handlers;
    // SAFETY: C API.
    let place = unsafe { ngx_array_push(handlers) }.cast::<ngx_http_handler_pt>();
    // SAFETY: C API: null, or room for a handler.
    unsafe { place.as_mut() }.map(|place| *place = handler)
}

/// Runs a phase handler on its request. A panic in it, or an end of memory, is a 500.
fn handle(
    site: Site,
    r: *mut ngx_http_request_t,
    body: impl FnOnce(&mut ngx_http_request_t) -> Result<ngx_int_t, OutOfMemory>,
) -> ngx_int_t {
    contain(site, INTERNAL_ERROR, || {
        // SAFETY: LIVE REQUEST.
        let Some(r) = (unsafe { r.as_mut() }) else {
            return INTERNAL_ERROR;
        };
        body(r).unwrap_or(INTERNAL_ERROR)
    })
}

/// First of all phases: no `set`, `if` or `map`, and no backend, gets to see an identity header of the client's.
unsafe extern "C" fn on_post_read(r: *mut ngx_http_request_t) -> ngx_int_t {
    handle(Site::PostRead, r, strip_once)
}

/// Requests that nginx refuses itself (400, 494-497) come to an `error_page` without POST_READ; this is their last chance.
unsafe extern "C" fn on_preaccess(r: *mut ngx_http_request_t) -> ngx_int_t {
    handle(Site::Preaccess, r, |r| if request::is_main(r) { strip_once(r) } else { Ok(DECLINED) })
}

/// Removes the client's identity headers, unless that was done: what is there since then is the module's own.
///
/// # Errors
/// [`OutOfMemory`]: they are still there, and the request must not go on.
pub fn strip_once(r: &mut ngx_http_request_t) -> Result<ngx_int_t, OutOfMemory> {
    if !conf::strips_headers(r) {
        return Ok(DECLINED);
    }
    let state = state::find_or_create(r)?;
    if !state.stripped.get() {
        headers_in::strip(r)?;
        // Not before: what could not be stripped must be met again, in an error_page location.
        state.stripped.set(true);
    }
    Ok(DECLINED)
}

/// Resolves the request. Called again when the phases run again: after a suspension, after an internal redirect.
unsafe extern "C" fn on_access(r: *mut ngx_http_request_t) -> ngx_int_t {
    let pointer = r;
    handle(Site::Access, r, |r| {
        // nginx's access phase has no handler called for a subrequest.
        let state = state::find(r);
        if let Some(state) = &state {
            // A request that nginx took away while it was suspended, for `post_action`, waits no longer.
            suspend::cancel(state);
        }
        let Ok(settings) = conf::settings(r) else { return Ok(INTERNAL_ERROR) };
        let Some(settings) = settings else {
            if let Some(state) = state {
                state.decided_off();
            }
            return Ok(DECLINED);
        };
        let state = state.map_or_else(|| state::find_or_create(r), Ok)?;
        start(r, pointer, &state, &settings)
    })
}

/// Looks at the credentials; answers from what is known of them, or has the request wait.
fn start(
    r: &mut ngx_http_request_t,
    pointer: *mut ngx_http_request_t,
    state: &RequestState,
    settings: &Settings,
) -> Result<ngx_int_t, OutOfMemory> {
    let presented = present(request::header_lines(r), settings.target.cookie_prefix().as_bytes());
    state.kinds.set(presented.kinds());
    match need(presented) {
        Need::Nothing(resolution, reason) => {
            let finding = Finding::Resolved(resolution);
            let outcome = Rc::new(Ok(Answer { finding, set_cookies: Vec::new() }));
            apply(r, state, settings, &Resolved { outcome, reason, waited: None, role: Role::Follower })
        }
        Need::Answer(credentials) => ask(r, pointer, state, settings, credentials),
    }
}

fn ask(
    r: &mut ngx_http_request_t,
    pointer: *mut ngx_http_request_t,
    state: &RequestState,
    settings: &Settings,
    credentials: Credentials,
) -> Result<ngx_int_t, OutOfMemory> {
    let key = worker::with(|worker| CacheKey::new(worker.secret(), &settings.target.id(), &credentials));
    let (Some(key), Some(pointer)) = (key, NonNull::new(pointer)) else {
        if let Some(log) = suspend::request_log(r) {
            log.error(format_args!("no resolver in this worker: see the alert at its start"));
        }
        return Ok(INTERNAL_ERROR);
    };
    let known =
        state.answered.borrow().as_ref().filter(|(known, _)| *known == key).map(|(_, known)| known.clone());
    if let Some(landed) = known {
        return conclude(r, state, settings, &landed);
    }
    let question = Question::new(credentials, request::client_address(r), request::header_lines(r));
    suspend::suspend(pointer, state, key, settings, question).or_else(|overload| {
        report::overload(suspend::request_log(r), settings, overload);
        let outcome = Rc::new(Err(ResolveError::Overload));
        let landed = Landed { outcome, role: Role::Follower, waited: 0 };
        state.answered.replace(Some((key, landed.clone())));
        conclude(r, state, settings, &landed)
    })
}

fn conclude(
    r: &mut ngx_http_request_t,
    state: &RequestState,
    settings: &Settings,
    landed: &Landed,
) -> Result<ngx_int_t, OutOfMemory> {
    let Landed { outcome, role, waited } = landed;
    let reason = Reason::new(outcome, *role);
    let waited = (**outcome != Err(ResolveError::Overload)).then_some(*waited);
    apply(r, state, settings, &Resolved { outcome: Rc::clone(outcome), reason, waited, role: *role })
}

/// What is known when a request is decided.
struct Resolved {
    outcome: Rc<Outcome>,
    reason: Reason,
    waited: Option<ngx_msec_t>,
    role: Role,
}

/// Does what is decided: identity into the headers (or out of them), and the phase handler's return code.
fn apply(
    r: &mut ngx_http_request_t,
    state: &RequestState,
    settings: &Settings,
    resolved: &Resolved,
) -> Result<ngx_int_t, OutOfMemory> {
    let Resolved { outcome, reason, waited, role } = resolved;
    let now = u64::try_from(ngx_time()).unwrap_or(0);
    let terms = Terms { on_error: settings.on_error, require: settings.require.as_ref(), now };
    let verdict = decide(outcome, terms);
    headers_in::replace(r, verdict.resolution().and_then(Resolution::identity_headers))?;
    let reason = if let Verdict::Deny(unmet, _) = verdict { Reason::Unmet(unmet.reason()) } else { *reason };
    let decided = Decided { outcome: Some(Rc::clone(outcome)), reason, waited: *waited };
    state.decided.replace(Some(decided));
    if settings.pass_set_cookie && *role == Role::Leader {
        pass_set_cookies(r, state, outcome)?;
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

/// Refuses a request: a status, and once a request the challenges that go with it.
fn refuse(
    r: &mut ngx_http_request_t,
    state: &RequestState,
    status: u16,
    challenges: &[Vec<u8>],
) -> Result<ngx_int_t, OutOfMemory> {
    if let Some(log) = suspend::request_log(r) {
        let reason = state.decided.borrow().as_ref().map_or("-", |decided| decided.reason.as_str());
        log.info(format_args!("request refused with {status}, reason: {reason}"));
    }
    if !challenges.is_empty() && !state.challenged.replace(true) {
        headers_out::add_challenges(r, challenges)?;
    }
    Ok(ngx_int_t::try_from(status).unwrap_or(INTERNAL_ERROR))
}

/// The resolver clears a dead session's cookie; the client that caused the call may have that, and nobody else.
fn pass_set_cookies(
    r: &mut ngx_http_request_t,
    state: &RequestState,
    outcome: &Outcome,
) -> Result<(), OutOfMemory> {
    let Ok(answer) = outcome else { return Ok(()) };
    if !state.cookies_set.replace(true) {
        for cookie in &answer.set_cookies {
            headers_out::add_set_cookie(r, cookie)?;
        }
    }
    Ok(())
}
