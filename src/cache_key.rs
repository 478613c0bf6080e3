//! The cache key: a keyed hash over everything that the resolver's answer depends on.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::credentials::Credentials;

/// A random secret. Keys are comparable only under the same secret, and without it nobody can compute a credential's key.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Identifies a resolver and how it is called: a digest of endpoint, origin, cookie prefix, and the TLS trust settings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResolverId([u8; 32]);

impl ResolverId {
    /// Digests the parts. Different lists of parts have different digests.
    #[must_use]
    pub fn digest(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            update(&mut hasher, part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// For storing ids outside the process.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Makes the keys for one resolver: the secret, bound to that resolver.
#[derive(Clone)]
pub struct KeyMaker([u8; 32]);

impl KeyMaker {
    #[must_use]
    pub fn new(secret: &Secret, resolver: &ResolverId) -> Self {
        Self(*blake3::keyed_hash(&secret.0, &resolver.0).as_bytes())
    }

    #[must_use]
    pub fn key(&self, credentials: &Credentials) -> CacheKey {
        CacheKey(*blake3::keyed_hash(&self.0, credentials.as_bytes()).as_bytes())
    }

    /// A number for one of the resolver's users that doesn't reveal who it is.
    #[must_use]
    pub fn user_number(&self, user: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // No credentials start with these bytes: as a length, they exceed the limit.
        hasher.update(&[0xff; 4]);
        hasher.update(user);
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Requests with the same key get the same answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The raw bytes, for storing keys outside the process.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Keys are already uniformly distributed.
impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Uses the 64 bits that a [`CacheKey`] writes as the hash.
#[derive(Clone, Copy, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
}

/// The fingerprint: the first 8 hex digits of the key. Enough to recognize the same credentials in the log, but too short to
/// be used as the key.
impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

impl fmt::Debug for ResolverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResolverId")
    }
}

/// Prefixes the part with its length, so that different lists of parts never result in the same bytes.
fn update(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests;
