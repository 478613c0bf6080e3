//! How many requests nginx is processing: read, but not yet answered.

use super::nginx::Nginx;
use super::{PATIENCE, http1, poll};

/// The location with nginx's own counters; the functions below need it.
pub(crate) const COUNTERS: &str =
    "location = /counters { authgear_resolve off; access_log off; stub_status; }";

impl Nginx {
    /// The requests that all workers are processing, without the one that asks. Those of a killed worker remain counted.
    #[track_caller]
    pub(crate) fn in_hand(&self) -> usize {
        let text = http1::get(self.port(), "/counters").text();
        let (_, writing) = text.split_once("Writing: ").expect("stub_status");
        let writing: usize = writing.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        writing - 1
    }

    /// Waits until exactly that many requests are being processed. With one worker, the requests that have to wait are waiting
    /// then: the worker counts a request and suspends it in the same turn of the event loop.
    #[track_caller]
    pub(crate) fn wait_until_in_hand(&self, requests: usize) {
        let mut last = 0;
        let counted = || {
            last = self.in_hand();
            (last == requests).then_some(())
        };
        assert!(poll(PATIENCE, counted).is_some(), "nginx has {last} requests in hand, and not {requests}");
    }
}
