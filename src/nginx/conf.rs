//! Configuration: directives, the structures that they fill, and the merging of levels.

pub mod place;
pub mod others;
pub mod client_abort;
pub mod location;
pub mod main;
pub mod key;
pub mod in_force;
pub mod advise;
pub mod merge;
pub mod levels;
pub mod directives;
