//! Parses the resolver's answer strictly: anything other than the known forms is an error, never an identity.

mod lifetime;

use http::header::{HeaderMap, SET_COOKIE, WWW_AUTHENTICATE};
use thiserror::Error;

use super::headers::Name;
use super::{IdentityHeaders, Resolution, Session};
use crate::identity_header::{PREFIX, is_exempt};

pub(crate) const SESSION_VALID: &str = "x-authgear-session-valid";
pub(crate) const USER_ID: &str = "x-authgear-user-id";

/// The maximum size of an answer's header section, names and values.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The maximum size of the identity headers among them.
pub const MAX_IDENTITY_BYTES: usize = 8 * 1024;

/// A successfully parsed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub finding: Finding,
    /// The resolver's own `Set-Cookie` lines.
    pub set_cookies: Vec<Vec<u8>>,
    /// How many seconds after the call was sent the answer may be reused, if the answer itself sets a limit. `None` for a
    /// refusal, which isn't stored.
    pub max_age: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Resolved(Resolution),
    /// The resolver, or a proxy in front of it, asks for this status to be sent to the client, as with `auth_request`.
    Refused(Refusal),
}

/// 401 or 403 with its challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub challenges: Vec<Vec<u8>>,
}

/// Why an answer says nothing about the credentials.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnswerError {
    #[error("status {0}")]
    Status(u16),
    #[error("{0}")]
    Malformed(&'static str),
}

impl AnswerError {
    /// Whether the status means that the server itself has failed: any 5xx (CDNs have their own, 520 to 530), except 501 and
    /// 505, which are about the request (RFC 9110 §15.6). This includes 500, which Authgear sends when its own Redis or
    /// database fails. 429 is not included: each client can cause it for itself.
    #[must_use]
    pub fn is_server_failure(&self) -> bool {
        matches!(self, Self::Status(status @ 500..=599) if !matches!(status, 501 | 505))
    }
}

/// Parses an answer's head. `has_body` says whether any content follows.
///
/// # Errors
/// If Authgear's resolver doesn't use this status, or if the head doesn't have one of its forms.
pub fn read(status: u16, headers: &HeaderMap, has_body: bool) -> Result<Answer, AnswerError> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > MAX_HEAD_BYTES {
        return Err(AnswerError::Malformed("more than 64k of headers"));
    }
    let (finding, max_age) = match status {
        200 | 204 => (Finding::Resolved(resolution(headers, has_body)?), lifetime::max_age(headers)),
        401 | 403 => {
            (Finding::Refused(Refusal { status, challenges: lines(headers, &WWW_AUTHENTICATE) }), None)
        }
        _ => return Err(AnswerError::Status(status)),
    };
    Ok(Answer { finding, set_cookies: lines(headers, &SET_COOKIE), max_age })
}

fn lines(headers: &HeaderMap, name: &http::HeaderName) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

fn resolution(headers: &HeaderMap, has_body: bool) -> Result<Resolution, AnswerError> {
    let identity = identity_headers(headers)?;
    let has_user = identity.get(USER_ID).is_some();
    let valid = headers.get(SESSION_VALID).map(http::HeaderValue::as_bytes);
    let malformed = |what| Err(AnswerError::Malformed(what));
    match (valid, has_user) {
        (Some(b"true"), true) => Ok(Resolution::Valid(Session { headers: identity })),
        (Some(b"true"), false) => malformed("a valid session without \"x-authgear-user-id\""),
        (Some(b"false"), false) => Ok(Resolution::Invalid(identity)),
        // A backend that only checks the user id would treat these as authenticated.
        (Some(b"false"), true) => malformed("\"x-authgear-user-id\" beside an invalid session"),
        (None, true) => malformed("\"x-authgear-user-id\" without \"x-authgear-session-valid\""),
        (None, false) if has_body => malformed("no \"x-authgear-session-valid\" and a body"),
        (None, false) => Ok(Resolution::None),
        (Some(_), _) => malformed("\"x-authgear-session-valid\" is neither \"true\" nor \"false\""),
    }
}

/// Selects the headers by prefix, so that headers added to Authgear in future are passed on as well.
fn identity_headers(headers: &HeaderMap) -> Result<IdentityHeaders, AnswerError> {
    let mut identity: Vec<(Name<'_>, &[u8])> = Vec::new();
    let mut size = 0;
    for (name, value) in headers {
        let Some(short_name) = name.as_str().strip_prefix(PREFIX).filter(|_| !is_exempt(name.as_ref()))
        else {
            continue;
        };
        // Other bytes could be folded into the name of another header on the way to the backend.
        if !short_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(AnswerError::Malformed("an \"x-authgear-\" header with an odd name"));
        }
        if identity.iter().any(|(other, _)| other.short == short_name) {
            return Err(AnswerError::Malformed("an \"x-authgear-\" header twice"));
        }
        size += name.as_str().len() + value.len();
        identity.push((Name::new(short_name), value.as_bytes()));
    }
    if size > MAX_IDENTITY_BYTES {
        return Err(AnswerError::Malformed("more than 8k of \"x-authgear-\" headers"));
    }
    identity.retain(|(_, value)| !value.is_empty());
    Ok(IdentityHeaders::new(&identity))
}

#[cfg(test)]
mod tests;
