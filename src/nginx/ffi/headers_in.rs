//! The identity headers of a request: removes those of the client and adds those of the resolver.
//!
//! Headers are physically removed from the list: nginx's proxy, FastCGI, uwsgi, SCGI and gRPC modules send everything in it
//! and ignore `hash`. Remaining elements must not move, since `headers_in.host` and the like point at them, so the parts of
//! the list are split around the removed elements. The nodes of the new chain are all new, because subrequests share the
//! old ones.

use nginx_sys::{ngx_list_part_t, ngx_str_t, ngx_table_elt_t, ngx_uint_t};

use crate::identity_header::is_identity_header;
use crate::nginx::ffi::pool::{self, OutOfMemory};
use crate::nginx::ffi::request::{ListPart, Request, bytes, parts};
use crate::session::IdentityHeaders;

/// Removes the client's identity headers.
///
/// # Errors
/// [`OutOfMemory`]: the headers are still there, and the request must not continue.
pub fn strip(r: Request) -> Result<(), OutOfMemory> {
    if has_identity_headers(r) { rebuild(r, None) } else { Ok(()) }
}

/// Removes all identity headers, and adds those of the resolver.
///
/// # Errors
/// [`OutOfMemory`]: the list is unchanged, and the request must not continue.
pub fn replace(r: Request, identity: Option<&IdentityHeaders>) -> Result<(), OutOfMemory> {
    match identity.filter(|headers| !headers.is_empty()) {
        Some(headers) => rebuild(r, Some(headers)),
        None => strip(r),
    }
}

fn has_identity_headers(r: Request) -> bool {
    parts(r).flat_map(ListPart::elements).any(is_identity)
}

fn is_identity(header: &ngx_table_elt_t) -> bool {
    is_identity_header(bytes(&header.key))
}

fn rebuild(r: Request, inject: Option<&IdentityHeaders>) -> Result<(), OutOfMemory> {
    let mut chain = Chain::default();
    for part in parts(r) {
        for kept in part.elements().split(is_identity).filter(|run| !run.is_empty()) {
            chain.push(r, kept)?;
        }
    }
    if let Some(headers) = inject {
        chain.push(r, injected(r, headers)?)?;
    }
    if chain.last_len == 0 {
        // Only the first part may be empty; ngx_list_push needs room in it.
        chain.first.elts = pool::zeroed::<ngx_table_elt_t>(r, 1)?.as_ptr().cast();
    }
    // SAFETY: LIVE REQUEST: nginx doesn't read the list before this function returns.
    let list = unsafe { &mut *r.headers_in() };
    list.part = chain.first;
    list.last = if chain.last.is_null() { &raw mut list.part } else { chain.last };
    // Mark the last part as full, so that the next push adds a new part: the memory behind the elements isn't ours.
    list.nalloc = chain.last_len.max(1) as ngx_uint_t;
    Ok(())
}

/// Creates elements for the resolver's headers. Copies their texts, which must live as long as the request.
fn injected<'a>(r: Request, headers: &IdentityHeaders) -> Result<&'a [ngx_table_elt_t], OutOfMemory> {
    let texts = pool::text(r, headers.texts())?;
    // Zeroed, because nginx 1.23 added the field `next` to the structure.
    let first = pool::zeroed::<ngx_table_elt_t>(r, headers.len())?.as_ptr();
    // SAFETY: POOL: there is room for as many elements as there are headers, and a zeroed element is valid.
    let elements = unsafe { std::slice::from_raw_parts_mut(first, headers.len()) };
    for (element, header) in elements.iter_mut().zip(headers.iter_in(texts)) {
        element.hash = header.hash;
        element.key = string(header.name);
        element.value = string(header.value);
        // Header names in answers are lower-case already.
        element.lowcase_key = element.key.data;
    }
    Ok(elements)
}

fn string(text: &[u8]) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}

/// The parts of a list under construction.
struct Chain {
    first: ngx_list_part_t,
    /// Null while the first part, which is stored in the list itself, is also the last.
    last: *mut ngx_list_part_t,
    last_len: usize,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: part(&[]), last: std::ptr::null_mut(), last_len: 0 }
    }
}

impl Chain {
    /// Adds a part for the elements, of which there must be at least one.
    fn push(&mut self, r: Request, elements: &[ngx_table_elt_t]) -> Result<(), OutOfMemory> {
        let is_first = self.last_len == 0;
        self.last_len = elements.len();
        if is_first {
            self.first = part(elements);
            return Ok(());
        }
        let node = pool::zeroed::<ngx_list_part_t>(r, 1)?.as_ptr();
        // SAFETY: POOL: allocated above, aligned for a pointer.
        unsafe { node.write(part(elements)) };
        // SAFETY: POOL: null, or the node written before this one.
        unsafe { self.last.as_mut() }.unwrap_or(&mut self.first).next = node;
        self.last = node;
        Ok(())
    }
}

fn part(elements: &[ngx_table_elt_t]) -> ngx_list_part_t {
    ngx_list_part_t {
        elts: elements.as_ptr().cast_mut().cast(),
        nelts: elements.len() as ngx_uint_t,
        next: std::ptr::null_mut(),
    }
}
