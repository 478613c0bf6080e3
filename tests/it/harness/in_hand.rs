//! How many requests nginx has in hand: read, and not answered.

use super::nginx::Nginx;
use super::{PATIENCE, http1, poll};

/// The location that tells of nginx's own counters; it has to be there for what follows.
pub(crate) const COUNTERS: &str =
    "location = /counters { authgear_resolve off; access_log off; stub_status; }";

impl Nginx {
    /// Requests in hand of all workers, apart from the one that asks. Those of a killed worker are counted for ever.
    #[track_caller]
    pub(crate) fn in_hand(&self) -> usize {
        let text = http1::get(self.port(), "/counters").text();
        let (_, writing) = text.split_once("Writing: ").expect("stub_status");
        let writing: usize = writing.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        writing - 1
    }

    /// Waits until exactly so many requests are in hand. With one worker those that are to wait do wait then: it
    /// counts a request, and has it wait, in one go of the event loop.
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
