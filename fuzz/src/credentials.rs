//! Header lines to credentials. Input: the cookie prefix, then header lines.

use nginx_authgear::credentials::{Credentials, MAX_BYTES, Presented, present};
use nginx_authgear::settings::parse::cookie_prefix;

use super::lines::{Line, first_text, headers, split, trim};
use super::server;

/// What is to be found, by the rules as the manual words them.
struct Expected {
    authorization: Option<Vec<u8>>,
    cookies: Vec<Vec<u8>>,
    kinds: String,
}

pub fn run(input: &[u8]) {
    let (prefix, rest) = first_text(input);
    let prefix = cookie_prefix(&prefix).unwrap_or_default();
    let lines = headers(rest);
    let presented = present(lines.iter().copied(), prefix.as_bytes());
    let expected = expect(&lines, &prefix);
    assert_eq!(presented.kinds().to_string(), expected.kinds);
    match presented {
        Presented::Nothing => assert_eq!(expected.kinds, "-"),
        Presented::TooLarge(_) => assert!(expected.size() > MAX_BYTES, "too large with {}", expected.size()),
        Presented::Credentials(found) => {
            assert!(expected.size() <= MAX_BYTES, "not too large with {}", expected.size());
            check(&found, &expected);
            check_sent(&found, &lines, &prefix);
        }
    }
}

fn check(found: &Credentials, expected: &Expected) {
    assert_eq!(found.authorization().map(<[u8]>::to_vec), expected.authorization);
    let cookie = found.cookie().map(<[u8]>::to_vec).unwrap_or_default();
    assert_eq!(cookie, expected.cookies.join(&b"; "[..]));
    // What is keyed says where the one value ends and the other begins, and no more.
    let authorization = expected.authorization.clone().unwrap_or_default();
    let length = u32::try_from(authorization.len()).expect("it is below the limit").to_le_bytes();
    assert_eq!(found.as_bytes(), [&length[..], &authorization, &cookie].concat());
    assert_eq!(format!("{found:?}"), format!("Credentials({})", expected.kinds));
}

/// What is sent presents itself, and is to the server what the client's own lines are.
fn check_sent(found: &Credentials, lines: &[Line<'_>], prefix: &str) {
    let sent = sent(found);
    let again = present(sent.iter().copied(), prefix.as_bytes());
    assert_eq!(again, Presented::Credentials(found.clone()));
    assert!(sent.iter().all(|(_, value)| http::HeaderValue::from_bytes(value).is_ok()));
    let read = server::read(&sent, prefix);
    assert!(read.is_some() || found.cookie().is_some_and(|line| line.len() > 3000), "the server refuses it");
    if let (Some(of_sent), Some(of_lines)) = (read, server::read(lines, prefix)) {
        assert_eq!(of_sent, of_lines);
    }
}

/// The lines of the call.
#[must_use]
pub fn sent(found: &Credentials) -> Vec<Line<'_>> {
    let authorization = found.authorization().map(|value| (&b"authorization"[..], value));
    let cookie = found.cookie().map(|value| (&b"cookie"[..], value));
    authorization.into_iter().chain(cookie).collect()
}

impl Expected {
    fn size(&self) -> usize {
        self.authorization.as_ref().map_or(0, Vec::len) + self.cookies.join(&b"; "[..]).len()
    }
}

fn expect(lines: &[Line<'_>], prefix: &str) -> Expected {
    let named = |wanted: &str| {
        let of_name = |(name, _): &&Line<'_>| name.to_ascii_lowercase() == wanted.as_bytes();
        lines.iter().filter(of_name).map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let authorization = named("authorization").first().map(|value| trim(value));
    let authorization = authorization.filter(|value| {
        let scheme = split(value, b' ').map(|(scheme, _)| scheme.to_ascii_lowercase());
        scheme.as_deref() == Some(b"bearer") && is_allowed(value)
    });
    let pairs = named("cookie").into_iter().flat_map(|line| line.split(|byte| *byte == b';').map(trim));
    let pairs = pairs.filter(|pair| is_allowed(pair));
    let kind = |pair: &[u8]| {
        let name = trim(split(pair, b'=').map_or(pair, |(name, _)| name)).to_vec();
        server::COOKIES.iter().find(|cookie| name == format!("{prefix}{cookie}").as_bytes()).copied()
    };
    let found: Vec<(&str, Vec<u8>)> = pairs.filter_map(|pair| Some((kind(pair)?, pair.to_vec()))).collect();
    let mut kinds: Vec<&str> = authorization.map(|_| "bearer").into_iter().collect();
    kinds.extend(server::COOKIES.iter().filter(|cookie| found.iter().any(|(kind, _)| kind == *cookie)));
    Expected {
        authorization: authorization.map(<[u8]>::to_vec),
        kinds: if kinds.is_empty() { "-".to_owned() } else { kinds.join(",") },
        cookies: found.into_iter().map(|(_, pair)| pair).collect(),
    }
}

/// RFC 9110 §5.5.
fn is_allowed(value: &[u8]) -> bool {
    !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}
