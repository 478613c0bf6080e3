//! Memory from a request's pool. All allocations of the module from pools are made here, so that a test can make any of
//! them fail.

use std::ptr::NonNull;

use nginx_sys::{
    ngx_list_push, ngx_pcalloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_cleanup_t, ngx_str_t,
    ngx_table_elt_t,
};

use crate::nginx::ffi::request::Request;

/// The pool of the request is out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Allocates zeroed memory for `count` values.
///
/// # Errors
/// [`OutOfMemory`].
pub fn zeroed<T>(r: Request, count: usize) -> Result<NonNull<T>, OutOfMemory> {
    may_fail()?;
    // SAFETY: LIVE REQUEST, C API.
    let memory = unsafe { ngx_pcalloc(r.pool(), count * size_of::<T>()) };
    NonNull::new(memory.cast()).ok_or(OutOfMemory)
}

/// Allocates `len` bytes.
///
/// # Errors
/// [`OutOfMemory`].
pub fn bytes(r: Request, len: usize) -> Result<NonNull<u8>, OutOfMemory> {
    may_fail()?;
    // SAFETY: LIVE REQUEST, C API.
    let memory = unsafe { ngx_pnalloc(r.pool(), len) };
    NonNull::new(memory.cast()).ok_or(OutOfMemory)
}

/// Copies a text.
///
/// # Errors
/// [`OutOfMemory`].
pub fn copy(r: Request, text: &[u8]) -> Result<ngx_str_t, OutOfMemory> {
    may_fail()?;
    // SAFETY: LIVE REQUEST, C API.
    unsafe { ngx_str_t::from_bytes(r.pool(), text) }.ok_or(OutOfMemory)
}

/// Copies a text for use in this module. The copy lives as long as the request.
///
/// # Errors
/// [`OutOfMemory`].
pub fn text<'a>(r: Request, text: &[u8]) -> Result<&'a [u8], OutOfMemory> {
    let memory = bytes(r, text.len())?.as_ptr();
    // SAFETY: POOL: just allocated, so there is no other reference to it.
    unsafe { memory.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    // SAFETY: POOL: just written.
    Ok(unsafe { std::slice::from_raw_parts(memory, text.len()) })
}

/// Adds an element to the end of the answer's headers. It is not initialized.
///
/// # Errors
/// [`OutOfMemory`].
pub fn header_out(r: Request) -> Result<NonNull<ngx_table_elt_t>, OutOfMemory> {
    may_fail()?;
    // SAFETY: LIVE REQUEST: a field of it.
    let list = unsafe { &raw mut (*r.headers_out()).headers };
    // SAFETY: C API.
    let line = unsafe { ngx_list_push(list) };
    NonNull::new(line.cast()).ok_or(OutOfMemory)
}

/// Adds a cleanup handler for the end of the request. The caller fills it in.
///
/// # Errors
/// [`OutOfMemory`].
pub fn cleanup(r: Request) -> Result<NonNull<ngx_pool_cleanup_t>, OutOfMemory> {
    may_fail()?;
    // SAFETY: LIVE REQUEST, C API.
    let cleanup = unsafe { ngx_pool_cleanup_add(r.pool(), 0) };
    NonNull::new(cleanup).ok_or(OutOfMemory)
}

/// Fails if a test has asked for it.
#[cfg(feature = "fault-injection")]
fn may_fail() -> Result<(), OutOfMemory> {
    if crate::nginx::ffi::callback::injected::is_out_of_memory() { Err(OutOfMemory) } else { Ok(()) }
}

#[cfg(not(feature = "fault-injection"))]
#[allow(clippy::unnecessary_wraps, reason = "as its counterpart")]
fn may_fail() -> Result<(), OutOfMemory> {
    Ok(())
}
