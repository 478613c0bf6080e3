use super::super::{MAX_BYTES, Presented, present};
use super::*;
use base64::engine::general_purpose;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000;

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWT with these claims, which may not be valid JSON.
fn jwt(claims: impl AsRef<[u8]>) -> String {
    [base64url(r#"{"alg":"RS256","kid":"k","typ":"at+jwt"}"#), base64url(claims), base64url("signed")]
        .join(".")
}

fn ending(exp: u64) -> String {
    jwt(format!(r#"{{"sub":"alice","exp":{exp}}}"#))
}

fn expires(lines: &[(&str, &str)]) -> Option<u64> {
    let lines = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    match present(lines, b"") {
        Presented::Credentials(credentials) => credentials.expires(NOW),
        other => panic!("{other:?}"),
    }
}

fn bearer(token: &str) -> Option<u64> {
    expires(&[("authorization", &format!("Bearer {token}"))])
}

fn cookie(line: &str) -> Option<u64> {
    expires(&[("cookie", line)])
}

#[test]
fn a_jwt_ends_when_it_says() {
    for (exp, expected) in [
        ("1700000060", Some(NOW + 60)),
        ("1700000060.0", Some(NOW + 60)),
        ("1700000060.999", Some(NOW + 60)),
        ("1.70000006e9", Some(NOW + 60)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", Some(u64::MAX)),
        ("1e300", Some(u64::MAX)),
        ("1e400", None),
        ("-1", None),
        ("-1e300", None),
        ("0", None),
        ("null", None),
        ("true", None),
        ("\"1700000060\"", None),
        ("[1700000060]", None),
        ("{\"exp\":1700000060}", None),
        ("NaN", None),
        ("1700000060x", None),
        ("01700000060", None),
    ] {
        assert_eq!(bearer(&jwt(format!("{{\"exp\":{exp}}}"))), expected, "{exp}");
    }
}

#[test]
fn what_is_no_jwt_has_no_end() {
    let claims = base64url(format!("{{\"exp\":{NOW}}}"));
    for token in [
        "x",
        ".",
        "..",
        "...",
        "0b2c8f8a-3b6e-4b53-8a9e-0d6b6f4d2c1a.abcdefghijklmnopqrstuvwxyz012345",
        &claims,
        &format!("e30.{claims}"),
        &format!("e30.e30.{claims}"),
        &format!("{claims}.e30.sig"),
        &format!("e30.{claims}.sig.more"),
        &format!("e30.{claims}.iv.text.tag"),
        &format!("e30.{claims}*.sig"),
        &format!("e30. {claims}.sig"),
        &format!("e30.{}.sig", &claims[1..]),
        &format!("e30.{}.sig", &claims[..claims.len() - 1]),
    ] {
        assert_eq!(bearer(token), None, "{token}");
    }
    assert_eq!(bearer(&format!("e30.{claims}.sig")), Some(NOW));
}

#[test]
fn claims_must_be_one_object() {
    for claims in [
        &b""[..],
        b"1700000060",
        b"null",
        b"[{\"exp\":1700000060}]",
        b"{\"nested\":{\"exp\":1700000060}}",
        b"{\"EXP\":1700000060}",
        b"{\"exp\":1700000060",
        b"{\"exp\":1700000060}}",
        b"{\"exp\":1700000060,}",
        b"{\"exp\":1700000060,\"sub\":}",
        b"{\"exp\":1700000060,\"sub\":x}",
        b"{\"exp\":1700000060,\"sub\":[1}",
        b"{\"exp\":1700000060,sub:1}",
        b"\xef\xbb\xbf{\"exp\":1700000060}",
    ] {
        assert_eq!(bearer(&jwt(claims)), None, "{}", String::from_utf8_lossy(claims));
    }
    assert_eq!(bearer(&jwt(" {\"exp\" : 1700000060}\n")), Some(NOW + 60));
}

/// Go's `encoding/json` accepts all of these: it replaces invalid UTF-8 and unpaired surrogates, and a number that isn't used
/// may have any size.
#[test]
fn claims_that_the_resolver_s_parser_takes_have_their_end() {
    for claims in [
        &b"{\"sub\":\"\xff\",\"exp\":1700000060}"[..],
        b"{\"\xff\":1,\"exp\":1700000060}",
        b"{\"sub\":\"\\ud800\",\"exp\":1700000060}",
        b"{\"\\ud800\":1,\"exp\":1700000060}",
        b"{\"e\\u0078p\":1700000060}",
        b"{\"n\":1e400,\"exp\":1700000060}",
        b"{\"exp\":{\"exp\":[1,{}]},\"exp\":1700000060}",
    ] {
        assert_eq!(bearer(&jwt(claims)), Some(NOW + 60), "{}", String::from_utf8_lossy(claims));
    }
    let deep = "[".repeat(3000) + &"]".repeat(3000);
    assert_eq!(bearer(&jwt(format!("{{\"exp\":1700000060,\"a\":{deep}}}"))), Some(NOW + 60));
    assert_eq!(bearer(&jwt(format!("{{\"a\":{deep},\"exp\":1700000060}}"))), Some(NOW + 60));
    assert_eq!(bearer(&jwt(format!("{{\"exp\":{deep}}}"))), None);
}

#[test]
fn of_two_ends_in_one_token_the_last_counts() {
    assert_eq!(bearer(&jwt("{\"exp\":1700000060,\"exp\":1700000070}")), Some(NOW + 70));
    assert_eq!(bearer(&jwt("{\"exp\":1700000060,\"exp\":null}")), None);
}

#[test]
fn however_a_token_is_spelled_it_ends() {
    // With this value the two alphabets and the paddings result in different text.
    let claims = format!("{{\"exp\":{},\"x\":\"~~~???>> \"}}", NOW + 60);
    let [url, standard] =
        [general_purpose::URL_SAFE, general_purpose::STANDARD].map(|engine| engine.encode(&claims));
    assert!(url.contains(['-', '_']) && standard.contains(['+', '/']) && url.ends_with('='));
    let bare = url.trim_end_matches('=');
    // A last letter with leftover bits that don't belong to any byte.
    let spare = format!("{}R", bare.strip_suffix('Q').unwrap());
    for claims in [&url, &standard, bare, standard.trim_end_matches('='), &spare] {
        assert_eq!(bearer(&format!("e30.{claims}.s/g+==")), Some(NOW + 60), "{claims}");
    }
}

#[test]
fn values_of_cookies_count() {
    let token = ending(NOW + 60);
    for line in [
        format!("app_access_token={token}"),
        format!("app_access_token\t={token}"),
        format!("app_access_token=\"{token}\""),
        format!("session=x; app_access_token={token}; app_session=y"),
        format!("app_session={token}"),
        format!("session={token}"),
    ] {
        assert_eq!(cookie(&line), Some(NOW + 60), "{line}");
    }
    for line in ["session", "session=", "session=\"", "session=\"\"", &format!("session=x; other={token}")] {
        assert_eq!(cookie(line), None, "{line}");
    }
}

#[test]
fn the_first_end_counts() {
    let [soon, later] = [60, 90].map(|seconds| ending(NOW + seconds));
    let token = format!("bEARER {later}");
    let line = format!("app_access_token={soon}; session=x");
    assert_eq!(expires(&[("authorization", &token)]), Some(NOW + 90));
    assert_eq!(expires(&[("authorization", &token), ("cookie", &line)]), Some(NOW + 60));
    assert_eq!(cookie(&format!("app_access_token={later}; app_access_token={soon}")), Some(NOW + 60));
    assert_eq!(expires(&[("authorization", "Bearer opaque"), ("cookie", "session=a.b")]), None);
}

#[test]
fn what_ended_long_ago_is_not_what_counts() {
    for (ago, counts) in [(0, true), (1, true), (300, true), (301, false), (NOW, false)] {
        assert_eq!(bearer(&ending(NOW - ago)), counts.then_some(NOW - ago), "{ago}");
    }
    let line = format!("app_access_token={}; app_session=good", ending(NOW - 301));
    assert_eq!(cookie(&line), None);
    let both = [("authorization", &*format!("Bearer {}", ending(NOW + 60))), ("cookie", &line)];
    assert_eq!(expires(&both), Some(NOW + 60));
}

#[test]
fn large_and_deep_garbage_has_no_end() {
    let room = MAX_BYTES - "Bearer ".len();
    let deep = "[".repeat(room * 3 / 4 - 100);
    let objects = "{\"a\":".repeat(2000);
    for token in [
        "a".repeat(room),
        ".".repeat(room),
        "a.".repeat(room / 2),
        format!("e30.{}.sig", "A".repeat(room - 8)),
        jwt(&deep),
        jwt(format!("{{\"exp\":1700000060,\"a\":{deep}")),
        jwt(&objects),
        jwt(format!("{{\"exp\":{deep}")),
        jwt(format!("{{\"exp\":{}}}", "9".repeat(10_000))),
    ] {
        assert_eq!(bearer(&token), None, "{}", &token[..20]);
    }
    assert_eq!(cookie(&"session=a.b.c;".repeat(1000)), None);
    assert_eq!(
        bearer(&jwt(format!("{{\"a\":\"{}\",\"exp\":1700000060}}", "x".repeat(10_000)))),
        Some(NOW + 60)
    );
}

proptest! {
    #[test]
    fn any_token_will_do(
        token in prop::collection::vec(prop_oneof![b' '..b'\x7f', b'\x80'.., Just(b'.')], 1..100),
        claims in prop_oneof!["\\PC{0,40}", "\\{\"exp\":[0-9eE.+-]{0,30}\\}"],
        now: u64,
    ) {
        let signed = jwt(claims);
        for token in [&token[..], signed.as_bytes()] {
            let (value, pair) = ([b"Bearer ", token].concat(), [b"session=", token].concat());
            let lines = [(&b"authorization"[..], &value[..]), (b"cookie", &pair)];
            if let Presented::Credentials(credentials) = present(lines, b"") {
                prop_assert!(credentials.expires(now).is_none_or(|exp| exp.saturating_add(LEEWAY) >= now));
            }
        }
    }

    #[test]
    fn the_first_end_is_found_among_any(ends in prop::collection::vec((NOW - 600)..(NOW + 600), 1..6)) {
        let line: Vec<_> = ends.iter().map(|exp| format!("app_access_token={}", ending(*exp))).collect();
        let expected = ends.into_iter().filter(|exp| *exp >= NOW - 300).min();
        prop_assert_eq!(cookie(&line.join("; ")), expected);
    }
}
