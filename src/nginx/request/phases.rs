//! The phase handlers: where nginx enters with a request.

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_array_push, ngx_conf_t, ngx_http_core_main_conf_t, ngx_http_handler_pt,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_POST_READ_PHASE,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ngx_http_request_t, ngx_int_t,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use crate::nginx::conf::in_force;
use crate::nginx::ffi::callback::{DECLINED, INTERNAL_ERROR, Site, handle};
use crate::nginx::request::explain;
use crate::nginx::request::resolve;
use crate::nginx::request::state;
use crate::nginx::request::strip::strip_once;

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

/// The first phase: no `set`, `if` or `map`, and no backend, may see identity headers from the client.
unsafe extern "C" fn on_post_read(r: *mut ngx_http_request_t) -> ngx_int_t {
    handle(Site::PostRead, r, strip_once)
}

/// Requests that nginx rejects itself (400, 494-497) reach an `error_page` without POST_READ, so their headers are stripped
/// here.
unsafe extern "C" fn on_preaccess(r: *mut ngx_http_request_t) -> ngx_int_t {
    handle(Site::Preaccess, r, |r| if r.is_main() { strip_once(r) } else { Ok(DECLINED) })
}

/// Resolves the request. Called again each time the phases run again: after a suspension or an internal redirect.
unsafe extern "C" fn on_access(r: *mut ngx_http_request_t) -> ngx_int_t {
    handle(Site::Access, r, |r| {
        // Subrequests need no check: nginx's access phase skips them.
        let state = state::find(r);
        if let Some(state) = &state {
            // nginx may have resumed a suspended request itself, for `post_action`; it waits no longer.
            state.cancel();
        }
        let Ok(settings) = in_force::settings(r) else { return Ok(INTERNAL_ERROR) };
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
