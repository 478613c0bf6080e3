//! `authgear_require`: what a location asks of a session, and whether a resolution meets it.

use std::time::Duration;

use crate::endpoint::Complaint;
use crate::session::{IdentityHeaders, Resolution};

/// The longest key that Authgear gives a role.
const MAX_NAME: usize = 40;

/// One condition. Each implies a valid session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Valid,
    Registered,
    Verified,
    /// Any of these.
    Role(Vec<String>),
    /// Any of these.
    Amr(Vec<String>),
    /// Authenticated no longer ago than this.
    MaxAge(Duration),
}

/// Conditions, all of which are to be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement(Vec<Condition>);

/// Says that a requirement was met. Nothing but [`Requirement::check`] makes one, and nothing else makes the module's
/// handler allow a request.
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
    /// The word that `$authgear_reason` has for it.
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

    /// What the client gets: 401 where another login may help, 403 where it would not.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Valid | Self::MaxAge(_) => 401,
            Self::Registered | Self::Verified | Self::Role | Self::Amr => 403,
        }
    }

    /// The challenge that goes with a 401: RFC 6750 §3, and RFC 9470 §3 for an authentication that is too old.
    #[must_use]
    pub fn challenge(self, realm: &str, presented: bool) -> Option<String> {
        match self {
            // RFC 6750 §3.1: no error code where the request lacks any authentication information.
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
    /// Reads the directive's arguments; `time` reads a time as nginx does, in seconds. `None` is `off`.
    ///
    /// # Errors
    /// The bad argument, and what is wrong with it.
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

    /// Whether it asks for authentication methods, which today's Authgear doesn't tell.
    #[must_use]
    pub fn asks_for_amr(&self) -> bool {
        self.0.iter().any(|condition| matches!(condition, Condition::Amr(_)))
    }

    /// Checks a resolution. `now` is Unix time in seconds.
    ///
    /// # Errors
    /// What is not met. An authentication that is too old comes last: it would be no use to renew it for a 403.
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
    /// A header that isn't there meets nothing.
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

/// Whether a list, joined by commas (roles) or spaces (methods), has one of the names.
fn any_of(list: Option<&[u8]>, wanted: &[String]) -> bool {
    let mut names = list.unwrap_or_default().split(|byte| b", ".contains(byte));
    names.any(|name| wanted.iter().any(|wanted| wanted.as_bytes() == name))
}

/// A clock of the server's that runs ahead of ours makes an authentication that is to come; that is recent too.
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

/// Names as Authgear has them: what could never be met is a mistake.
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
