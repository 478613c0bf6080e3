//! The contents of the shared memory of each kind of zone.

#[cfg(feature = "fault-injection")]
pub mod model;
pub mod sessions;
pub mod state;
