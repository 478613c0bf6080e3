//! How Go's standard library, and Authgear on top of it, parse the credentials of a request.
//!
//! Follows `net/http/cookie.go` (`readCookies`) of Go 1.26, and the resolver's parsing of `Authorization`. Tests of the
//! module depend on the differences between this and nginx's own parser, so nothing here is tidied up.

/// If a request has more cookies than this, Go sees none at all (`httpcookiemaxnum`).
const MAX_COOKIES: usize = 3000;

/// The cookies that Go sees, in order. `lines` are the values of the `Cookie` headers.
pub fn read_cookies<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let lines: Vec<&[u8]> = lines.into_iter().collect();
    // Counted by separators, so empty parts and malformed cookies count too.
    let count: usize = lines.iter().map(|line| line.iter().filter(|b| **b == b';').count() + 1).sum();
    if count > MAX_COOKIES {
        return Vec::new();
    }
    lines.iter().flat_map(|line| trim(line).split(|b| *b == b';')).filter_map(read_pair).collect()
}

/// The value of the first cookie of that name that Go can parse. Names are case-sensitive.
pub fn cookie<'a>(cookies: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    cookies.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, value)| value.as_slice())
}

fn read_pair(part: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let part = trim(part);
    let (name, value) = match part.iter().position(|b| *b == b'=') {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => (part, &[][..]),
    };
    let name = trim(name);
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return None;
    }
    // Only the name is trimmed here: `session= a` has the value ` a`.
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        raw => raw,
    };
    let valid = |b: &u8| (0x20..0x7f).contains(b) && !matches!(b, b'"' | b';' | b'\\');
    value.iter().all(valid).then(|| (name.to_vec(), value.to_vec()))
}

/// The token of an `Authorization` value: `None` for any other scheme, or if nothing follows the scheme.
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let authorization = trim(authorization);
    let space = authorization.iter().position(|b| *b == b' ')?;
    let (scheme, token) = (&authorization[..space], &authorization[space + 1..]);
    // Not trimmed: after two spaces the token starts with one.
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

/// `textproto.TrimString`
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    while let [first, rest @ ..] = bytes
        && space(first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && space(last)
    {
        bytes = rest;
    }
    bytes
}

/// `httpguts.IsTokenRune`
pub fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// `httpguts.ValidHeaderFieldValue`: Go answers 400 to a header with another value.
pub fn is_header_value(value: &[u8]) -> bool {
    value.iter().all(|b| !(b.is_ascii_control() && *b != b'\t'))
}

/// The first of a comma-separated list, trimmed, as Authgear reads `X-Forwarded-Host`.
pub fn first_of_list(value: &[u8]) -> &[u8] {
    trim(value.split(|b| *b == b',').next().unwrap_or_default())
}
