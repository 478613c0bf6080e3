//! Connections to the resolver: kept, shared, and replaced before anybody sees that one has died.

mod http2;
mod kept;
mod restart;

use super::harness::{PATIENCE, Wire, send};
use super::live::{Live, assert_ending};
use super::standin::tls::Leaf;
use super::standin::{Fault, Pki, Resolver, Version};

#[track_caller]
fn assert_answered(live: &Live, wire: Wire) {
    assert_ending(&send(&live.nginx, wire, live.unique()), 200, "valid", "resolved");
}
