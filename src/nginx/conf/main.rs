//! What a configuration has once, and what its workers share.

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
    /// Whether any location resolves: then each worker needs its state.
    pub resolves: bool,
    /// The zones for sessions, by their `ZoneId`s.
    pub zones: Vec<ZoneConf>,
    /// The resolvers of all locations, each as it is known to the first location that asks it.
    pub resolvers: Vec<KnownResolver>,
    /// The module's own zone.
    pub state_zone: Option<NonNull<ngx_shm_zone_t>>,
    /// Where other modules keep what they set headers to.
    pub(super) slots: Vec<Slot>,
    /// Where they keep whether a client that leaves is ignored.
    pub(super) client_abort: Vec<Flag>,
    /// The advice that has been given: its subject, and the place.
    pub(super) advised: BTreeSet<(String, Place)>,
    /// What is the same for all workers, made before they are.
    pub generation: OnceCell<Generation>,
}

/// A resolver that some location asks.
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
    /// Whether any level names it.
    pub is_used: Cell<bool>,
}

/// The workers of one configuration.
pub struct Generation {
    pub number: u32,
    /// Of each worker, by its number. Empty where the system has no descriptors left.
    pub wakers: Vec<Arc<Waker>>,
}

impl MainConf {
    /// Takes note of a resolver that a location asks.
    pub fn add(&mut self, settings: &Settings) {
        self.resolves = true;
        let id = settings.target.id();
        if self.resolvers.iter().all(|known| known.target.id() != id) {
            let target = Arc::clone(&settings.target);
            self.resolvers.push(KnownResolver { target, breaker: settings.breaker });
        }
    }

    /// The zone of this name, for a level that names it.
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
