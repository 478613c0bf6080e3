//! Two questions and their keys. Input: two parts with an empty line between them, each with the parts of a resolver's
//! identity, joined by `|`, on its first line, and header lines.

use nginx_authgear::cache_key::{CacheKey, KeyMaker, ResolverId, Secret};
use nginx_authgear::credentials::{Credentials, Presented, present};

use super::credentials::sent;
use super::lines::{Line, first_line, headers};
use super::server;

struct Question<'a> {
    resolver: Vec<&'a [u8]>,
    lines: Vec<Line<'a>>,
    credentials: Credentials,
}

impl<'a> Question<'a> {
    fn read(input: &'a [u8]) -> Option<Self> {
        let (resolver, rest) = first_line(input);
        let lines = headers(rest);
        let Presented::Credentials(credentials) = present(lines.iter().copied(), b"") else { return None };
        Some(Self { resolver: resolver.split(|byte| *byte == b'|').collect(), lines, credentials })
    }

    fn keys(&self, secret: u8) -> KeyMaker {
        KeyMaker::new(&Secret::new([secret; 32]), &ResolverId::digest(&self.resolver))
    }

    fn key(&self, secret: u8) -> CacheKey {
        self.keys(secret).key(&self.credentials)
    }
}

pub fn run(input: &[u8]) {
    let middle = input.windows(2).position(|bytes| bytes == b"\n\n");
    let (one, two) = middle.map_or((input, &b""[..]), |at| (&input[..at], &input[at + 2..]));
    let (Some(one), Some(two)) = (Question::read(one), Question::read(two)) else { return };
    check_text(&one);
    check_parts(&one);
    check_values(&one);
    // What is sent, and to whom, is what is keyed: no more, and no less.
    let same = sent(&one.credentials) == sent(&two.credentials) && one.resolver == two.resolver;
    assert_eq!(one.key(1) == two.key(1), same);
    if same {
        let (first, second) = (server::read(&one.lines, ""), server::read(&two.lines, ""));
        assert!(first == second || first.is_none() || second.is_none(), "the server tells them apart");
    }
}

fn check_text(question: &Question<'_>) {
    let key = question.key(1);
    assert!(key != question.key(2), "the secret changes nothing");
    assert_eq!(key, question.key(1));
    let hex: String = key.as_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((key.to_string(), format!("{key:?}")), (hex.clone(), format!("CacheKey({hex})")));
    let user = question.keys(1).user_number(question.credentials.as_bytes());
    assert_ne!(user.to_le_bytes(), key.as_bytes()[..8], "a user's number is the key of credentials");
}

/// Parts that are divided otherwise are another resolver.
fn check_parts(question: &Question<'_>) {
    let joined = question.resolver.concat();
    let same = question.resolver.len() == 1;
    assert_eq!(ResolverId::digest(&[&joined]) == ResolverId::digest(&question.resolver), same);
    let longer = [&question.resolver[..], &[b""]].concat();
    assert!(ResolverId::digest(&longer) != ResolverId::digest(&question.resolver));
}

/// So are values: what stands in a cookie is something else in a token.
fn check_values(question: &Question<'_>) {
    let (Some(token), Some(cookie)) = (question.credentials.authorization(), question.credentials.cookie())
    else {
        return;
    };
    let joined = [token, cookie].concat();
    let Presented::Credentials(other) = present([(&b"authorization"[..], &joined[..])], b"") else { return };
    assert!(question.keys(1).key(&other) != question.key(1), "a cookie's bytes pass for a token's");
}
