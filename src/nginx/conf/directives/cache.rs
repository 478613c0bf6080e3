//! The directives of the cache.

use std::cell::Cell;
use std::ffi::{c_char, c_void};

use nginx_sys::{ngx_command_t, ngx_conf_t};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};

use super::read::{Directive, IS_DUPLICATE, parse_millis, parse_size, setter};
use crate::nginx::conf::key;
use crate::nginx::conf::main::{MainConf, ZoneConf};
use crate::nginx::conf::place::Place;
use crate::nginx::ffi::shm::zone;
use crate::nginx::zones::sessions;
use crate::settings::parse;

/// # Safety
/// For nginx to call.
pub unsafe extern "C" fn cmd_cache_zone(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::<MainConf>::read_as(cf, conf, |directive| {
        let argument = directive.argument.clone();
        let (name, size) = match parse::cache_zone(&argument) {
            Ok((name, size)) => (name, parse_size(size)),
            Err(complaint) => return directive.refuse(&argument, complaint),
        };
        let least = zone::min_bytes();
        let Some(size) = size else {
            return directive
                .refuse(&argument, "its size must be a number of bytes, with \"k\" or \"m\" for more");
        };
        if size < least {
            return directive.refuse(&argument, &format!("it is too small, the least is {}k", least / 1024));
        }
        if directive.conf.zone(name).is_some() {
            return directive.refuse(&argument, "there is a zone of this name already");
        }
        let Some(zone) = zone::declare(directive.cf, key::address(), name, size, sessions::on_init) else {
            return NGX_CONF_ERROR;
        };
        let place = Place::current(directive.cf);
        directive.conf.zones.push(ZoneConf { name: name.to_owned(), zone, place, is_used: Cell::new(false) });
        NGX_CONF_OK
    })
}

setter!(pub cmd_cache, |directive| {
    if directive.conf.places.cache.is_none() {
        directive.conf.places.cache = Place::current(directive.cf);
    }
    directive.set(|overrides| &mut overrides.cache, parse::cache)
});

setter!(pub cmd_cache_valid, |directive| {
    let arguments = directive.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let written = &mut directive.conf.overrides.cache_valid;
    let had_valid = written.valid.is_some();
    match parse::cache_valid(written, &arguments, parse_millis) {
        Ok(()) => {
            if written.valid.is_some() && !had_valid {
                directive.conf.places.cache_valid = Place::current(directive.cf);
            }
            NGX_CONF_OK
        }
        Err((argument, complaint)) => directive.refuse(argument, complaint),
    }
});

setter!(pub cmd_cache_use_stale, |directive| {
    if directive.conf.overrides.cache_use_stale.is_some() {
        return IS_DUPLICATE;
    }
    let arguments = directive.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match parse::cache_use_stale(&arguments, parse_millis) {
        Ok(windows) => {
            directive.conf.overrides.cache_use_stale = Some(windows);
            NGX_CONF_OK
        }
        Err((argument, complaint)) => directive.refuse(argument, complaint),
    }
});
