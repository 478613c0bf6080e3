//! What became of all requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::histogram::Histogram;

/// So many of what must not be are told in full.
const TOLD: usize = 20;

/// An answer that didn't come, of a connection to a worker that may have been killed.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) pid: i32,
    pub(crate) at: Instant,
    pub(crate) why: String,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) answers: u64,
    /// By what came of it.
    pub(crate) by_ending: BTreeMap<String, u64>,
    pub(crate) latency: BTreeMap<String, Histogram>,
    /// Sent again: the connection was closed by a reload at the moment that they were sent.
    pub(crate) retried: u64,
    pub(crate) connections: u64,
    pub(crate) wrong: u64,
    pub(crate) told: Vec<String>,
    /// 502 and 504 at a time when no resolver had a fault.
    pub(crate) unexpected: u64,
    pub(crate) losses: Vec<Loss>,
    /// Old answers that were given in an outage while there was no IPv6, and requests that failed in it.
    pub(crate) stale_without_ipv6: u64,
    pub(crate) failed_without_ipv6: u64,
}

impl Tally {
    pub(crate) fn answered(&mut self, class: &str, ending: &str, time: Duration) {
        self.answers += 1;
        // An entry would copy the key each time.
        match self.by_ending.get_mut(ending) {
            Some(count) => *count += 1,
            None => drop(self.by_ending.insert(ending.to_owned(), 1)),
        }
        match self.latency.get_mut(class) {
            Some(histogram) => histogram.add(time),
            None => self.latency.entry(class.to_owned()).or_default().add(time),
        }
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.wrong += 1;
        self.tell(format!("wrong: {what}"));
    }

    pub(crate) fn unexpected(&mut self, what: String) {
        self.unexpected += 1;
        self.tell(format!("failed without a fault: {what}"));
    }

    fn tell(&mut self, what: String) {
        if self.told.len() < TOLD {
            self.told.push(what);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.answers += other.answers;
        self.retried += other.retried;
        self.connections += other.connections;
        self.wrong += other.wrong;
        self.unexpected += other.unexpected;
        self.stale_without_ipv6 += other.stale_without_ipv6;
        self.failed_without_ipv6 += other.failed_without_ipv6;
        for (ending, count) in other.by_ending {
            *self.by_ending.entry(ending).or_default() += count;
        }
        for (class, histogram) in other.latency {
            self.latency.entry(class).or_default().merge(&histogram);
        }
        other.told.into_iter().for_each(|what| self.tell(what));
        self.losses.extend(other.losses);
    }
}
