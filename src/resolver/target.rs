//! Which resolver is asked, as whom, and over what kind of connection.

use std::sync::OnceLock;
use std::time::Duration;

use rustls::ClientConfig;
use url::Url;

use super::tls::{self, CertificateChain, PrivateKey, Roots, TlsError};
use crate::cache_key::{KeyMaker, ResolverId, Secret};
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
    keys: OnceLock<KeyMaker>,
    endpoint: Endpoint,
    url: Url,
    dial_host: String,
    origin: Origin,
    cookie_prefix: String,
    connect_timeout: Duration,
    tls: ClientConfig,
    tls_digest: [u8; 32],
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
        let tls_digest = digest(&tls);
        let allow_http2 = authority(&url) == origin.authority;
        let tls = tls::client_config(tls.roots.as_ref(), tls.identity, allow_http2)?;
        let cookie_prefix = cookie_prefix.to_owned();
        Ok(Self {
            id,
            keys: OnceLock::new(),
            endpoint: endpoint.clone(),
            url,
            dial_host,
            origin,
            cookie_prefix,
            connect_timeout,
            tls,
            tls_digest,
        })
    }

    /// What an answer's meaning depends on besides the credentials.
    #[must_use]
    pub fn id(&self) -> ResolverId {
        self.id
    }

    /// What keys are made with, bound to this resolver. The secret is the same in every call.
    #[must_use]
    pub fn keys(&self, secret: &Secret) -> &KeyMaker {
        self.keys.get_or_init(|| KeyMaker::new(secret, &self.id))
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

    /// Tells apart the certificates that connections are made with: those that are trusted, and the client's own.
    #[must_use]
    pub fn tls_digest(&self) -> [u8; 32] {
        self.tls_digest
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

/// Of TLS, what the configuration says about whom to believe. Certificates that are replaced under the same configuration leave
/// answers as good as they were: the roots of a system change with its updates, and a client certificate is renewed in its
/// file. So the system's roots are one word here, and a client certificate is the path of its file, which still keeps two of
/// them in one configuration apart. A file of roots is named to say whom to believe, and counts by its certificates.
fn identify(endpoint: &Endpoint, origin: &Origin, cookie_prefix: &str, tls: &TlsTarget) -> ResolverId {
    let roots = tls.roots.as_ref().map_or(&b"unverified"[..], |roots| roots.configured());
    let identity = tls.identity.as_ref().map_or("", |(chain, _)| chain.path());
    ResolverId::digest(&[
        endpoint.url().as_str().as_bytes(),
        origin.scheme.as_bytes(),
        origin.authority.as_bytes(),
        cookie_prefix.as_bytes(),
        roots,
        identity.as_bytes(),
        tls.name.as_deref().unwrap_or_default().as_bytes(),
    ])
}

fn digest(tls: &TlsTarget) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    // Digests of one length, or nothing.
    hasher.update(tls.roots.as_ref().map_or(&[0; 32], |roots| roots.digest()));
    hasher.update(tls.identity.as_ref().map_or(&[0; 32], |(chain, _)| chain.digest()));
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
