use super::*;
use proptest::prelude::*;

fn read(lines: &[(&str, &str)], prefix: &str) -> Presented {
    present(lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), prefix.as_bytes())
}

/// What is sent, as `authorization | cookie`; `-` if nothing is sent.
fn sent(lines: &[(&str, &str)]) -> String {
    match read(lines, "") {
        Presented::Nothing => "-".into(),
        Presented::TooLarge(kinds) => format!("too large: {kinds}"),
        Presented::Credentials(found) => format!(
            "{} | {}",
            found.authorization().map_or("".into(), String::from_utf8_lossy),
            found.cookie().map_or("".into(), String::from_utf8_lossy)
        ),
    }
}

#[test]
fn authorization_counts_if_its_scheme_is_bearer() {
    for (value, expected) in [
        ("Bearer abc", "Bearer abc | "),
        ("bEARER abc", "bEARER abc | "),
        (" \tBearer abc \t", "Bearer abc | "),
        ("Bearer  abc", "Bearer  abc | "),
        ("Bearer a b", "Bearer a b | "),
        ("Bearer", "-"),
        ("Bearer ", "-"),
        ("Bearer\tabc", "-"),
        ("Bearerabc", "-"),
        ("Basic abc", "-"),
        ("DPoP abc", "-"),
        ("", "-"),
        ("Bearer a\u{7f}b", "-"),
        ("Bearer a\nb", "-"),
        ("Bearer a\0b", "-"),
    ] {
        assert_eq!(sent(&[("Authorization", value)]), expected, "{value:?}");
    }
}

#[test]
fn only_the_first_authorization_line_counts() {
    assert_eq!(sent(&[("authorization", "Basic a"), ("Authorization", "Bearer b")]), "-");
    assert_eq!(sent(&[("AUTHORIZATION", "Bearer a"), ("authorization", "Bearer b")]), "Bearer a | ");
}

#[test]
fn cookies_are_found_as_go_finds_them() {
    for (line, expected) in [
        ("session=a", " | session=a"),
        ("a=b; session=a; c=d", " | session=a"),
        ("session=a; session=b", " | session=a; session=b"),
        ("app_session=1;app_access_token=2;session=3", " | app_session=1; app_access_token=2; session=3"),
        ("session=3; app_session=1", " | session=3; app_session=1"),
        ("Session=a; SESSION=b", "-"),
        ("SESSION=; session=b", " | session=b"),
        ("session=\"q\"", " | session=\"q\""),
        ("session = a", " | session = a"),
        ("\tsession=a\t", " | session=a"),
        ("session", " | session"),
        ("session=", " | session="),
        ("session=a=b", " | session=a=b"),
        ("session=a,b", " | session=a,b"),
        ("session=a\\; session=b", " | session=a\\; session=b"),
        ("x_session=a; sessions=b; same_site_strict=true", "-"),
        (";;; ;=;=session", "-"),
        ("session=a\u{1}b", "-"),
        ("session=a\u{1}b; session=c", " | session=c"),
        ("session=caf\u{e9}", " | session=caf\u{e9}"),
    ] {
        assert_eq!(sent(&[("Cookie", line)]), expected, "{line:?}");
    }
}

#[test]
fn every_cookie_line_counts_in_order() {
    assert_eq!(
        sent(&[("cookie", "session=a"), ("x", "y"), ("COOKIE", "app_session=b")]),
        " | session=a; app_session=b"
    );
}

#[test]
fn the_prefix_is_part_of_the_name() {
    let lines = [("cookie", "session=a; p_session=b; P_session=c; p_app_session=d")];
    let Presented::Credentials(found) = read(&lines, "p_") else { panic!("nothing found") };
    assert_eq!(found.cookie(), Some(&b"p_session=b; p_app_session=d"[..]));
}

#[test]
fn kinds_are_listed_in_authgears_order() {
    let found = read(&[("cookie", "session=a; app_session=b"), ("authorization", "Bearer c")], "");
    assert_eq!(found.kinds().to_string(), "bearer,app_session,session");
    assert_eq!(read(&[], "").kinds().to_string(), "-");
}

#[test]
fn one_credential_is_told_from_several() {
    let bearer = ("authorization", "Bearer a");
    for (lines, is_single) in [
        (&[bearer][..], true),
        (&[("cookie", "a=b; session=a; c=d")], true),
        (&[("cookie", "app_session=a")], true),
        (&[bearer, ("cookie", "a=b")], true),
        (&[bearer, ("authorization", "Bearer b")], true),
        (&[("authorization", "Basic YTpi"), ("cookie", "session=a")], true),
        (&[bearer, ("cookie", "session=a")], false),
        (&[bearer, ("cookie", "session=")], false),
        (&[("cookie", "session=a; app_session=b")], false),
        (&[("cookie", "session=a;session=a")], false),
        (&[("cookie", "session=a"), ("cookie", "session=b")], false),
        (&[("cookie", "app_access_token=a; x=y; session=b")], false),
    ] {
        let Presented::Credentials(found) = read(lines, "") else { panic!("{lines:?}") };
        assert_eq!(found.is_single(), is_single, "{lines:?}");
    }
}

#[test]
fn more_than_the_limit_is_too_large() {
    let most = format!("Bearer {}", "a".repeat(MAX_BYTES - 7));
    assert!(matches!(read(&[("authorization", &most)], ""), Presented::Credentials(_)));
    assert_eq!(sent(&[("authorization", &format!("{most}a"))]), "too large: bearer");
    assert_eq!(sent(&[("authorization", &most), ("cookie", "session=a")]), "too large: bearer,session");
    let longest = format!("session={}; app_session={}", "a".repeat(100), "b".repeat(MAX_BYTES - 122));
    assert!(matches!(read(&[("cookie", &longest)], ""), Presented::Credentials(_)));
    assert_eq!(sent(&[("cookie", &format!("{longest}b"))]), "too large: app_session,session");
    assert_eq!(sent(&[("cookie", &"session=a;".repeat(2000))]), "too large: session");
}

#[test]
fn debug_shows_no_byte_of_a_credential() {
    let found = read(&[("authorization", "Bearer sesame"), ("cookie", "session=sesame")], "");
    let text = format!("{found:?}");
    assert!(!text.contains("sesame"), "{text}");
}

proptest! {
    /// For any input, parsing what is sent returns the same credentials: the resolver finds no more than the key covers.
    #[test]
    fn what_is_sent_presents_exactly_itself(
        lines in prop::collection::vec(
            (prop_oneof![Just("cookie"), Just("authorization")], "[ -~\t\u{0}-\u{8}é]{0,20}(session|app_session|Bearer )?[=;a\" \t]{0,8}"),
            0..6,
        )
    ) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if let Presented::Credentials(first) = read(&lines, "") {
            let again: Vec<(&[u8], &[u8])> = [
                first.authorization().map(|value| (&b"authorization"[..], value)),
                first.cookie().map(|value| (&b"cookie"[..], value)),
            ].into_iter().flatten().collect();
            prop_assert_eq!(present(again, b""), Presented::Credentials(first));
        }
    }
}
