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

/// Says which resolver is asked, and how: endpoint, origin, cookie prefix and TLS identity, as a digest.
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
}

/// Two requests with the same key get the same answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    #[must_use]
    pub fn new(secret: &Secret, resolver: &ResolverId, credentials: &Credentials) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&secret.0);
        hasher.update(&resolver.0);
        update(&mut hasher, credentials.authorization().unwrap_or_default());
        update(&mut hasher, credentials.cookie().unwrap_or_default());
        Self(*hasher.finalize().as_bytes())
    }

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

/// The key's first 8 hex digits: enough to find a flight again in the log, too few to be the key.
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
mod tests {
    use super::*;
    use crate::credentials::{Presented, present};
    use proptest::prelude::*;

    fn key(secret: u8, resolver: &[&[u8]], authorization: &str, cookie: &str) -> Option<CacheKey> {
        let lines = [(&b"authorization"[..], authorization.as_bytes()), (b"cookie", cookie.as_bytes())];
        match present(lines, b"") {
            Presented::Credentials(found) => {
                Some(CacheKey::new(&Secret::new([secret; 32]), &ResolverId::digest(resolver), &found))
            }
            _ => None,
        }
    }

    #[test]
    fn every_part_changes_the_key() {
        let base = key(1, &[b"http://a", b""], "Bearer a", "session=b");
        for other in [
            key(2, &[b"http://a", b""], "Bearer a", "session=b"),
            key(1, &[b"http://", b"a"], "Bearer a", "session=b"),
            key(1, &[b"http://a"], "Bearer a", "session=b"),
            key(1, &[b"http://a", b""], "bearer a", "session=b"),
            key(1, &[b"http://a", b""], "Bearer a", "session=c"),
            key(1, &[b"http://a", b""], "", "session=b"),
            key(1, &[b"http://a", b""], "Bearer a", ""),
            key(1, &[b"http://a", b""], "Bearer a", "app_session=b"),
        ] {
            assert!(other.is_some());
            assert_ne!(base, other);
        }
        assert_eq!(base, key(1, &[b"http://a", b""], "Bearer a", "x=y; session=b"));
    }

    #[test]
    fn text_forms_show_a_fingerprint_only() {
        let key = CacheKey([0xab; 32]);
        assert_eq!((format!("{key}"), format!("{key:?}")), ("abababab".into(), "CacheKey(abababab)".into()));
    }

    proptest! {
        /// Two requests that the resolver could tell apart never share a key: what is sent is what is keyed.
        #[test]
        fn what_is_sent_differently_is_keyed_differently(
            a in "(Bearer [ab]{0,3})?", b in "((session|app_session)=[ab;]{0,3}(; )?){0,2}",
            c in "(Bearer [ab]{0,3})?", d in "((session|app_session)=[ab;]{0,3}(; )?){0,2}",
        ) {
            let lines = |authorization: &str, cookie: &str| {
                present([(&b"authorization"[..], authorization.as_bytes()), (b"cookie", cookie.as_bytes())], b"")
            };
            if let (Some(one), Some(two)) = (key(1, &[], &a, &b), key(1, &[], &c, &d)) {
                prop_assert_eq!(one == two, lines(&a, &b) == lines(&c, &d));
            }
        }
    }
}
