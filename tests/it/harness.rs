//! The base of every integration test: nginx instances of its own, and HTTP clients which can misbehave.
//!
//! A test starts any number of instances, talks to them, and calls [`Nginx::finish`], which fails the test if nginx did not
//! end by itself or logged something unexpected. All calls block: tests are plain threads.
//!
//! The environment can change what is run, never what is tested:
//!
//! | variable | meaning |
//! |---|---|
//! | `AUTHGEAR_MODULE` | path of the module; needed by every instance that loads it |
//! | `AUTHGEAR_NGINX` | the nginx to start instead of the one on `PATH` |
//! | `AUTHGEAR_NGINX_RUNNER` | a command to start nginx under, split at spaces, such as `valgrind -q` |
//! | `AUTHGEAR_HTTP3_CURL` | a curl that knows HTTP/3, without which that is not tested |
//! | `AUTHGEAR_TEST_SLOW` | a factor for every timeout |
//! | `AUTHGEAR_TEST_KEEP` | keep the folders of the instances, to look at afterwards |
//! | `AUTHGEAR_TEST_SEED` | repeats the choice and the order of requests that a test of `key_confusion` has printed |
//! | `AUTHGEAR_TEST_MATRIX` | `all`: everything that `key_confusion` could choose, which takes minutes |
//! | `AUTHGEAR_FUZZ_SECONDS`, `AUTHGEAR_FUZZ_INPUTS` | how long, or for how many inputs, the test in `fuzz` goes on; its seed is `AUTHGEAR_TEST_SEED` |
//! | `AUTHGEAR_TEST_GARBAGE` | how many requests each flood of `exhaustion` has |

#![allow(dead_code, unused_imports, reason = "an offer to the topics: each takes the part that it needs")]

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod documented;
pub(crate) mod echo;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod http3;
pub(crate) mod in_hand;
pub(crate) mod lifecycle;
pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod network;
pub(crate) mod nginx;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod reload;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod wire;

pub(crate) use check::{Check, Place, assert_refused};
pub(crate) use config::Builder;
pub(crate) use documented::{Documented, documented_auth_request};
pub(crate) use echo::EchoReply;
pub(crate) use http1::Http1;
pub(crate) use http2::Http2;
pub(crate) use in_hand::COUNTERS;
pub(crate) use log::Mark;
pub(crate) use message::{Request, Response, to};
pub(crate) use nginx::Nginx;
pub(crate) use ports::free_port;
pub(crate) use rustix::process::Signal;
pub(crate) use tls::Tls;
pub(crate) use wire::{Wire, burst, for_each_wire, in_background, send, try_send};

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that should take no time: long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A timeout, stretched for slow runners such as valgrind.
pub(crate) fn stretched(timeout: Duration) -> Duration {
    let factor = std::env::var("AUTHGEAR_TEST_SLOW").ok();
    let factor = factor.map_or(1.0, |f| f.parse().expect("AUTHGEAR_TEST_SLOW is a number"));
    timeout.mul_f64(factor)
}

/// Polls until there is an answer, for processes and log files, which provide no event to wait for.
pub(crate) fn poll<T>(timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + stretched(timeout);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
