//! The command table, in the order of the manual.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::ptr::null_mut;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE12, NGX_HTTP_LOC_CONF,
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF,
    NGX_HTTP_SRV_CONF_OFFSET, ngx_command_t, ngx_conf_set_flag_slot, ngx_conf_t, ngx_str_t, ngx_uint_t,
};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf, NgxHttpCoreModule};
use ngx::ngx_string;

use crate::nginx::conf::directives::read::{IS_DUPLICATE, setter};
use crate::nginx::conf::directives::{
    cache, cmd_breaker, cmd_cookie_prefix, cmd_max_inflight, cmd_on_error, cmd_origin, cmd_realm,
    cmd_require, cmd_resolve, cmd_ssl_certificate, cmd_ssl_certificate_key, cmd_ssl_name,
    cmd_ssl_trusted_certificate, cmd_ssl_verify, cmd_time,
};
use crate::nginx::conf::location::{LocationConf, ServerConf};
use crate::nginx::ffi::log::refuse_configuration;
use crate::nginx::request::status::on_content;
use crate::settings::{StatusFormat, parse};

type Setter = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

const SERVER: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF;
const ANYWHERE: u32 = SERVER | NGX_HTTP_LOC_CONF;

/// The directives, as nginx reads them.
pub(super) static mut COMMANDS: [ngx_command_t; 23] = [
    text(ngx_string!("authgear_resolve"), cmd_resolve),
    command(ngx_string!("authgear_require"), NGX_CONF_1MORE, cmd_require, 0),
    text(ngx_string!("authgear_realm"), cmd_realm),
    ngx_command_t {
        name: ngx_string!("authgear_cache_zone"),
        type_: (NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1) as ngx_uint_t,
        set: Some(cache::cmd_cache_zone),
        conf: NGX_HTTP_MAIN_CONF_OFFSET,
        offset: 0,
        post: null_mut(),
    },
    text(ngx_string!("authgear_cache"), cache::cmd_cache),
    command(ngx_string!("authgear_cache_valid"), NGX_CONF_1MORE, cache::cmd_cache_valid, 0),
    command(ngx_string!("authgear_cache_use_stale"), NGX_CONF_TAKE12, cache::cmd_cache_use_stale, 0),
    text(ngx_string!("authgear_origin"), cmd_origin),
    text(ngx_string!("authgear_cookie_prefix"), cmd_cookie_prefix),
    ngx_command_t {
        name: ngx_string!("authgear_strip_headers"),
        type_: (SERVER | NGX_CONF_FLAG) as ngx_uint_t,
        set: Some(ngx_conf_set_flag_slot),
        conf: NGX_HTTP_SRV_CONF_OFFSET,
        offset: offset_of!(ServerConf, strip_headers),
        post: null_mut(),
    },
    time(ngx_string!("authgear_connect_timeout"), offset_of!(LocationConf, connect_timeout)),
    time(ngx_string!("authgear_timeout"), offset_of!(LocationConf, timeout)),
    text(ngx_string!("authgear_on_error"), cmd_on_error),
    text(ngx_string!("authgear_max_inflight"), cmd_max_inflight),
    command(ngx_string!("authgear_breaker"), NGX_CONF_TAKE12, cmd_breaker, 0),
    command(
        ngx_string!("authgear_ssl_verify"),
        NGX_CONF_FLAG,
        cmd_ssl_verify,
        offset_of!(LocationConf, ssl_verify),
    ),
    text(ngx_string!("authgear_ssl_trusted_certificate"), cmd_ssl_trusted_certificate),
    text(ngx_string!("authgear_ssl_certificate"), cmd_ssl_certificate),
    text(ngx_string!("authgear_ssl_certificate_key"), cmd_ssl_certificate_key),
    text(ngx_string!("authgear_ssl_name"), cmd_ssl_name),
    flag(ngx_string!("authgear_pass_set_cookie"), offset_of!(LocationConf, pass_set_cookie)),
    ngx_command_t {
        name: ngx_string!("authgear_status"),
        type_: (NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1) as ngx_uint_t,
        set: Some(cmd_status),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: null_mut(),
    },
    ngx_command_t::empty(),
];

/// A directive with one argument that the module parses.
const fn text(name: ngx_str_t, set: Setter) -> ngx_command_t {
    command(name, NGX_CONF_TAKE1, set, 0)
}

/// `on` or `off`, parsed by nginx.
const fn flag(name: ngx_str_t, offset: usize) -> ngx_command_t {
    command(name, NGX_CONF_FLAG, ngx_conf_set_flag_slot, offset)
}

/// A time other than 0, parsed by nginx.
const fn time(name: ngx_str_t, offset: usize) -> ngx_command_t {
    command(name, NGX_CONF_TAKE1, cmd_time, offset)
}

const fn command(name: ngx_str_t, arguments: u32, set: Setter, offset: usize) -> ngx_command_t {
    let type_ = (ANYWHERE | arguments) as ngx_uint_t;
    ngx_command_t { name, type_, set: Some(set), conf: NGX_HTTP_LOC_CONF_OFFSET, offset, post: null_mut() }
}

setter!(cmd_status, |directive| {
    if directive.conf.status.is_some() {
        return IS_DUPLICATE;
    }
    let format = match (directive.has_argument, parse::status_format(&directive.argument)) {
        (false, _) => StatusFormat::Json,
        (true, Ok(format)) => format,
        (true, Err(complaint)) => {
            let (name, argument) = (&directive.name, &directive.argument);
            let why = format_args!("invalid value \"{argument}\" in \"{name}\" directive, {complaint}");
            refuse_configuration(directive.cf, why);
            return NGX_CONF_ERROR;
        }
    };
    directive.conf.status = Some(format);
    let Some(core) = NgxHttpCoreModule::location_conf_mut(directive.cf) else { return NGX_CONF_ERROR };
    core.handler = Some(on_content);
    NGX_CONF_OK
});
