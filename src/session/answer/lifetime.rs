//! How long an answer may be reused according to its own headers (RFC 9111).

use std::borrow::Cow;

use http::header::{AGE, CACHE_CONTROL, HeaderMap, HeaderName};

/// An answer's own limit, in seconds after the call was sent; `None` if it sets none.
///
/// If there are several limits, the smallest applies. This includes `s-maxage`, since it is debatable whether this is a
/// shared cache. `private` is ignored, because an answer is only ever used for the credentials it was requested with.
pub(super) fn max_age(headers: &HeaderMap) -> Option<u64> {
    let bound = members(headers, &CACHE_CONTROL).filter_map(|directive| bound(&directive)).min()?;
    Some(u64::from(bound.saturating_sub(age(headers))))
}

/// How long the answer was in caches on the way. §5.1: the first of several values applies, and unreadable ones are ignored.
fn age(headers: &HeaderMap) -> u32 {
    members(headers, &AGE).next().and_then(|age| seconds(&age)).unwrap_or(0)
}

/// The members of a list, from all lines with this name.
///
/// A comma inside quotes also separates members. That can at most turn other text into directives, but never hide one,
/// however the quotes are placed.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Cow<'a, str>> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(|member| String::from_utf8_lossy(member.trim_ascii()))
}

/// The number of seconds that a directive allows; `None` for other directives.
fn bound(directive: &str) -> Option<u32> {
    let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
    match name.trim_end().to_ascii_lowercase().as_str() {
        // With header names as its argument, `no-cache` applies to those headers only, but most caches ignore the difference
        // (§5.2.2.4).
        "no-store" | "no-cache" => Some(0),
        // §4.2.1: an unreadable value is treated as stale.
        "max-age" | "s-maxage" => Some(seconds(argument.trim_start().trim_matches('"')).unwrap_or(0)),
        _ => None,
    }
}

/// §1.2.2: a number that is too large counts as the largest possible one.
fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
