//! For how long an answer may be reused by its own word (RFC 9111).

use std::borrow::Cow;

use http::header::{AGE, CACHE_CONTROL, HeaderMap, HeaderName};

/// The bound of an answer, in seconds from when it was asked for. `None`: it has none.
///
/// Where it has several, the smallest counts, `s-maxage` among them: whether this cache is a shared one is arguable.
/// `private` is no bound, because an answer is only ever given to the credentials that it was asked with.
pub(super) fn max_age(headers: &HeaderMap) -> Option<u64> {
    let bound = members(headers, &CACHE_CONTROL).filter_map(|directive| bound(&directive)).min()?;
    Some(u64::from(bound.saturating_sub(age(headers))))
}

/// For how long the answer was in caches on the way. §5.1: of several the first counts, and what can't be read is ignored.
fn age(headers: &HeaderMap) -> u32 {
    members(headers, &AGE).next().and_then(|age| seconds(&age)).unwrap_or(0)
}

/// The members of a list, of all lines of that name.
///
/// A comma in a quoted argument parts it too. That can only make directives of what is none, never hide one, however
/// the quotes are.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Cow<'a, str>> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(|member| String::from_utf8_lossy(member.trim_ascii()))
}

/// How many seconds a directive allows; `None` for one that is not about that.
fn bound(directive: &str) -> Option<u32> {
    let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
    match name.trim_end().to_ascii_lowercase().as_str() {
        // With names of headers as the argument, `no-cache` is about those alone; most caches don't tell (§5.2.2.4).
        "no-store" | "no-cache" => Some(0),
        // §4.2.1: what can't be read is taken as stale.
        "max-age" | "s-maxage" => Some(seconds(argument.trim_start().trim_matches('"')).unwrap_or(0)),
        _ => None,
    }
}

/// §1.2.2: a number that is too large is the largest there is.
fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
