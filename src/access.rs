//! How a request is handled: pure decisions. `nginx::request` supplies the facts and carries out the decision.

use crate::credentials::{Credentials, Presented};
use crate::policy::{Permit, Requirement, Unmet};
use crate::resolver::Outcome;
use crate::session::Resolution;
use crate::session::answer::{Finding, Refusal};
use crate::settings::OnError;
use crate::single_flight::Role;

/// What is needed to decide a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: this is the resolution and its reason.
    Nothing(Resolution, Reason),
    /// The resolver's answer for these credentials.
    Answer(Credentials),
}

/// Determines what a request needs. Without credentials the resolver would answer "none", so it isn't called.
#[must_use]
pub fn need(presented: Presented) -> Need {
    match presented {
        Presented::Nothing => Need::Nothing(Resolution::None, Reason::NoCredential),
        Presented::TooLarge(_) => Need::Nothing(Resolution::invalid(), Reason::TooLarge),
        Presented::Credentials(credentials) => Need::Answer(credentials),
    }
}

/// A location's settings for the decision.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub on_error: OnError,
    pub require: Option<&'a Requirement>,
    /// Unix time in seconds.
    pub now: u64,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Continue with the next phases and pass this to the backend. Resolving alone grants nothing.
    Decline(Option<&'a Resolution>),
    /// The requirement is met.
    Allow(Permit, &'a Resolution),
    /// The requirement is not met.
    Deny(Unmet, &'a Resolution),
    /// Send the resolver's refusal to the client.
    Refuse(&'a Refusal),
    /// Send this status to the client.
    Fail(u16),
}

impl<'a> Verdict<'a> {
    /// The resolution to pass to the backend. After a denial, that is the backend of an `error_page`.
    #[must_use]
    pub fn resolution(&self) -> Option<&'a Resolution> {
        match self {
            Self::Decline(resolution) => *resolution,
            Self::Allow(_, resolution) | Self::Deny(_, resolution) => Some(resolution),
            Self::Refuse(_) | Self::Fail(_) => None,
        }
    }
}

/// Decides by an outcome. If there is a requirement, a request that can't be resolved fails, even with `authgear_on_error
/// anonymous`: a 401 during an outage would make clients discard valid tokens.
#[must_use]
pub fn decide<'a>(outcome: &'a Outcome, terms: Terms<'_>) -> Verdict<'a> {
    match (outcome.as_ref().map(|answer| &answer.finding), terms.require) {
        (Ok(Finding::Resolved(resolution)), None) => Verdict::Decline(Some(resolution)),
        (Ok(Finding::Resolved(resolution)), Some(require)) => match require.check(resolution, terms.now) {
            Ok(permit) => Verdict::Allow(permit, resolution),
            Err(unmet) => Verdict::Deny(unmet, resolution),
        },
        (Ok(Finding::Refused(refusal)), _) => Verdict::Refuse(refusal),
        (Err(_), None) if terms.on_error == OnError::Anonymous => Verdict::Decline(None),
        (Err(error), _) => match (terms.on_error, error) {
            (OnError::Status(status), _) => Verdict::Fail(status),
            _ if error.is_timeout() => Verdict::Fail(504),
            _ => Verdict::Fail(502),
        },
    }
}

/// `$authgear_reason`: the reason for the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Resolving is off for this location.
    Off,
    NoCredential,
    TooLarge,
    /// The resolver was called for this request.
    Resolved,
    /// The resolver was called for another request with the same credentials.
    Coalesced,
    /// The cache has a fresh answer.
    Hit,
    /// The cache has a stale answer, and the resolver fails or is being called.
    Stale,
    /// The resolver refused the request itself.
    Refused,
    /// The resolver failed. Contains the error's reason.
    Failed(&'static str),
    /// The requirement isn't met. Contains the requirement's reason.
    Unmet(&'static str),
}

impl Reason {
    #[must_use]
    pub fn new(outcome: &Outcome, role: Role) -> Self {
        match (outcome.as_ref().map(|answer| &answer.finding), role) {
            (Ok(Finding::Resolved(_)), Role::Leader) => Self::Resolved,
            (Ok(Finding::Resolved(_)), Role::Follower) => Self::Coalesced,
            (Ok(Finding::Refused(_)), _) => Self::Refused,
            (Err(error), _) => Self::Failed(error.reason()),
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NoCredential => "no_credential",
            Self::TooLarge => "too_large",
            Self::Resolved => "resolved",
            Self::Coalesced => "coalesced",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Refused => "refused",
            Self::Failed(word) | Self::Unmet(word) => word,
        }
    }
}

/// `$authgear_cache_status`: the result of the cache lookup, in nginx's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// No cache is configured.
    Bypass,
    Miss,
    /// There is an answer, but it may no longer be used.
    Expired,
    Hit,
    /// The resolver failed, and a stale answer was used.
    Stale,
    /// A stale answer was used, and the resolver is being called.
    Updating,
}

impl CacheStatus {
    pub const ALL: [Self; 6] =
        [Self::Bypass, Self::Miss, Self::Expired, Self::Hit, Self::Stale, Self::Updating];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "BYPASS",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Hit => "HIT",
            Self::Stale => "STALE",
            Self::Updating => "UPDATING",
        }
    }
}

