//! What the machine or nginx runs out of: it costs the requests that need it, and nothing once there is enough again.

mod connections;
mod descriptors;
mod memory;
mod origins;

use super::harness::{Http1, Http2, PATIENCE, Request};
use super::live::{Live, assert_ending};
use super::standin::{Fault, Resolver};

/// A location that needs nothing but the module: no connection to a backend.
const HERE: &str = "location = /here { try_files \"\" =204; }";

fn here(request: Request) -> Request {
    Request { target: b"/here".into(), ..request }
}
