//! What is being done to the servers, as the clients need to know it to judge what they meet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time of a whole resolver call in the site, and of its breaker after the last failure. So long the end of a fault may
/// be felt: a call that had begun in it fails at the end of its time.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
pub(crate) const FAIL_TIMEOUT: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_millis(500);

pub(crate) struct Weather {
    started: Instant,
    fault: AtomicBool,
    /// In ms after the start.
    fault_ended: AtomicU64,
    /// Odd while nginx reads its configuration anew.
    reloads: AtomicU64,
    /// The first resolver is away while there is no IPv6.
    ipv6_outage: AtomicBool,
    over: AtomicBool,
}

impl Weather {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            fault: AtomicBool::new(false),
            fault_ended: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            ipv6_outage: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn fault_begins(&self) {
        self.fault.store(true, Ordering::SeqCst);
    }

    pub(crate) fn fault_ends(&self) {
        self.fault_ended.store(self.ms(Instant::now()).max(1), Ordering::SeqCst);
        self.fault.store(false, Ordering::SeqCst);
    }

    /// Whether a request that was sent then may fail because of a resolver.
    pub(crate) fn explains_failure(&self, sent: Instant) -> bool {
        let felt = CALL_TIMEOUT + FAIL_TIMEOUT + SLACK;
        let ended = self.fault_ended.load(Ordering::SeqCst);
        self.fault.load(Ordering::SeqCst)
            || ended != 0
                && self.ms(sent) <= ended.saturating_add(u64::try_from(felt.as_millis()).unwrap_or(0))
    }

    /// What reloads have come to. To be read before a connection is made.
    pub(crate) fn generation(&self) -> u64 {
        self.reloads.load(Ordering::SeqCst)
    }

    /// Whether a connection of that time may be to a worker that is on its way out.
    pub(crate) fn may_be_leaving(&self, generation: u64) -> bool {
        generation % 2 == 1 || generation != self.generation()
    }

    /// Before the signal, and once the new workers are there and the old ones accept no more.
    pub(crate) fn reload_turns(&self) {
        self.reloads.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn set_ipv6_outage(&self, is_on: bool) {
        self.ipv6_outage.store(is_on, Ordering::SeqCst);
    }

    pub(crate) fn is_ipv6_outage(&self) -> bool {
        self.ipv6_outage.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
