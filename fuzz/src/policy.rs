//! `authgear_require`. Input: its arguments, joined by spaces; the realm; the time in seconds; then the header lines of an
//! answer of the resolver's.

use http::HeaderValue;
use nginx_authgear::policy::{Requirement, Unmet};
use nginx_authgear::session::{IdentityHeaders, Resolution};
use nginx_authgear::settings::parse::realm;

use super::directives::seconds;
use super::lines::{first_text, headers, resolution};

pub fn run(input: &[u8]) {
    let (arguments, rest) = first_text(input);
    let (realm_text, rest) = first_text(rest);
    let (now, rest) = first_text(rest);
    let now = now.parse().unwrap_or(1_000_000);
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let requirement = match Requirement::parse(&arguments, seconds) {
        Err((argument, complaint)) => {
            assert!(arguments.contains(&argument) && !complaint.is_empty());
            return;
        }
        Ok(None) => return assert_eq!(arguments, ["off"]),
        Ok(Some(requirement)) => requirement,
    };
    assert_eq!(Requirement::parse(&arguments, seconds), Ok(Some(requirement.clone())));
    assert_eq!(requirement.asks_for_amr(), arguments.iter().any(|argument| argument.starts_with("amr=")));
    for resolution in [Resolution::None, Resolution::invalid()] {
        assert_eq!(requirement.check(&resolution, now), Err(Unmet::Valid));
    }
    let resolution = resolution(&headers(rest)).unwrap_or(Resolution::None);
    let session = match &resolution {
        Resolution::Valid(session) => Some(session.headers()),
        _ => None,
    };
    let met = |argument: &&str| session.is_some_and(|session| is_met(argument, session, now));
    let checked = requirement.check(&resolution, now);
    assert_eq!(checked.is_ok(), arguments.iter().all(met), "{arguments:?} {checked:?}");
    if let Err(unmet) = checked {
        check_refusal(unmet, &arguments, session.is_some(), met, &realm_text);
    }
}

/// One condition, as the manual words it.
fn is_met(argument: &str, session: &IdentityHeaders, now: u64) -> bool {
    let value = |name: &str| session.get(&format!("x-authgear-{name}")).map(String::from_utf8_lossy);
    let has_one_of = |name: &str, wanted: &str| {
        let held = value(name).unwrap_or_default().replace(',', " ");
        wanted.split(',').any(|wanted| held.split(' ').any(|held| held == wanted))
    };
    match argument.split_once('=') {
        None => match argument {
            "valid" => true,
            "registered" => value("user-anonymous").as_deref() == Some("false"),
            "verified" => value("user-verified").as_deref() == Some("true"),
            other => panic!("{other} is no condition"),
        },
        Some(("role", roles)) => has_one_of("user-roles", roles),
        Some(("amr", methods)) => has_one_of("session-amr", methods),
        Some(("max_age", age)) => {
            let at = value("session-authenticated-at").and_then(|at| at.parse::<u64>().ok());
            at.is_some_and(|at| now <= at || now - at <= seconds(age).expect("it was accepted"))
        }
        Some((other, _)) => panic!("{other} is no condition"),
    }
}

/// What is refused is refused for what isn't met, and by a header that can be sent.
fn check_refusal(
    unmet: Unmet,
    arguments: &[&str],
    is_valid: bool,
    met: impl Fn(&&str) -> bool,
    realm_text: &str,
) {
    let word = unmet.reason().strip_prefix("require_").expect("the reason of a requirement");
    assert_eq!(word == "valid", !is_valid);
    if is_valid {
        let argument = arguments.iter().find(|argument| argument.split('=').next() == Some(word));
        assert!(argument.is_some_and(|argument| !met(argument)), "{word} is met");
    }
    // An authentication that is too old comes last.
    let others = || arguments.iter().filter(|argument| !argument.starts_with("max_age="));
    assert!(word != "max_age" || others().all(&met));
    let Ok(realm) = realm(realm_text) else { return };
    assert_eq!(realm, realm_text);
    for presented in [true, false] {
        let challenge = unmet.challenge(&realm, presented);
        assert_eq!(challenge.is_some(), unmet.status() == 401);
        let Some(challenge) = challenge else { continue };
        assert!(HeaderValue::from_str(&challenge).is_ok() && challenge.is_ascii(), "{challenge}");
        let rest = challenge.strip_prefix(&format!("Bearer realm=\"{realm}\"")).expect("the realm first");
        assert!(rest.is_empty() == (word == "valid" && !presented), "{challenge}");
        assert!(!realm.contains(['"', '\\']));
    }
}
