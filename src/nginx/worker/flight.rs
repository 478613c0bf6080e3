//! What is known of a flight: who makes its call, and what for.

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

/// A call that is wanted.
pub struct Wanted<'a> {
    pub key: CacheKey,
    pub settings: &'a Settings,
    pub question: Question,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it is for a session that was valid when it was last looked at.
    pub is_renewal: bool,
}

/// Why there is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Overload(Overload),
    /// The resolver fails.
    Breaker,
}

/// What is noted with a flight.
pub(super) struct Note {
    pub(super) course: Course,
    pub(super) target: Arc<Target>,
    /// Where its answer is to be kept.
    pub(super) caches: Vec<CacheSettings>,
}

/// Who makes the call of a flight.
pub(super) enum Course {
    /// This worker.
    Called(Call),
    /// The one that holds this claim.
    Followed(ClaimId),
}

/// A call of this worker's.
pub(super) struct Call {
    /// When it was sent.
    pub(super) asked: Millis,
    pub(super) kinds: Kinds,
    /// Whether there is one credential only.
    pub(super) is_single: bool,
    pub(super) is_background: bool,
    pub(super) client: Client,
    pub(super) breaker: Option<Breaker>,
    /// Where the breaker is open.
    pub(super) probe: Option<Probe>,
    pub(super) consequence: Consequence,
    /// `None` where the other workers can't be told of it.
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
