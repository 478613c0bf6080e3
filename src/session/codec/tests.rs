use super::super::answer::{self, Answer, Finding};
use super::*;
use crate::session::IdentityHeader;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

const ID: &str = "acdc0d99-f784-43d5-b53d-70f3506dfbf7";

/// Parses an answer with these headers.
fn resolved<'a>(lines: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Option<Resolution> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    match answer::read(200, &headers, false) {
        Ok(Answer { finding: Finding::Resolved(resolution), .. }) => Some(resolution),
        _ => None,
    }
}

fn valid(more: &[(&str, &str)]) -> Resolution {
    let lines = [(SESSION_VALID, "true"), (USER_ID, ID)];
    resolved(lines.iter().chain(more).map(|(name, value)| (*name, value.as_bytes()))).unwrap()
}

fn invalid() -> Resolution {
    resolved([(SESSION_VALID, &b"false"[..])]).unwrap()
}

fn encoded(resolution: &Resolution) -> Vec<u8> {
    let mut out = Vec::new();
    encode(resolution, &mut out);
    out
}

/// An encoded header: names below 10 are codes, others are spelled out.
fn header(name: &str, value: &[u8]) -> Vec<u8> {
    let counted = |bytes: &[u8]| [&(bytes.len() as u16).to_le_bytes()[..], bytes].concat();
    match name.parse() {
        Ok(code) if code < 10 => [&[code], &counted(value)[..]].concat(),
        _ => [&[0], &counted(name.as_bytes())[..], &counted(value)].concat(),
    }
}

fn bytes(kind: u8, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| header(name, value)).collect();
    [&[VERSION, kind], &headers.concat()[..]].concat()
}

/// Checks the guarantees of `answer::read`, as documented.
fn assert_possible(resolution: &Resolution) {
    let headers: Vec<_> = resolution.identity_headers().into_iter().flat_map(IdentityHeaders::iter).collect();
    for (place, IdentityHeader { name, value, .. }) in headers.iter().enumerate() {
        let lower = name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        assert!(lower && name.starts_with(b"x-authgear-"), "{name:?}");
        assert!(name != b"x-authgear-xhr" && name != b"x-authgear-body-signature");
        assert!(headers.iter().skip(place + 1).all(|other| other.name != *name), "{name:?} twice");
        assert!(!value.is_empty() && HeaderValue::from_bytes(value).is_ok(), "{value:?}");
    }
    let size: usize = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    assert!(size <= MAX_IDENTITY_BYTES);
    let find = |wanted: &str| {
        headers.iter().find(|header| header.name == wanted.as_bytes()).map(|header| header.value)
    };
    let (says, user) = (find("x-authgear-session-valid"), find("x-authgear-user-id"));
    match resolution {
        Resolution::None => assert!(headers.is_empty()),
        Resolution::Invalid(_) => assert_eq!((says, user), (Some(&b"false"[..]), None)),
        Resolution::Valid(_) => assert!(says == Some(b"true") && user.is_some()),
    }
}

#[test]
fn the_form_is_as_documented() {
    assert_eq!(encoded(&Resolution::None), bytes(NONE, &[]));
    assert_eq!(encoded(&invalid()), bytes(INVALID, &[("1", b"false")]));
    assert_eq!(encoded(&Resolution::invalid()), encoded(&invalid()));
    let session = valid(&[("x-authgear-new-in-2027", "yes"), ("x-authgear-user-roles", "a,b")]);
    let expected = bytes(
        VALID,
        &[("1", b"true"), ("2", ID.as_bytes()), ("new-in-2027", &b"yes"[..]), ("5", &b"a,b"[..])],
    );
    assert_eq!(encoded(&session), expected);
}

#[test]
fn encoding_appends() {
    let mut out = b"before".to_vec();
    encode(&invalid(), &mut out);
    assert_eq!(out, [&b"before"[..], &encoded(&invalid())].concat());
}

