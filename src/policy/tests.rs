use super::*;
use crate::session::answer::{Finding, read};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

fn seconds(text: &str) -> Option<u64> {
    text.strip_suffix('s').unwrap_or(text).parse().ok()
}

fn requirement(text: &str) -> Requirement {
    Requirement::parse(&text.split(' ').collect::<Vec<_>>(), seconds).unwrap().unwrap()
}

fn session(more: &[(&str, &str)]) -> Resolution {
    let mut headers = HeaderMap::new();
    let valid = [("x-authgear-session-valid", "true"), ("x-authgear-user-id", "alice")];
    for (name, value) in valid.iter().chain(more) {
        headers
            .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let Ok(Finding::Resolved(resolution)) = read(200, &headers, false).map(|answer| answer.finding) else {
        panic!("no resolution")
    };
    resolution
}

#[test]
fn bad_arguments_are_refused_by_a_sentence() {
    let which =
        "it must be \"valid\", \"registered\", \"verified\", \"role=\", \"amr=\", \"max_age=\" or \"off\"";
    let role =
        "a role's key has up to 40 letters, digits, \"_\" and \":\", and doesn't begin with a digit or \":\"";
    let twice = "it is given twice; names are joined by commas";
    let long = format!("role={}", "a".repeat(41));
    for (text, argument, complaint) in [
        ("vaild", "vaild", which),
        ("Valid", "Valid", which),
        ("valid=1", "valid=1", which),
        ("valid off", "off", "\"off\" stands alone"),
        ("off off", "off", "\"off\" stands alone"),
        ("role=", "role=", role),
        ("role=a,", "role=a,", role),
        ("role=a,,b", "role=a,,b", role),
        ("role=1a", "role=1a", role),
        ("role=a-b", "role=a-b", role),
        (&long, &long, role),
        ("amr=", "amr=", "a method's name is made of up to 40 letters, digits, \"_\" and \":\""),
        ("max_age=x", "max_age=x", "it must be a time of a second or more"),
        ("max_age=0", "max_age=0", "it must be a time of a second or more"),
        ("role=a role=b", "role=b", twice),
        ("valid valid", "valid", twice),
    ] {
        let arguments: Vec<_> = text.split(' ').collect();
        assert_eq!(Requirement::parse(&arguments, seconds), Err((argument, complaint)), "{text}");
    }
    assert_eq!(Requirement::parse(&["off"], seconds), Ok(None));
}

#[test]
fn every_condition_implies_a_valid_session() {
    for text in ["valid", "registered", "verified", "role=a", "amr=pwd", "max_age=60s"] {
        for resolution in [Resolution::None, Resolution::invalid()] {
            assert_eq!(requirement(text).check(&resolution, 0), Err(Unmet::Valid), "{text}");
        }
    }
    assert!(requirement("valid").check(&session(&[]), 0).is_ok());
}

#[test]
fn conditions_are_met_by_exact_values() {
    let (anonymous, verified) = ("x-authgear-user-anonymous", "x-authgear-user-verified");
    let (roles, amr) = ("x-authgear-user-roles", "x-authgear-session-amr");
    for (text, headers, expected) in [
        ("registered", vec![(anonymous, "false")], None),
        ("registered", vec![(anonymous, "true")], Some(Unmet::Registered)),
        ("registered", vec![(anonymous, "False")], Some(Unmet::Registered)),
        ("registered", vec![], Some(Unmet::Registered)),
        ("verified", vec![(verified, "true")], None),
        ("verified", vec![(verified, "1")], Some(Unmet::Verified)),
        ("verified", vec![], Some(Unmet::Verified)),
        ("role=admin", vec![(roles, "editor,admin")], None),
        ("role=x,editor", vec![(roles, "editor,admin")], None),
        ("role=admin", vec![(roles, "administrator,xadmin,ADMIN")], Some(Unmet::Role)),
        ("role=admin", vec![], Some(Unmet::Role)),
        ("amr=mfa", vec![(amr, "pwd mfa")], None),
        ("amr=mfa,otp", vec![(amr, "pwd")], Some(Unmet::Amr)),
        ("registered role=a", vec![(anonymous, "true"), (roles, "a")], Some(Unmet::Registered)),
    ] {
        assert_eq!(requirement(text).check(&session(&headers), 0).err(), expected, "{text} {headers:?}");
    }
}

#[test]
fn an_authentication_is_recent_up_to_its_bound() {
    let at = "x-authgear-session-authenticated-at";
    let too_old = Unmet::MaxAge(Duration::from_secs(60));
    for (header, expected) in [
        (Some("1000"), None),
        (Some("940"), None),
        (Some("939"), Some(too_old)),
        (Some("1100"), None),
        (Some("-1"), Some(too_old)),
        (Some("soon"), Some(too_old)),
        (None, Some(too_old)),
    ] {
        let headers: Vec<_> = header.map(|value| (at, value)).into_iter().collect();
        assert_eq!(requirement("max_age=60s").check(&session(&headers), 1000).err(), expected, "{header:?}");
    }
    assert_eq!(requirement("max_age=60s role=a").check(&session(&[]), 1000), Err(Unmet::Role));
}

#[test]
fn challenges_are_as_the_rfcs_have_them() {
    assert_eq!(Unmet::Valid.challenge("app", false).unwrap(), "Bearer realm=\"app\"");
    assert_eq!(Unmet::Valid.challenge("app", true).unwrap(), "Bearer realm=\"app\", error=\"invalid_token\"");
    assert_eq!(
        Unmet::MaxAge(Duration::from_secs(300)).challenge("app", true).unwrap(),
        "Bearer realm=\"app\", error=\"insufficient_user_authentication\", max_age=300"
    );
    assert_eq!(Unmet::Role.challenge("app", true), None);
    assert_eq!((Unmet::Valid.status(), Unmet::Role.status()), (401, 403));
}

proptest! {
    /// Compared with a naive version of the rules: there is a permit only if all conditions hold.
    #[test]
    fn a_permit_means_that_every_condition_holds(
        conditions in prop::sample::subsequence(vec!["valid", "registered", "verified", "role=a,b", "max_age=60s"], 1..5),
        valid: bool, anonymous: Option<bool>, verified: Option<bool>, roles in "([abc](,[abc]){0,2})?", at in 900u64..1100,
    ) {
        let text = |flag: Option<bool>| flag.map_or(String::new(), |flag| flag.to_string());
        let resolution = if valid {
            session(&[
                ("x-authgear-user-anonymous", &text(anonymous)),
                ("x-authgear-user-verified", &text(verified)),
                ("x-authgear-user-roles", &roles),
                ("x-authgear-session-authenticated-at", &at.to_string()),
            ])
        } else {
            Resolution::None
        };
        let met = valid && conditions.iter().all(|condition| match *condition {
            "registered" => anonymous == Some(false),
            "verified" => verified == Some(true),
            "role=a,b" => roles.split(',').any(|role| role == "a" || role == "b"),
            "max_age=60s" => at + 60 >= 1000,
            _ => true,
        });
        prop_assert_eq!(requirement(&conditions.join(" ")).check(&resolution, 1000).is_ok(), met);
    }

    #[test]
    fn no_argument_makes_the_grammar_panic(text in "\\PC{0,40}") {
        let _ = Requirement::parse(&text.split(' ').collect::<Vec<_>>(), seconds);
    }
}
