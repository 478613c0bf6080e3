//! NGINX dynamic module that authenticates requests at the Authgear session resolver.
//!
//! The modules in reading order; each uses only what stands above it. ARCHITECTURE.md has the map.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

/// What one thread allocates the other one frees: with the C library's allocator each would lock the other's memory for it.
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
// The edge: the only unsafe code, and the only code that knows nginx.
#[allow(unsafe_code, reason = "nginx is written in C")]
pub mod nginx;
