//! What the fuzz targets do with their input: each has the module do something with it, and panics where that breaks a promise.
//!
//! No target is content with "it doesn't crash": each knows the right answer by a second, slower way, or what must hold of
//! it. libFuzzer drives them (`scripts/fuzz`), and an ordinary test replays their corpora and more (`tests/fuzz.rs`).

pub mod answer;
pub mod cache_key;
pub mod claims;
pub mod claims_damage;
pub mod codec;
pub mod credentials;
pub mod directives;
pub mod expiry;
pub mod identity_header;
pub mod lines;
pub mod policy;
pub mod question;
pub mod relay;
pub mod server;
pub mod store;
pub mod store_damage;

/// A target takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpora.
pub const TARGETS: [(&str, Target); 14] = [
    ("answer", answer::run),
    ("cache_key", cache_key::run),
    ("claims", claims::run),
    ("claims_damage", claims_damage::run),
    ("codec", codec::run),
    ("credentials", credentials::run),
    ("directives", directives::run),
    ("expiry", expiry::run),
    ("identity_header", identity_header::run),
    ("policy", policy::run),
    ("question", question::run),
    ("relay", relay::run),
    ("store", store::run),
    ("store_damage", store_damage::run),
];
