//! `proxy_ignore_client_abort` and the like: whether a request continues although its client has left.
//!
//! The structures of those modules are private. As in `others`, their command tables give the position of the flag.

use super::others::{commands, modules};
use crate::nginx::ffi::request::{Request, bytes};
use nginx_sys::{
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MODULE, ngx_conf_set_flag_slot, ngx_conf_t, ngx_flag_t, ngx_uint_t,
};

/// The suffix of the directives' names, including those of third-party modules.
const DIRECTIVE: &[u8] = b"_ignore_client_abort";

/// The position of such a directive's flag in the structure of a location.
pub(super) struct Flag {
    ctx_index: ngx_uint_t,
    offset: ngx_uint_t,
}

/// Finds the directives in the command tables.
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
        // SAFETY: COMMANDS: the table gives this offset to the setter, which writes a flag there.
        let flag = unsafe { conf.byte_add(self.offset) }.cast::<ngx_flag_t>();
        // SAFETY: as above; nothing writes to it after the merge.
        unsafe { flag.read() == 1 }
    }
}
