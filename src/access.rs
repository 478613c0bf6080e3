//! What becomes of a request: pure decisions, to which `nginx::access` brings the events.

use crate::credentials::{Credentials, Presented};
use crate::policy::{Permit, Requirement, Unmet};
use crate::resolver::Outcome;
use crate::session::Resolution;
use crate::session::answer::{Finding, Refusal};
use crate::settings::OnError;
use crate::single_flight::Role;

/// What a request needs before it can be decided.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: this is the finding, and why.
    Nothing(Resolution, Reason),
    /// An answer of the resolver on these.
    Answer(Credentials),
}

/// Looks at what a request presents. Without credentials the resolver would say "none", so it isn't asked.
#[must_use]
pub fn need(presented: Presented) -> Need {
    match presented {
        Presented::Nothing => Need::Nothing(Resolution::None, Reason::NoCredential),
        Presented::TooLarge(_) => Need::Nothing(Resolution::invalid(), Reason::TooLarge),
        Presented::Credentials(credentials) => Need::Answer(credentials),
    }
}

/// What a location asks of its requests.
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
    /// Let the phases go on, with this for the backend. Resolving alone grants nothing.
    Decline(Option<&'a Resolution>),
    /// What is required is met.
    Allow(Permit, &'a Resolution),
    /// It isn't.
    Deny(Unmet, &'a Resolution),
    /// The client gets the resolver's refusal.
    Refuse(&'a Refusal),
    /// The client gets this status.
    Fail(u16),
}

impl<'a> Verdict<'a> {
    /// What the backend gets to see, which after a refusal is that of an `error_page`.
    #[must_use]
    pub fn resolution(&self) -> Option<&'a Resolution> {
        match self {
            Self::Decline(resolution) => *resolution,
            Self::Allow(_, resolution) | Self::Deny(_, resolution) => Some(resolution),
            Self::Refuse(_) | Self::Fail(_) => None,
        }
    }
}

/// Decides by an outcome. Where something is required a request that can't be resolved fails, whatever is configured for
/// errors: a 401 in an outage would make clients drop good tokens.
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

/// `$authgear_reason`: why the result is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Resolving is off here.
    Off,
    NoCredential,
    TooLarge,
    /// The resolver was asked for this request.
    Resolved,
    /// It was asked for another request with the same credentials.
    Coalesced,
    /// The cache has a fresh answer.
    Hit,
    /// The cache has an answer that isn't fresh: the resolver fails, or is being asked again.
    Stale,
    /// The resolver refuses the request itself.
    Refused,
    /// The resolver failed: the word is the error's.
    Failed(&'static str),
    /// What is required isn't met: the word is the requirement's.
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

/// `$authgear_cache_status`: what the cache had to say, in nginx's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// There is no cache here.
    Bypass,
    Miss,
    /// An answer is there that may not be given any more.
    Expired,
    Hit,
    /// The resolver failed, and an old answer was given.
    Stale,
    /// An old answer was given, and the resolver is being asked.
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

/// `$authgear_result`: what came of resolving a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Valid,
    Invalid,
    None,
    /// The resolver gave no resolution.
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
