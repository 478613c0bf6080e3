//! The name under which an answer is shared: a keyed hash over everything that the resolver's answer depends on.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::credentials::Credentials;

/// Random, made once for as long as keys are to be comparable; without it nobody can tell which key a credential has.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Says which resolver is asked, and how: endpoint, origin, cookie prefix, and whom TLS is configured to believe, as a digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResolverId([u8; 32]);

impl ResolverId {
    /// Digests the parts; two lists of parts that differ have different digests.
    #[must_use]
    pub fn digest(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            update(&mut hasher, part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// For what keeps ids outside the process.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What the keys of one resolver are made with: the secret, bound to that resolver.
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

    /// A number for a user of the resolver's, from which nobody can tell who that is.
    #[must_use]
    pub fn user_number(&self, user: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // No credentials begin like this: they aren't that long.
        hasher.update(&[0xff; 4]);
        hasher.update(user);
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Two requests with the same key get the same answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// For what keeps keys outside the process, as the bytes that they are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Keys are as even as hashes already.
impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Takes the 64 bits of a [`CacheKey`] as the hash.
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

/// The fingerprint, the key's first 8 hex digits: enough to find credentials again in the log, too few to be the key.
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

/// The length goes first, so that no two sequences of parts are the same bytes.
fn update(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests;