#[test]
fn a_usual_session_is_small() {
    let session = valid(&[
        ("x-authgear-user-anonymous", "false"),
        ("x-authgear-user-verified", "true"),
        ("x-authgear-user-can-reauthenticate", "true"),
        ("x-authgear-session-authenticated-at", "1136171045"),
        ("x-authgear-user-roles", "admin,support"),
    ]);
    let len = encoded(&session).len();
    assert!((60..=110).contains(&len), "{len}");
}

#[test]
fn every_name_that_has_a_variable_has_a_code() {
    for name in KNOWN.map(|known| known.short) {
        let spelled_out = bytes(VALID, &[("1", b"true"), ("2", b"u"), (name, b"x")]);
        assert_eq!(decode(&spelled_out), None, "{name}");
    }
    assert_eq!(code(b"session-authenticated-at"), Some(9));
    assert_eq!(code(b"user-ids"), None);
}

#[test]
fn the_largest_answers_fit_the_bound() {
    let room = MAX_IDENTITY_BYTES - (SESSION_VALID.len() + 4 + USER_ID.len() + ID.len());
    let long_value = "v".repeat(room - "x-authgear-user-roles".len());
    let long_name = format!("x-authgear-{}", "n".repeat(room - "x-authgear-".len() - 1));
    let many: Vec<_> =
        (0..room / 15).map(|number| (format!("x-authgear-{number:03}"), "v".to_owned())).collect();
    let more: [Vec<(&str, &str)>; 4] = [
        vec![("x-authgear-user-roles", &long_value)],
        vec![("x-authgear-", &long_value)],
        vec![(&long_name, "v")],
        many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    ];
    for more in more {
        let (session, count) = (valid(&more), more.len());
        let bytes = encoded(&session);
        assert!(bytes.len() <= MAX_ENCODED, "{count} more: {}", bytes.len());
        assert_eq!(decode(&bytes), Some(session), "{count} more");
    }
}

#[test]
fn what_no_answer_says_is_not_decoded() {
    const YES: (&str, &[u8]) = ("1", b"true");
    const NO: (&str, &[u8]) = ("1", b"false");
    const USER: (&str, &[u8]) = ("2", b"u");
    assert!(decode(&bytes(VALID, &[YES, USER])).is_some());
    let half = vec![b'v'; MAX_IDENTITY_BYTES / 2];
    for (kind, headers) in [
        (NONE, vec![("3", &b"true"[..])]),
        (NONE, vec![NO]),
        (INVALID, vec![]),
        (INVALID, vec![YES]),
        (INVALID, vec![NO, USER]),
        (VALID, vec![YES]),
        (VALID, vec![USER]),
        (VALID, vec![NO, USER]),
        (VALID, vec![("1", b"TRUE"), USER]),
        (3, vec![YES, USER]),
        (VALID, vec![YES, USER, YES]),
        (VALID, vec![YES, USER, USER]),
        (VALID, vec![YES, USER, ("a", b"v"), ("b", b"v"), ("a", b"w")]),
        (VALID, vec![YES, USER, ("a", b"")]),
        (VALID, vec![YES, ("2", b"")]),
        (VALID, vec![YES, USER, ("a", b"x\r\nx-authgear-user-id: bob")]),
        (VALID, vec![YES, USER, ("a", b"\x7f")]),
        (VALID, vec![YES, USER, ("A", b"v")]),
        (VALID, vec![YES, USER, ("user_roles", b"v")]),
        (VALID, vec![YES, USER, ("a:b", b"v")]),
        (VALID, vec![YES, USER, ("\u{e9}", b"v")]),
        (VALID, vec![YES, USER, ("xhr", b"v")]),
        (VALID, vec![YES, USER, ("body-signature", b"v")]),
        (VALID, vec![YES, USER, ("a", &half), ("b", &half)]),
    ] {
        assert_eq!(decode(&bytes(kind, &headers)), None, "{kind} {headers:?}");
    }
}

