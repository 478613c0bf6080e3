//! Compares claims with a naive model under random events: in any order, each follower gets the outcome that its leader
//! landed, or nothing. Tests run both in memory of their own; the module for fault injection runs them in the shared memory
//! of a real worker (`nginx::shm::model`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, wherever they run"
)]

mod basics;
mod world;

use proptest::prelude::*;

use super::*;
use crate::blocks::BLOCK_BYTES;
use world::{KEYS, WORKERS};

pub use crate::store::model::key;
pub use basics::{ROOMY, SMALL, assert_all_free, collect, follow, lead, slots, worker};
pub use world::{Event, compare, compare_until_all_came, stir};

/// An event with few workers and few keys.
pub fn event() -> impl Strategy<Value = Event> {
    let (slot, name, timeout, pick) = (0..WORKERS, 0..KEYS, 1..3_000u64, any::<usize>());
    prop_oneof![
        6 => (slot.clone(), name.clone(), timeout.clone())
            .prop_map(|(slot, name, timeout)| Event::Join { slot, name, timeout }),
        1 => (slot.clone(), name, timeout)
            .prop_map(|(slot, name, timeout)| Event::Lead { slot, name, timeout }),
        3 => (pick, 0..900usize).prop_map(|(pick, len)| Event::Land { pick, len }),
        1 => pick.prop_map(|pick| Event::Abandon { pick }),
        1 => slot.prop_map(|slot| Event::AbandonAll { slot }),
        4 => pick.prop_map(|pick| Event::Collect { pick }),
        1 => pick.prop_map(|pick| Event::Forsake { pick }),
        2 => (0..1_500u64).prop_map(|time| Event::Pass { time }),
    ]
}
