//! Input as lines of text, so that corpora and dictionaries can be read and written by hand.

use http::{HeaderMap, HeaderName, HeaderValue};
use nginx_authgear::session::Resolution;
use nginx_authgear::session::answer::{self, Finding};

/// A header line: name and value, as nginx gives them.
pub type Line<'a> = (&'a [u8], &'a [u8]);

/// The first line, and what follows it.
#[must_use]
pub fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    split(input, b'\n').unwrap_or((input, b""))
}

/// The same as text; what is no UTF-8 becomes replacement characters.
#[must_use]
pub fn first_text(input: &[u8]) -> (String, &[u8]) {
    let (first, rest) = first_line(input);
    (String::from_utf8_lossy(first).into_owned(), rest)
}

/// `name:value` on each line, to the end. Values are as nginx gives them: without blanks before and after.
#[must_use]
pub fn headers(input: &[u8]) -> Vec<Line<'_>> {
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| split(line, b':')).map(|(name, value)| (name, trim(value))).collect()
}

/// Those that a header map can hold, with their names in lower case.
#[must_use]
pub fn valid(lines: &[Line<'_>]) -> Vec<(HeaderName, HeaderValue)> {
    let valid = |(name, value): &Line<'_>| {
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    };
    lines.iter().filter_map(valid).collect()
}

#[must_use]
pub fn map(lines: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(name, value.clone());
    }
    map
}

/// The resolution that an answer with these lines is read as.
#[must_use]
pub fn resolution(lines: &[Line<'_>]) -> Option<Resolution> {
    match answer::read(200, &map(&valid(lines)), false).ok()?.finding {
        Finding::Resolved(resolution) => Some(resolution),
        Finding::Refused(_) => None,
    }
}

/// Parts at the first of this byte.
#[must_use]
pub fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..place], &bytes[place + 1..]))
}

/// Without the spaces and tabs around it.
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
