//! Times by how often they came, exact to three in a hundred.

use std::time::Duration;

/// Each power of two is divided in so many parts.
const PARTS: u64 = 32;

#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Histogram {
    pub(crate) fn add(&mut self, time: Duration) {
        let at = place(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.total += 1;
        self.longest = self.longest.max(time);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// The time that such a share of all, 0.99 for example, didn't exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut left = (self.total as f64 * share).ceil() as u64;
        for (at, count) in self.counts.iter().enumerate() {
            if left <= *count {
                return Duration::from_micros(upper(at as u64)).min(self.longest);
            }
            left -= count;
        }
        self.longest
    }
}

/// Where a number of microseconds is counted: exactly below `PARTS`, and then by its five bits after the first.
fn place(micros: u64) -> usize {
    let shift = micros.max(1).ilog2().saturating_sub(PARTS.ilog2());
    let place = u64::from(shift) * PARTS + (micros >> shift);
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The largest number that is counted there.
fn upper(place: u64) -> u64 {
    let shift = (place / PARTS).saturating_sub(1);
    ((place - shift * PARTS + 1) << shift) - 1
}
