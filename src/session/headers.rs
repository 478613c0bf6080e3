//! Headers for the backend, in the form in which they are added to a request.

use std::ops::Range;

use crate::identity_header::PREFIX;

/// Headers for the backend, in the resolver's order: lower-case names that start with `x-authgear-`, without duplicates and
/// without empty values.
///
/// They are built once and added to every request of the session, so the work is done in advance: all text is contiguous, to
/// be copied at once, and the names are hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// Names and values, each followed by a NUL.
    texts: Vec<u8>,
    places: Vec<Place>,
}

/// The position of a header in `texts`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: Range<usize>,
    value: Range<usize>,
    hash: usize,
}

/// The name of an identity header, without `PREFIX`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) short: &'a str,
    hash: usize,
}

impl<'a> Name<'a> {
    pub(super) const fn new(short: &'a str) -> Self {
        Self { short, hash: hash(PREFIX_HASH, short.as_bytes()) }
    }
}

/// An identity header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityHeader<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    /// The name's hash, as computed by nginx's `ngx_hash_key`, which nginx uses to compare names.
    pub hash: usize,
}

impl IdentityHeaders {
    pub(super) fn new(headers: &[(Name<'_>, &[u8])]) -> Self {
        let len = |(name, value): &(Name<'_>, &[u8])| PREFIX.len() + name.short.len() + value.len() + 2;
        let mut texts = Vec::with_capacity(headers.iter().map(len).sum());
        let places = headers.iter().map(|(name, value)| Place {
            name: add_text(&mut texts, &[PREFIX.as_bytes(), name.short.as_bytes()]),
            value: add_text(&mut texts, &[value]),
            hash: name.hash,
        });
        let places = places.collect();
        Self { texts, places }
    }

    /// The value of the header with this complete, lower-case name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|header| header.name == name.as_bytes()).map(|header| header.value)
    }

    /// The value of `x-authgear-NAME`. `_` in NAME stands for `-`, as in nginx's variable names.
    #[must_use]
    pub fn get_by_variable(&self, name: &[u8]) -> Option<&[u8]> {
        let same = |header: &IdentityHeader<'_>| {
            header.name.strip_prefix(PREFIX.as_bytes()).is_some_and(|rest| {
                rest.len() == name.len()
                    && rest
                        .iter()
                        .zip(name)
                        .all(|(&a, &b)| a == b.to_ascii_lowercase() || (a == b'-' && b == b'_'))
            })
        };
        self.iter().find(same).map(|header| header.value)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = IdentityHeader<'_>> {
        self.iter_in(&self.texts)
    }

    /// All names and values, each followed by a NUL, as nginx's parser leaves them for the client's headers.
    #[must_use]
    pub fn texts(&self) -> &[u8] {
        &self.texts
    }

    /// Iterates over the headers in a copy of [`Self::texts`].
    pub fn iter_in<'a>(&'a self, texts: &'a [u8]) -> impl Iterator<Item = IdentityHeader<'a>> {
        self.places.iter().filter_map(|Place { name, value, hash }| {
            let (name, value) = (texts.get(name.clone())?, texts.get(value.clone())?);
            Some(IdentityHeader { name, value, hash: *hash })
        })
    }
}

/// Appends a text in pieces, followed by a NUL.
fn add_text(texts: &mut Vec<u8>, pieces: &[&[u8]]) -> Range<usize> {
    let start = texts.len();
    for piece in pieces {
        texts.extend_from_slice(piece);
    }
    let end = texts.len();
    texts.push(0);
    start..end
}

const PREFIX_HASH: usize = hash(0, PREFIX.as_bytes());

/// Continues a hash, using nginx's hash function.
const fn hash(mut hash: usize, mut bytes: &[u8]) -> usize {
    while let [byte, rest @ ..] = bytes {
        hash = hash.wrapping_mul(31).wrapping_add(*byte as usize);
        bytes = rest;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> IdentityHeaders {
        IdentityHeaders::new(&[(Name::new("user-id"), b"alice"), (Name::new("user-roles"), b"a,b")])
    }

    #[test]
    fn texts_are_in_one_piece_and_end_with_a_nul_each() {
        assert_eq!(headers().texts(), b"x-authgear-user-id\0alice\0x-authgear-user-roles\0a,b\0");
        assert_eq!(headers().len(), 2);
        assert_eq!(headers().texts.capacity(), headers().texts.len());
    }

    #[test]
    fn headers_are_found_in_a_copy() {
        let (headers, copy) = (headers(), headers().texts().to_vec());
        let copied: Vec<_> = headers.iter_in(&copy).collect();
        assert_eq!(copied, headers.iter().collect::<Vec<_>>());
        assert!(copied.iter().all(|header| copy.as_ptr_range().contains(&header.value.as_ptr())));
        assert_eq!(headers.iter_in(b"x-authgear-user-id\0al").count(), 0);
    }

    #[test]
    fn names_have_the_hash_that_nginx_gives_them() {
        // The results of `ngx_hash_key` for these names with a 64-bit ngx_uint_t, truncated to this platform's usize.
        let hashes: Vec<_> = headers().iter().map(|header| header.hash).collect();
        assert_eq!(hashes, [0xdbc49da4c055167c_u64, 0xa5652749ee48fdbc].map(|hash| hash as usize));
    }

    #[test]
    fn variables_find_headers_as_nginx_names_them() {
        for name in ["user_id", "User_ID", "user-id"] {
            assert_eq!(headers().get_by_variable(name.as_bytes()), Some(&b"alice"[..]), "{name}");
        }
        for name in ["", "user", "user_idx", "user.id"] {
            assert_eq!(headers().get_by_variable(name.as_bytes()), None, "{name}");
        }
    }
}
