//! The configuration structures of servers and locations.

use std::sync::Arc;

use nginx_sys::{ngx_flag_t, ngx_msec_t};

use super::others::Others;
use super::place::{Place, Places};
use crate::settings::{Overrides, Settings, StatusFormat};

/// The values that nginx's own setters expect before a directive is read; they remain if it isn't set.
pub(super) const UNSET_FLAG: ngx_flag_t = -1;
pub(super) const UNSET_MSEC: ngx_msec_t = ngx_msec_t::MAX;

/// One per server.
#[repr(C)]
pub struct ServerConf {
    pub strip_headers: ngx_flag_t,
    /// Where the block begins.
    pub(super) place: Option<Place>,
    /// Where the block with `underscores_in_headers on` begins, if that is in force.
    pub(super) underscores: Option<Place>,
}

/// One per location, and one for each enclosing level.
#[repr(C)]
pub struct LocationConf {
    // Written by nginx's own setters.
    pub connect_timeout: ngx_msec_t,
    pub timeout: ngx_msec_t,
    pub pass_set_cookie: ngx_flag_t,
    pub ssl_verify: ngx_flag_t,
    /// Everything else that is set at this level; after the merge, including what is inherited.
    pub overrides: Overrides,
    pub places: Places,
    /// Where the block begins.
    pub(super) place: Option<Place>,
    /// What other modules' directives at this level do with identity headers.
    pub(super) others: Others,
    /// `authgear_status`. Inner levels don't inherit it, as they inherit no content handler.
    pub status: Option<StatusFormat>,
    pub(super) merged: bool,
    pub(super) settings: Option<Arc<Settings>>,
}

impl Default for ServerConf {
    fn default() -> Self {
        Self { strip_headers: UNSET_FLAG, place: None, underscores: None }
    }
}

impl Default for LocationConf {
    fn default() -> Self {
        Self {
            connect_timeout: UNSET_MSEC,
            timeout: UNSET_MSEC,
            pass_set_cookie: UNSET_FLAG,
            ssl_verify: UNSET_FLAG,
            overrides: Overrides::default(),
            places: Places::default(),
            place: None,
            others: Others::default(),
            status: None,
            merged: false,
            settings: None,
        }
    }
}
