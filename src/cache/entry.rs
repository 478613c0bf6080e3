//! A cached answer in a worker's own cache.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::freshness::{Millis, Stamp};
use crate::resolver::Outcome;
use crate::session::Resolution;
use crate::session::answer::{Answer, Finding};

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) outcome: Arc<Outcome>,
    /// When the zone's entry was last touched.
    pub(super) touched: Arc<AtomicU64>,
}

impl Entry {
    pub(super) fn new(stamp: Stamp, resolution: Resolution, now: Millis) -> Self {
        let finding = Finding::Resolved(resolution);
        let outcome = Arc::new(Ok(Answer { finding, max_age: None, set_cookies: Vec::new() }));
        Self { stamp, outcome, touched: Arc::new(AtomicU64::new(now)) }
    }
}

/// The resolution in an outcome, if there is one.
pub(super) fn resolution(outcome: &Outcome) -> Option<&Resolution> {
    match outcome.as_ref().map(|answer| &answer.finding) {
        Ok(Finding::Resolved(resolution)) => Some(resolution),
        Ok(Finding::Refused(_)) | Err(_) => None,
    }
}
