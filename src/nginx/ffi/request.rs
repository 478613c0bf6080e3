//! A handle to a request, and accessors for the fields that the module uses.

use std::ffi::c_void;
use std::net::IpAddr;
use std::ptr::NonNull;

use nginx_sys::{
    ngx_connection_t, ngx_http_event_handler_pt, ngx_http_headers_out_t, ngx_http_request_t, ngx_list_part_t,
    ngx_list_t, ngx_module_t, ngx_pool_t, ngx_str_t, ngx_table_elt_t, ngx_uint_t,
};
use ngx::http::HttpModuleConfExt;

use crate::nginx::ffi::bindings::{ngx_http_authgear_is_header_only, ngx_http_authgear_is_post_action};
use crate::nginx::ffi::log::Log;

/// A request, represented by its address.
///
/// nginx reaches a request through pointers of its own (`r->main`, `c->data`, the data of a timer), and it may use them to
/// call back while one of our functions runs, for example to evaluate a variable. A Rust reference to the request would
/// make that undefined behaviour. So references to a request are never created: each accessor reads or writes a single
/// field through the pointer.
///
/// A handle is valid as long as the request (LIVE REQUEST). Requests that wait for longer are in the registry of waiters
/// (WAITER).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request(NonNull<ngx_http_request_t>);

impl Request {
    /// Returns `None` for a null pointer.
    ///
    /// # Safety
    /// The request must live for as long as the handle is used.
    #[must_use]
    pub unsafe fn new(r: *mut ngx_http_request_t) -> Option<Self> {
        NonNull::new(r).map(Self)
    }

    /// For calling nginx functions and accessing single fields.
    #[must_use]
    pub fn as_ptr(self) -> *mut ngx_http_request_t {
        self.0.as_ptr()
    }

    /// Whether this is the client's request itself, and not a subrequest.
    #[must_use]
    pub fn is_main(self) -> bool {
        // SAFETY: LIVE REQUEST.
        let main = unsafe { (*self.as_ptr()).main };
        std::ptr::eq(self.as_ptr(), main)
    }

    /// Whether nginx has continued this request, after its end, for `post_action`.
    ///
    /// The bit-fields of a request are never read through nginx-sys, which doesn't know their position in each version of
    /// nginx.
    #[must_use]
    pub fn is_post_action(self) -> bool {
        // SAFETY: LIVE REQUEST.
        unsafe { ngx_http_authgear_is_post_action(self.as_ptr()) != 0 }
    }

    /// Whether the answer has no body: the request's method is HEAD, or the client has gone.
    #[must_use]
    pub fn is_header_only(self) -> bool {
        // SAFETY: LIVE REQUEST.
        unsafe { ngx_http_authgear_is_header_only(self.as_ptr()) != 0 }
    }

    /// Whether it came over HTTP/2.
    #[must_use]
    pub fn is_http2(self) -> bool {
        // SAFETY: LIVE REQUEST.
        let stream = unsafe { (*self.as_ptr()).stream };
        !stream.is_null()
    }

    /// One of `NGX_HTTP_GET` and the like.
    #[must_use]
    pub fn method(self) -> ngx_uint_t {
        // SAFETY: LIVE REQUEST.
        unsafe { (*self.as_ptr()).method }
    }

    /// The part of the URI after the question mark.
    #[must_use]
    pub fn arguments<'a>(self) -> &'a [u8] {
        // SAFETY: LIVE REQUEST.
        let arguments = unsafe { (*self.as_ptr()).args };
        // SAFETY: STRING, POOL: the bytes are in the request's memory, and nothing changes them.
        unsafe { bytes_of(arguments) }
    }

    #[must_use]
    pub fn pool(self) -> *mut ngx_pool_t {
        // SAFETY: LIVE REQUEST.
        unsafe { (*self.as_ptr()).pool }
    }

    #[must_use]
    pub fn connection(self) -> *mut ngx_connection_t {
        // SAFETY: LIVE REQUEST.
        unsafe { (*self.as_ptr()).connection }
    }

