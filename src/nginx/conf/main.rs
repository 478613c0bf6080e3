//! The per-configuration structure, and what the workers of a configuration share.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::Arc;

use nginx_sys::ngx_shm_zone_t;
use once_cell::unsync::OnceCell;

use super::client_abort::Flag;
use super::others::Slot;
use super::place::Place;
use crate::breaker::Breaker;
use crate::nginx::ffi::bridge::Waker;
use crate::resolver::target::Target;
use crate::resolver::tls::Roots;
use crate::settings::{Settings, ZoneId};

/// One per configuration.
#[derive(Default)]
pub struct MainConf {
    /// The system's root certificates, read when the first https resolver needs them.
    pub system_roots: OnceCell<Roots>,
    /// Whether any location resolves. If so, each worker needs its state.
    pub resolves: bool,
    /// The zones for sessions, indexed by `ZoneId`.
    pub zones: Vec<ZoneConf>,
    /// The resolvers of all locations, each with the settings of the first location that uses it.
    pub resolvers: Vec<KnownResolver>,
    /// The module's own zone.
    pub state_zone: Option<NonNull<ngx_shm_zone_t>>,
    /// Where other modules store the headers that they set.
    pub(super) slots: Vec<Slot>,
    /// Where other modules store the flag for ignoring that a client has left.
    pub(super) client_abort: Vec<Flag>,
    /// The advice that has been logged: subject and place.
    pub(super) advised: BTreeSet<(String, Place)>,
    /// What all workers share; created before they are forked.
    pub generation: OnceCell<Generation>,
}

/// A resolver that some location uses.
pub struct KnownResolver {
    pub target: Arc<Target>,
    pub breaker: Option<Breaker>,
}

impl KnownResolver {
    /// Its URL, and the origin that it is asked for.
    #[must_use]
    pub fn name(&self) -> (String, String) {
        (self.target.endpoint().to_string(), self.target.origin().to_string())
    }
}

/// `authgear_cache_zone`.
pub struct ZoneConf {
    pub name: String,
    pub zone: NonNull<ngx_shm_zone_t>,
    pub place: Option<Place>,
    /// Whether any level uses it.
    pub is_used: Cell<bool>,
}

/// The workers of one configuration.
pub struct Generation {
    pub number: u32,
    /// One per worker, by worker number. Empty if the system has run out of descriptors.
    pub wakers: Vec<Arc<Waker>>,
}

impl MainConf {
    /// Registers the resolver of a location.
    pub fn add(&mut self, settings: &Settings) {
        self.resolves = true;
        let id = settings.target.id();
        if self.resolvers.iter().all(|known| known.target.id() != id) {
            let target = Arc::clone(&settings.target);
            self.resolvers.push(KnownResolver { target, breaker: settings.breaker });
        }
    }

    /// Returns the zone of this name, and marks it as used.
    #[must_use]
    pub fn use_zone(&self, name: &str) -> Option<ZoneId> {
        let zone = self.zone(name)?;
        if let Some(conf) = self.zones.get(zone.0) {
            conf.is_used.set(true);
        }
        Some(zone)
    }

    /// The zone of this name.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<ZoneId> {
        self.zones.iter().position(|zone| zone.name == name).map(ZoneId)
    }
}
