//! Which resolver is asked, as whom, and over what kind of connection.

use std::time::Duration;

use rustls::ClientConfig;
use url::Url;

use super::tls::{self, CertificateChain, PrivateKey, Roots, TlsError};
use crate::cache_key::ResolverId;
use crate::endpoint::{Endpoint, Origin};

/// How TLS to the resolver is done.
pub struct TlsTarget {
    /// `None`: the certificate is not verified.
    pub roots: Option<Roots>,
    pub identity: Option<(CertificateChain, PrivateKey)>,
    /// The name to ask for and to verify; the endpoint's host if `None`.
    pub name: Option<String>,
}

/// A resolver. Answers of two targets are never mixed unless their ids are equal.
pub struct Target {
    id: ResolverId,
    endpoint: Endpoint,
    url: Url,
    dial_host: String,
    origin: Origin,
    cookie_prefix: String,
    connect_timeout: Duration,
    tls: ClientConfig,
}

impl Target {
    /// # Errors
    /// If the certificate and its key can't be used.
    pub fn new(
        endpoint: &Endpoint,
        origin: Option<&Origin>,
        cookie_prefix: &str,
        connect_timeout: Duration,
        tls: Option<TlsTarget>,
    ) -> Result<Self, TlsError> {
        let origin = origin.cloned().unwrap_or_else(|| endpoint.origin());
        let mut url = endpoint.url().clone();
        let dial_host = url.host_str().unwrap_or_default().to_owned();
        let tls = tls.unwrap_or(TlsTarget { roots: None, identity: None, name: None });
        if let Some(name) = &tls.name {
            // The client library takes the name for SNI and for the certificate from the URL; see `dns`.
            url.set_host(Some(name)).map_err(|_| TlsError::Name)?;
        }
        let id = identify(endpoint, &origin, cookie_prefix, &tls);
        let allow_http2 = authority(&url) == origin.authority;
        let tls = tls::client_config(tls.roots.as_ref(), tls.identity, allow_http2)?;
        let cookie_prefix = cookie_prefix.to_owned();
        Ok(Self {
            id,
            endpoint: endpoint.clone(),
            url,
            dial_host,
            origin,
            cookie_prefix,
            connect_timeout,
            tls,
        })
    }

    /// What an answer's meaning depends on besides the credentials.
    #[must_use]
    pub fn id(&self) -> ResolverId {
        self.id
    }

    /// The resolver as it is configured.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The URL to give to the client library: the endpoint's, with the name that TLS goes by.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host whose addresses are connected to: the endpoint's, whatever name TLS goes by.
    #[must_use]
    pub fn dial_host(&self) -> &str {
        &self.dial_host
    }

    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    #[must_use]
    pub fn cookie_prefix(&self) -> &str {
        &self.cookie_prefix
    }

    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    #[must_use]
    pub fn tls(&self) -> &ClientConfig {
        &self.tls
    }

    /// Whether the `Host` to send is another than the URL's. HTTP/2 is out then: servers refuse a request whose `Host`
    /// differs from its `:authority`.
    #[must_use]
    pub fn needs_host_header(&self) -> bool {
        authority(&self.url) != self.origin.authority
    }
}

fn authority(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

fn identify(endpoint: &Endpoint, origin: &Origin, cookie_prefix: &str, tls: &TlsTarget) -> ResolverId {
    let roots = tls.roots.as_ref().map_or(&b"unverified"[..], |roots| roots.digest());
    let identity = tls.identity.as_ref().map_or(&b""[..], |(chain, _)| chain.digest());
    ResolverId::digest(&[
        endpoint.url().as_str().as_bytes(),
        origin.scheme.as_bytes(),
        origin.authority.as_bytes(),
        cookie_prefix.as_bytes(),
        roots,
        identity,
        tls.name.as_deref().unwrap_or_default().as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{endpoint, origin};

    fn target(url: &str, public: Option<&str>, prefix: &str, name: Option<&str>) -> Target {
        let tls = TlsTarget { roots: None, identity: None, name: name.map(str::to_owned) };
        let public = public.map(|public| origin(public).unwrap());
        Target::new(&endpoint(url).unwrap(), public.as_ref(), prefix, Duration::from_secs(1), Some(tls))
            .unwrap()
    }

    #[test]
    fn every_part_is_part_of_the_identity() {
        let base = target("https://a", None, "", None).id();
        for other in [
            target("http://a", None, "", None),
            target("https://b", None, "", None),
            target("https://a/resolve", None, "", None),
            target("https://a", Some("https://b"), "", None),
            target("https://a", Some("http://a"), "", None),
            target("https://a", None, "p", None),
            target("https://a", None, "", Some("a.b")),
        ] {
            assert_ne!(base, other.id());
        }
        assert_eq!(base, target("https://a:443/", Some("https://a"), "", None).id());
    }

    #[test]
    fn http2_is_offered_only_where_host_and_authority_agree() {
        for (url, public, name, agree) in [
            ("https://a", None, None, true),
            ("https://a:8443", None, None, true),
            ("https://a", Some("https://b"), None, false),
            ("https://10.0.0.5", Some("https://a"), Some("a"), true),
            ("https://10.0.0.5:8443", Some("https://a"), Some("a"), false),
            ("https://a", None, Some("b"), false),
        ] {
            let target = target(url, public, "", name);
            assert_eq!(!target.needs_host_header(), agree, "{url} {public:?} {name:?}");
            assert_eq!(target.tls().alpn_protocols.contains(&b"h2".to_vec()), agree);
        }
    }

    #[test]
    fn the_tls_name_changes_what_is_asked_for_and_not_what_is_dialled() {
        let target = target("https://10.0.0.5:8443", None, "", Some("auth.example.com"));
        assert_eq!((target.url().host_str(), target.dial_host()), (Some("auth.example.com"), "10.0.0.5"));
        assert_eq!(target.origin().authority, "10.0.0.5:8443");
    }
}
