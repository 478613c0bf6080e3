//! Removes identity headers sent by the client, once per request.

use nginx_sys::ngx_int_t;

use crate::nginx::conf::in_force;
use crate::nginx::ffi::callback::DECLINED;
use crate::nginx::ffi::headers_in;
use crate::nginx::ffi::pool::OutOfMemory;
use crate::nginx::ffi::request::Request;
use crate::nginx::request::state;

/// Removes the client's identity headers, unless that was done before: those present since then are the module's own.
///
/// # Errors
/// [`OutOfMemory`]: they are still there, and the request must not continue.
pub fn strip_once(r: Request) -> Result<ngx_int_t, OutOfMemory> {
    if !in_force::strips_headers(r) {
        return Ok(DECLINED);
    }
    let state = state::find_or_create(r)?;
    if !state.stripped.get() {
        headers_in::strip(r)?;
        // Only set after success: otherwise the headers must be stripped again in an `error_page` location.
        state.stripped.set(true);
    }
    Ok(DECLINED)
}
