//! The phase handlers: they bring the events of a request to `access`, and do what it decides.

use nginx_sys::{
    NGX_DECLINED, NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_array_push, ngx_conf_t,
    ngx_http_core_main_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_ACCESS_PHASE,
    ngx_http_phases_NGX_HTTP_POST_READ_PHASE, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ngx_http_request_t,
    ngx_int_t,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::callback::{Site, contain};
use super::headers_in;
use super::pool::OutOfMemory;
use super::request::Request;
use super::{conf, explain, resolve, state, suspend};

pub(super) const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;
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
pub(super) fn handle(
    site: Site,
    r: *mut ngx_http_request_t,
    body: impl FnOnce(Request) -> Result<ngx_int_t, OutOfMemory>,
) -> ngx_int_t {
    contain(site, INTERNAL_ERROR, || {
        // SAFETY: LIVE REQUEST.
        let Some(r) = (unsafe { Request::new(r) }) else {
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
    handle(Site::Preaccess, r, |r| if r.is_main() { strip_once(r) } else { Ok(DECLINED) })
}

/// Removes the client's identity headers, unless that was done: what is there since then is the module's own.
///
/// # Errors
/// [`OutOfMemory`]: they are still there, and the request must not go on.
pub fn strip_once(r: Request) -> Result<ngx_int_t, OutOfMemory> {
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
            explain::off(r);
            return Ok(DECLINED);
        };
        let state = state.map_or_else(|| state::find_or_create(r), Ok)?;
        resolve::start(r, &state, &settings)
    })
}
