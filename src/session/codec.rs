//! A compact encoding of resolutions for shared memory.
//!
//! The bytes read may have been written by another process, by another version, or only in part. So the decoder accepts any
//! bytes; its result is either a resolution that parsing an answer could have produced, or `None`.
//!
//! ```text
//! VERSION, kind, then for each header: code, [length, name after PREFIX], length, value
//! ```
//! A code is the position of a name in `KNOWN`, counted from 1. 0 is for all other names, and only those are spelled out.
//! Lengths are u16, little-endian. Each resolution has exactly one encoding, and nothing else decodes to it.

use super::answer::{MAX_IDENTITY_BYTES, SESSION_VALID, USER_ID};
use super::headers::Name;
use super::{IdentityHeaders, Resolution, Session};
use crate::identity_header::{PREFIX, is_exempt};

const VERSION: u8 = 1;

const NONE: u8 = 0;
const INVALID: u8 = 1;
const VALID: u8 = 2;

/// Names likely to occur in an answer, without `PREFIX`. Changing the list or its order requires a new `VERSION`.
static KNOWN: [Name<'static>; 9] = [
    Name::new("session-valid"),
    Name::new("user-id"),
    Name::new("user-anonymous"),
    Name::new("user-verified"),
    Name::new("user-roles"),
    Name::new("user-can-reauthenticate"),
    Name::new("session-amr"),
    Name::new("session-acr"),
    Name::new("session-authenticated-at"),
];
const SPELLED_OUT: u8 = 0;

/// The maximum length of an encoding. A header's code and lengths (at most 5 bytes) are shorter than its prefix, so the size
/// limit for headers also limits their encoding.
pub const MAX_ENCODED: usize = 2 + MAX_IDENTITY_BYTES;

/// Appends the encoding of a resolution.
pub fn encode(resolution: &Resolution, out: &mut Vec<u8>) {
    let kind = match resolution {
        Resolution::None => NONE,
        Resolution::Invalid(_) => INVALID,
        Resolution::Valid(_) => VALID,
    };
    let headers = resolution.identity_headers();
    // A header's code and lengths are shorter than its prefix and NULs.
    out.reserve(2 + headers.map_or(0, |headers| headers.texts().len()));
    out.extend([VERSION, kind]);
    for header in headers.into_iter().flat_map(IdentityHeaders::iter) {
        // Identity header names always start with the prefix.
        let name = header.name.strip_prefix(PREFIX.as_bytes()).unwrap_or_default();
        match code(name) {
            Some(code) => out.push(code),
            None => {
                out.push(SPELLED_OUT);
                put(name, out);
            }
        }
        put(header.value, out);
    }
}

/// Decodes a resolution. Returns `None` for anything that `encode` doesn't produce.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Resolution> {
    let [VERSION, kind, rest @ ..] = bytes else { return None };
    let headers = headers(rest)?;
    match (*kind, headers.get(SESSION_VALID), headers.get(USER_ID)) {
        (NONE, None, None) if headers.is_empty() => Some(Resolution::None),
        (INVALID, Some(b"false"), None) => Some(Resolution::Invalid(headers)),
        (VALID, Some(b"true"), Some(_)) => Some(Resolution::Valid(Session { headers })),
        _ => None,
    }
}

fn code(name: &[u8]) -> Option<u8> {
    let place = KNOWN.iter().position(|known| known.short.as_bytes() == name)?;
    u8::try_from(place + 1).ok()
}

/// A length beyond u16 exceeds the size limit for headers, and is rejected when decoding.
fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u16::from_le_bytes(*len).into())?;
    *rest = after;
    Some(bytes)
}

fn headers(mut rest: &[u8]) -> Option<IdentityHeaders> {
    let mut headers = Vec::with_capacity(if rest.is_empty() { 0 } else { KNOWN.len() });
    let mut names = Names::default();
    let mut size = 0;
    while let Some((&code, after)) = rest.split_first() {
        rest = after;
        let name = names.next(code, &mut rest)?;
        let value = take(&mut rest).filter(|value| is_value(value))?;
        size += PREFIX.len() + name.short.len() + value.len();
        if size > MAX_IDENTITY_BYTES {
            return None;
        }
        headers.push((name, value));
    }
    names.differ().then(|| IdentityHeaders::new(&headers))
}

/// The names read so far, to detect duplicates.
#[derive(Default)]
struct Names<'a> {
    /// One bit for each entry of `KNOWN`.
    known: u16,
    spelled_out: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// Reads the next header's name, without `PREFIX`.
    fn next(&mut self, code: u8, rest: &mut &'a [u8]) -> Option<Name<'a>> {
        if code == SPELLED_OUT {
            let name = str::from_utf8(take(rest)?).ok().filter(|name| is_other_name(name))?;
            self.spelled_out.push(name);
            return Some(Name::new(name));
        }
        let place = code - 1;
        let name = KNOWN.get(usize::from(place))?;
        let bit = 1 << place;
        let first = self.known & bit == 0;
        self.known |= bit;
        first.then_some(*name)
    }

    fn differ(mut self) -> bool {
        self.spelled_out.sort_unstable();
        self.spelled_out.windows(2).all(|pair| pair.first() != pair.last())
    }
}

/// Whether this is a name (without `PREFIX`) that an answer may contain and that has no code.
fn is_other_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && code(name.as_bytes()).is_none()
        && !is_exempt([PREFIX, name].concat().as_bytes())
}

/// RFC 9110 §5.5, as in `http::HeaderValue`.
fn is_value(value: &[u8]) -> bool {
    let is_allowed = |byte: u8| (byte == b'\t') | ((byte >= b' ') & (byte != 0x7f));
    // `fold` instead of `all`: a loop without an early exit is vectorized.
    !value.is_empty() && value.iter().fold(true, |so_far, &byte| so_far & is_allowed(byte))
}

#[cfg(test)]
mod tests;
