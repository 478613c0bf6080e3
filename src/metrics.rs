//! Counters. Each worker updates a tally of its own, so that workers don't contend for cache lines; totals are sums over all
//! tallies. Counters only increase.

pub mod page;
pub mod render;
mod words;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::access::{CacheStatus, Ending};
use crate::freshness::Millis;
use crate::resolver::Outcome;
use crate::resolver::error::ResolveError;
use crate::session::answer::{AnswerError, Finding};

/// Workers whose numbers differ by a multiple of this share a tally.
const PLACES: usize = 64;

/// The upper bounds of the histogram buckets for call durations, in milliseconds.
pub const BUCKETS: [Millis; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// The result of a call: the answer's status, or the failure.
pub const CODES: [&str; 15] = [
    "2xx",
    "3xx",
    "401",
    "403",
    "429",
    "4xx",
    "500",
    "502",
    "503",
    "504",
    "5xx",
    "connect",
    "timeout",
    "closed",
    "malformed",
];

/// For calls that failed locally, and for statuses that don't exist.
const OTHER: usize = CODES.len();

/// Why a request that needed a call didn't get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// The resolver has failed, and its breaker is open.
    Breaker,
    /// The limit on calls in flight was reached.
    Overload,
    /// The client's share of that limit was reached.
    Client,
}

impl Skipped {
    pub const ALL: [Self; 3] = [Self::Breaker, Self::Overload, Self::Client];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Overload => "overload",
            Self::Client => "client",
        }
    }
}

/// The counters of all workers. Zeroed memory is valid, with all counters at zero.
#[repr(C)]
pub struct Metrics([Tally; PLACES]);

/// The counters of one worker.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Tally {
    requests: [AtomicU64; Ending::ALL.len()],
    cache: [AtomicU64; CacheStatus::ALL.len()],
    codes: [AtomicU64; CODES.len() + 1],
    skipped: [AtomicU64; Skipped::ALL.len()],
    buckets: [AtomicU64; BUCKETS.len() + 1],
    millis: AtomicU64,
}

/// Sums over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: [u64; Ending::ALL.len()],
    pub cache: [u64; CacheStatus::ALL.len()],
    pub codes: [u64; CODES.len() + 1],
    pub skipped: [u64; Skipped::ALL.len()],
    /// The number of calls in each duration bucket; the last bucket has no upper bound.
    pub buckets: [u64; BUCKETS.len() + 1],
    /// The total duration of all calls, in milliseconds.
    pub millis: u64,
}

impl Metrics {
    /// The tally of a worker.
    #[must_use]
    pub fn tally(&self, worker: u32) -> &Tally {
        &self.0[worker as usize % PLACES]
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for tally in &self.0 {
            add(&mut totals.requests, &tally.requests);
            add(&mut totals.cache, &tally.cache);
            add(&mut totals.codes, &tally.codes);
            add(&mut totals.skipped, &tally.skipped);
            add(&mut totals.buckets, &tally.buckets);
            totals.millis = totals.millis.wrapping_add(tally.millis.load(Ordering::Relaxed));
        }
        totals
    }
}

impl Tally {
    /// Counts a finished request that was resolved.
    pub fn request(&self, ending: Ending, cache: Option<CacheStatus>) {
        one_more(&self.requests[ending as usize]);
        if let Some(status) = cache {
            one_more(&self.cache[status as usize]);
        }
    }

    /// Counts a request that needs a call and doesn't get one.
    pub fn skip(&self, why: Skipped) {
        one_more(&self.skipped[why as usize]);
    }

    /// Counts a finished call.
    pub fn call(&self, outcome: &Outcome, took: Millis) {
        one_more(&self.codes[code(outcome)]);
        one_more(&self.buckets[BUCKETS.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS.len())]);
        self.millis.fetch_add(took, Ordering::Relaxed);
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn add(sums: &mut [u64], counts: &[AtomicU64]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
    }
}

fn code(outcome: &Outcome) -> usize {
    let word = match outcome.as_ref().map(|answer| &answer.finding) {
        Ok(Finding::Resolved(_)) => "2xx",
        Ok(Finding::Refused(refusal)) => status(refusal.status),
        Err(ResolveError::Answer(AnswerError::Status(code))) => status(*code),
        Err(error) => error.reason(),
    };
    CODES.iter().position(|code| *code == word).unwrap_or(OTHER)
}

fn status(code: u16) -> &'static str {
    match code {
        401 => "401",
        403 => "403",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => match code / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        },
    }
}

#[cfg(test)]
mod tests;
