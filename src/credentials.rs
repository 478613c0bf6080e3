//! What of a request Authgear would accept as proof of identity.
//!
//! One value is both what is sent to the resolver and what is keyed: it is made of the client's own bytes, cut at
//! places on which every parser agrees, so the resolver can't find anything in it that the key doesn't cover.

use std::fmt;

/// More than this in all can't be a credential that Authgear issued; such a request is invalid without a call.
pub const MAX_BYTES: usize = 16 * 1024;

/// The cookies that Authgear's session resolver reads; its `http.cookie_prefix` goes before each name.
const COOKIES: [(&[u8], Kind); 3] = [
    (b"app_session", Kind::AppSession),
    (b"app_access_token", Kind::AppAccessToken),
    (b"session", Kind::Session),
];

/// A kind of credential; the discriminant is its bit in [`Kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bearer = 1,
    AppSession = 2,
    AppAccessToken = 4,
    Session = 8,
}

/// The kinds of credential that a request presents.
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

/// The names joined by `,`, in the order in which Authgear tries them; `-` for none.
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

/// The credentials of one request, as they are sent to the resolver.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    authorization: Option<Vec<u8>>,
    cookie: Vec<u8>,
    kinds: Kinds,
}

impl Credentials {
    /// The value of the `Authorization` field, scheme included.
    #[must_use]
    pub fn authorization(&self) -> Option<&[u8]> {
        self.authorization.as_deref()
    }

    /// The value of the `Cookie` field: the pairs that are credentials, in the client's order.
    #[must_use]
    pub fn cookie(&self) -> Option<&[u8]> {
        (!self.cookie.is_empty()).then_some(self.cookie.as_slice())
    }

    #[must_use]
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }
}

/// Never a byte of the credentials: this may reach a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.kinds)
    }
}

/// What a request presents.
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

/// Finds the credentials among a request's header lines (name and value each).
///
/// `Authorization` counts if it is the first of its name and its scheme is Bearer; Authgear splits it at the first
/// space and compares the scheme without regard to case. Cookie pairs are split at `;` only, as Go's `net/http` does.
pub fn present<'a>(lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, cookie_prefix: &[u8]) -> Presented {
    let mut found = Credentials { authorization: None, cookie: Vec::new(), kinds: Kinds::default() };
    let mut authorization_seen = false;
    let mut size = 0;
    for (name, value) in lines {
        if name.eq_ignore_ascii_case(b"cookie") {
            size += found.add_cookies(value, cookie_prefix);
        } else if name.eq_ignore_ascii_case(b"authorization") && !authorization_seen {
            authorization_seen = true;
            size += found.add_authorization(value);
        }
    }
    match found.kinds {
        kinds if kinds.is_empty() => Presented::Nothing,
        kinds if size > MAX_BYTES => Presented::TooLarge(kinds),
        _ => Presented::Credentials(found),
    }
}

/// The `add` functions return the bytes that they found, and keep them only up to [`MAX_BYTES`].
impl Credentials {
    fn add_authorization(&mut self, value: &[u8]) -> usize {
        let value = trim(value);
        if !is_bearer(value) || !is_field_value(value) {
            return 0;
        }
        self.kinds.insert(Kind::Bearer);
        if value.len() <= MAX_BYTES {
            self.authorization = Some(value.to_vec());
        }
        value.len()
    }

    fn add_cookies(&mut self, line: &[u8], prefix: &[u8]) -> usize {
        let mut size = 0;
        for pair in line.split(|&byte| byte == b';').map(trim) {
            let Some(kind) = cookie_kind(pair, prefix).filter(|_| is_field_value(pair)) else {
                continue;
            };
            self.kinds.insert(kind);
            let separator: &[u8] = if self.cookie.is_empty() { b"" } else { b"; " };
            size += separator.len() + pair.len();
            if self.cookie.len() + pair.len() <= MAX_BYTES {
                self.cookie.extend_from_slice(separator);
                self.cookie.extend_from_slice(pair);
            }
        }
        size
    }
}

/// Which of Authgear's cookies a pair is. A pair without `=` has an empty value there, and is a bad credential.
fn cookie_kind(pair: &[u8], prefix: &[u8]) -> Option<Kind> {
    let name = pair.split(|&byte| byte == b'=').next().map(trim)?;
    let name = name.strip_prefix(prefix)?;
    COOKIES.iter().find(|(cookie, _)| *cookie == name).map(|(_, kind)| *kind)
}

fn is_bearer(value: &[u8]) -> bool {
    const SCHEME: &[u8] = b"bearer ";
    value.get(..SCHEME.len()).is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
}

/// RFC 9110 §5.5: a field value has no control byte but the tab.
fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// RFC 9110 §5.5 and Go's `textproto.TrimString`: space and tab around a value are no part of it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
#[path = "credentials/tests.rs"]
mod tests;
