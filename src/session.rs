//! What the resolver can say of a request's credentials.

pub mod answer;
pub mod codec;

use crate::identity_header::PREFIX;

/// Headers for the backend, in the resolver's order: lower-case names that start with `x-authgear-`, each at most
/// once, with values that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityHeaders(Vec<IdentityHeader>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    pub name: String,
    pub value: Vec<u8>,
}

impl IdentityHeaders {
    /// The value of the header of this (whole, lower-case) name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|header| header.name == name).map(|header| header.value.as_slice())
    }

    /// The value of `x-authgear-NAME`, where `_` in NAME stands for `-`, as in the names of nginx's variables.
    #[must_use]
    pub fn get_by_variable(&self, name: &[u8]) -> Option<&[u8]> {
        let same = |header: &&IdentityHeader| {
            header.name.strip_prefix(PREFIX).is_some_and(|rest| {
                rest.len() == name.len()
                    && rest
                        .bytes()
                        .zip(name)
                        .all(|(a, &b)| a == b.to_ascii_lowercase() || (a == b'-' && b == b'_'))
            })
        };
        self.iter().find(same).map(|header| header.value.as_slice())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &IdentityHeader> {
        self.0.iter()
    }
}

/// A valid session. Only the reading of an answer makes one, so there is always a user id in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    headers: IdentityHeaders,
}

impl Session {
    #[must_use]
    pub fn headers(&self) -> &IdentityHeaders {
        &self.headers
    }
}

/// The resolver's finding on a set of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// No session: nothing was presented that means anything to Authgear.
    None,
    /// A session that is bad: expired, revoked, of a disabled user.
    Invalid(IdentityHeaders),
    Valid(Session),
}

impl Resolution {
    /// An invalid session that the resolver was not asked about.
    #[must_use]
    pub fn invalid() -> Self {
        let valid = IdentityHeader { name: answer::SESSION_VALID.into(), value: b"false".to_vec() };
        Self::Invalid(IdentityHeaders(vec![valid]))
    }

    /// What the backend gets to see.
    #[must_use]
    pub fn identity_headers(&self) -> Option<&IdentityHeaders> {
        match self {
            Self::None => None,
            Self::Invalid(headers) => Some(headers),
            Self::Valid(session) => Some(&session.headers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_session_says_so_to_the_backend() {
        let resolution = Resolution::invalid();
        let headers = resolution.identity_headers().unwrap();
        assert_eq!(headers.get("x-authgear-session-valid"), Some(&b"false"[..]));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn variables_find_headers_as_nginx_names_them() {
        let header = IdentityHeader { name: "x-authgear-user-id".into(), value: b"alice".to_vec() };
        let headers = IdentityHeaders(vec![header]);
        for name in ["user_id", "User_ID", "user-id"] {
            assert_eq!(headers.get_by_variable(name.as_bytes()), Some(&b"alice"[..]), "{name}");
        }
        for name in ["", "user", "user_idx", "user.id"] {
            assert_eq!(headers.get_by_variable(name.as_bytes()), None, "{name}");
        }
    }
}