    /// The log of the request's connection, which adds the client and the request to each line.
    #[must_use]
    pub fn log(self) -> Option<Log> {
        // SAFETY: LIVE REQUEST.
        let log = NonNull::new(unsafe { (*self.connection()).log })?;
        // SAFETY: LIVE REQUEST: the connection's log is in its pool.
        Some(unsafe { Log::new(log) })
    }

    /// The client's address as nginx knows it, after realip. `None` for a Unix domain socket.
    #[must_use]
    pub fn client_address(self) -> Option<IpAddr> {
        // SAFETY: LIVE REQUEST.
        let text = unsafe { (*self.connection()).addr_text };
        // SAFETY: STRING: the text is in the connection's memory.
        std::str::from_utf8(unsafe { bytes_of(text) }).ok()?.parse().ok()
    }

    /// The list of the client's header lines.
    #[must_use]
    pub fn headers_in(self) -> *mut ngx_list_t {
        // SAFETY: LIVE REQUEST: a field of it.
        unsafe { &raw mut (*self.as_ptr()).headers_in.headers }
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers_out(self) -> *mut ngx_http_headers_out_t {
        // SAFETY: LIVE REQUEST: a field of it.
        unsafe { &raw mut (*self.as_ptr()).headers_out }
    }

    /// The client's header lines in order: the name as sent, and the value.
    pub fn header_lines<'a>(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let elements = parts(self).flat_map(ListPart::elements);
        elements.map(|header| (bytes(&header.key), bytes(&header.value)))
    }

    /// The structure of a module for the location of the request, by the module's index.
    #[must_use]
    pub fn location_structure(self, ctx_index: ngx_uint_t) -> *mut c_void {
        // SAFETY: LIVE REQUEST.
        let structures = unsafe { (*self.as_ptr()).loc_conf };
        // SAFETY: COMMANDS: there is one for each module.
        let place = unsafe { structures.add(ctx_index) };
        // SAFETY: as above.
        unsafe { place.read() }
    }

    /// Sets the functions that nginx calls when the client's connection is readable and writable.
    pub fn set_event_handlers(self, read: ngx_http_event_handler_pt, write: ngx_http_event_handler_pt) {
        // SAFETY: LIVE REQUEST.
        unsafe { (*self.as_ptr()).read_event_handler = read };
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).write_event_handler = write };
    }

    #[must_use]
    pub fn write_event_handler(self) -> ngx_http_event_handler_pt {
        // SAFETY: LIVE REQUEST.
        unsafe { (*self.as_ptr()).write_event_handler }
    }
}

/// Access to the configuration in force for a request.
impl HttpModuleConfExt for Request {
    unsafe fn http_main_conf_unchecked<T>(&self, module: &ngx_module_t) -> Option<NonNull<T>> {
        // SAFETY: LIVE REQUEST.
        let structures = unsafe { (*self.as_ptr()).main_conf };
        // SAFETY: COMMANDS: there is one for each module.
        let place = unsafe { structures.add(module.ctx_index) };
        // SAFETY: as above.
        NonNull::new(unsafe { place.read() }.cast())
    }

    unsafe fn http_server_conf_unchecked<T>(&self, module: &ngx_module_t) -> Option<NonNull<T>> {
        // SAFETY: LIVE REQUEST.
        let structures = unsafe { (*self.as_ptr()).srv_conf };
        // SAFETY: COMMANDS: there is one for each module.
        let place = unsafe { structures.add(module.ctx_index) };
        // SAFETY: as above.
        NonNull::new(unsafe { place.read() }.cast())
    }

    unsafe fn http_location_conf_unchecked<T>(&self, module: &ngx_module_t) -> Option<NonNull<T>> {
        NonNull::new(self.location_structure(module.ctx_index).cast())
    }
}

/// A part of a list of header lines.
#[derive(Clone, Copy)]
pub struct ListPart(NonNull<ngx_list_part_t>);

/// The parts of the list of the client's header lines.
pub fn parts(r: Request) -> impl Iterator<Item = ListPart> {
    // SAFETY: LIVE REQUEST: a field of it.
    let first = NonNull::new(unsafe { &raw mut (*r.headers_in()).part });
    std::iter::successors(first, |part| {
        // SAFETY: LIST: null, or the next part.
        NonNull::new(unsafe { (*part.as_ptr()).next })
    })
    .map(ListPart)
}

