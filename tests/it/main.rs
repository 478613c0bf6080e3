//! Integration tests: a real nginx, driven from outside over its ports, signals and log.
//!
//! `harness` starts nginx and speaks to it. `stage` has what a test puts around an nginx: the stand-in resolver, a backend, and
//! users who ask. `live` is a stage with one nginx on it, which tells the client how each request ended.

#![allow(unreachable_pub, reason = "modules that several programs share say what they offer them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets the unexpected fails, and says what it met"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the list guards nginx's event loop; tests block in threads of their own"
)]

mod answers;
mod backends;
mod breaker;
mod caching;
mod coalescing;
mod connections;
mod directives;
mod documents;
mod drop_in;
mod event_methods;
mod examples;
mod exhaustion;
mod explain;
mod failures;
mod framing;
mod fuzz;
mod harness;
mod harness_self;
mod http3;
mod identity_headers;
mod key_confusion;
mod lifecycle;
mod live;
mod manual;
mod memory;
mod migration;
mod names;
mod panics;
mod phases;
mod require;
mod resolver_request;
mod secrets;
mod shortage;
mod stage;
mod status;
mod syscalls;
mod threads;
mod tls;
mod vanish;
mod variables;
mod workers;

#[path = "../standin/mod.rs"]
mod standin;
