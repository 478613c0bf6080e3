//! Why a call to the resolver failed.

use std::error::Error as StdError;
use std::io;

use thiserror::Error;

use super::dns::{self, NoAddress};
use super::shortage::is_shortage;
use crate::breaker::Evidence;
use crate::session::answer::AnswerError;

/// The messages are written to the error log: the kind of error and the innermost cause that the client library
/// reports. They never contain header values.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    #[error("connect failed: {0}")]
    Connect(String),
    #[error("timed out")]
    Timeout,
    #[error("timed out while connecting")]
    ConnectTimeout,
    #[error("connection lost: {0}")]
    Closed(String),
    #[error("unexpected answer: {0}")]
    Answer(#[from] AnswerError),
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// This machine has run out of a resource. Clients can cause that, so it is no evidence about the resolver.
    #[error("no connection can be made: {0}")]
    Exhausted(String),
    #[error("too many calls are in flight")]
    Overload,
    #[error("it has failed before")]
    Breaker {
        /// Whether one of the earlier failures was a status of 500.
        after_500: bool,
    },
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl ResolveError {
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout | Self::ConnectTimeout)
    }

    /// Whether no connection could be made, for a reason other than a lack of local resources.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout)
    }

    /// Whether a stale answer may be used instead, because the resolver itself has failed. Failures that a client can
    /// cause directly don't count; failures that a proxy in front of the resolver causes on behalf of a client can't be
    /// distinguished.
    ///
    /// Authgear locks a session while it resolves it, and answers 500 if it can't get the lock. A client can cause
    /// that, with calls for a live session. If that session is the request's only credential (`is_single`), the stale
    /// answer is about the same session. If there is another credential, the stale answer may be about a session that
    /// has ended, and the lock of the live one must not keep it alive. By such calls the same client can also open the
    /// breaker, so a breaker opened after a 500 is treated like a 500.
    ///
    /// `Overload` allows a stale answer: calls for sessions with a stale answer have a separate limit, and filling it
    /// takes as many stale answers, whatever their credentials are. A single user has only a few.
    #[must_use]
    pub fn allows_stale(&self, is_single: bool) -> bool {
        match self {
            Self::Connect(_) | Self::Timeout | Self::ConnectTimeout | Self::Closed(_) => true,
            Self::Overload => true,
            Self::Breaker { after_500 } => is_single || !after_500,
            Self::Answer(AnswerError::Status(500)) => is_single,
            Self::Answer(error) => error.is_server_failure(),
            Self::Protocol(_) | Self::Exhausted(_) | Self::Internal(_) => false,
        }
    }

    /// What the error indicates about the resolver.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        match self {
            Self::Connect(_) | Self::Timeout | Self::ConnectTimeout | Self::Closed(_) => Evidence::Failure,
            Self::Answer(AnswerError::Status(500)) => Evidence::Error500,
            Self::Answer(answer) if answer.is_server_failure() => Evidence::Failure,
            // 429 is a rate limit in front of the resolver, for the client or for nginx, and is sent even if the
            // resolver is down. If it counted as a failure, clients that hit a limit could lock out others; if it
            // counted as a success, they could close the breaker.
            Self::Answer(AnswerError::Status(429)) => Evidence::None,
            Self::Answer(_) | Self::Protocol(_) => Evidence::Success,
            Self::Exhausted(_) | Self::Overload | Self::Breaker { .. } | Self::Internal(_) => Evidence::None,
        }
    }

    /// Whether no call was made.
    #[must_use]
    pub fn is_without_call(&self) -> bool {
        matches!(self, Self::Overload | Self::Breaker { .. })
    }

    /// The value of `$authgear_reason`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Exhausted(_) => "connect",
            Self::Timeout | Self::ConnectTimeout => "timeout",
            Self::Closed(_) => "closed",
            Self::Answer(AnswerError::Status(_)) => "status",
            Self::Answer(AnswerError::Malformed(_)) | Self::Protocol(_) => "malformed",
            Self::Overload => "overload",
            Self::Breaker { .. } => "breaker",
            Self::Internal(_) => "internal",
        }
    }
}

/// A failed attempt and whether a retry may help: the connection couldn't be made, or it ended before the response head
/// was complete. Resolving is a GET without content, so it may be sent again (RFC 9110 §9.2.2).
pub(crate) struct Failure {
    pub(crate) error: ResolveError,
    pub(crate) may_retry: bool,
}

impl Failure {
    pub(crate) fn final_(error: ResolveError) -> Self {
        Self { error, may_retry: false }
    }

