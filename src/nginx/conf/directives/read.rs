//! Reads the arguments of a directive, and stores their values in the configuration of its level.

use std::ffi::{c_char, c_void};
use std::path::Path;

use nginx_sys::{
    NGX_OK, ngx_conf_full_name, ngx_conf_t, ngx_int_t, ngx_parse_size, ngx_parse_time, ngx_str_t,
};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};

use crate::endpoint::Complaint;
use crate::nginx::conf::location::LocationConf;
use crate::nginx::ffi::callback::{Site, contain};
use crate::nginx::ffi::log::refuse_configuration;
use crate::resolver::tls::TlsError;
use crate::settings::Overrides;

/// nginx logs this after `"authgear_..." directive`.
pub const IS_DUPLICATE: *mut c_char = c"is duplicate".as_ptr().cast_mut();

/// The directive that nginx is reading: its name, its arguments, and the configuration of its level so far.
pub struct Directive<'a, C = LocationConf> {
    pub cf: &'a mut ngx_conf_t,
    pub conf: &'a mut C,
    pub name: String,
    /// The first argument, for most directives the only one; empty if there is none.
    pub argument: String,
    pub has_argument: bool,
    pub others: Vec<String>,
}

/// Defines the setter of a directive for locations.
macro_rules! setter {
    ($visibility:vis $name:ident, $set:expr) => {
        /// # Safety
        /// For nginx to call.
        $visibility unsafe extern "C" fn $name(
            cf: *mut nginx_sys::ngx_conf_t,
            _: *mut nginx_sys::ngx_command_t,
            conf: *mut std::ffi::c_void,
        ) -> *mut std::ffi::c_char {
            $crate::nginx::conf::directives::read::Directive::read(cf, conf, $set)
        }
    };
}
pub(crate) use setter;

impl<C> Directive<'_, C> {
    /// Runs a setter. If it panics, the configuration is rejected. `C` must match the `conf` field in the command table.
    pub(in crate::nginx) fn read_as(
        cf: *mut ngx_conf_t,
        conf: *mut c_void,
        set: impl FnOnce(Directive<'_, C>) -> *mut c_char,
    ) -> *mut c_char {
        // SAFETY: CONF: nginx passes the configuration that it reads.
        let Some(cf) = (unsafe { cf.as_mut() }) else { return NGX_CONF_ERROR };
        // SAFETY: CONF: nginx passes the structure of the level; by `conf` in the command table it is a `C`.
        let Some(conf) = (unsafe { conf.cast::<C>().as_mut() }) else { return NGX_CONF_ERROR };
        let done = contain(Site::Directive, None, || {
            let Some((name, argument, others)) = words(cf) else { return Some(NGX_CONF_ERROR) };
            let (has_argument, argument) = (argument.is_some(), argument.unwrap_or_default());
            Some(set(Directive { cf, conf, name, argument, has_argument, others }))
        });
        done.unwrap_or_else(|| {
            refuse_configuration(
                cf,
                format_args!("internal error in the authgear module, see the [alert] line above"),
            );
            NGX_CONF_ERROR
        })
    }

    /// Rejects an argument.
    pub fn refuse(self, argument: &str, complaint: &str) -> *mut c_char {
        let name = &self.name;
        let why = format_args!("invalid parameter \"{argument}\" in \"{name}\" directive, {complaint}");
        refuse_configuration(self.cf, why);
        NGX_CONF_ERROR
    }

    /// All arguments.
    pub fn arguments(&self) -> Vec<String> {
        std::iter::once(&self.argument).chain(&self.others).cloned().collect()
    }
}

