//! `authgear_require`: a location's requirements for a session, and the check whether a resolution meets them.

use std::time::Duration;

use crate::endpoint::Complaint;
use crate::session::{IdentityHeaders, Resolution};

/// The longest key that Authgear allows for a role.
const MAX_NAME: usize = 40;

/// A condition. Each implies a valid session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Valid,
    Registered,
    Verified,
    /// Any of these.
    Role(Vec<String>),
    /// Any of these.
    Amr(Vec<String>),
    /// Authenticated at most this long ago.
    MaxAge(Duration),
}

/// Conditions, all of which must be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement(Vec<Condition>);

/// Proof that a requirement was met. Only [`Requirement::check`] creates one, and the module's handler allows a request only
/// with one.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit(());

/// A requirement that was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// There is no valid session.
    Valid,
    Registered,
    Verified,
    Role,
    Amr,
    /// The session's authentication is older than this.
    MaxAge(Duration),
}

impl Unmet {
    /// The value of `$authgear_reason`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Valid => "require_valid",
            Self::Registered => "require_registered",
            Self::Verified => "require_verified",
            Self::Role => "require_role",
            Self::Amr => "require_amr",
            Self::MaxAge(_) => "require_max_age",
        }
    }

    /// The status for the client: 401 if logging in again may help, otherwise 403.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Valid | Self::MaxAge(_) => 401,
            Self::Registered | Self::Verified | Self::Role | Self::Amr => 403,
        }
    }

    /// The challenge for a 401: RFC 6750 §3, and RFC 9470 §3 for an authentication that is too old.
    #[must_use]
    pub fn challenge(self, realm: &str, presented: bool) -> Option<String> {
        match self {
            // RFC 6750 §3.1: no error code if the request lacks any authentication information.
            Self::Valid if !presented => Some(format!("Bearer realm=\"{realm}\"")),
            Self::Valid => Some(format!("Bearer realm=\"{realm}\", error=\"invalid_token\"")),
            Self::MaxAge(age) => Some(format!(
                "Bearer realm=\"{realm}\", error=\"insufficient_user_authentication\", max_age={}",
                age.as_secs()
            )),
            Self::Registered | Self::Verified | Self::Role | Self::Amr => None,
        }
    }
}

impl Requirement {
    /// Parses the directive's arguments; `time` parses a time like nginx, in seconds. Returns `None` for `off`.
    ///
    /// # Errors
    /// The invalid argument, and what is wrong with it.
    pub fn parse<'a>(
        arguments: &[&'a str],
        time: impl Fn(&str) -> Option<u64>,
    ) -> Result<Option<Self>, (&'a str, Complaint)> {
        if arguments == ["off"] {
            return Ok(None);
        }
        let mut conditions: Vec<Condition> = Vec::new();
        for argument in arguments {
            let condition = condition(argument, &time).map_err(|complaint| (*argument, complaint))?;
            if conditions
                .iter()
                .any(|other| std::mem::discriminant(other) == std::mem::discriminant(&condition))
            {
                return Err((argument, "it is given twice; names are joined by commas"));
            }
            conditions.push(condition);
        }
        Ok(Some(Self(conditions)))
    }

    /// Whether it requires authentication methods, which current versions of Authgear don't report.
    #[must_use]
    pub fn asks_for_amr(&self) -> bool {
        self.0.iter().any(|condition| matches!(condition, Condition::Amr(_)))
    }

    /// Checks a resolution. `now` is Unix time in seconds.
    ///
    /// # Errors
    /// The first condition that isn't met. `MaxAge` is checked last: authenticating again would be pointless if a 403
    /// followed.
    pub fn check(&self, resolution: &Resolution, now: u64) -> Result<Permit, Unmet> {
        let Resolution::Valid(session) = resolution else { return Err(Unmet::Valid) };
        let headers = session.headers();
        let unmet = self.0.iter().filter_map(|condition| condition.check(headers, now).err());
        match unmet.min_by_key(|unmet| matches!(unmet, Unmet::MaxAge(_))) {
            Some(unmet) => Err(unmet),
            None => Ok(Permit(())),
        }
    }
}

impl Condition {
    /// A missing header never meets a condition.
    fn check(&self, headers: &IdentityHeaders, now: u64) -> Result<(), Unmet> {
        let is = |name: &str, value: &[u8]| headers.get(name) == Some(value);
        let (met, unmet) = match self {
            Self::Valid => (true, Unmet::Valid),
            Self::Registered => (is("x-authgear-user-anonymous", b"false"), Unmet::Registered),
            Self::Verified => (is("x-authgear-user-verified", b"true"), Unmet::Verified),
            Self::Role(roles) => (any_of(headers.get("x-authgear-user-roles"), roles), Unmet::Role),
            Self::Amr(methods) => (any_of(headers.get("x-authgear-session-amr"), methods), Unmet::Amr),
            Self::MaxAge(age) => (is_recent(headers, *age, now), Unmet::MaxAge(*age)),
        };
        if met { Ok(()) } else { Err(unmet) }
    }
}

/// Whether a list, separated by commas (roles) or spaces (methods), contains one of the names.
fn any_of(list: Option<&[u8]>, wanted: &[String]) -> bool {
    let mut names = list.unwrap_or_default().split(|byte| b", ".contains(byte));
    names.any(|name| wanted.iter().any(|wanted| wanted.as_bytes() == name))
}

/// If the server's clock is ahead of ours, the time of authentication is in the future; that counts as recent.
fn is_recent(headers: &IdentityHeaders, age: Duration, now: u64) -> bool {
    let at = headers.get("x-authgear-session-authenticated-at");
    let at: Option<u64> = at.and_then(|at| std::str::from_utf8(at).ok()?.parse().ok());
    at.is_some_and(|at| now.saturating_sub(at) <= age.as_secs())
}

fn condition(argument: &str, time: impl Fn(&str) -> Option<u64>) -> Result<Condition, Complaint> {
    match argument.split_once('=') {
        None => match argument {
            "valid" => Ok(Condition::Valid),
            "registered" => Ok(Condition::Registered),
            "verified" => Ok(Condition::Verified),
            "off" => Err("\"off\" stands alone"),
            _ => Err("it must be \"valid\", \"registered\", \"verified\", \"role=\", \"amr=\", \"max_age=\" or \"off\""),
        },
        Some(("role", roles)) => names(roles, |first| first.is_ascii_alphabetic() || first == b'_').map(Condition::Role).ok_or(
            "a role's key has up to 40 letters, digits, \"_\" and \":\", and doesn't begin with a digit or \":\"",
        ),
        Some(("amr", methods)) => {
            names(methods, |_| true)
                .map(Condition::Amr)
                .ok_or("a method's name is made of up to 40 letters, digits, \"_\" and \":\"")
        }
        Some(("max_age", age)) => time(age)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Condition::MaxAge(Duration::from_secs(seconds)))
            .ok_or("it must be a time of a second or more"),
        Some(_) => Err("it must be \"valid\", \"registered\", \"verified\", \"role=\", \"amr=\", \"max_age=\" or \"off\""),
    }
}

/// Parses a list of names that Authgear could use. Any other name could never match, so it must be a mistake.
fn names(list: &str, may_begin: impl Fn(u8) -> bool) -> Option<Vec<String>> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_:".contains(&byte);
    let is_name = |name: &&str| {
        name.bytes().next().is_some_and(&may_begin) && name.len() <= MAX_NAME && name.bytes().all(is_part)
    };
    let names: Vec<_> = list.split(',').collect();
    names.iter().all(is_name).then(|| names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
