use super::*;
use crate::session::answer;
use http::{HeaderMap, HeaderName};
use proptest::prelude::*;

const VALID: (&str, &str) = ("x-authgear-session-valid", "true");
const USER: (&str, &str) = ("x-authgear-user-id", "alice");

fn read(status: u16, lines: &[(&str, &str)]) -> Outcome {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers
            .append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    answer::read(status, &headers, false).map_err(ResolveError::from)
}

/// The part of an outcome that a follower receives.
fn told(outcome: &Outcome) -> Outcome {
    match outcome.clone() {
        Ok(answer) => Ok(Answer { set_cookies: Vec::new(), ..answer }),
        Err(ResolveError::Connect(_)) => Err(ResolveError::Connect(String::new())),
        Err(ResolveError::Exhausted(_)) => Err(ResolveError::Exhausted(String::new())),
        Err(ResolveError::Closed(_)) => Err(ResolveError::Closed(String::new())),
        Err(ResolveError::Protocol(_)) => Err(ResolveError::Protocol(String::new())),
        Err(ResolveError::Internal(_)) => Err(ResolveError::Internal("as told by another worker")),
        Err(ResolveError::Answer(AnswerError::Malformed(_))) => {
            Err(AnswerError::Malformed("as told by another worker").into())
        }
        Err(error) => Err(error),
    }
}

fn errors() -> Vec<ResolveError> {
    vec![
        ResolveError::Connect("refused".into()),
        ResolveError::Timeout,
        ResolveError::ConnectTimeout,
        ResolveError::Closed("reset".into()),
        AnswerError::Status(500).into(),
        AnswerError::Malformed("twice").into(),
        ResolveError::Protocol("garbage".into()),
        ResolveError::Exhausted("no descriptors".into()),
        ResolveError::Overload,
        ResolveError::Breaker { after_500: true },
        ResolveError::Internal("dropped"),
    ]
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    match &outcome.as_ref().ok()?.finding {
        Finding::Resolved(Resolution::None) => Some(Kind::None),
        Finding::Resolved(Resolution::Invalid(_)) => Some(Kind::Invalid),
        Finding::Resolved(Resolution::Valid(_)) => Some(Kind::Valid),
        Finding::Refused(_) => None,
    }
}

#[test]
fn the_kind_of_an_error_is_all_that_is_told() {
    for error in errors() {
        let outcome = Err(error.clone());
        let bytes = encode(&outcome, None);
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded, (told(&outcome), None));
        assert_eq!(decoded.0.unwrap_err().reason(), error.reason());
        assert!(bytes.len() <= 4, "{error}");
    }
    assert_eq!(decode(&encode(&Err(AnswerError::Status(503).into()), None)).unwrap().0, read(503, &[]));
}

#[test]
fn cookies_stay_with_the_leader() {
    let cookies = [("set-cookie", "session=sesame"), ("set-cookie", "b=c")];
    for (status, lines) in [(200, &[VALID, USER][..]), (200, &[]), (401, &[])] {
        let outcome = read(status, &[lines, &cookies].concat());
        assert_eq!(outcome.as_ref().unwrap().set_cookies.len(), 2);
        let bytes = encode(&outcome, None);
        assert!(!bytes.windows(6).any(|part| part == b"sesame"));
        assert_eq!(decode(&bytes), Some((read(status, lines), None)));
    }
}

#[test]
fn refusals_keep_their_challenges() {
    let challenges =
        [("www-authenticate", "Bearer"), ("www-authenticate", ""), ("www-authenticate", "a=\"\u{e9}\"")];
    for (status, lines) in [(401, &challenges[..]), (403, &challenges[..1]), (403, &[])] {
        let outcome = read(status, lines);
        assert_eq!(decode(&encode(&outcome, None)), Some((outcome, None)));
    }
}

#[test]
fn only_resolutions_have_a_stamp_and_it_is_of_their_kind() {
    let stamp = Stamp { kind: Kind::Valid, asked: 5, until: 6 };
    for outcome in [read(403, &[]), Err(ResolveError::Timeout)] {
        assert_eq!(decode(&encode(&outcome, Some(&stamp))), Some((outcome, None)));
    }
    let none = read(200, &[]);
    let of_none = Stamp { kind: Kind::None, ..stamp };
    assert_eq!(decode(&encode(&none, Some(&stamp))), Some((none, Some(of_none))));
}

