//! Connections to the resolver: kept, shared, and replaced before anybody sees that one has died.

mod http2;
mod kept;
mod restart;

use super::harness::{PATIENCE, send};
use super::live::{Live, assert_ending};
use super::standin::tls::Leaf;
use super::standin::{Fault, Pki, Resolver, Version};
