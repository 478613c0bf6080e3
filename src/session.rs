//! The resolver's possible results for a request's credentials.

pub mod answer;
pub mod codec;
pub mod headers;

use headers::Name;
pub use headers::{IdentityHeader, IdentityHeaders};

/// A valid session. It is only created by parsing an answer, so it always has a user id.
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

/// The resolver's result for a set of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// No session: the request has no credentials that Authgear recognizes.
    None,
    /// An invalid session: expired, revoked, or of a disabled user.
    Invalid(IdentityHeaders),
    Valid(Session),
}

impl Resolution {
    /// An invalid session without a call to the resolver.
    #[must_use]
    pub fn invalid() -> Self {
        Self::Invalid(IdentityHeaders::new(&[(Name::new("session-valid"), b"false")]))
    }

    /// The headers for the backend.
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
