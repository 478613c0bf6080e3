//! The setters of the directives, which nginx calls.

pub mod cache;
pub mod read;

use std::ffi::{c_char, c_void};

use nginx_sys::{ngx_command_t, ngx_conf_set_flag_slot, ngx_conf_set_msec_slot, ngx_conf_t, ngx_msec_t};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};

use crate::endpoint;
use crate::nginx::conf::place::Place;
use crate::nginx::ffi::log::{refuse_configuration, warn_of_configuration};
use crate::policy::Requirement;
use crate::resolver::tls::{CertificateChain, PrivateKey, Roots};
use crate::settings::advice::Advice;
use crate::settings::{Resolve, parse};
use read::{Directive, IS_DUPLICATE, parse_millis, parse_time, setter};

setter!(pub cmd_resolve, |directive| {
    if directive.conf.places.resolve.is_none() {
        directive.conf.places.resolve = Place::current(directive.cf);
    }
    directive.set(
        |overrides| &mut overrides.resolve,
        |text| {
            if text == "off" { Ok(Resolve::Off) } else { endpoint::endpoint(text).map(Resolve::At) }
        },
    )
});

setter!(pub cmd_origin, |directive| directive.set(|overrides| &mut overrides.origin, endpoint::origin));

setter!(pub cmd_cookie_prefix, |directive| {
    directive.set(|overrides| &mut overrides.cookie_prefix, parse::cookie_prefix)
});

setter!(pub cmd_on_error, |directive| directive.set(|overrides| &mut overrides.on_error, parse::on_error));

setter!(pub cmd_max_inflight, |directive| {
    directive.set(|overrides| &mut overrides.max_inflight, parse::max_inflight)
});

setter!(pub cmd_breaker, |directive| {
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
});

/// nginx parses the value; this records the place, for advice.
///
/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn cmd_ssl_verify(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: C API: the arguments are passed on unchanged.
    let set = unsafe { ngx_conf_set_flag_slot(cf, command, conf) };
    if set != NGX_CONF_OK {
        return set;
    }
    Directive::read(cf, conf, |directive| {
        directive.conf.places.ssl_verify = Place::current(directive.cf);
        NGX_CONF_OK
    })
}

setter!(pub cmd_ssl_trusted_certificate, |directive| {
    directive.set_from_file(|overrides| &mut overrides.ssl_trusted, |pem, _| Roots::from_pem(pem))
});

setter!(pub cmd_ssl_certificate, |directive| {
    directive.conf.places.certificate = Place::current(directive.cf);
    directive.set_from_file(|overrides| &mut overrides.ssl_certificate, CertificateChain::from_pem)
});

setter!(pub cmd_ssl_certificate_key, |directive| {
    if directive.conf.places.certificate.is_none() {
        directive.conf.places.certificate = Place::current(directive.cf);
    }
    directive.set_from_file(|overrides| &mut overrides.ssl_certificate_key, PrivateKey::from_pem)
});

setter!(pub cmd_ssl_name, |directive| directive.set(|overrides| &mut overrides.ssl_name, parse::ssl_name));

setter!(pub cmd_require, |directive| {
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
});

setter!(pub cmd_realm, |directive| directive.set(|overrides| &mut overrides.realm, parse::realm));

/// A day, in milliseconds: nginx's timers have an upper limit.
const LONGEST: ngx_msec_t = 24 * 60 * 60 * 1000;

/// Parses a time with nginx's own setter, and rejects 0, because a call needs some time, and times above [`LONGEST`].
///
/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn cmd_time(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: C API: the arguments are passed on unchanged.
    let set = unsafe { ngx_conf_set_msec_slot(cf, command, conf) };
    if set != NGX_CONF_OK {
        return set;
    }
    // SAFETY: CONF: the command is from the table.
    let offset = unsafe { (*command).offset };
    // SAFETY: CONF: by the table, the offset of a slot of the structure.
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
