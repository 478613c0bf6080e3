//! What the resolver can say of a request's credentials.

pub mod answer;
pub mod codec;
pub mod headers;

use headers::Name;
pub use headers::{IdentityHeader, IdentityHeaders};

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
        Self::Invalid(IdentityHeaders::new(&[(Name::new("session-valid"), b"false")]))
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
}
