//! Integration tests: a real nginx, driven from outside over its ports, signals and log.

#![allow(
    clippy::disallowed_methods,
    reason = "the list guards nginx's event loop; tests block in threads of their own"
)]

mod backends;
mod framing;
mod harness;
mod harness_self;
mod identity_headers;
mod phases;
mod stage;
mod variables;

#[path = "../standin/mod.rs"]
mod standin;
