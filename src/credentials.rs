//! The parts of a request that Authgear would accept as credentials.
//!
//! The same bytes are sent to the resolver and used for the cache key. They are the client's own bytes, split at positions on
//! which all parsers agree, so the resolver can't find anything in them that the key doesn't cover.

mod claims;
mod expiry;
mod issuer;

use std::fmt;

use memchr::memchr;

/// The maximum total size. Authgear doesn't issue larger credentials, so they are invalid without a call.
pub const MAX_BYTES: usize = 16 * 1024;

/// The cookies that Authgear's session resolver reads. Its `http.cookie_prefix` is added in front of each name.
const COOKIES: [(&[u8], Kind); 3] = [
    (b"app_session", Kind::AppSession),
    (b"app_access_token", Kind::AppAccessToken),
    (b"session", Kind::Session),
];

/// A kind of credential. The discriminant is its bit in [`Kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bearer = 1,
    AppSession = 2,
    AppAccessToken = 4,
    Session = 8,
}

/// The kinds of credentials in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    const NAMES: [(Kind, &str); 4] = [
        (Kind::Bearer, "bearer"),
        (Kind::AppSession, "app_session"),
        (Kind::AppAccessToken, "app_access_token"),
        (Kind::Session, "session"),
    ];

    #[must_use]
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & kind as u8 != 0
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn insert(&mut self, kind: Kind) {
        self.0 |= kind as u8;
    }
}

/// The names joined by `,`, in the order in which Authgear tries them; `-` if there are none.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let presented = Self::NAMES.iter().filter(|(kind, _)| self.contains(*kind));
        for (position, (_, name)) in presented.enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// The credentials of a request, as sent to the resolver.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The length of the `Authorization` value (in [`PREFIX_BYTES`]), that value, and the `Cookie` value.
    bytes: Vec<u8>,
    kinds: Kinds,
}

const PREFIX_BYTES: usize = size_of::<u32>();

impl Credentials {
    /// The value of the `Authorization` field, including the scheme.
    #[must_use]
    pub fn authorization(&self) -> Option<&[u8]> {
        self.parts().map(|(authorization, _)| authorization).filter(|value| !value.is_empty())
    }

    /// The value of the `Cookie` field: the pairs that are credentials, in the client's order.
    #[must_use]
    pub fn cookie(&self) -> Option<&[u8]> {
        self.parts().map(|(_, cookie)| cookie).filter(|value| !value.is_empty())
    }

    #[must_use]
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Whether there is exactly one credential. There may be several of one kind; each pair counts.
    #[must_use]
    pub fn is_single(&self) -> bool {
        match (self.authorization(), self.cookie()) {
            (Some(_), None) => true,
            (None, Some(pairs)) => memchr(b';', pairs).is_none(),
            _ => false,
        }
    }

    /// Everything that is sent, in an unambiguous form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let (length, values) = self.bytes.split_first_chunk()?;
        values.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
    }
}

/// Never prints any bytes of the credentials, since the output may be logged.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.kinds)
    }
}

/// The credentials found in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    Nothing,
    /// More than [`MAX_BYTES`].
    TooLarge(Kinds),
    Credentials(Credentials),
}

impl Presented {
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        match self {
            Self::Nothing => Kinds::default(),
            Self::TooLarge(kinds) => *kinds,
            Self::Credentials(credentials) => credentials.kinds,
        }
    }
}

/// Finds the credentials in a request's header lines (name and value).
///
/// `Authorization` counts only if it is the first line of that name and its scheme is Bearer. Authgear splits it at the first
/// space and compares the scheme case-insensitively. Cookie pairs are split at `;` only, as in Go's `net/http`.
pub fn present<'a>(lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, cookie_prefix: &[u8]) -> Presented {
    let mut found = Found::default();
    for (name, value) in lines {
        if name.eq_ignore_ascii_case(b"cookie") {
            found.add_cookies(value, cookie_prefix);
        } else if name.eq_ignore_ascii_case(b"authorization") {
            found.add_authorization(value);
        }
    }
    found.present()
}

/// The credentials found so far. Their bytes are stored only up to [`MAX_BYTES`].
#[derive(Default)]
struct Found<'a> {
    authorization_seen: bool,
    authorization: &'a [u8],
    /// [`PREFIX_BYTES`] zeros and the pairs.
    cookie: Vec<u8>,
    kinds: Kinds,
    size: usize,
}

impl<'a> Found<'a> {
    fn add_authorization(&mut self, value: &'a [u8]) {
        if std::mem::replace(&mut self.authorization_seen, true) {
            return;
        }
        let value = trim(value);
        if is_bearer(value) && is_field_value(value) {
            self.kinds.insert(Kind::Bearer);
            self.size += value.len();
            self.authorization = value;
        }
    }

    fn add_cookies(&mut self, mut line: &[u8], prefix: &[u8]) {
        loop {
            let end = memchr(b';', line);
            let (pair, rest) = end.and_then(|end| line.split_at_checked(end)).unwrap_or((line, b""));
            self.add_pair(trim(pair), prefix);
            if end.is_none() {
                return;
            }
            line = rest.get(1..).unwrap_or_default();
        }
    }

    fn add_pair(&mut self, pair: &[u8], prefix: &[u8]) {
        let Some(kind) = cookie_kind(pair, prefix).filter(|_| is_field_value(pair)) else { return };
        self.kinds.insert(kind);
        let separator: &[u8] = if self.cookie.is_empty() { &[0; PREFIX_BYTES] } else { b"; " };
        self.size += pair.len() + if self.cookie.is_empty() { 0 } else { separator.len() };
        if self.size <= MAX_BYTES {
            self.cookie.reserve(separator.len() + pair.len());
            self.cookie.extend_from_slice(separator);
            self.cookie.extend_from_slice(pair);
        }
    }

    fn present(self) -> Presented {
        let Self { authorization, cookie, kinds, size, .. } = self;
        if kinds.is_empty() {
            return Presented::Nothing;
        }
        if size > MAX_BYTES {
            return Presented::TooLarge(kinds);
        }
        let bytes = if authorization.is_empty() {
            cookie
        } else {
            let length = u32::try_from(authorization.len()).unwrap_or(u32::MAX).to_le_bytes();
            [&length, authorization, cookie.get(PREFIX_BYTES..).unwrap_or_default()].concat()
        };
        Presented::Credentials(Credentials { bytes, kinds })
    }
}

/// Which of Authgear's cookies a pair is. Authgear reads a pair without `=` as an empty value, which is an invalid
/// credential.
fn cookie_kind(pair: &[u8], prefix: &[u8]) -> Option<Kind> {
    let pair = pair.strip_prefix(prefix)?;
    COOKIES.iter().find(|(name, _)| pair.strip_prefix(*name).is_some_and(ends_name)).map(|(_, kind)| *kind)
}

/// Whether the cookie's name ends here. Trailing spaces and tabs don't belong to the name.
fn ends_name(rest: &[u8]) -> bool {
    matches!(trim(rest).first(), None | Some(b'='))
}

fn is_bearer(value: &[u8]) -> bool {
    const SCHEME: &[u8] = b"bearer ";
    value.get(..SCHEME.len()).is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
}

/// RFC 9110 §5.5: a field value contains no control characters except tabs.
fn is_field_value(value: &[u8]) -> bool {
    // `fold` instead of `all`: a loop without an early exit is vectorized.
    value.iter().fold(true, |so_far, &byte| so_far & ((byte == b'\t') | ((byte >= b' ') & (byte != 0x7f))))
}

/// RFC 9110 §5.5 and Go's `textproto.TrimString`: spaces and tabs around a value don't belong to it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests;