#[test]
fn what_nobody_encodes_is_not_decoded() {
    let none = encode(&read(200, &[]), None);
    assert_eq!(none, [VERSION, RESOLVED, 0, 0, 1, 0]);
    let refused = |status: u16, rest: &[u8]| [&[VERSION, REFUSED], &status.to_le_bytes()[..], rest].concat();
    assert!(decode(&refused(401, b"\x01\0\0\0a")).is_some());
    let stamped = |asked: u64, until: u64| {
        [&[VERSION, RESOLVED, 0, 1], &asked.to_le_bytes()[..], &until.to_le_bytes(), &[1, 0]].concat()
    };
    assert!(decode(&stamped(1, 2)).is_some());
    for (what, bytes) in [
        ("nothing", vec![]),
        ("another version", [&[VERSION + 1], &none[1..]].concat()),
        ("no kind", vec![VERSION]),
        ("kind 0", vec![VERSION, 0]),
        ("an unknown kind", vec![VERSION, BREAKER + 1]),
        ("an error and more", vec![VERSION, TIMEOUT, 0]),
        ("half a status", vec![VERSION, STATUS, 200]),
        ("a status and more", vec![VERSION, STATUS, 200, 0, 0]),
        ("neither there nor absent", vec![VERSION, RESOLVED, 2, 0, 1, 0]),
        ("a resolution and more", [&none[..], &[0]].concat()),
        ("a stamp back in time", stamped(2, 1)),
        ("a refusal with 200", refused(200, b"")),
        ("half a challenge", refused(401, b"\x02\0\0\0a")),
        ("half a length", refused(401, b"\0\0")),
        ("a challenge longer than memory", refused(401, b"\xff\xff\xff\xffa")),
        ("a challenge of two lines", refused(401, b"\x02\0\0\0\r\n")),
    ] {
        assert_eq!(decode(&bytes), None, "{what}");
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let value = "[ -~]{0,40}";
    let lines = |name: &'static str| {
        prop::collection::vec(value, 0..4).prop_map(move |values| {
            values.into_iter().map(|value| (name.to_owned(), value)).collect::<Vec<_>>()
        })
    };
    let session = prop_oneof![
        Just(vec![]),
        Just(vec![("x-authgear-session-valid".to_owned(), "false".to_owned())]),
        ("[!-~]{1,40}", value).prop_map(|(user, roles)| {
            [("session-valid", "true".to_owned()), ("user-id", user), ("user-roles", roles)]
                .map(|(name, value)| (format!("x-authgear-{name}"), value))
                .into()
        }),
    ];
    let max_age = prop::option::of(0..100_000u64).prop_map(|seconds| {
        seconds
            .map(|seconds| ("cache-control".to_owned(), format!("max-age={seconds}")))
            .into_iter()
            .collect()
    });
    let status = prop_oneof![Just(200), Just(401), Just(403), 100..1000u16];
    let answered = (status, session, max_age, lines("www-authenticate"), lines("set-cookie")).prop_map(
        |(status, session, max_age, challenges, cookies)| {
            let lines: Vec<(String, String)> = [session, max_age, challenges, cookies].concat();
            let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            read(status, &lines)
        },
    );
    prop_oneof![4 => answered, 1 => prop::sample::select(errors()).prop_map(Err)]
}

proptest! {
    #[test]
    fn outcomes_come_back(outcome in outcome(), times in prop::option::of((any::<u32>(), 1..u64::MAX / 2))) {
        let stamp = kind(&outcome).zip(times).map(|(kind, (asked, time))| {
            Stamp { kind, asked: asked.into(), until: u64::from(asked) + time }
        });
        prop_assert_eq!(decode(&encode(&outcome, stamp.as_ref())), Some((told(&outcome), stamp)));
    }

    /// Arbitrary bytes never cause a panic, and whatever decodes is exactly what `encode` produces.
    #[test]
    fn any_bytes_are_the_one_encoding_or_nothing(
        head in prop_oneof![Just(vec![]), (1..13u8).prop_map(|kind| vec![VERSION, kind])],
        rest in prop::collection::vec(prop_oneof![any::<u8>(), 0..3u8], 0..60),
    ) {
        let bytes = [head, rest].concat();
        if let Some((outcome, stamp)) = decode(&bytes) {
            prop_assert_eq!(encode(&outcome, stamp.as_ref()), bytes);
        }
    }

    #[test]
    fn a_changed_byte_gives_another_outcome_or_none(
        outcome in outcome(), place in any::<prop::sample::Index>(), change in 1..=255u8, cut in any::<bool>(),
    ) {
        let good = encode(&outcome, None);
        let mut bytes = good.clone();
        let place = place.index(bytes.len());
        if cut { bytes.truncate(place) } else { bytes[place] ^= change }
        if let Some((outcome, stamp)) = decode(&bytes) {
            prop_assert_eq!(encode(&outcome, stamp.as_ref()), bytes);
        }
    }
}
