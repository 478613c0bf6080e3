//! The `$authgear_...` variables, and `$http_x_authgear_...`.

use std::ptr::NonNull;

use nginx_sys::{
    NGX_ERROR, NGX_HTTP_VAR_NOCACHEABLE, NGX_HTTP_VAR_PREFIX, NGX_OK, ngx_conf_t, ngx_http_add_variable,
    ngx_http_get_variable_pt, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t,
    ngx_uint_t,
};

use ngx::ngx_string;

use crate::access::CacheStatus;
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::pool;
use crate::nginx::ffi::request::{Request, bytes};
use crate::nginx::request::state::{self, RequestState};
use crate::nginx::request::strip::strip_once;
use crate::session::IdentityHeaders;
use crate::session::answer::Finding;

const OK: ngx_int_t = NGX_OK as ngx_int_t;

/// What a variable shows. The `data` of a variable is an index into [`VARIABLES`].
#[derive(Clone, Copy)]
enum Shows {
    /// A header that is passed to the backend.
    Header(&'static str),
    /// `x-authgear-NAME` for `$authgear_header_NAME`.
    HeaderByName,
    Result,
    Reason,
    CacheStatus,
    ResolveTime,
    Credential,
}

const NAME_PREFIX: &str = "authgear_header_";

/// In the order of the manual.
static VARIABLES: [(&str, Shows); 15] = [
    ("authgear_session_valid", Shows::Header("x-authgear-session-valid")),
    ("authgear_user_id", Shows::Header("x-authgear-user-id")),
    ("authgear_user_anonymous", Shows::Header("x-authgear-user-anonymous")),
    ("authgear_user_verified", Shows::Header("x-authgear-user-verified")),
    ("authgear_user_roles", Shows::Header("x-authgear-user-roles")),
    ("authgear_user_can_reauthenticate", Shows::Header("x-authgear-user-can-reauthenticate")),
    ("authgear_session_amr", Shows::Header("x-authgear-session-amr")),
    ("authgear_session_acr", Shows::Header("x-authgear-session-acr")),
    ("authgear_session_authenticated_at", Shows::Header("x-authgear-session-authenticated-at")),
    (NAME_PREFIX, Shows::HeaderByName),
    ("authgear_result", Shows::Result),
    ("authgear_reason", Shows::Reason),
    ("authgear_cache_status", Shows::CacheStatus),
    ("authgear_resolve_time", Shows::ResolveTime),
    ("authgear_credential", Shows::Credential),
];

/// Registers the variables. They aren't cacheable: a value read before the access phase must not persist.
pub fn register(cf: &mut ngx_conf_t) -> ngx_int_t {
    for (index, (name, shows)) in VARIABLES.iter().enumerate() {
        let (prefix, getter): (u32, ngx_http_get_variable_pt) = match shows {
            Shows::HeaderByName => (NGX_HTTP_VAR_PREFIX, Some(var_header)),
            _ => (0, Some(var_authgear)),
        };
        let mut name = ngx_str_t { len: name.len(), data: name.as_ptr().cast_mut() };
        let flags = (NGX_HTTP_VAR_NOCACHEABLE | prefix) as ngx_uint_t;
        // SAFETY: C API: nginx copies the name.
        let variable = unsafe { ngx_http_add_variable(cf, &raw mut name, flags) };
        // SAFETY: CONF: null (nginx has logged why), or the new variable.
        let Some(variable) = (unsafe { variable.as_mut() }) else {
            return NGX_ERROR as ngx_int_t;
        };
        variable.get_handler = getter;
        variable.data = index;
    }
    register_http(cf)
}

/// Replaces nginx's own `$http_x_authgear_...`, which would cache a value read before the access phase.
fn register_http(cf: &mut ngx_conf_t) -> ngx_int_t {
    let mut name = ngx_string!("http_x_authgear_");
    let flags = (NGX_HTTP_VAR_NOCACHEABLE | NGX_HTTP_VAR_PREFIX) as ngx_uint_t;
    // SAFETY: C API: nginx copies the name.
    let variable = unsafe { ngx_http_add_variable(cf, &raw mut name, flags) };
    // SAFETY: CONF: null (nginx has logged why), or the new variable.
    let Some(variable) = (unsafe { variable.as_mut() }) else { return NGX_ERROR as ngx_int_t };
    variable.get_handler = Some(var_http);
    OK
}

/// Gets a variable of the table.
unsafe extern "C" fn var_authgear(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    get(r, value, |r| show(r, VARIABLES.get(data)?.1))
}

/// Gets `$authgear_header_NAME`: the header `x-authgear-NAME` of the answer.
unsafe extern "C" fn var_header(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    get(r, value, |r| {
        // SAFETY: CONF: for a prefix variable, nginx passes a pointer to its whole name.
        let name = bytes(unsafe { (data as *const ngx_str_t).as_ref() }?);
        let name = name.get(NAME_PREFIX.len()..)?;
        identity(&*state::find(r)?, |headers| headers.get_by_variable(name))
    })
}

/// Passes a value to nginx. After a panic the variable is unset.
fn get(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    find: impl FnOnce(Request) -> Option<Vec<u8>>,
) -> ngx_int_t {
    // SAFETY: C API: nginx passes room for a value.
    let Some(value) = (unsafe { value.as_mut() }) else {
        return NGX_ERROR as ngx_int_t;
    };
    let found = contain(Site::Variable, None, || {
        // SAFETY: LIVE REQUEST.
        let r = unsafe { Request::new(r) }?;
        copy(r, &find(r)?)
    });
    value.set_no_cacheable(1);
    value.set_escape(0);
    value.set_valid(u32::from(found.is_some()));
    value.set_not_found(u32::from(found.is_none()));
    if let Some(text) = found {
        value.set_len(u32::try_from(text.len).unwrap_or(0));
        value.data = text.data;
    }
    OK
}

/// Gets `$http_x_authgear_...` as nginx does, but never a forged one: requests that nginx rejects before the phases (400,
/// 494-497) reach the rewrite phase of an `error_page` location with their original headers.
unsafe extern "C" fn var_http(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    contain(Site::Variable, NGX_ERROR as ngx_int_t, || {
        // SAFETY: LIVE REQUEST.
        let Some(r) = (unsafe { Request::new(r) }) else { return NGX_ERROR as ngx_int_t };
        if r.is_main() && strip_once(r).is_err() {
            return NGX_ERROR as ngx_int_t;
        }
        // SAFETY: C API: as nginx's own getter does; for a prefix variable, `data` is a pointer to its whole name.
        unsafe { unknown_header(r, value, data as *mut ngx_str_t) }
    })
}

/// nginx's own getter of `$http_NAME`.
unsafe fn unknown_header(
    r: Request,
    value: *mut ngx_http_variable_value_t,
    name: *mut ngx_str_t,
) -> ngx_int_t {
    // SAFETY: LIVE REQUEST: a field of it.
    let part = unsafe { &raw mut (*r.headers_in()).part };
    let prefix = "http_".len();
    #[cfg(nginx1_23_0)]
    // SAFETY: the caller guarantees it.
    unsafe {
        nginx_sys::ngx_http_variable_unknown_header(r.as_ptr(), value, name, part, prefix)
    }
    #[cfg(not(nginx1_23_0))]
    // SAFETY: the caller guarantees it.
    unsafe {
        nginx_sys::ngx_http_variable_unknown_header(value, name, part, prefix)
    }
}

/// The text of a variable, or `None` if it is unset.
fn show(r: Request, shows: Shows) -> Option<Vec<u8>> {
    let state = state::find(r);
    let state = state.as_deref();
    match shows {
        Shows::Header(name) => identity(state?, |headers| headers.get(name)),
        // It has a getter of its own.
        Shows::HeaderByName => None,
        Shows::Result => Some(text(state.and_then(RequestState::result))),
        Shows::Reason => Some(text(state.and_then(RequestState::reason))),
        Shows::CacheStatus => {
            let status = state.and_then(|state| state.cache_status.get());
            Some(text(status.map(CacheStatus::as_str)))
        }
        Shows::ResolveTime => {
            let waited = state.and_then(RequestState::waited);
            Some(text(waited.map(|waited| waited.to_string()).as_deref()))
        }
        Shows::Credential => Some(text(state.map(|state| state.kinds.get().to_string()).as_deref())),
    }
}

/// Shows a missing text as a dash, as nginx's own logs do.
fn text(text: Option<&str>) -> Vec<u8> {
    text.unwrap_or("-").as_bytes().to_vec()
}

/// A value from the identity headers of the last decision.
fn identity(state: &RequestState, find: impl FnOnce(&IdentityHeaders) -> Option<&[u8]>) -> Option<Vec<u8>> {
    let decided = state.decided.borrow();
    let answer = decided.as_ref()?.outcome.as_ref()?.as_ref().as_ref().ok()?;
    let Finding::Resolved(resolution) = &answer.finding else {
        return None;
    };
    find(resolution.identity_headers()?).map(<[u8]>::to_vec)
}

/// Copied, since a value may be used as long as the request lives, and the answer may be replaced before.
fn copy(r: Request, text: &[u8]) -> Option<ngx_str_t> {
    if text.is_empty() {
        return Some(ngx_str_t { len: 0, data: NonNull::dangling().as_ptr() });
    }
    pool::copy(r, text).ok()
}
