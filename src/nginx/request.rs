//! What the module reads of a request.

use std::net::IpAddr;

use nginx_sys::{ngx_http_request_t, ngx_list_part_t, ngx_list_t, ngx_str_t, ngx_table_elt_t};

use super::bindings::{ngx_http_authgear_is_header_only, ngx_http_authgear_is_post_action};

/// Whether this is the client's own request, and no subrequest that nginx makes beside it.
#[must_use]
pub fn is_main(r: &ngx_http_request_t) -> bool {
    std::ptr::eq(r, r.main)
}

/// Whether nginx goes on with this request for `post_action`, after its end.
///
/// The bit-fields of a request are never read by nginx-sys, which doesn't know where they are in each version of nginx.
#[must_use]
pub fn is_post_action(r: &ngx_http_request_t) -> bool {
    // SAFETY: LIVE REQUEST.
    unsafe { ngx_http_authgear_is_post_action(r) != 0 }
}

/// Whether the client gets no body: it asked by HEAD, or has gone.
#[must_use]
pub fn is_header_only(r: &ngx_http_request_t) -> bool {
    // SAFETY: LIVE REQUEST.
    unsafe { ngx_http_authgear_is_header_only(r) != 0 }
}

/// The client's header lines in their order: name as it came, and value.
pub fn header_lines(r: &ngx_http_request_t) -> impl Iterator<Item = (&[u8], &[u8])> {
    elements(&r.headers_in.headers).map(|header| (bytes(&header.key), bytes(&header.value)))
}

/// The client's address as nginx knows it, after realip; `None` for a Unix domain socket.
#[must_use]
pub fn client_address(r: &ngx_http_request_t) -> Option<IpAddr> {
    // SAFETY: LIVE REQUEST.
    let connection = unsafe { &*r.connection };
    std::str::from_utf8(bytes(&connection.addr_text)).ok()?.parse().ok()
}

/// The parts of a list.
pub fn parts(list: &ngx_list_t) -> impl Iterator<Item = &ngx_list_part_t> {
    // SAFETY: LIST: null, or the next part.
    std::iter::successors(Some(&list.part), |part| unsafe { part.next.as_ref() })
}

/// The elements of a part of a list of headers.
#[must_use]
pub fn part_elements(part: &ngx_list_part_t) -> &[ngx_table_elt_t] {
    if part.nelts == 0 {
        return &[];
    }
    // SAFETY: LIST: the lists of headers hold elements of this type.
    unsafe { std::slice::from_raw_parts(part.elts.cast(), part.nelts) }
}

fn elements(list: &ngx_list_t) -> impl Iterator<Item = &ngx_table_elt_t> {
    parts(list).flat_map(part_elements)
}

/// The bytes of a string that nginx holds. (nginx-sys's own accessor needs a non-null pointer for an empty one.)
#[must_use]
pub fn bytes(string: &ngx_str_t) -> &[u8] {
    if string.data.is_null() {
        return &[];
    }
    // SAFETY: STRING.
    unsafe { std::slice::from_raw_parts(string.data, string.len) }
}
