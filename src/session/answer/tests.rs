use super::*;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

const VALID: (&str, &str) = ("X-Authgear-Session-Valid", "true");
const USER: (&str, &str) = ("X-Authgear-User-Id", "acdc0d99-f784-43d5-b53d-70f3506dfbf7");

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

/// Describes the result in a word or two.
fn reading(status: u16, lines: &[(&str, &str)], has_body: bool) -> String {
    match read(status, &map(lines), has_body) {
        Ok(Answer { finding: Finding::Resolved(resolution), .. }) => {
            let headers = resolution.identity_headers().map_or(0, IdentityHeaders::len);
            match resolution {
                Resolution::None => "none".into(),
                Resolution::Invalid(_) => format!("invalid, {headers}"),
                Resolution::Valid(_) => format!("valid, {headers}"),
            }
        }
        Ok(Answer { finding: Finding::Refused(refusal), .. }) => {
            format!("refused {}, {}", refusal.status, refusal.challenges.len())
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn authgears_own_answers_are_understood() {
    let whole = [
        ("Permissions-Policy", "camera=()"),
        ("X-Authgear-Session-Amr", ""),
        ("X-Authgear-Session-Authenticated-At", "1136171045"),
        VALID,
        ("X-Authgear-User-Anonymous", "false"),
        USER,
        ("X-Authgear-User-Roles", "a,b"),
    ];
    assert_eq!(reading(200, &whole, false), "valid, 5");
    assert_eq!(reading(200, &[], false), "none");
    assert_eq!(reading(200, &[("x-authgear-session-valid", "false")], false), "invalid, 1");
    assert_eq!(reading(204, &[VALID, USER], false), "valid, 2");
}

#[test]
fn a_failure_of_the_server_is_any_5xx_but_501_and_505() {
    let fails = |status: &u16| AnswerError::Status(*status).is_server_failure();
    let others: Vec<u16> = (500..=599).filter(|status| !fails(status)).collect();
    assert_eq!(others, [501, 505]);
    assert!(!(100..500).chain(600..1000).any(|status| fails(&status)));
    assert!(!AnswerError::Malformed("anything").is_server_failure());
}

#[test]
fn only_exact_forms_are_understood() {
    let neither = "\"x-authgear-session-valid\" is neither \"true\" nor \"false\"";
    for value in ["TRUE", "True", "1", "", "true, true", "true,false", "yes"] {
        assert_eq!(reading(200, &[("x-authgear-session-valid", value), USER], false), neither, "{value:?}");
    }
    for (lines, expected) in [
        (vec![VALID, VALID, USER], "an \"x-authgear-\" header twice"),
        (vec![VALID, USER, USER], "an \"x-authgear-\" header twice"),
        (vec![VALID], "a valid session without \"x-authgear-user-id\""),
        (vec![VALID, ("x-authgear-user-id", "")], "a valid session without \"x-authgear-user-id\""),
        (vec![USER], "\"x-authgear-user-id\" without \"x-authgear-session-valid\""),
        (
            vec![("x-authgear-session-valid", "false"), USER],
            "\"x-authgear-user-id\" beside an invalid session",
        ),
        (vec![VALID, USER, ("x-authgear-user_id", "bob")], "an \"x-authgear-\" header with an odd name"),
        (vec![VALID, USER, ("x-authgear-user.id", "bob")], "an \"x-authgear-\" header with an odd name"),
    ] {
        assert_eq!(reading(200, &lines, false), expected, "{lines:?}");
    }
}

#[test]
fn no_session_must_come_without_a_body() {
    assert_eq!(reading(200, &[], true), "no \"x-authgear-session-valid\" and a body");
    assert_eq!(reading(200, &[VALID, USER], true), "valid, 2");
}

#[test]
fn statuses_are_sorted() {
    for status in [100, 199, 201, 206, 301, 302, 304, 400, 404, 405, 429, 500, 502, 503, 504, 599] {
        assert_eq!(reading(status, &[VALID, USER], false), format!("status {status}"));
    }
    let challenges = [("www-authenticate", "Bearer"), ("WWW-Authenticate", "Basic realm=\"x\"")];
    assert_eq!(reading(401, &challenges, true), "refused 401, 2");
    assert_eq!(reading(403, &[], false), "refused 403, 0");
}

#[test]
fn sizes_are_bounded() {
    let long = "a".repeat(MAX_IDENTITY_BYTES);
    assert_eq!(
        reading(200, &[VALID, USER, ("x-authgear-more", &long)], false),
        "more than 8k of \"x-authgear-\" headers"
    );
    let longer = "a".repeat(MAX_HEAD_BYTES);
    assert_eq!(reading(200, &[VALID, USER, ("x-other", &longer)], false), "more than 64k of headers");
    assert_eq!(reading(401, &[("x-other", &longer)], false), "more than 64k of headers");
}

#[test]
fn exempt_and_foreign_headers_are_never_passed_on() {
    let lines = [
        VALID,
        USER,
        ("x-authgear-xhr", "true"),
        ("x-authgear-body-signature", "00"),
        ("x_authgear_user_roles", "admin"),
        ("x-auth-gear", "1"),
        ("x-authgear-new-in-2027", "yes"),
    ];
    assert_eq!(reading(200, &lines, false), "valid, 3");
}

#[test]
fn set_cookie_lines_are_kept_apart() {
    let answer = read(200, &map(&[("set-cookie", "a=1"), ("Set-Cookie", "b=2")]), false).unwrap();
    assert_eq!(answer.set_cookies, [b"a=1".to_vec(), b"b=2".to_vec()]);
}

#[test]
fn only_a_resolution_has_a_time_of_its_own() {
    let max_age = |status, lines: &[_]| read(status, &map(lines), false).unwrap().max_age;
    let bound = ("Cache-Control", "max-age=60");
    for status in [200, 204] {
        assert_eq!(max_age(status, &[VALID, USER, bound]), Some(60));
        assert_eq!(max_age(status, &[bound, ("Age", "20")]), Some(40));
        assert_eq!(max_age(status, &[VALID, USER]), None);
    }
    assert_eq!((max_age(401, &[bound]), max_age(403, &[bound])), (None, None));
}

proptest! {
    /// The result is an identity only if the answer contains exactly one `true` and one user id.
    #[test]
    fn valid_means_one_true_and_one_user_id(
        status in prop_oneof![Just(200u16), Just(204), 100u16..600],
        lines in prop::collection::vec(
            (prop_oneof![Just("x-authgear-session-valid"), Just("x-authgear-user-id"), Just("x-authgear-user-roles"), Just("x-authgear-user_id")],
             prop_oneof![Just("true"), Just("false"), Just(""), Just("alice")]), 0..5),
        has_body: bool,
    ) {
        let count = |name: &str, wanted: fn(&str) -> bool| lines.iter().filter(|(n, v)| *n == name && wanted(v)).count();
        let all = |name: &str| count(name, |_| true);
        if reading(status, &lines, has_body).starts_with("valid") {
            prop_assert!(status == 200 || status == 204);
            prop_assert_eq!((count("x-authgear-session-valid", |v| v == "true"), all("x-authgear-session-valid")), (1, 1));
            prop_assert_eq!((count("x-authgear-user-id", |v| !v.is_empty()), all("x-authgear-user-id")), (1, 1));
            prop_assert_eq!(all("x-authgear-user_id"), 0);
        }
    }
}
