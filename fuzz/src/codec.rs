//! The bytes of a resolution. Input: any bytes.

use http::{HeaderName, HeaderValue};
use nginx_authgear::identity_header::{PREFIX, is_exempt, is_identity_header};
use nginx_authgear::session::answer::{self, Finding, MAX_IDENTITY_BYTES};
use nginx_authgear::session::{Resolution, codec};

use super::lines::map;

pub fn run(bytes: &[u8]) {
    let Some(resolution) = codec::decode(bytes) else { return };
    let mut again = Vec::new();
    codec::encode(&resolution, &mut again);
    assert_eq!(again, bytes, "{resolution:?}");
    assert!(bytes.len() <= codec::MAX_ENCODED);
    check(&resolution);
}

/// What shared memory holds is nothing that an answer couldn't have said.
pub fn check(resolution: &Resolution) {
    let mut lines = Vec::new();
    for header in resolution.identity_headers().into_iter().flat_map(|headers| headers.iter()) {
        let name = header.name;
        assert!(name.starts_with(PREFIX.as_bytes()) && is_identity_header(name) && !is_exempt(name));
        assert!(
            name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')),
            "{}",
            name.escape_ascii()
        );
        assert!(!header.value.is_empty());
        let name = HeaderName::from_bytes(name).expect("a header's name");
        lines.push((name, HeaderValue::from_bytes(header.value).expect("a header's value")));
    }
    let weight: usize = lines.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(weight <= MAX_IDENTITY_BYTES);
    let Ok(answer) = answer::read(200, &map(&lines), false) else { panic!("no answer says {resolution:?}") };
    let Finding::Resolved(read) = answer.finding else { panic!("200 refuses nothing") };
    assert_eq!(kind(&read), kind(resolution));
    let (one, two) = (read.identity_headers(), resolution.identity_headers());
    assert_eq!(one.map(|headers| headers.len()), two.map(|headers| headers.len()));
    for header in two.into_iter().flat_map(|headers| headers.iter()) {
        let name = std::str::from_utf8(header.name).expect("a header's name");
        assert_eq!(one.and_then(|headers| headers.get(name)), Some(header.value));
    }
}

fn kind(resolution: &Resolution) -> &'static str {
    match resolution {
        Resolution::None => "none",
        Resolution::Invalid(_) => "invalid",
        Resolution::Valid(_) => "valid",
    }
}
