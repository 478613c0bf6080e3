//! Describes for the error log what happens to requests while the resolver fails.

use std::fmt;

use super::{OnError, Settings};
use crate::freshness::Millis;

/// The relevant settings of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consequence {
    on_error: OnError,
    is_required: bool,
    /// How long after it was fresh a session's answer may still be used.
    stale: Millis,
}

impl Consequence {
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            on_error: settings.on_error,
            is_required: settings.require.is_some(),
            stale: settings.cache.map_or(0, |cache| cache.stale.error),
        }
    }

    /// The description. `is_timeout` says whether the failure is a timeout.
    #[must_use]
    pub fn when(self, is_timeout: bool) -> String {
        let requests = match self.on_error {
            OnError::Status(status) => format!("requests get {status}"),
            OnError::Anonymous if !self.is_required => "requests go on without identity".to_owned(),
            _ => format!("requests get {}", if is_timeout { 504 } else { 502 }),
        };
        match self.stale {
            0 => requests,
            stale => format!("{requests}, known sessions their last answer for {} more", Time(stale)),
        }
    }
}

/// Formats a time as in a configuration.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Millis);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}
