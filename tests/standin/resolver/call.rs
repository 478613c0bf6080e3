//! What the resolver received.

use std::time::Instant;

use crate::standin::go;
use crate::standin::http1::Head;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

/// One request, as received.
#[derive(Debug, Clone)]
pub struct Call {
    /// Every byte up to the empty line. Empty for HTTP/2, whose head isn't text.
    pub raw_head: Vec<u8>,
    pub method: String,
    pub target: String,
    /// Names in lower case. HTTP/2's `:authority` is shown as `host`, as Go does.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// The number of the connection, counted from 1.
    pub connection: u64,
    pub version: Version,
    pub tls: bool,
    /// The client's certificate, as DER.
    pub client_certificate: Option<Vec<u8>>,
    /// Name and value of each cookie that Go sees.
    pub cookies: Vec<(Vec<u8>, Vec<u8>)>,
    pub at: Instant,
}

impl Call {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    pub fn header_all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// The first header as text, for assertions.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    pub fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The value of a cookie, by its full name, as Go reads it.
    pub fn cookie(&self, name: &str) -> Option<&[u8]> {
        go::cookie(&self.cookies, name)
    }

    pub(super) fn from_http1(head: &Head, body: Vec<u8>, connection: &Connection) -> Self {
        let name = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
        Self {
            raw_head: head.raw.clone(),
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.iter().map(|(n, v)| (name(n), v.clone())).collect(),
            body,
            connection: connection.id,
            version: Version::Http1,
            tls: connection.tls,
            client_certificate: connection.client_certificate.clone(),
            cookies: go::read_cookies(head.all("cookie")),
            at: Instant::now(),
        }
    }

    pub(super) fn from_http2(head: &http::request::Parts, body: Vec<u8>, connection: &Connection) -> Self {
        let mut headers = Vec::new();
        if let Some(authority) = head.uri.authority() {
            headers.push(("host".to_owned(), authority.as_str().as_bytes().to_vec()));
        }
        headers.extend(head.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())));
        // HTTP/2 clients may send each cookie in a header of its own; Go joins them before it parses them.
        let lines: Vec<&[u8]> = head.headers.get_all("cookie").iter().map(|v| v.as_bytes()).collect();
        let joined = lines.join(&b"; "[..]);
        Self {
            raw_head: Vec::new(),
            method: head.method.to_string(),
            target: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers,
            body,
            connection: connection.id,
            version: Version::Http2,
            tls: connection.tls,
            client_certificate: connection.client_certificate.clone(),
            cookies: if lines.is_empty() { Vec::new() } else { go::read_cookies([joined.as_slice()]) },
            at: Instant::now(),
        }
    }
}

/// The properties that all calls of a connection share.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub id: u64,
    pub tls: bool,
    pub client_certificate: Option<Vec<u8>>,
}
