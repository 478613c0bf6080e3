//! Tests of the stand-ins themselves, which other tests depend on.

#![allow(unreachable_pub, reason = "modules that several programs share say what they offer them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

#[path = "mod.rs"]
mod standin;

#[path = "test/answers.rs"]
mod answers;
#[path = "test/client.rs"]
mod client;
#[path = "test/connections.rs"]
mod connections;
#[path = "test/cookies.rs"]
mod cookies;
#[path = "test/echoes.rs"]
mod echoes;
#[path = "test/faults.rs"]
mod faults;
#[path = "test/http2.rs"]
mod http2;
#[path = "test/outcomes.rs"]
mod outcomes;
#[path = "test/tls.rs"]
mod tls;
