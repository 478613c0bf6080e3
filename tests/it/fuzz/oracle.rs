//! What must hold of whatever the backend and the resolver get.

use std::time::Instant;

use super::super::harness::echo::fold;
use super::super::stage::{Pairs, identity_of, pairs};
use super::super::standin::echo::Seen;
use super::super::standin::resolver::session::{Resolution, resolve};
use super::super::standin::resolver::settings::Settings;
use super::super::standin::{Accounts, Call, Version, go};
use super::site::{AT, URI};

/// More is no credential of Authgear's.
const MAX_BYTES: usize = 16 * 1024;
/// With more separators Go reads no cookie, of the client's lines; it is sent fewer.
const MAX_COOKIES: usize = 3000;

const COOKIES: [&str; 3] = ["app_session", "app_access_token", "session"];

/// Everything that a call may have, each once.
const CALL: [&str; 11] = [
    "accept",
    "host",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-for",
    "authorization",
    "cookie",
    "user-agent",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// What is wrong with a call of the module's.
pub(super) fn wrong_call(call: &Call, host: &str) -> Option<String> {
    let once = CALL.iter().all(|name| call.header_all(name).len() <= 1);
    let known = call.header_names().iter().all(|name| CALL.contains(name));
    let fixed =
        [("host", host), ("x-forwarded-host", host), ("x-forwarded-proto", "http"), ("accept", "*/*")];
    let fixed = fixed.iter().all(|(name, value)| call.text(name) == Some(value));
    let address = call.text("x-forwarded-for") == Some("127.0.0.1");
    let line = call.method == "GET" && call.target == "/_resolver/resolve" && call.body.is_empty();
    let passed = ["user-agent", "traceparent", "tracestate", "x-request-id"].iter().all(|name| {
        let printable = |byte: &u8| (b' '..=b'~').contains(byte);
        call.header(name).is_none_or(|value| value.len() <= 512 && value.iter().all(printable))
    });
    let good = once && known && fixed && address && line && passed && has_credentials_only(call);
    (!good).then(|| format!("the resolver is sent {}", call.raw_head.escape_ascii()))
}

fn has_credentials_only(call: &Call) -> bool {
    let bearer = call.header("authorization");
    let cookie = call.header("cookie");
    let is_bearer = |value: &[u8]| value.len() > 7 && value[..7].eq_ignore_ascii_case(b"bearer ");
    let is_cookie = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        COOKIES.iter().any(|cookie| go::trim(name) == cookie.as_bytes())
    };
    (bearer.is_some() || cookie.is_some())
        && bearer.is_none_or(is_bearer)
        && cookie.is_none_or(|line| line.split(|byte| *byte == b';').all(is_cookie))
}

/// What is wrong with a request that the backend got.
pub(super) fn wrong_request(seen: &Seen, accounts: &Accounts) -> Option<String> {
    let at = seen.header_all(AT);
    let [at] = at[..] else { return Some(format!("{} places sent {}", at.len(), show(seen))) };
    let found: Pairs = identity(seen).into_iter().filter(|(name, _)| !is_exempt(seen, name)).collect();
    let resolution = resolution(seen, accounts)?;
    let is_valid = |role: Option<&str>| match &resolution {
        Resolution::Valid(user) => role.is_none_or(|role| user.roles.iter().any(|held| held == role)),
        _ => false,
    };
    let (by_resolver, nobody) = (found == identity_by(&resolution), found.is_empty());
    // A request that was resolved keeps its identity where it is sent on to: by its answer, or for a body that is cut short.
    let sent_on = seen.text(URI).is_none_or(|uri| uri.contains("/redirect-internal?"));
    let good = match at {
        b"open" => nobody || sent_on && by_resolver,
        // Where the resolver failed, nobody is known.
        b"refused" | b"lenient" => nobody || by_resolver,
        b"login" => by_resolver && !is_valid(None),
        b"required" => by_resolver && is_valid(None),
        b"role" => by_resolver && is_valid(Some("admin")),
        _ => by_resolver,
    };
    (!good).then(|| format!("the backend is sent {}", show(seen)))
}

/// What a careless backend takes for identity headers. It is no CGI program, to which nginx would give names with a prefix.
fn identity(seen: &Seen) -> Pairs {
    let folded =
        seen.headers.iter().map(|(name, value)| (fold(name), String::from_utf8_lossy(value).into_owned()));
    let mut found: Pairs = folded.filter(|(name, _)| name.starts_with("x-authgear-")).collect();
    found.sort();
    found
}

fn show(seen: &Seen) -> String {
    let lines =
        seen.headers.iter().map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
    format!("{} {}\n{}", seen.method, seen.target, lines.collect::<Vec<_>>().join("\n"))
}

/// The one spelling in which a client's header of that prefix passes.
fn is_exempt(seen: &Seen, folded: &str) -> bool {
    ["x-authgear-xhr", "x-authgear-body-signature"].contains(&folded)
        && !seen
            .headers
            .iter()
            .any(|(name, _)| !name.eq_ignore_ascii_case(folded.as_bytes()) && fold(name) == folded)
}

fn identity_by(resolution: &Resolution) -> Pairs {
    match resolution {
        Resolution::None => Pairs::new(),
        Resolution::Invalid { .. } => pairs(&[("x-authgear-session-valid", "false")]),
        Resolution::Valid(user) => identity_of(&user.name),
    }
}

/// What the resolver says of the credentials that the backend got beside the identity. `None` where the server's own bounds
/// would have it see none.
fn resolution(seen: &Seen, accounts: &Accounts) -> Option<Resolution> {
    let authorization = seen.header("authorization").filter(|value| go::is_header_value(value));
    let lines = seen.header_all("cookie");
    let parts: Vec<&[u8]> = lines.iter().flat_map(|line| line.split(|byte| *byte == b';')).collect();
    if parts.len() > MAX_COOKIES {
        return None;
    }
    let is_credential = |part: &&[u8]| {
        let name = go::trim(part.split(|byte| *byte == b'=').next().unwrap_or_default());
        COOKIES.iter().any(|cookie| name == cookie.as_bytes()) && go::is_header_value(go::trim(part))
    };
    let pairs: Vec<&[u8]> = parts.iter().copied().filter(is_credential).map(go::trim).collect();
    let bearer = authorization.filter(|value| go::bearer(value).is_some());
    if bearer.map_or(0, <[u8]>::len) + pairs.join(&b"; "[..]).len() > MAX_BYTES {
        return Some(Resolution::Invalid { clear: false });
    }
    let headers = bearer.map(|value| ("authorization".to_owned(), value.to_vec()));
    let call = Call {
        raw_head: Vec::new(),
        method: "GET".into(),
        target: String::new(),
        headers: headers.into_iter().collect(),
        body: Vec::new(),
        connection: 0,
        version: Version::Http1,
        tls: false,
        client_certificate: None,
        cookies: go::read_cookies([pairs.join(&b"; "[..]).as_slice()]),
        at: Instant::now(),
    };
    Some(resolve(accounts, &settings(), &call))
}

fn settings() -> Settings {
    Settings {
        cookie_prefix: String::new(),
        cookie_domain: None,
        trust_proxy: true,
        app_host: None,
        lock_sessions: false,
        max_streams: None,
    }
}