/// `$authgear_result`: the result of resolving a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Valid,
    Invalid,
    None,
    /// There is no resolution from the resolver.
    Error,
}

impl Ending {
    pub const ALL: [Self; 4] = [Self::Valid, Self::Invalid, Self::None, Self::Error];

    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome.as_ref().map(|answer| &answer.finding) {
            Ok(Finding::Resolved(Resolution::Valid(_))) => Self::Valid,
            Ok(Finding::Resolved(Resolution::Invalid(_))) => Self::Invalid,
            Ok(Finding::Resolved(Resolution::None)) => Self::None,
            Ok(Finding::Refused(_)) | Err(_) => Self::Error,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::None => "none",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::error::ResolveError;
    use crate::session::answer::{Answer, AnswerError};

    fn open(on_error: OnError) -> Terms<'static> {
        Terms { on_error, require: None, now: 0 }
    }

    fn answered(finding: Finding) -> Outcome {
        Ok(Answer { finding, set_cookies: Vec::new(), max_age: None })
    }

    #[test]
    fn only_credentials_are_worth_a_call() {
        assert_eq!(need(Presented::Nothing), Need::Nothing(Resolution::None, Reason::NoCredential));
        let large = need(Presented::TooLarge(Default::default()));
        assert_eq!(large, Need::Nothing(Resolution::invalid(), Reason::TooLarge));
    }

    #[test]
    fn every_resolution_passes_and_grants_nothing() {
        for resolution in [Resolution::None, Resolution::invalid()] {
            let outcome = answered(Finding::Resolved(resolution.clone()));
            assert_eq!(decide(&outcome, open(OnError::Status(503))), Verdict::Decline(Some(&resolution)));
        }
    }

    #[test]
    fn failures_get_what_is_configured() {
        let errors = [
            ResolveError::Timeout,
            ResolveError::ConnectTimeout,
            ResolveError::Connect("x".into()),
            ResolveError::Closed("x".into()),
            ResolveError::Answer(AnswerError::Status(500)),
            ResolveError::Answer(AnswerError::Malformed("x")),
            ResolveError::Protocol("x".into()),
            ResolveError::Exhausted("x".into()),
            ResolveError::Overload,
            ResolveError::Breaker { after_500: true },
            ResolveError::Internal("x"),
        ];
        for error in errors {
            let expected = if error.is_timeout() { 504 } else { 502 };
            let outcome = Err(error);
            assert_eq!(decide(&outcome, open(OnError::Gateway)), Verdict::Fail(expected));
            assert_eq!(decide(&outcome, open(OnError::Status(429))), Verdict::Fail(429));
            assert_eq!(decide(&outcome, open(OnError::Anonymous)), Verdict::Decline(None));
            assert_eq!(Ending::of(&outcome).as_str(), "error");
        }
    }

    #[test]
    fn a_refusal_is_passed_on_whatever_is_configured_for_errors() {
        let refusal = Refusal { status: 401, challenges: vec![b"Bearer".to_vec()] };
        let outcome = answered(Finding::Refused(refusal.clone()));
        assert_eq!(decide(&outcome, open(OnError::Anonymous)), Verdict::Refuse(&refusal));
        assert_eq!(Reason::new(&outcome, Role::Leader).as_str(), "refused");
    }

    #[test]
    fn what_is_required_is_never_anonymous() {
        let require = Requirement::parse(&["valid"], |_| None).unwrap();
        let terms = |on_error| Terms { on_error, require: require.as_ref(), now: 0 };
        let none = answered(Finding::Resolved(Resolution::None));
        assert_eq!(decide(&none, terms(OnError::Anonymous)), Verdict::Deny(Unmet::Valid, &Resolution::None));
        let (timeout, overload) = (Err(ResolveError::Timeout), Err(ResolveError::Overload));
        assert_eq!(decide(&timeout, terms(OnError::Anonymous)), Verdict::Fail(504));
        assert_eq!(decide(&overload, terms(OnError::Anonymous)), Verdict::Fail(502));
        assert_eq!(decide(&overload, terms(OnError::Status(503))), Verdict::Fail(503));
    }
}
