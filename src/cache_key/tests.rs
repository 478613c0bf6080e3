use super::*;
use crate::credentials::{Presented, present};
use proptest::prelude::*;
use proptest::sample::select;

/// How the server parses what it receives.
#[path = "../../tests/standin/go.rs"]
#[allow(dead_code, unreachable_pub, reason = "the stand-in needs more of it, elsewhere")]
mod go;

fn key(secret: u8, resolver: &[&[u8]], authorization: &str, cookie: &str) -> Option<CacheKey> {
    let lines = [(&b"authorization"[..], authorization.as_bytes()), (b"cookie", cookie.as_bytes())];
    match present(lines, b"") {
        Presented::Credentials(found) => {
            Some(KeyMaker::new(&Secret::new([secret; 32]), &ResolverId::digest(resolver)).key(&found))
        }
        _ => None,
    }
}

#[test]
fn every_part_changes_the_key() {
    let base = key(1, &[b"http://a", b""], "Bearer a", "session=b");
    for other in [
        key(2, &[b"http://a", b""], "Bearer a", "session=b"),
        key(1, &[b"http://", b"a"], "Bearer a", "session=b"),
        key(1, &[b"http://a"], "Bearer a", "session=b"),
        key(1, &[b"http://a", b""], "bearer a", "session=b"),
        key(1, &[b"http://a", b""], "Bearer a", "session=c"),
        key(1, &[b"http://a", b""], "", "session=b"),
        key(1, &[b"http://a", b""], "Bearer a", ""),
        key(1, &[b"http://a", b""], "Bearer a", "app_session=b"),
    ] {
        assert!(other.is_some());
        assert_ne!(base, other);
    }
    assert_eq!(base, key(1, &[b"http://a", b""], "Bearer a", "x=y; session=b"));
}

#[test]
fn text_forms_show_a_fingerprint_only() {
    let key = CacheKey([0xab; 32]);
    assert_eq!((format!("{key}"), format!("{key:?}")), ("abababab".into(), "CacheKey(abababab)".into()));
}

/// The header lines of a request: `Authorization`, if it is not empty, and `Cookie`.
type Lines = (String, Vec<String>);

fn presented((authorization, cookies): &Lines) -> Option<Credentials> {
    let authorization =
        Some((&b"authorization"[..], authorization.as_bytes())).filter(|(_, value)| !value.is_empty());
    let cookies = cookies.iter().map(|line| (&b"cookie"[..], line.as_bytes()));
    match present(authorization.into_iter().chain(cookies), b"") {
        Presented::Credentials(found) => Some(found),
        _ => None,
    }
}

/// The header lines of the call.
fn sent(lines: &Lines) -> Option<Lines> {
    let found = presented(lines)?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let authorization = found.authorization().map(text).unwrap_or_default();
    Some((authorization, found.cookie().map(text).into_iter().collect()))
}

fn key_of(lines: &Lines) -> Option<CacheKey> {
    let keys = KeyMaker::new(&Secret::new([1; 32]), &ResolverId::digest(&[]));
    presented(lines).map(|found| keys.key(&found))
}

/// What the server would find in the client's own header lines: the token and its cookies.
fn read_by_server((authorization, cookies): &Lines) -> (Option<Vec<u8>>, [Option<Vec<u8>>; 3]) {
    let cookies = go::read_cookies(cookies.iter().map(String::as_bytes));
    let cookie = |name| go::cookie(&cookies, name).map(<[u8]>::to_vec);
    let token = go::bearer(authorization.as_bytes()).map(<[u8]>::to_vec);
    (token, ["app_session", "app_access_token", "session"].map(cookie))
}

/// Pairs that are credentials, or almost, with few values, so that two requests are often equal.
const PAIRS: &str = "(app_session|app_access_token|session|session|SESSION|xsession|my session)( ?= ?|=\"?)\
                     (a|ba|b,session=a|a\\\\|a\u{1}|\u{e9})?\"?|session";
/// Cookies that are no credentials and must not affect the key.
const JUNK: [&str; 10] = ["", " ", "\t", "x=y", "x", "=", "$Version=1", "x=\"", "Session=a", "sessions=b"];
const AUTHORIZATION: &str = "((Bearer|bearer|BEARER|Basic)  ?(a|ba|a; session=a)?)?";

fn lines() -> impl Strategy<Value = Lines> {
    let line = prop::collection::vec(PAIRS, 0..4).prop_map(|pairs| pairs.join("; "));
    (AUTHORIZATION, prop::collection::vec(line, 0..3))
}

/// Two requests that often have a part in common.
fn two() -> impl Strategy<Value = (Lines, Lines)> {
    (lines(), lines(), 0..3).prop_map(|(one, other, same)| match same {
        0 => (one.clone(), (one.0, other.1)),
        1 => (one.clone(), (other.0, one.1)),
        _ => (one, other),
    })
}

/// The same lines, and those lines with junk before each pair.
fn with_junk(lines: Lines) -> impl Strategy<Value = (Lines, Lines)> {
    let pairs: usize = lines.1.iter().map(|line| line.split(';').count()).sum();
    prop::collection::vec(select(&JUNK[..]), pairs).prop_map(move |junk| {
        let mut junk = junk.into_iter();
        let mut before = |pair: &str| format!("{};{pair}", junk.next().unwrap_or_default());
        let line = |line: &String| line.split(';').map(&mut before).collect::<Vec<_>>().join(";");
        let cookies = lines.1.iter().map(line).collect();
        (lines.clone(), (lines.0.clone(), cookies))
    })
}

proptest! {
    /// The key covers exactly what is sent.
    #[test]
    fn what_is_sent_differently_is_keyed_differently((one, two) in two()) {
        if let (Some(first), Some(second)) = (sent(&one), sent(&two)) {
            prop_assert_eq!(key_of(&one) == key_of(&two), first == second);
        }
    }

    /// The server finds the same in the call as it would find in the client's own lines: two requests that it could
    /// distinguish never share a key, and none is mistaken for a request without credentials.
    #[test]
    fn the_server_finds_in_what_is_sent_what_it_would_find_in_the_request(lines in lines()) {
        prop_assert_eq!(read_by_server(&sent(&lines).unwrap_or_default()), read_by_server(&lines));
    }

    #[test]
    fn what_the_server_reads_differently_is_keyed_differently((one, two) in two()) {
        let same_key = key_of(&one).is_some() && key_of(&one) == key_of(&two);
        prop_assert!(!same_key || read_by_server(&one) == read_by_server(&two));
    }

    #[test]
    fn what_is_no_credential_changes_neither_the_key_nor_what_the_server_reads((one, two) in lines().prop_flat_map(with_junk)) {
        prop_assert_eq!(key_of(&one), key_of(&two));
        prop_assert_eq!(read_by_server(&one), read_by_server(&two));
    }

    #[test]
    fn a_list_of_parts_has_a_digest_of_its_own(
        one in prop::collection::vec("[ab]{0,3}", 0..4), two in prop::collection::vec("[ab]{0,3}", 0..4),
    ) {
        let digest = |parts: &[String]| ResolverId::digest(&parts.iter().map(String::as_bytes).collect::<Vec<_>>());
        prop_assert_eq!(digest(&one) == digest(&two), one == two);
    }
}
