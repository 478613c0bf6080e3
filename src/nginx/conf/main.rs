//! What a configuration has once, and what its workers share.

use std::ptr::NonNull;
use std::sync::Arc;

use nginx_sys::ngx_shm_zone_t;
use once_cell::unsync::OnceCell;

use crate::nginx::bridge::Waker;
use crate::resolver::tls::Roots;
use crate::settings::ZoneId;

/// One per configuration.
#[derive(Default)]
pub struct MainConf {
    /// The system's root certificates, read when the first https resolver needs them.
    pub system_roots: OnceCell<Roots>,
    /// Whether any location resolves: then each worker needs its state.
    pub resolves: bool,
    /// The zones for sessions, by their `ZoneId`s.
    pub zones: Vec<ZoneConf>,
    /// The module's own zone.
    pub state_zone: Option<NonNull<ngx_shm_zone_t>>,
    /// What is the same for all workers, made before they are.
    pub generation: OnceCell<Generation>,
}

/// `authgear_cache_zone`.
pub struct ZoneConf {
    pub name: String,
    pub zone: NonNull<ngx_shm_zone_t>,
}

/// The workers of one configuration.
pub struct Generation {
    pub number: u32,
    /// Of each worker, by its number. Empty where the system has no descriptors left.
    pub wakers: Vec<Arc<Waker>>,
}

impl MainConf {
    /// The zone of this name.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<ZoneId> {
        self.zones.iter().position(|zone| zone.name == name).map(ZoneId)
    }
}
