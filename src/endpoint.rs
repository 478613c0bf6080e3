//! The resolver's location, and the origin that it acts for.

mod network;

use std::fmt;

use url::{Host, Url};

/// The path of Authgear's resolver, used if the URL has none.
const DEFAULT_PATH: &str = "/_resolver/resolve";

/// What is wrong with a directive's argument: `invalid value "X" in "authgear_..." directive, <this>`.
pub type Complaint = &'static str;

/// The URL of the session resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it is on this machine or in a private network, judging by its address or name.
    #[must_use]
    pub fn is_on_private_network(&self) -> bool {
        self.0.host().is_some_and(|host| network::is_private(&host))
    }

    /// The origin of the endpoint itself.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::of(&self.0)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The app's public origin. The resolver selects the app by it and checks the audience of JWTs against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub scheme: String,
    /// The host, and the port if it isn't the scheme's default.
    pub authority: String,
}

impl Origin {
    fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { scheme: url.scheme().to_owned(), authority }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Parses `authgear_resolve`, except for `off`.
///
/// # Errors
/// What is wrong with the URL.
pub fn endpoint(text: &str) -> Result<Endpoint, Complaint> {
    let mut url = url(text)?;
    if url.path() == "/" {
        url.set_path(DEFAULT_PATH);
    }
    Ok(Endpoint(url))
}

/// Parses `authgear_origin`.
///
/// # Errors
/// What is wrong with the URL.
pub fn origin(text: &str) -> Result<Origin, Complaint> {
    let url = url(text)?;
    if url.path() != "/" {
        return Err("an origin has no path");
    }
    Ok(Origin::of(&url))
}

/// Parses a URL strictly. `Url` alone would silently correct mistakes that should be rejected.
fn url(text: &str) -> Result<Url, Complaint> {
    if text.starts_with("unix:") || text.contains("://unix:") {
        return Err("a Unix domain socket is not supported here");
    }
    if text.contains('$') {
        return Err("it can't contain variables");
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err("it may contain visible ASCII only, and no backslash");
    }
    let after_scheme = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme)))
        .map(|scheme| &text[scheme.len()..])
        .ok_or("it must begin with \"http://\" or \"https://\"")?;
    if after_scheme.contains(['?', '#']) {
        return Err("it can't have a query or a fragment");
    }
    let authority = after_scheme.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it can't have a user name or a password");
    }
    if authority.is_empty() {
        return Err("it has no host");
    }
    let url = Url::parse(text).map_err(complaint)?;
    if url.port() == Some(0) {
        return Err("port 0 can't be connected to");
    }
    if authority.ends_with(':') {
        return Err("its port must be a number up to 65535");
    }
    if !is_literal(&url, authority) {
        return Err("its host is not a valid name or address");
    }
    let path = &after_scheme[authority.len()..];
    if url.path() != path && !(path.is_empty() && url.path() == "/") {
        return Err("its path must not have \"..\" or \".\" in it, or characters that need escapes");
    }
    Ok(url)
}

/// Whether the parsed host is the same as the text, ignoring case. The parser interprets `127.1`, `0x7f.1` and `a%41` as
/// other hosts, as browsers do.
fn is_literal(url: &Url, authority: &str) -> bool {
    let port = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let host = &authority[..port.unwrap_or(authority.len())];
    match url.host() {
        Some(Host::Domain(name)) => {
            let labels = name.strip_suffix('.').unwrap_or(name);
            name.eq_ignore_ascii_case(host) && labels.split('.').all(is_label)
        }
        Some(Host::Ipv4(address)) => address.to_string() == host,
        Some(Host::Ipv6(address)) => host.trim_matches(['[', ']']).parse() == Ok(address),
        None => false,
    }
}

/// Whether this is a valid label of a host name. The parser accepts more, including commas, and the name is sent in
/// `X-Forwarded-Host`, of which the resolver uses the part before the first comma.
fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn complaint(error: url::ParseError) -> Complaint {
    match error {
        url::ParseError::InvalidPort => "its port must be a number up to 65535",
        url::ParseError::InvalidIpv4Address => "its host is no valid IPv4 address",
        url::ParseError::InvalidIpv6Address => "its host is no valid IPv6 address",
        url::ParseError::EmptyHost => "it has no host",
        _ => "its host is no valid name",
    }
}

#[cfg(test)]
mod tests;