#[test]
fn other_versions_and_codes_are_not_decoded() {
    let good = encoded(&valid(&[]));
    for version in (0..=u8::MAX).filter(|version| *version != VERSION) {
        assert_eq!(decode(&[&[version], &good[1..]].concat()), None);
    }
    for code in 10..=u8::MAX {
        assert_eq!(decode(&[&good[..], &[code, 1, 0, b'v']].concat()), None);
    }
    assert_eq!(decode(&[]), None);
    assert_eq!(decode(&[VERSION]), None);
}

/// Lines of an answer: the two decisive ones, known names, new names, and some that are not passed on.
fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        4 => prop::sample::select(&KNOWN[2..]).prop_map(|name| format!("x-authgear-{}", name.short)),
        2 => "x-authgear-[a-z0-9-]{0,12}",
        1 => Just("x-authgear-xhr".to_owned()),
        1 => Just("content-length".to_owned()),
    ];
    let byte = prop_oneof![8 => b' '..b'\x7f', 1 => b'\x80'.., 1 => Just(b'\t')];
    let value =
        prop_oneof![9 => prop::collection::vec(byte, 0..20), 1 => prop::collection::vec(Just(b'v'), 0..9000)];
    let says = prop_oneof![Just("true"), Just("false")];
    let deciding = (prop::option::of(says), any::<bool>()).prop_map(|(says, user)| {
        let says = says.map(|word| (SESSION_VALID.to_owned(), word.into()));
        says.into_iter().chain(user.then(|| (USER_ID.to_owned(), ID.into()))).collect::<Vec<_>>()
    });
    let more = prop::collection::hash_map(name, value, 0..12);
    (deciding, more).prop_map(|(deciding, more)| deciding.into_iter().chain(more).collect())
}

/// Resolutions parsed from answers.
fn resolutions() -> impl Strategy<Value = Resolution> {
    lines().prop_filter_map("an answer that is not understood", |lines| {
        resolved(lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
    })
}

/// Bytes that are mostly well-formed but often contain a violation.
fn shaped() -> impl Strategy<Value = Vec<u8>> {
    let name =
        prop_oneof![Just("1"), Just("2"), Just("3"), Just("9"), Just("a"), Just("xhr"), Just("user-id")];
    let value = prop_oneof![
        Just(&b"true"[..]),
        Just(&b"false"[..]),
        Just(&b"alice"[..]),
        Just(&b""[..]),
        Just(&b"\n"[..])
    ];
    (0u8..4, prop::collection::vec((name, value), 0..5)).prop_map(|(kind, headers)| bytes(kind, &headers))
}

/// Whatever decodes is a possible resolution, and the bytes are its encoding.
fn assert_sound(bytes: &[u8]) {
    if let Some(resolution) = decode(bytes) {
        assert_possible(&resolution);
        assert_eq!(encoded(&resolution), bytes);
    }
}

proptest! {
    #[test]
    fn what_was_encoded_decodes(resolution in resolutions()) {
        let bytes = encoded(&resolution);
        prop_assert!(bytes.len() <= MAX_ENCODED);
        assert_possible(&resolution);
        prop_assert_eq!(decode(&bytes), Some(resolution));
    }

    #[test]
    fn any_bytes_are_sound(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&bytes);
        assert_sound(&[&[VERSION, VALID], &bytes[..]].concat());
    }

    #[test]
    fn shaped_bytes_are_sound(bytes in shaped()) {
        assert_sound(&bytes);
    }

    #[test]
    fn damaged_encodings_are_sound(resolution in resolutions(), place: prop::sample::Index, flip in 1u8..) {
        let mut bytes = encoded(&resolution);
        let place = place.index(bytes.len());
        assert_sound(&bytes[..place]);
        bytes[place] ^= flip;
        assert_sound(&bytes);
    }
}
