//! The header lines of the answer to the client.

use std::ptr::NonNull;

use nginx_sys::{ngx_str_t, ngx_table_elt_t};

use crate::nginx::ffi::pool::{self, OutOfMemory};
use crate::nginx::ffi::request::Request;

/// Adds a header line to the list only. If nginx sets a header of this name itself (as `expires` sets `Cache-Control`),
/// both are sent.
///
/// # Errors
/// [`OutOfMemory`].
pub fn add(r: Request, name: &'static str, value: &[u8]) -> Result<(), OutOfMemory> {
    push(r, name, value).map(drop)
}

/// Adds a `Set-Cookie` line.
///
/// # Errors
/// [`OutOfMemory`].
pub fn add_set_cookie(r: Request, value: &[u8]) -> Result<(), OutOfMemory> {
    push(r, "Set-Cookie", value).map(drop)
}

/// Adds the `WWW-Authenticate` lines of a challenge, in order.
///
/// They are also linked to `www_authenticate`, since nginx removes them if `satisfy any` lets the request in after all.
///
/// # Errors
/// [`OutOfMemory`].
pub fn add_challenges(r: Request, values: &[Vec<u8>]) -> Result<(), OutOfMemory> {
    for value in values {
        let line = push(r, "WWW-Authenticate", value)?;
        append_challenge(r, line);
    }
    Ok(())
}

/// Since 1.23.0, lines of the same name form a linked list.
#[cfg(nginx1_23_0)]
fn append_challenge(r: Request, line: NonNull<ngx_table_elt_t>) {
    // SAFETY: LIVE REQUEST: a field of it.
    let mut end = unsafe { &raw mut (*r.headers_out()).www_authenticate };
    loop {
        // SAFETY: POOL: a link in the request or in an element.
        let next = unsafe { *end };
        // SAFETY: POOL: null, or an element of the list of headers.
        let Some(element) = (unsafe { next.as_mut() }) else { break };
        end = &raw mut element.next;
    }
    // SAFETY: POOL: the end of the list, in the request or in an element.
    unsafe { *end = line.as_ptr() };
}

/// Before 1.23.0, nginx supports only one line.
#[cfg(not(nginx1_23_0))]
fn append_challenge(r: Request, line: NonNull<ngx_table_elt_t>) {
    // SAFETY: LIVE REQUEST.
    unsafe { (*r.headers_out()).www_authenticate = line.as_ptr() };
}

fn push(r: Request, name: &'static str, value: &[u8]) -> Result<NonNull<ngx_table_elt_t>, OutOfMemory> {
    let value = pool::copy(r, value)?;
    let line = pool::header_out(r)?;
    // SAFETY: LIST: there is room for an element. Zeroed, because nginx 1.23 added a field.
    unsafe { line.write_bytes(0, 1) };
    // SAFETY: as above.
    let element = unsafe { &mut *line.as_ptr() };
    // A line is sent if its hash isn't 0.
    element.hash = 1;
    // nginx only reads the name, as it only reads its own constant names.
    element.key = ngx_str_t { len: name.len(), data: name.as_ptr().cast_mut() };
    element.value = value;
    Ok(line)
}
