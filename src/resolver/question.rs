//! The request to the resolver: the credentials and the few other parts of the client's request that are passed on.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::target::Target;
use crate::credentials::Credentials;

/// Longer header values from the client are omitted, so that no client can make the call fail.
const MAX_LINE: usize = 512;

/// Client headers whose first line is passed on. Authgear shows the user agent in the user's list of sessions; the
/// others correlate its logs with ours.
static PASSED: [HeaderName; 4] = [
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
];

/// A request to the resolver. It owns its data because it is sent to the resolver thread.
pub struct Question {
    pub credentials: Credentials,
    /// The client's address as nginx sees it; `None` for a client on a Unix domain socket.
    pub client: Option<IpAddr>,
    passed: Vec<(HeaderName, HeaderValue)>,
}

impl Question {
    /// Selects the headers to pass on from the request's header lines (name and value).
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

    /// The complete header section, except for what the client library adds to each request (`Accept`).
    ///
    /// Returns `None` if a value can't be sent; parsing the credentials rules that out.
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

/// Marks the value as sensitive: HTTP/2 then keeps it out of its compression table, and the library out of its logs.
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
