//! NGINX dynamic module that authenticates requests with the Authgear session resolver.
//!
//! The modules are in reading order: each uses only those above it. See ARCHITECTURE.md for an overview.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

/// Memory is often allocated by one thread and freed by the other; with the C library's allocator the threads would contend
/// for locks.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Values: plain data, no I/O.
pub mod identity_header;
pub mod session;
pub mod credentials;
pub mod cache_key;
pub mod endpoint;
pub mod policy;
pub mod freshness;
pub mod client;
// Mechanisms.
pub mod links;
pub mod blocks;
pub mod store;
pub mod claims;
pub mod breaker;
pub mod single_flight;
pub mod resolver;
pub mod cache;
// Decisions.
pub mod settings;
pub mod access;
pub mod metrics;
// The edge: the only unsafe code, and the only code that knows about nginx.
#[allow(unsafe_code, reason = "nginx is written in C")]
pub mod nginx;
