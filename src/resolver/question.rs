//! What the resolver is asked: the credentials, and the little else of the client's request that it may see.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::target::Target;
use crate::credentials::Credentials;

/// A longer line of the client's is left out, so that no client can make the call fail.
const MAX_LINE: usize = 512;

/// The client's headers of which the first line goes along: Authgear keeps the agent in the user's list of sessions,
/// the others tie its log to ours.
static PASSED: [HeaderName; 4] = [
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
];

/// One question, in owned memory: it crosses to the resolver's thread.
pub struct Question {
    pub credentials: Credentials,
    /// The client's address as nginx sees it; `None` if it has none, behind a Unix domain socket.
    pub client: Option<IpAddr>,
    passed: Vec<(HeaderName, HeaderValue)>,
}

impl Question {
    /// Picks what goes along from the request's header lines (name and value each).
    pub fn new<'a>(
        credentials: Credentials,
        client: Option<IpAddr>,
        lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Self {
        let mut first: [Option<&[u8]>; PASSED.len()] = [None; PASSED.len()];
        for (name, value) in lines {
            if let Some(place) = PASSED.iter().position(|passed| name.eq_ignore_ascii_case(passed.as_ref())) {
                first[place].get_or_insert(value);
            }
        }
        let passed =
            PASSED.iter().zip(first).filter_map(|(name, value)| Some((name.clone(), passable(value?)?)));
        Self { credentials, client, passed: passed.collect() }
    }

    /// The whole header section but for what the client library adds to every request (`Accept`).
    ///
    /// `None` if a value can't be sent, which the reading of credentials rules out.
    #[must_use]
    pub fn headers(&self, target: &Target) -> Option<HeaderMap> {
        let origin = target.origin();
        let authority = HeaderValue::from_str(&origin.authority).ok()?;
        let mut headers = HeaderMap::new();
        if target.needs_host_header() {
            headers.insert(HOST, authority.clone());
        }
        headers.insert("x-forwarded-host", authority);
        headers.insert("x-forwarded-proto", HeaderValue::from_str(&origin.scheme).ok()?);
        if let Some(client) = self.client {
            headers.insert("x-forwarded-for", HeaderValue::from_str(&client.to_string()).ok()?);
        }
        if let Some(authorization) = self.credentials.authorization() {
            headers.insert(AUTHORIZATION, secret(authorization)?);
        }
        if let Some(cookie) = self.credentials.cookie() {
            headers.insert(COOKIE, secret(cookie)?);
        }
        headers.extend(self.passed.iter().cloned());
        Some(headers)
    }
}

/// Marked so that HTTP/2 keeps it out of its compression table, and the library out of its logs.
fn secret(value: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn passable(value: &[u8]) -> Option<HeaderValue> {
    let printable = value.iter().all(|byte| (b' '..=b'~').contains(byte));
    (printable && !value.is_empty() && value.len() <= MAX_LINE)
        .then(|| HeaderValue::from_bytes(value).ok())?
}

#[cfg(test)]
mod tests;