impl Directive<'_> {
    /// The same for a directive of a location.
    pub(in crate::nginx) fn read(
        cf: *mut ngx_conf_t,
        conf: *mut c_void,
        set: impl FnOnce(Directive<'_>) -> *mut c_char,
    ) -> *mut c_char {
        Self::read_as(cf, conf, set)
    }

    /// Parses the argument and stores its value; a second use at the same level is an error.
    pub fn set<T>(
        self,
        place: fn(&mut Overrides) -> &mut Option<T>,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> *mut c_char {
        let slot = place(&mut self.conf.overrides);
        if slot.is_some() {
            return IS_DUPLICATE;
        }
        match parse(&self.argument) {
            Ok(value) => {
                *slot = Some(value);
                NGX_CONF_OK
            }
            Err(complaint) => {
                let (name, argument) = (&self.name, &self.argument);
                let why = format_args!("invalid value \"{argument}\" in \"{name}\" directive, {complaint}");
                refuse_configuration(self.cf, why);
                NGX_CONF_ERROR
            }
        }
    }

    /// Reads the file that the argument names, and stores the parsed content. `parse` gets its bytes and its path.
    pub fn set_from_file<T>(
        self,
        place: fn(&mut Overrides) -> &mut Option<T>,
        parse: impl FnOnce(&[u8], &str) -> Result<T, TlsError>,
    ) -> *mut c_char {
        let slot = place(&mut self.conf.overrides);
        if slot.is_some() {
            return IS_DUPLICATE;
        }
        let Some(path) = full_name(self.cf, &self.argument) else { return NGX_CONF_ERROR };
        let read = read_file(&path).map_err(|error| format!("it can't be read: {error}"));
        match read.and_then(|bytes| parse(&bytes, &path).map_err(|error| error.to_string())) {
            Ok(value) => {
                *slot = Some(value);
                NGX_CONF_OK
            }
            Err(complaint) => {
                let name = &self.name;
                let why = format_args!("invalid file \"{path}\" in \"{name}\" directive, {complaint}");
                refuse_configuration(self.cf, why);
                NGX_CONF_ERROR
            }
        }
    }
}

/// The words of the directive that nginx is reading: its name, its first argument, and the others. nginx checks their
/// number before it calls a setter.
fn words(cf: &mut ngx_conf_t) -> Option<(String, Option<String>, Vec<String>)> {
    // SAFETY: CONF: the array of the directive's words.
    let args = unsafe { cf.args.as_ref() }?;
    // SAFETY: CONF: its elements are strings.
    let args = unsafe { args.as_slice::<ngx_str_t>() };
    let name = args.first()?.to_string();
    let arguments: Result<Vec<_>, _> =
        args.iter().skip(1).map(|word| word.to_str().map(str::to_owned)).collect();
    let Ok(mut arguments) = arguments else {
        refuse_configuration(
            cf,
            format_args!("invalid value in \"{name}\" directive, it is not valid UTF-8"),
        );
        return None;
    };
    let others = arguments.split_off(1.min(arguments.len()));
    Some((name, arguments.pop(), others))
}

/// Resolves a path relative to the configuration's folder, as nginx does for certificates.
fn full_name(cf: &mut ngx_conf_t, path: &str) -> Option<String> {
    // SAFETY: CONF: a configuration has a pool while it is read.
    let mut name = unsafe { ngx_str_t::from_bytes(cf.pool, path.as_bytes()) }?;
    // SAFETY: C API: the name is in the pool, and is replaced by one in the cycle's pool.
    let done = unsafe { ngx_conf_full_name(cf.cycle, &raw mut name, 1) };
    if done == NGX_OK as ngx_int_t { name.to_str().ok().map(str::to_owned) } else { None }
}

#[allow(clippy::disallowed_methods, reason = "the master reads files at configuration time, as nginx does")]
fn read_file(path: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(Path::new(path))
}

/// Parses a time as nginx does, in seconds.
pub fn parse_time(text: &str) -> Option<u64> {
    let mut text = nginx_string(text);
    // SAFETY: C API: it only reads the text.
    u64::try_from(unsafe { ngx_parse_time(&raw mut text, 1) }).ok()
}

/// Parses a time as nginx does, in milliseconds.
pub fn parse_millis(text: &str) -> Option<u64> {
    let mut text = nginx_string(text);
    // SAFETY: C API: it only reads the text.
    u64::try_from(unsafe { ngx_parse_time(&raw mut text, 0) }).ok()
}

/// Parses a size as nginx does, in bytes.
pub fn parse_size(text: &str) -> Option<usize> {
    let mut text = nginx_string(text);
    // SAFETY: C API: it only reads the text.
    usize::try_from(unsafe { ngx_parse_size(&raw mut text) }).ok()
}

fn nginx_string(text: &str) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}