    /// Classifies an error that occurred before a complete response head from `host`.
    pub(crate) fn before_answer(error: &reqwest::Error, host: &str) -> Self {
        let cause = root_cause(error);
        if error.is_connect() {
            return Self { error: not_connected(error, cause, host), may_retry: true };
        }
        if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
            return Self::final_(ResolveError::Protocol(cause));
        }
        match find::<h2::Error>(error) {
            // The library found that the resolver violates the HTTP/2 protocol. If that ended the whole connection, the
            // cause may have been the answer to another call.
            Some(http2) if http2.is_library() => {
                Self { error: ResolveError::Protocol(cause), may_retry: http2.is_go_away() }
            }
            // The resolver reset just this stream, and not because it refused to process it.
            Some(http2) if http2.is_reset() && http2.reason() != Some(h2::Reason::REFUSED_STREAM) => {
                Self::final_(ResolveError::Closed(cause))
            }
            _ => Self { error: ResolveError::Closed(cause), may_retry: true },
        }
    }

    /// Classifies an error after the head. The response had already begun, so there is no retry.
    pub(crate) fn in_body(error: &reqwest::Error) -> Self {
        Self::final_(ResolveError::Closed(root_cause(error)))
    }
}

fn not_connected(error: &reqwest::Error, cause: String, host: &str) -> ResolveError {
    let is_own = match find::<NoAddress>(error) {
        Some(no_address) => no_address.is_shortage(),
        // If there is no route to the host, the system's error is the same as if no port is free. `dns` handles this
        // for names.
        None => find::<io::Error>(error).is_some_and(is_shortage) && !dns::is_unreachable(host),
    };
    if is_own {
        ResolveError::Exhausted(cause)
    } else if error.is_timeout() {
        ResolveError::ConnectTimeout
    } else {
        ResolveError::Connect(cause)
    }
}

/// The innermost error describes what happened; the outer errors only name the layer.
fn root_cause(error: &reqwest::Error) -> String {
    if let Some(http2) = find::<h2::Error>(error) {
        return http2_cause(http2);
    }
    if let Some(no_address) = find::<NoAddress>(error) {
        return no_address.to_string();
    }
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The library's own message includes the peer's debug data, which may quote the request (RFC 9113 §6.8).
fn http2_cause(error: &h2::Error) -> String {
    match (error.get_io(), error.reason()) {
        (Some(io), _) => io.to_string(),
        (None, Some(reason)) => {
            let what = if error.is_go_away() { "connection" } else { "stream" };
            let who = if error.is_remote() { "ended by the resolver" } else { "given up" };
            format!("HTTP/2 {what} {who}: {}", reason.description())
        }
        (None, None) => "HTTP/2 connection failed".to_owned(),
    }
}

fn find<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        // An `io::Error` doesn't return the error it wraps as its `source`.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(|io| io.get_ref()?.downcast_ref());
        if let Some(found) = cause.downcast_ref().or(wrapped) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// A GOAWAY frame (RFC 9113 §6.8) with INTERNAL_ERROR and this debug data.
    fn go_away(debug_data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + debug_data.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend_from_slice(&[7, 0, 0, 0, 0, 0]);
        frame.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 2]);
        frame.extend_from_slice(debug_data);
        frame
    }

    #[test]
    fn a_500_allows_an_old_answer_for_a_single_credential_alone() {
        let status = |status| ResolveError::from(AnswerError::Status(status));
        for status in (500..=599).filter(|status| ![501, 505].contains(status)).map(status) {
            assert!(status.allows_stale(true), "{status}");
            assert_eq!(status.allows_stale(false), status.evidence() == Evidence::Failure, "{status}");
        }
        for status in [201, 302, 400, 404, 429, 431, 501, 505, 600].map(status) {
            assert!(!status.allows_stale(true) && !status.allows_stale(false), "{status}");
        }
        let breaker = |after_500| ResolveError::Breaker { after_500 };
        assert_eq!([true, false].map(|single| breaker(true).allows_stale(single)), [true, false]);
        assert_eq!([true, false].map(|single| breaker(false).allows_stale(single)), [true, true]);
    }

    #[tokio::test]
    async fn what_the_other_side_says_is_not_repeated() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (_requests, connection) = h2::client::handshake(ours).await.unwrap();
        let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        theirs.write_all(&empty_settings).await.unwrap();
        theirs.write_all(&go_away(b"authorization: Bearer sesame")).await.unwrap();
        let error = connection.await.unwrap_err();
        assert!(error.to_string().contains("sesame"), "{error}");
        let cause = http2_cause(&error);
        assert_eq!(cause, "HTTP/2 connection ended by the resolver: unexpected internal error encountered");
    }
}
