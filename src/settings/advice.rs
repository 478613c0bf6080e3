//! Warnings: valid configuration that is probably a mistake. Shown by `nginx -t` and at start-up.

use std::fmt::{self, Display};

use super::consequence::Time;
use crate::endpoint::Endpoint;
use crate::freshness::Millis;
use crate::identity_header::is_identity_header;

/// No session should be let in by an old answer for longer than this.
const LONG: Millis = 3_600_000;

/// The maximum number of headers named in a message.
const MOST_HEADERS: usize = 9;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice<'a> {
    Unverified(&'a Endpoint),
    Plaintext(&'a Endpoint),
    LongFreshness(Millis),
    /// `amr=` is required, but answers don't contain authentication methods.
    Amr,
    UnusedZone(&'a str),
    Underscores,
    /// A directive of another module that sets these identity headers.
    LeftOver(&'a str, &'a [String]),
}

impl<'a> Advice<'a> {
    /// Checks whether a resolver's certificate is verified.
    #[must_use]
    pub fn on_verification(endpoint: &'a Endpoint, verifies: bool) -> Option<Self> {
        (endpoint.is_https() && !verifies).then_some(Self::Unverified(endpoint))
    }

    /// Checks the transport to a resolver.
    #[must_use]
    pub fn on_transport(endpoint: &'a Endpoint) -> Option<Self> {
        let is_open = !endpoint.is_https() && !endpoint.is_on_private_network();
        is_open.then_some(Self::Plaintext(endpoint))
    }

    /// Checks how long valid answers are fresh.
    #[must_use]
    pub fn on_freshness(valid: Millis) -> Option<Self> {
        (valid > LONG).then_some(Self::LongFreshness(valid))
    }

    /// The subject of the warning. Only the first warning per subject is shown at one place.
    #[must_use]
    pub fn subject(&self) -> &'a str {
        match self {
            Self::Unverified(_) => "unverified",
            Self::Plaintext(_) => "plaintext",
            Self::LongFreshness(_) => "freshness",
            Self::Amr => "amr",
            Self::UnusedZone(_) => "zone",
            Self::Underscores => "underscores",
            Self::LeftOver(directive, _) => directive,
        }
    }
}

impl Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified(endpoint) => write!(
                f,
                "anybody who answers in the place of \"{}\" can say who users are; name its CA by \"authgear_ssl_trusted_certificate\" instead of \"authgear_ssl_verify off\"",
                endpoint.origin()
            ),
            Self::Plaintext(endpoint) => write!(
                f,
                "credentials for \"{}\" can be read on the way, and its answers forged, for by its name it is on no private network; write \"https://\", or its private address, in \"authgear_resolve\"",
                endpoint.origin()
            ),
            Self::LongFreshness(valid) => write!(
                f,
                "a session that was ended, or a role that was taken away, may be let in for {}; an hour or less is better for \"authgear_cache_valid\"",
                Time(*valid)
            ),
            Self::Amr => f.write_str(
                "\"amr=\" in \"authgear_require\" directive can't be met and nobody is let in, for today's Authgear names no authentication methods; remove it",
            ),
            Self::UnusedZone(name) => write!(
                f,
                "nothing is kept in zone \"{name}\"; write \"authgear_cache {name}\" where requests are resolved, or remove \"authgear_cache_zone\""
            ),
            Self::Underscores => f.write_str(
                "clients can send other spellings of the headers that you set, such as \"x_real_ip\", and CGI and PHP can't tell them apart; the authgear module removes those of \"x-authgear-\" only, so remove \"underscores_in_headers on\", if you can, from the block",
            ),
            Self::LeftOver(directive, headers) => write!(
                f,
                "\"{directive}\" overrides what the resolver says in \"{}\", which the authgear module passes by itself; remove these lines from the block",
                named(headers)
            ),
        }
    }
}

/// The first headers, as many as Authgear has. nginx truncates a log line at 2,048 bytes, which would cut off the file and
/// line number at its end.
fn named(headers: &[String]) -> String {
    let shown = headers.get(..MOST_HEADERS).unwrap_or(headers);
    let more = if shown.len() < headers.len() { "\", \"..." } else { "" };
    shown.join("\", \"") + more
}

/// Whether a line such as `proxy_set_header NAME VALUE` sets an identity header to a value that doesn't come from this
/// module. The set-up that the module replaces takes values from variables with the names checked here; a value without any
/// variable is the same for all users.
///
/// A line that removes a header, or uses another variable (for example a `map` of roles), is intentional.
#[must_use]
pub fn is_left_over(name: &[u8], value: &[u8]) -> bool {
    is_identity_header(name) && !value.is_empty() && is_foreign(value)
}

fn is_foreign(value: &[u8]) -> bool {
    let begins = |name: &[u8], with: &str| {
        name.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
    };
    let is_of_old = |name: &[u8]| begins(name, "x_authgear_") || begins(name, "upstream_http_");
    let mut names = value.split(|byte| *byte == b'$').skip(1);
    !value.contains(&b'$') || names.any(|name| is_of_old(name.strip_prefix(b"{").unwrap_or(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::endpoint;

    #[test]
    fn what_is_sound_gets_no_advice() {
        for (url, verifies) in
            [("https://a.example", true), ("http://10.0.0.5:3001", true), ("http://10.0.0.5", false)]
        {
            let endpoint = endpoint(url).unwrap();
            assert_eq!(Advice::on_verification(&endpoint, verifies), None, "{url}");
            assert_eq!(Advice::on_transport(&endpoint), None, "{url}");
        }
        assert_eq!(Advice::on_freshness(LONG), None);
        assert!(Advice::on_freshness(LONG + 1).is_some());
        assert!(Advice::on_verification(&endpoint("https://10.0.0.5").unwrap(), false).is_some());
        assert!(Advice::on_transport(&endpoint("http://auth.example.com").unwrap()).is_some());
    }

    #[test]
    fn of_many_headers_the_first_are_named() {
        let headers: Vec<String> = (0..3000).map(|n| format!("x-authgear-{n}")).collect();
        let told = |count: usize| Advice::LeftOver("proxy_set_header", &headers[..count]).to_string();
        assert!(told(9).contains("\"x-authgear-7\", \"x-authgear-8\", which"), "{}", told(9));
        assert!(told(3000).contains("\"x-authgear-8\", \"...\", which"), "{}", told(3000));
    }

    #[test]
    fn lines_of_the_set_up_before_are_known_by_name_and_value() {
        for (name, value) in [
            ("x-authgear-user-id", "$x_authgear_user_id"),
            ("X-Authgear-User-Id", "${X_Authgear_User_Id}"),
            ("X_AUTHGEAR_USER_ID", "$upstream_http_x_authgear_user_id"),
            ("x-authgear-user-roles", "prefix-$x_authgear_user_roles"),
            ("x-authgear-session-valid", "true"),
        ] {
            assert!(is_left_over(name.as_bytes(), value.as_bytes()), "{name} {value}");
        }
        for (name, value) in [
            ("x-authgear-user-id", ""),
            ("x-authgear-user-id", "$authgear_user_id"),
            ("x-authgear-user-id", "${authgear_header_user_id}"),
            ("x-authgear-user-id", "$http_x_authgear_user_id"),
            ("x-authgear-user-roles", "$roles_by_map"),
            ("x-authgear-xhr", "$x_authgear_xhr"),
            ("x-authgear-body-signature", "true"),
            ("x-user-id", "$x_authgear_user_id"),
        ] {
            assert!(!is_left_over(name.as_bytes(), value.as_bytes()), "{name} {value}");
        }
    }
}
