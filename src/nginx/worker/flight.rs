//! The data of a flight: who makes its call, and for what.

use std::sync::Arc;
use std::time::Duration;

use crate::breaker::{Breaker, Probe};
use crate::cache_key::CacheKey;
use crate::claims::ClaimId;
use crate::client::Client;
use crate::credentials::Kinds;
use crate::freshness::Millis;
use crate::resolver::question::Question;
use crate::resolver::target::Target;
use crate::settings::consequence::Consequence;
use crate::settings::{CacheSettings, Settings};
use crate::single_flight::Overload;

/// A request for a call.
pub struct Wanted<'a> {
    pub key: CacheKey,
    pub settings: &'a Settings,
    pub question: Question,
    /// How long the call may take.
    pub timeout: Duration,
    /// Whether it is for a session that was valid at the last call.
    pub is_renewal: bool,
}

/// Why no call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Overload(Overload),
    /// The resolver is failing.
    Breaker,
}

/// The data that is stored with a flight.
pub(super) struct Note {
    pub(super) course: Course,
    pub(super) target: Arc<Target>,
    /// The caches that will store its answer.
    pub(super) caches: Vec<CacheSettings>,
}

/// Who makes the call of a flight.
pub(super) enum Course {
    /// This worker.
    Called(Call),
    /// The worker that holds this claim.
    Followed(ClaimId),
}

/// A call made by this worker.
pub(super) struct Call {
    /// When it was sent.
    pub(super) asked: Millis,
    pub(super) kinds: Kinds,
    /// Whether the request has a single credential.
    pub(super) is_single: bool,
    pub(super) is_background: bool,
    pub(super) client: Client,
    pub(super) breaker: Option<Breaker>,
    /// Set if the breaker is open.
    pub(super) probe: Option<Probe>,
    pub(super) consequence: Consequence,
    /// `None` if the other workers can't be notified.
    pub(super) claim: Option<ClaimId>,
}

impl Note {
    pub(super) fn new(course: Course, settings: &Settings) -> Self {
        Self { course, target: Arc::clone(&settings.target), caches: settings.cache.into_iter().collect() }
    }

    pub(super) fn add(&mut self, cache: Option<CacheSettings>) {
        if let Some(cache) = cache.filter(|cache| !self.caches.contains(cache)) {
            self.caches.push(cache);
        }
    }
}
