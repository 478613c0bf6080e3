//! `authgear_status`: serves what the workers have counted.

use std::ptr::null_mut;

use nginx_sys::{
    NGX_ERROR, NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_NOT_ALLOWED, NGX_HTTP_OK, NGX_OK, ngx_buf_t,
    ngx_chain_t, ngx_http_discard_request_body, ngx_http_output_filter, ngx_http_request_t,
    ngx_http_send_header, ngx_int_t, ngx_str_t,
};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf};

use crate::metrics::page;
use crate::metrics::render::{Status, VERSION};
use crate::nginx::conf::key::Module;
use crate::nginx::ffi::callback::Site;
use crate::nginx::ffi::callback::{INTERNAL_ERROR, handle};
use crate::nginx::ffi::headers_out;
use crate::nginx::ffi::pool::{self, OutOfMemory};
use crate::nginx::ffi::request::Request;
use crate::nginx::worker;
use crate::settings::StatusFormat;

/// Response headers that depend on the format.
struct Kind {
    content_type: &'static str,
    charset: &'static str,
    policy: Option<&'static str>,
}

impl Kind {
    const JSON: Self = Self { content_type: "application/json", charset: "", policy: None };
    const PROMETHEUS: Self =
        Self { content_type: "text/plain; version=0.0.4; charset=utf-8", charset: "", policy: None };

    fn page() -> Self {
        Self { content_type: "text/html", charset: "utf-8", policy: Some(&page::POLICY) }
    }
}

/// # Safety
/// For nginx to call, in a location that has the directive.
pub unsafe extern "C" fn on_content(r: *mut ngx_http_request_t) -> ngx_int_t {
    handle(Site::Status, r, answer)
}

fn answer(r: Request) -> Result<ngx_int_t, OutOfMemory> {
    if r.method() & (NGX_HTTP_GET | NGX_HTTP_HEAD) as usize == 0 {
        return Ok(NGX_HTTP_NOT_ALLOWED as ngx_int_t);
    }
    // SAFETY: LIVE REQUEST, C API.
    let discarded = unsafe { ngx_http_discard_request_body(r.as_ptr()) };
    if discarded != NGX_OK as ngx_int_t {
        return Ok(discarded);
    }
    let format = Module::location_conf(&r).and_then(|conf| conf.status);
    let resolvers = Module::main_conf(&r).map(|main| &main.resolvers[..]);
    let status = worker::with(|worker| worker.status(resolvers.unwrap_or_default()));
    // Without any location that resolves, only the version is known.
    let status = status.unwrap_or_else(|| Status { version: VERSION, ..Status::default() });
    let Some(format) = format else { return Ok(INTERNAL_ERROR) };
    let is_for_page = r.arguments() == page::QUERY;
    let (kind, text) = match format {
        StatusFormat::Html if !is_for_page => (Kind::page(), status.html()),
        StatusFormat::Html | StatusFormat::Json => (Kind::JSON, status.json()),
        StatusFormat::Prometheus => (Kind::PROMETHEUS, status.prometheus()),
    };
    add_headers(r, &kind)?;
    send(r, text.as_bytes())
}

/// The answer must not be cached, or interpreted as another type.
fn add_headers(r: Request, kind: &Kind) -> Result<(), OutOfMemory> {
    let &Kind { content_type, charset, policy } = kind;
    // SAFETY: LIVE REQUEST: nginx reads it when the header is sent.
    let headers = unsafe { &mut *r.headers_out() };
    headers.content_type = constant(content_type);
    (headers.content_type_len, headers.content_type_lowcase) = (content_type.len(), null_mut());
    headers.charset = constant(charset);
    headers_out::add(r, "Cache-Control", b"no-store")?;
    headers_out::add(r, "X-Content-Type-Options", b"nosniff")?;
    match policy {
        Some(policy) => headers_out::add(r, "Content-Security-Policy", policy.as_bytes()),
        None => Ok(()),
    }
}

/// nginx only reads it.
fn constant(text: &'static str) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}

fn send(r: Request, text: &[u8]) -> Result<ngx_int_t, OutOfMemory> {
    let content = pool::copy(r, text)?;
    // SAFETY: LIVE REQUEST: nginx reads it when the header is sent.
    let headers = unsafe { &mut *r.headers_out() };
    headers.status = NGX_HTTP_OK as usize;
    headers.content_length_n = i64::try_from(text.len()).unwrap_or(-1);
    // SAFETY: LIVE REQUEST, C API.
    let sent = unsafe { ngx_http_send_header(r.as_ptr()) };
    // NGX_AGAIN isn't final: nginx keeps the header, and sends it before the body.
    if sent == NGX_ERROR as ngx_int_t || sent > NGX_OK as ngx_int_t || r.is_header_only() {
        return Ok(sent);
    }
    let mut buffer = pool::zeroed::<ngx_buf_t>(r, 1)?;
    // SAFETY: POOL: just allocated, so there is no other reference to it.
    let buffer = unsafe { buffer.as_mut() };
    buffer.pos = content.data;
    // SAFETY: STRING: the end of the copy.
    buffer.last = unsafe { content.data.add(content.len) };
    buffer.set_memory(1);
    // The last buffer of a subrequest isn't the last of the response.
    buffer.set_last_buf(u32::from(r.is_main()));
    buffer.set_last_in_chain(1);
    let mut chain = ngx_chain_t { buf: buffer, next: null_mut() };
    // SAFETY: LIVE REQUEST, C API: the filters copy the links that they keep.
    Ok(unsafe { ngx_http_output_filter(r.as_ptr(), &raw mut chain) })
}
