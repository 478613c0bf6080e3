//! The command table, in the order of the manual.

mod cache;
mod read;
mod status;

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::ptr::null_mut;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE12, NGX_HTTP_LOC_CONF,
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF,
    NGX_HTTP_SRV_CONF_OFFSET, ngx_command_t, ngx_conf_set_flag_slot, ngx_conf_set_msec_slot, ngx_conf_t,
    ngx_msec_t, ngx_str_t, ngx_uint_t,
};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::ngx_string;

use super::conf::place::Place;
use super::conf::{LocationConf, ServerConf};
use super::log::{refuse_configuration, warn_of_configuration};
use crate::endpoint;
use crate::policy::Requirement;
use crate::resolver::tls::{CertificateChain, PrivateKey, Roots};
use crate::settings::advice::Advice;
use crate::settings::{Resolve, parse};
use read::{Directive, IS_DUPLICATE, parse_millis, parse_time};

type Setter = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

const SERVER: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF;
const ANYWHERE: u32 = SERVER | NGX_HTTP_LOC_CONF;

/// How nginx reads the directives.
pub static mut COMMANDS: [ngx_command_t; 23] = [
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
        set: Some(status::cmd_status),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: null_mut(),
    },
    ngx_command_t::empty(),
];

/// A directive with one argument that is read here.
const fn text(name: ngx_str_t, set: Setter) -> ngx_command_t {
    command(name, NGX_CONF_TAKE1, set, 0)
}

/// `on` or `off`, read by nginx.
const fn flag(name: ngx_str_t, offset: usize) -> ngx_command_t {
    command(name, NGX_CONF_FLAG, ngx_conf_set_flag_slot, offset)
}

/// A time other than 0, read by nginx.
const fn time(name: ngx_str_t, offset: usize) -> ngx_command_t {
    command(name, NGX_CONF_TAKE1, cmd_time, offset)
}

const fn command(name: ngx_str_t, arguments: u32, set: Setter, offset: usize) -> ngx_command_t {
    let type_ = (ANYWHERE | arguments) as ngx_uint_t;
    ngx_command_t { name, type_, set: Some(set), conf: NGX_HTTP_LOC_CONF_OFFSET, offset, post: null_mut() }
}

unsafe extern "C" fn cmd_resolve(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        if directive.conf.places.resolve.is_none() {
            directive.conf.places.resolve = Place::current(directive.cf);
        }
        directive.set(
            |overrides| &mut overrides.resolve,
            |text| {
                if text == "off" { Ok(Resolve::Off) } else { endpoint::endpoint(text).map(Resolve::At) }
            },
        )
    })
}

unsafe extern "C" fn cmd_origin(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| directive.set(|overrides| &mut overrides.origin, endpoint::origin))
}

unsafe extern "C" fn cmd_cookie_prefix(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        directive.set(|overrides| &mut overrides.cookie_prefix, parse::cookie_prefix)
    })
}

unsafe extern "C" fn cmd_on_error(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| directive.set(|overrides| &mut overrides.on_error, parse::on_error))
}

unsafe extern "C" fn cmd_max_inflight(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        directive.set(|overrides| &mut overrides.max_inflight, parse::max_inflight)
    })
}

unsafe extern "C" fn cmd_breaker(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        if directive.conf.overrides.breaker.is_some() {
            return IS_DUPLICATE;
        }
        let arguments = directive.arguments();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        match parse::breaker(&arguments, parse_millis) {
            Ok(breaker) => {
                directive.conf.overrides.breaker = Some(breaker);
                NGX_CONF_OK
            }
            Err((argument, complaint)) => directive.refuse(argument, complaint),
        }
    })
}

/// Read by nginx; its place is remembered, for advice.
unsafe extern "C" fn cmd_ssl_verify(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: C API: passed on as it came.
    let set = unsafe { ngx_conf_set_flag_slot(cf, command, conf) };
    if set != NGX_CONF_OK {
        return set;
    }
    Directive::read(cf, conf, |directive| {
        directive.conf.places.ssl_verify = Place::current(directive.cf);
        NGX_CONF_OK
    })
}

unsafe extern "C" fn cmd_ssl_trusted_certificate(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        directive.set_from_file(|overrides| &mut overrides.ssl_trusted, |pem, _| Roots::from_pem(pem))
    })
}

unsafe extern "C" fn cmd_ssl_certificate(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        directive.conf.places.certificate = Place::current(directive.cf);
        directive.set_from_file(|overrides| &mut overrides.ssl_certificate, CertificateChain::from_pem)
    })
}

unsafe extern "C" fn cmd_ssl_certificate_key(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        if directive.conf.places.certificate.is_none() {
            directive.conf.places.certificate = Place::current(directive.cf);
        }
        directive.set_from_file(|overrides| &mut overrides.ssl_certificate_key, PrivateKey::from_pem)
    })
}

unsafe extern "C" fn cmd_ssl_name(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| directive.set(|overrides| &mut overrides.ssl_name, parse::ssl_name))
}

unsafe extern "C" fn cmd_require(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        if directive.conf.overrides.require.is_some() {
            return IS_DUPLICATE;
        }
        directive.conf.places.require = Place::current(directive.cf);
        let arguments = directive.arguments();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        match Requirement::parse(&arguments, parse_time) {
            Ok(require) => {
                if require.as_ref().is_some_and(Requirement::asks_for_amr) {
                    warn_of_configuration(directive.cf, format_args!("{}", Advice::Amr));
                }
                directive.conf.overrides.require = Some(require);
                NGX_CONF_OK
            }
            Err((argument, complaint)) => directive.refuse(argument, complaint),
        }
    })
}

unsafe extern "C" fn cmd_realm(cf: *mut ngx_conf_t, _: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
    Directive::read(cf, conf, |directive| directive.set(|overrides| &mut overrides.realm, parse::realm))
}

/// A day, in milliseconds. nginx's timers can't be set to the end of time.
const LONGEST: ngx_msec_t = 24 * 60 * 60 * 1000;

/// nginx's own reading of a time, and then: a call that may take no time can't be made.
unsafe extern "C" fn cmd_time(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: C API: passed on as it came.
    let set = unsafe { ngx_conf_set_msec_slot(cf, command, conf) };
    if set != NGX_CONF_OK {
        return set;
    }
    // SAFETY: CONF: the table's command.
    let offset = unsafe { (*command).offset };
    // SAFETY: CONF: the offset of one of the structure's slots, by the table.
    let slot = unsafe { conf.byte_add(offset) }.cast::<ngx_msec_t>();
    // SAFETY: CONF: nginx has just written it.
    let value = unsafe { slot.read() };
    if (1..=LONGEST).contains(&value) {
        return NGX_CONF_OK;
    }
    Directive::read(cf, conf, |directive| {
        let (name, argument) = (&directive.name, &directive.argument);
        let why = format_args!(
            "invalid value \"{argument}\" in \"{name}\" directive, it must be more than 0, and a day at most"
        );
        refuse_configuration(directive.cf, why);
        NGX_CONF_ERROR
    })
}
