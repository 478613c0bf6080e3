//! The head of the resolver's answer. Input: the status and, if there is a body, `+`; then header lines.

use http::{HeaderName, HeaderValue};
use nginx_authgear::identity_header::{PREFIX, is_exempt};
use nginx_authgear::resolver::relay;
use nginx_authgear::session::answer::{
    Answer, AnswerError, Finding, MAX_HEAD_BYTES, MAX_IDENTITY_BYTES, read,
};
use nginx_authgear::session::{Resolution, codec};

use super::codec::check;
use super::lines::{first_text, headers, map, valid};

type Pairs = Vec<(HeaderName, HeaderValue)>;

/// What a head is, in a word.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    None,
    Invalid,
    Valid,
    Refused,
    Status,
    Malformed,
}

pub fn run(input: &[u8]) {
    let (first, rest) = first_text(input);
    let (status, has_body) = first.strip_suffix('+').map_or((first.as_str(), false), |status| (status, true));
    let Ok(status) = status.parse::<u16>() else { return };
    let lines = valid(&headers(rest));
    let found = read(status, &map(&lines), has_body);
    assert_eq!(word(&found), expect(status, &lines, has_body), "{found:?}");
    let Ok(answer) = &found else { return };
    let all = |wanted: &str| {
        let named = lines.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(answer.set_cookies, all("set-cookie"));
    match &answer.finding {
        Finding::Refused(refusal) => {
            assert_eq!((refusal.status, &refusal.challenges), (status, &all("www-authenticate")));
            assert_eq!(answer.max_age, None);
        }
        Finding::Resolved(resolution) => {
            check_headers(resolution, &lines);
            check_lifetime(answer, status, &lines, has_body);
            check(resolution);
            check_bytes(resolution);
        }
    }
    let outcome = Ok(Answer { set_cookies: Vec::new(), ..answer.clone() });
    assert_eq!(relay::decode(&relay::encode(&found.map_err(Into::into), None)), Some((outcome, None)));
}

fn word(found: &Result<Answer, AnswerError>) -> Word {
    match found {
        Ok(Answer { finding: Finding::Resolved(Resolution::None), .. }) => Word::None,
        Ok(Answer { finding: Finding::Resolved(Resolution::Invalid(_)), .. }) => Word::Invalid,
        Ok(Answer { finding: Finding::Resolved(Resolution::Valid(_)), .. }) => Word::Valid,
        Ok(Answer { finding: Finding::Refused(_), .. }) => Word::Refused,
        Err(AnswerError::Status(_)) => Word::Status,
        Err(AnswerError::Malformed(_)) => Word::Malformed,
    }
}

/// The table of answers, row by row.
fn expect(status: u16, lines: &Pairs, has_body: bool) -> Word {
    let weight = |lines: &mut dyn Iterator<Item = &(HeaderName, HeaderValue)>| -> usize {
        lines.map(|(name, value)| name.as_str().len() + value.len()).sum()
    };
    if weight(&mut lines.iter()) > MAX_HEAD_BYTES {
        return Word::Malformed;
    }
    match status {
        200 | 204 => {}
        401 | 403 => return Word::Refused,
        _ => return Word::Status,
    }
    let identity = || lines.iter().filter(|(name, _)| is_identity(name.as_str()));
    let twice = identity().any(|(name, _)| identity().filter(|(other, _)| other == name).count() > 1);
    let odd =
        identity().any(|(name, _)| name.as_str().contains(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    if twice || odd || weight(&mut identity()) > MAX_IDENTITY_BYTES {
        return Word::Malformed;
    }
    let value = |wanted| identity().find(|(name, _)| name == wanted).map(|(_, value)| value.as_bytes());
    let user = value("x-authgear-user-id").is_some_and(|value| !value.is_empty());
    match (value("x-authgear-session-valid"), user) {
        (Some(b"true"), true) => Word::Valid,
        (Some(b"false"), false) => Word::Invalid,
        (None, false) if !has_body => Word::None,
        _ => Word::Malformed,
    }
}

fn is_identity(name: &str) -> bool {
    name.starts_with(PREFIX) && !is_exempt(name.as_bytes())
}

/// The backend gets what the answer has, and nothing else.
fn check_headers(resolution: &Resolution, lines: &Pairs) {
    let identity = resolution.identity_headers();
    let wanted = lines.iter().filter(|(name, value)| is_identity(name.as_str()) && !value.is_empty());
    match resolution {
        // An answer without the word on the session says nothing of a user.
        Resolution::None => assert!(identity.is_none()),
        _ => assert_eq!(identity.map_or(0, |identity| identity.len()), wanted.clone().count()),
    }
    for (name, value) in wanted.filter(|_| identity.is_some()) {
        let variable = name.as_str()[PREFIX.len()..].replace('-', "_");
        let found = identity
            .map(|identity| (identity.get(name.as_str()), identity.get_by_variable(variable.as_bytes())));
        assert_eq!(found, Some((Some(value.as_bytes()), Some(value.as_bytes()))), "{name}");
    }
}

/// What else an answer says can shorten its life, and never lengthen it.
fn check_lifetime(answer: &Answer, status: u16, lines: &Pairs, has_body: bool) {
    let with = |name: &'static str, value: &'static str| {
        let line = (HeaderName::from_static(name), HeaderValue::from_static(value));
        let found = read(status, &map(&[&[line][..], lines].concat()), has_body);
        // One line more may be too much.
        found.map_or(Some(0), |answer| answer.max_age)
    };
    let least = answer.max_age.unwrap_or(u64::MAX);
    assert!(least == u64::MAX || least <= u64::from(u32::MAX));
    assert_eq!(with("cache-control", "no-store"), Some(0));
    assert_eq!(with("cache-control", "No-Cache=\"a, b\""), Some(0));
    assert!(with("cache-control", "private, max-age=77").is_some_and(|seconds| seconds <= least.min(77)));
    assert!(with("cache-control", "s-maxage=\"x\", public") == Some(0));
    assert!(with("age", "4294967295").unwrap_or(u64::MAX) <= least);
    let forbids = |(name, value): &(HeaderName, HeaderValue)| {
        let words = value.as_bytes().split(|byte| *byte == b',');
        name == "cache-control"
            && words.into_iter().any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-store"))
    };
    assert!(least == 0 || !lines.iter().any(forbids));
}

fn check_bytes(resolution: &Resolution) {
    let mut bytes = Vec::new();
    codec::encode(resolution, &mut bytes);
    assert!(bytes.len() <= codec::MAX_ENCODED);
    assert_eq!(codec::decode(&bytes).as_ref(), Some(resolution));
}
