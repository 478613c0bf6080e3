//! L1: one worker's decoded answers, in a moka cache.
//!
//! Entries are reference-counted, so a hit copies nothing. The size is bounded in bytes. No expiry is configured in moka,
//! because `freshness` decides how old an answer may be.

use std::hash::BuildHasherDefault;

use moka::sync;

use super::entry::{Entry, resolution};
use crate::cache_key::{CacheKey, KeyHasher};

/// The approximate memory limit per worker.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// The memory that an entry uses besides its headers: the key twice, the stamp, counts and links.
const ENTRY_BYTES: usize = 256;
/// The memory that a header uses besides its bytes.
const HEADER_BYTES: usize = 64;
/// Disabled in a build for benchmarks.
const IS_IN_USE: bool = cfg!(not(feature = "without-l1"));

pub(super) struct Local(sync::Cache<CacheKey, Entry, BuildHasherDefault<KeyHasher>>);

impl Default for Local {
    fn default() -> Self {
        let cache = sync::Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|_: &CacheKey, entry: &Entry| weight(entry))
            .build_with_hasher(BuildHasherDefault::default());
        Self(cache)
    }
}

impl Local {
    #[must_use]
    pub(super) fn get(&self, key: &CacheKey) -> Option<Entry> {
        if IS_IN_USE { self.0.get(key) } else { None }
    }

    pub(super) fn insert(&self, key: CacheKey, entry: Entry) {
        if IS_IN_USE {
            self.0.insert(key, entry);
        }
    }
}

fn weight(entry: &Entry) -> u32 {
    let headers = resolution(&entry.outcome).and_then(|resolution| resolution.identity_headers());
    let bytes: usize = headers.map_or(0, |headers| {
        headers.iter().map(|header| HEADER_BYTES + header.name.len() + header.value.len()).sum()
    });
    u32::try_from(ENTRY_BYTES + bytes).unwrap_or(u32::MAX)
}
