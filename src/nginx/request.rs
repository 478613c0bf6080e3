//! One request: its phases, and its state.

pub mod explain;
pub mod phases;
pub mod report;
pub mod resolve;
pub mod state;
pub mod status;
pub mod strip;
pub mod suspend;
pub mod variables;
pub mod verdict;
