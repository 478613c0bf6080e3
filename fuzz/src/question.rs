//! What the resolver is asked. Input: the client's address, then the header lines of its request.

use std::sync::LazyLock;
use std::time::Duration;

use nginx_authgear::credentials::{Presented, present};
use nginx_authgear::endpoint::{endpoint, origin};
use nginx_authgear::resolver::question::Question;
use nginx_authgear::resolver::target::Target;

use super::credentials::sent;
use super::lines::{Line, first_text, headers};

const AUTHORITY: &str = "auth.example.com:8443";

/// A resolver at its own origin, and one that speaks for another.
static TARGETS: LazyLock<[Target; 2]> = LazyLock::new(|| {
    [None, Some(origin(&format!("https://{AUTHORITY}")).expect("an origin"))].map(|origin| {
        let endpoint = endpoint("http://10.0.0.5:3001").expect("an endpoint");
        Target::new(&endpoint, origin.as_ref(), "", Duration::from_secs(1), None).expect("a target")
    })
});

/// What goes along of the client's: the first line of each name.
const PASSED: [&str; 4] = ["user-agent", "traceparent", "tracestate", "x-request-id"];

pub fn run(input: &[u8]) {
    let (address, rest) = first_text(input);
    let address = address.parse().ok();
    let lines = headers(rest);
    let Presented::Credentials(credentials) = present(lines.iter().copied(), b"") else { return };
    for target in &*TARGETS {
        let question = Question::new(credentials.clone(), address, lines.iter().copied());
        let headers = question.headers(target).expect("every value can be sent");
        let mut found: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let origin = target.origin();
        let client = address.map(|address: std::net::IpAddr| address.to_string());
        let mut expected: Vec<(&str, &[u8])> = vec![
            ("x-forwarded-host", origin.authority.as_bytes()),
            ("x-forwarded-proto", origin.scheme.as_bytes()),
        ];
        expected.extend((origin.authority == AUTHORITY).then_some(("host", AUTHORITY.as_bytes())));
        expected.extend(client.as_ref().map(|client| ("x-forwarded-for", client.as_bytes())));
        for (name, value) in sent(&credentials) {
            expected.push((std::str::from_utf8(name).expect("a name"), value));
        }
        expected.extend(PASSED.iter().filter_map(|name| Some((*name, passed(&lines, name)?))));
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

/// The first line of that name, if it may be passed on.
fn passed<'a>(lines: &[Line<'a>], wanted: &str) -> Option<&'a [u8]> {
    let (_, value) = lines.iter().find(|(name, _)| name.to_ascii_lowercase() == wanted.as_bytes())?;
    let printable = value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    (printable && (1..=512).contains(&value.len())).then_some(*value)
}
