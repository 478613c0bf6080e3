//! Connections to the resolver: kept, shared, and replaced before anybody sees that one has died.

mod http2;
mod kept;
mod restart;

use super::harness::{Wire, send};
use super::stage::{SOON, Stage, assert_ending};
use super::standin::tls::Leaf;
use super::standin::{Fault, Pki, Resolver, Version};

#[track_caller]
fn assert_answered(stage: &Stage, wire: Wire) {
    assert_ending(&send(&stage.nginx, wire, stage.unique()), 200, "valid", "resolved");
}
