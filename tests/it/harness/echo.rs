//! Parses what an echo backend reports about its request.
//!
//! ```text
//! GET /path?query
//! host: localhost
//! x-authgear-user-id: alice
//!
//! body-length: 0
//! body-hash: e3b0c442
//! ```
//!
//! One line for every header, in the order and number received; behind FastCGI and the like, one for every parameter
//! (`HTTP_X_AUTHGEAR_USER_ID: alice`).

use super::message::Response;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EchoReply {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body_length: usize,
    pub(crate) body_hash: String,
}

impl EchoReply {
    /// Parses an answer, which must be a 200 with an echo in it.
    #[track_caller]
    pub(crate) fn of(response: &Response) -> Self {
        assert_eq!(response.status, 200, "no echo: {response:?}");
        let text = response.text();
        Self::parse(&text).unwrap_or_else(|| panic!("no echo: {text:?}"))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        let headers = lines.by_ref().take_while(|line| !line.is_empty()).map(split).collect::<Option<_>>()?;
        let tail: Vec<(String, String)> = lines.map(split).collect::<Option<_>>()?;
        let field = |name: &str| tail.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        Some(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body_length: field("body-length")?.parse().ok()?,
            body_hash: field("body-hash")?,
        })
    }

    /// The only header of this name, ignoring case. Panics if there are several: use [`EchoReply::all`] for those.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        assert!(all.len() <= 1, "the backend got {name} more than once: {all:?}");
        all.pop()
    }

    /// Every header of this name, ignoring case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// All headers, with names as [`fold`] returns them.
    pub(crate) fn headers_folded(&self) -> Vec<(String, &str)> {
        self.headers.iter().map(|(name, value)| (fold(name.as_bytes()), value.as_str())).collect()
    }

    /// Every header that a careless backend may take for this one, without the `HTTP_` of CGI.
    pub(crate) fn all_folded(&self, name: &str) -> Vec<&str> {
        let wanted = fold(name.as_bytes());
        let is_wanted = |name: &str| name == wanted || name.strip_prefix("http-") == Some(&wanted);
        self.headers_folded()
            .into_iter()
            .filter(|(name, _)| is_wanted(name))
            .map(|(_, value)| value)
            .collect()
    }
}

/// A name as a careless backend reads it: in lower case, with `-` for each byte that isn't a letter or digit. A backend
/// behind CGI can't distinguish `X_Authgear.User-Id` from the real name.
pub(crate) fn fold(name: &[u8]) -> String {
    let fold = |b: &u8| if b.is_ascii_alphanumeric() { char::from(b.to_ascii_lowercase()) } else { '-' };
    name.iter().map(fold).collect()
}

fn split(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
}
