//! `proxy_ignore_client_abort` and its kin: whether a request goes on although its client has left.
//!
//! The structures of those modules are private. As in `others`, their command tables say where the flag lies.

use super::others::{commands, modules};
use crate::nginx::ffi::request::{Request, bytes};
use nginx_sys::{
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MODULE, ngx_conf_set_flag_slot, ngx_conf_t, ngx_flag_t, ngx_uint_t,
};

/// How the names of the directives end, those of third-party modules too.
const DIRECTIVE: &[u8] = b"_ignore_client_abort";

/// Where a location's structure has the flag of such a directive.
pub(super) struct Flag {
    ctx_index: ngx_uint_t,
    offset: ngx_uint_t,
}

/// Looks the directives up in the command tables.
#[must_use]
pub(super) fn flags(cf: &ngx_conf_t) -> Vec<Flag> {
    let setter = ngx_conf_set_flag_slot as *const () as usize;
    let http = modules(cf).filter(|module| module.type_ == NGX_HTTP_MODULE as ngx_uint_t);
    let flags = http.flat_map(|module| {
        let ours = commands(module).filter(move |command| {
            let is_flag = command.set.is_some_and(|set| set as *const () as usize == setter);
            is_flag && command.conf == NGX_HTTP_LOC_CONF_OFFSET && bytes(&command.name).ends_with(DIRECTIVE)
        });
        ours.map(|command| Flag { ctx_index: module.ctx_index, offset: command.offset })
    });
    flags.collect()
}

impl Flag {
    #[must_use]
    pub(super) fn is_on(&self, r: Request) -> bool {
        let conf = r.location_structure(self.ctx_index);
        if conf.is_null() {
            return false;
        }
        // SAFETY: COMMANDS: the table has the offset for the setter, which takes what is there for a flag.
        let flag = unsafe { conf.byte_add(self.offset) }.cast::<ngx_flag_t>();
        // SAFETY: as above; after the merge nothing writes to it.
        unsafe { flag.read() == 1 }
    }
}
