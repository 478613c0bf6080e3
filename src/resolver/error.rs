//! Why a call to the resolver came to nothing.

use std::error::Error as StdError;

use thiserror::Error;

use crate::session::answer::AnswerError;

/// Texts are for the error log: the kind, and the last cause that the client library names. Never a header's value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    #[error("connect failed: {0}")]
    Connect(String),
    #[error("timed out")]
    Timeout,
    #[error("connection lost: {0}")]
    Closed(String),
    #[error("unexpected answer: {0}")]
    Answer(#[from] AnswerError),
    #[error("unexpected answer: {0}")]
    Protocol(String),
    #[error("too many calls are in flight")]
    Overload,
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl ResolveError {
    /// The word that `$authgear_reason` has for it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Timeout => "timeout",
            Self::Closed(_) => "closed",
            Self::Answer(AnswerError::Status(_)) => "status",
            Self::Answer(AnswerError::Malformed(_)) | Self::Protocol(_) => "malformed",
            Self::Overload => "overload",
            Self::Internal(_) => "internal",
        }
    }
}

/// A try that failed, and whether another one may help: the connection couldn't be made, or it ended before the head of
/// an answer was complete. Resolving is a GET without content, so it may be sent again (RFC 9110 §9.2.2).
pub(crate) struct Failure {
    pub(crate) error: ResolveError,
    pub(crate) may_retry: bool,
}

impl Failure {
    pub(crate) fn final_(error: ResolveError) -> Self {
        Self { error, may_retry: false }
    }

    /// What went wrong before there was a head of an answer.
    pub(crate) fn before_answer(error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        if error.is_connect() {
            let error = if error.is_timeout() { ResolveError::Timeout } else { ResolveError::Connect(cause) };
            return Self { error, may_retry: true };
        }
        if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
            return Self::final_(ResolveError::Protocol(cause));
        }
        match find::<h2::Error>(error) {
            // The resolver breaks HTTP/2's rules, as the library found.
            Some(http2) if http2.is_library() => Self::final_(ResolveError::Protocol(cause)),
            // The resolver ends the one stream, and not for having no time for it.
            Some(http2) if http2.is_reset() && http2.reason() != Some(h2::Reason::REFUSED_STREAM) => {
                Self::final_(ResolveError::Closed(cause))
            }
            _ => Self { error: ResolveError::Closed(cause), may_retry: true },
        }
    }

    /// What went wrong after the head: the answer had begun, so there is no second try.
    pub(crate) fn in_body(error: &reqwest::Error) -> Self {
        Self::final_(ResolveError::Closed(root_cause(error)))
    }
}

/// The innermost error names what happened; the ones around it say in which layer.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn find<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
