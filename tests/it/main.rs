//! Integration tests: a real nginx, driven from outside over its ports, signals and log.

#![allow(
    clippy::disallowed_methods,
    reason = "the list guards nginx's event loop; tests block in threads of their own"
)]

mod drop_in;
mod examples;
mod harness;
mod harness_self;
mod lifecycle;
mod memory;
mod panics;
mod rig;
mod secrets;
mod threads;
mod vanish;

#[path = "../standin/mod.rs"]
mod standin;
