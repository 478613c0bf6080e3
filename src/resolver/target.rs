//! Which resolver is called, for which origin, and over what kind of connection.

use std::sync::OnceLock;
use std::time::Duration;

use rustls::ClientConfig;
use url::Url;

use super::tls::{self, CertificateChain, PrivateKey, Roots, TlsError};
use crate::cache_key::{KeyMaker, ResolverId, Secret};
use crate::endpoint::{Endpoint, Origin};

/// TLS settings for connections to the resolver.
pub struct TlsTarget {
    /// `None`: the server's certificate is not verified.
    pub roots: Option<Roots>,
    pub identity: Option<(CertificateChain, PrivateKey)>,
    /// The name for SNI and certificate verification; if `None`, the endpoint's host.
    pub name: Option<String>,
}

/// A resolver. Two targets share answers only if their ids are equal.
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
    /// If the client certificate and its key can't be used.
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
            // The client library takes the name for SNI and certificate verification from the URL; see `dns`.
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

    /// Identifies everything besides the credentials that an answer depends on.
    #[must_use]
    pub fn id(&self) -> ResolverId {
        self.id
    }

    /// The key maker for this resolver. Every call must pass the same secret.
    #[must_use]
    pub fn keys(&self, secret: &Secret) -> &KeyMaker {
        self.keys.get_or_init(|| KeyMaker::new(secret, &self.id))
    }

    /// The resolver as configured.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The URL for the client library: the endpoint's, but with the TLS name as host.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host to connect to: the endpoint's, regardless of the TLS name.
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

    /// A digest of the certificates that connections use: the trusted ones and the client's own.
    #[must_use]
    pub fn tls_digest(&self) -> [u8; 32] {
        self.tls_digest
    }

    /// Whether the `Host` to send differs from the URL's. HTTP/2 can't be used then: servers reject a request whose
    /// `Host` differs from its `:authority`.
    #[must_use]
    pub fn needs_host_header(&self) -> bool {
        authority(&self.url) != self.origin.authority
    }
}

fn authority(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

/// The id includes what the configuration says about trust, not the certificates themselves. Replacing certificates
/// under the same configuration doesn't invalidate answers: the system's roots change with updates, and client
/// certificates are renewed in place. So the system's roots are represented by a fixed word, and a client certificate
/// by its file's path, which still distinguishes two certificates in one configuration. A file of roots is configured
/// in order to say whom to trust, so its certificates are included.
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
    // Both are digests of a fixed length, or zeros.
    hasher.update(tls.roots.as_ref().map_or(&[0; 32], |roots| roots.digest()));
    hasher.update(tls.identity.as_ref().map_or(&[0; 32], |(chain, _)| chain.digest()));
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
