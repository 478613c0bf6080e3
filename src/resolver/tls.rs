//! TLS to the resolver: trusted certificates and our own client certificate. The master process reads and checks them
//! while it parses the configuration and still has its privileges.

mod der;
mod p521;
mod pem;
mod verifier;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use verifier::{Trusted, Verifier};

#[derive(Debug, Error)]
pub enum TlsError {
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("certificate {0} in it can't be read: {1}")]
    Unreadable(usize, &'static str),
    #[error("certificate {0} in it can't be trusted: {1}")]
    Untrusted(usize, &'static str),
    #[error("there is no private key in it")]
    NoKey,
    #[error("the private key in it is encrypted; take the password off")]
    EncryptedKey,
    #[error("the private key in it is damaged, or of a kind that isn't supported")]
    BadKey,
    #[error(
        "\"authgear_resolve\" is https, and no root certificates of the system can be found; name a file in \"authgear_ssl_trusted_certificate\""
    )]
    NoSystemRoots,
    #[error("the private key in \"{key}\" belongs to another certificate than the first one in \"{chain}\"")]
    Mismatch { key: String, chain: String },
    #[error("\"authgear_ssl_name\" can't be used")]
    Name,
    #[error("the TLS library can't be set up: {0}")]
    Setup(rustls::Error),
}

/// Trusted certificates.
#[derive(Clone)]
pub struct Roots {
    trusted: Arc<Trusted>,
    digest: [u8; 32],
    /// How the configuration identifies them.
    configured: Arc<[u8]>,
}

impl Roots {
    /// # Errors
    /// If the file contains no certificate, or one that can't be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let (mut trusted, mut certificates) = (nothing(), Vec::new());
        for (n, block) in (1..).zip(pem::certificates(pem)) {
            let block = block.map_err(|why| TlsError::Unreadable(n, why))?;
            let parts = der::Parts::read(&block.der).ok_or(TlsError::Unreadable(n, NOT_X509))?;
            if block.has_settings && !der::vouches_for_servers(parts.rest) {
                return Err(TlsError::Untrusted(n, "its trust settings leave TLS servers out"));
            }
            let certificate = CertificateDer::from(parts.whole.to_vec());
            trust(&mut trusted, &certificate).map_err(|why| TlsError::Untrusted(n, why))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let digest = digest(&certificates);
        Ok(Self { trusted: Arc::new(trusted), digest, configured: digest.as_slice().into() })
    }

    /// Loads the system's root certificates. Those that can't be used are skipped, as every TLS client does.
    ///
    /// # Errors
    /// If none is left.
    pub fn system() -> Result<Self, TlsError> {
        let mut certificates = rustls_native_certs::load_native_certs().certs;
        let mut trusted = nothing();
        certificates.retain(|certificate| trust(&mut trusted, certificate).is_ok());
        if certificates.is_empty() {
            return Err(TlsError::NoSystemRoots);
        }
        let digest = digest(&certificates);
        Ok(Self { trusted: Arc::new(trusted), digest, configured: b"system".as_slice().into() })
    }

    /// A digest of the certificates.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Identifies what the configuration trusts: the certificates of a file, or the system's roots regardless of their
    /// content.
    #[must_use]
    pub fn configured(&self) -> &[u8] {
        &self.configured
    }
}

const NOT_X509: &str = "it is not an X.509 certificate";

fn nothing() -> Trusted {
    Trusted { authorities: RootCertStore::empty(), servers: Vec::new() }
}

fn trust(trusted: &mut Trusted, certificate: &CertificateDer<'static>) -> Result<(), &'static str> {
    let parts = der::Parts::read(certificate).ok_or(NOT_X509)?;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let algorithm = der::algorithm(parts.key).ok_or(NOT_X509)?;
    if !algorithms.iter().any(|known| *known.public_key_alg_id() == *algorithm) {
        return Err("keys of its kind aren't supported");
    }
    if der::rsa_bits(parts.key).is_some_and(|bits| !(2048..=8192).contains(&bits)) {
        return Err("an RSA key must have between 2048 and 8192 bits");
    }
    if parts.is_ca {
        trusted.authorities.add(certificate.clone()).map_err(|_| NOT_X509)
    } else {
        let mut root = RootCertStore::empty();
        root.add(certificate.clone()).map_err(|_| NOT_X509)?;
        trusted.servers.push((certificate.clone(), root));
        Ok(())
    }
}

/// The client certificate with its chain.
#[derive(Clone)]
pub struct CertificateChain {
    certificates: Arc<[CertificateDer<'static>]>,
    digest: [u8; 32],
    path: Arc<str>,
}

impl CertificateChain {
    /// # Errors
    /// If the file contains no certificate, or one that can't be read.
    pub fn from_pem(pem: &[u8], path: &str) -> Result<Self, TlsError> {
        let read = |(n, block): (usize, Result<pem::Block, _>)| {
            let block = block.map_err(|why| TlsError::Unreadable(n, why))?;
            let parts = der::Parts::read(&block.der).ok_or(TlsError::Unreadable(n, NOT_X509))?;
            Ok(CertificateDer::from(parts.whole.to_vec()))
        };
        let certificates: Vec<_> = (1..).zip(pem::certificates(pem)).map(read).collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        Ok(Self { digest: digest(&certificates), certificates: certificates.into(), path: path.into() })
    }

    /// A digest of the chain.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[derive(Clone)]
pub struct PrivateKey {
    key: Arc<dyn SigningKey>,
    path: Arc<str>,
}

impl PrivateKey {
    /// # Errors
    /// If the file contains no usable key, or if the key is encrypted.
    pub fn from_pem(pem: &[u8], path: &str) -> Result<Self, TlsError> {
        let der = match PrivateKeyDer::from_pem_slice(pem::without_mark(pem)) {
            Ok(der) => der,
            Err(_) if pem::has_encrypted_key(pem) => return Err(TlsError::EncryptedKey),
            Err(rustls::pki_types::pem::Error::NoItemsFound) => return Err(TlsError::NoKey),
            Err(_) => return Err(TlsError::BadKey),
        };
        let key = aws_lc_rs::sign::any_supported_type(&der).map_err(|_| TlsError::BadKey)?;
        Ok(Self { key, path: path.into() })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Creates a client configuration. Without roots, nothing is verified.
///
/// # Errors
/// If the key doesn't belong to the certificate.
pub fn client_config(
    roots: Option<&Roots>,
    identity: Option<(CertificateChain, PrivateKey)>,
    allow_http2: bool,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(provider());
    let verifier = Verifier {
        trusted: roots.map(|roots| Arc::clone(&roots.trusted)),
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some((chain, key)) => {
            let certified = Arc::new(certified_key(&chain, key)?);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    let protocols: &[&[u8]] = if allow_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// The library's default provider, with P-521 added for the key exchange.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.push(&p521::P521);
    provider
}

/// The library would also compare the keys, but can't read version 1 certificates to do so.
fn certified_key(chain: &CertificateChain, key: PrivateKey) -> Result<CertifiedKey, TlsError> {
    let first = chain.certificates.first().and_then(|first| der::Parts::read(first));
    let public = key.key.public_key();
    if first.map(|first| first.key) != public.as_deref() {
        return Err(TlsError::Mismatch { key: key.path.to_string(), chain: chain.path.to_string() });
    }
    Ok(CertifiedKey::new(chain.certificates.to_vec(), key.key))
}

fn digest(certificates: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for certificate in certificates {
        hasher.update(&(certificate.len() as u64).to_le_bytes());
        hasher.update(certificate);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