impl ListPart {
    /// The lines in this part. They are in the request's pool, and nothing changes them during the callback.
    #[must_use]
    pub fn elements<'a>(self) -> &'a [ngx_table_elt_t] {
        // SAFETY: LIST.
        let elements = unsafe { (*self.0.as_ptr()).elts };
        // SAFETY: as above.
        let count = unsafe { (*self.0.as_ptr()).nelts };
        if count == 0 {
            return &[];
        }
        // SAFETY: LIST: lists of headers hold elements of this type.
        unsafe { std::slice::from_raw_parts(elements.cast(), count) }
    }
}

/// The bytes of an nginx string. (nginx-sys's accessor requires a non-null pointer even for an empty string.)
#[must_use]
pub fn bytes(string: &ngx_str_t) -> &[u8] {
    // SAFETY: STRING: the bytes live as long as the string.
    unsafe { bytes_of(*string) }
}

/// # Safety
/// STRING: the bytes must live, and not change, for `'a`.
unsafe fn bytes_of<'a>(string: ngx_str_t) -> &'a [u8] {
    if string.data.is_null() {
        return &[];
    }
    // SAFETY: the caller guarantees it.
    unsafe { std::slice::from_raw_parts(string.data, string.len) }
}

/// Run under Miri, these tests find a reference to a request that is used while nginx changes the request.
#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &'static [u8], value: &'static [u8]) -> ngx_table_elt_t {
        let string = |text: &'static [u8]| ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
        // SAFETY: plain C data, for which all zeroes is a valid value.
        let zeroed: ngx_table_elt_t = unsafe { std::mem::zeroed() };
        ngx_table_elt_t { key: string(name), value: string(value), ..zeroed }
    }

    fn part(lines: &[ngx_table_elt_t], next: *mut ngx_list_part_t) -> ngx_list_part_t {
        ngx_list_part_t { elts: lines.as_ptr().cast_mut().cast(), nelts: lines.len(), next }
    }

    unsafe extern "C" fn on_event(_: *mut ngx_http_request_t) {}

    /// Changes a request through nginx's own pointers, as nginx does while a function of ours has a handle to it.
    fn nginx_goes_on(r: *mut ngx_http_request_t, turn: usize) {
        // SAFETY: the request lives, and there is no reference to it.
        unsafe { (*r).method = turn };
        // SAFETY: as above.
        let main = unsafe { (*r).main };
        // SAFETY: as above.
        unsafe { (*main).write_event_handler = None };
    }

    #[test]
    fn nginx_changes_a_request_whose_handle_is_in_use() {
        let (first, second) = ([line(b"a", b"1"), line(b"b", b"2")], [line(b"c", b"3")]);
        let (mut last, mut empty) = (part(&second, std::ptr::null_mut()), part(&[], std::ptr::null_mut()));
        empty.next = &raw mut last;
        // SAFETY: plain C data, for which all zeroes is a valid value.
        let r = Box::into_raw(Box::new(unsafe { std::mem::zeroed::<ngx_http_request_t>() }));
        // SAFETY: it was just created.
        unsafe { (*r).main = r };
        // SAFETY: as above.
        unsafe { (*r).headers_in.headers.part = part(&first, &raw mut empty) };
        // SAFETY: it is freed at the end of the test.
        let request = unsafe { Request::new(r) }.unwrap();
        let mut lines = Vec::new();
        for (turn, (name, value)) in request.header_lines().enumerate() {
            nginx_goes_on(r, turn);
            assert!(request.is_main() && !request.is_http2());
            assert_eq!((request.method(), request.write_event_handler().is_some()), (turn, false));
            request.set_event_handlers(Some(on_event), Some(on_event));
            // SAFETY: a field of the request, which lives.
            unsafe { (*request.headers_out()).status = 200 + turn };
            lines.push((name, value));
        }
        assert_eq!(lines, [(&b"a"[..], &b"1"[..]), (b"b", b"2"), (b"c", b"3")]);
        // SAFETY: as above.
        assert_eq!(unsafe { (*r).headers_out.status }, 202);
        assert_eq!(request.arguments(), b"");
        // SAFETY: the box created above, whose handle is no longer used.
        drop(unsafe { Box::from_raw(r) });
    }
}
