//! Identity headers of the request: the client's are taken out, the resolver's put in.
//!
//! Taking out is physical: nginx's proxy, FastCGI, uwsgi, SCGI and gRPC modules send whatever is in the list, and don't
//! look at `hash`. No element that stays is moved, since `headers_in.host` and its like point at them: the list's parts
//! are split around what goes. The nodes of the new chain are all new, because a subrequest shares the old ones.

use nginx_sys::{ngx_http_request_t, ngx_list_part_t, ngx_str_t, ngx_table_elt_t, ngx_uint_t};

use super::pool::{self, OutOfMemory};
use super::request::{bytes, part_elements, parts};
use crate::identity_header::is_identity_header;
use crate::session::IdentityHeaders;

/// Removes the client's identity headers.
///
/// # Errors
/// [`OutOfMemory`]: they are still there, and the request must not go on.
pub fn strip(r: &mut ngx_http_request_t) -> Result<(), OutOfMemory> {
    if has_identity_headers(r) { rebuild(r, None) } else { Ok(()) }
}

/// Removes whatever identity headers there are, and adds the resolver's.
///
/// # Errors
/// [`OutOfMemory`]: as before, and the request must not go on.
pub fn replace(r: &mut ngx_http_request_t, identity: Option<&IdentityHeaders>) -> Result<(), OutOfMemory> {
    match identity.filter(|headers| !headers.is_empty()) {
        Some(headers) => rebuild(r, Some(headers)),
        None => strip(r),
    }
}

fn has_identity_headers(r: &ngx_http_request_t) -> bool {
    parts(&r.headers_in.headers).flat_map(part_elements).any(is_identity)
}

fn is_identity(header: &ngx_table_elt_t) -> bool {
    is_identity_header(bytes(&header.key))
}

/// Elements that lie side by side.
struct Run {
    first: *mut ngx_table_elt_t,
    len: usize,
}

fn rebuild(r: &mut ngx_http_request_t, inject: Option<&IdentityHeaders>) -> Result<(), OutOfMemory> {
    let mut runs = kept_runs(r);
    if let Some(headers) = inject {
        runs.push(injected_run(r, headers)?);
    }
    if runs.is_empty() {
        // Only the first part may be empty; ngx_list_push needs room in it.
        runs.push(Run { first: pool::zeroed(r, 1)?.as_ptr(), len: 0 });
    }
    let chain = chain(r, &runs)?;
    let list = &mut r.headers_in.headers;
    list.part = chain.first;
    list.last = if chain.last.is_null() { &raw mut list.part } else { chain.last };
    // The last part is full, so that the next push opens another: what lies behind it is not ours.
    list.nalloc = runs.last().map_or(1, |run| run.len.max(1)) as ngx_uint_t;
    Ok(())
}

/// The runs of elements that stay.
fn kept_runs(r: &ngx_http_request_t) -> Vec<Run> {
    let kept = parts(&r.headers_in.headers).flat_map(|part| part_elements(part).split(is_identity));
    kept.filter(|run| !run.is_empty())
        .map(|run| Run { first: run.as_ptr().cast_mut(), len: run.len() })
        .collect()
}

/// Elements for the resolver's headers, whose texts are copied: what nginx reads is to live as long as the request.
fn injected_run(r: &ngx_http_request_t, headers: &IdentityHeaders) -> Result<Run, OutOfMemory> {
    let texts = pool::text(r, headers.texts())?;
    // Zeroed first: nginx 1.23 added a field, `next`, to the structure.
    let first = pool::zeroed::<ngx_table_elt_t>(r, headers.len())?.as_ptr();
    // SAFETY: POOL: there is room for as many elements as there are headers; zeroed, they are valid.
    let elements = unsafe { std::slice::from_raw_parts_mut(first, headers.len()) };
    for (element, header) in elements.iter_mut().zip(headers.iter_in(texts)) {
        element.hash = header.hash;
        element.key = string(header.name);
        element.value = string(header.value);
        // Names of answer headers are lower-case already.
        element.lowcase_key = element.key.data;
    }
    Ok(Run { first, len: headers.len() })
}

fn string(text: &[u8]) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}

struct Chain {
    first: ngx_list_part_t,
    /// Null where the first part, which lies in the list itself, is the last.
    last: *mut ngx_list_part_t,
}

/// A list's parts for runs, of which there is at least one.
fn chain(r: &ngx_http_request_t, runs: &[Run]) -> Result<Chain, OutOfMemory> {
    let mut chain = Chain { first: part(None), last: std::ptr::null_mut() };
    let mut next: *mut ngx_list_part_t = std::ptr::null_mut();
    for (index, run) in runs.iter().enumerate().rev() {
        let made = ngx_list_part_t { next, ..part(Some(run)) };
        if index == 0 {
            chain.first = made;
            break;
        }
        let node = pool::zeroed::<ngx_list_part_t>(r, 1)?.as_ptr();
        // SAFETY: POOL: room for it was given, aligned for a pointer.
        unsafe { node.write(made) };
        if chain.last.is_null() {
            chain.last = node;
        }
        next = node;
    }
    Ok(chain)
}

fn part(run: Option<&Run>) -> ngx_list_part_t {
    let (elts, nelts) =
        run.map_or((std::ptr::null_mut(), 0), |run| (run.first.cast(), run.len as ngx_uint_t));
    ngx_list_part_t { elts, nelts, next: std::ptr::null_mut() }
}
