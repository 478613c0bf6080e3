//! TLS to the resolver: what is trusted, who we are. Read and checked by the master at configuration time, while it
//! still has its privileges.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum TlsError {
    #[error("it is no PEM file: {0}")]
    Pem(String),
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("there is no private key in it (an encrypted one can't be used)")]
    NoKey,
    #[error("a certificate in it can't be used: {0}")]
    BadCertificate(rustls::Error),
    #[error(
        "\"authgear_resolve\" is https, and no root certificates of the system can be found; name a file in \"authgear_ssl_trusted_certificate\""
    )]
    NoSystemRoots,
    #[error("\"authgear_ssl_certificate\" and \"authgear_ssl_certificate_key\" don't match: {0}")]
    Identity(rustls::Error),
    #[error("\"authgear_ssl_name\" can't be used")]
    Name,
}

/// Certificates to trust, and a digest that tells one set of them from another.
#[derive(Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
    digest: [u8; 32],
}

impl Roots {
    /// # Errors
    /// If there is no certificate in the file, or one that can't be a root.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let certificates = certificates(pem)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(TlsError::BadCertificate)?;
        }
        Ok(Self { store: Arc::new(store), digest: digest(&certificates) })
    }

    /// The system's own. Certificates among them that can't be read are left out, as every TLS client does.
    ///
    /// # Errors
    /// If none is left.
    pub fn system() -> Result<Self, TlsError> {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(TlsError::NoSystemRoots);
        }
        Ok(Self { store: Arc::new(store), digest: digest(&certificates) })
    }

    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

/// The client certificate with its chain.
#[derive(Clone)]
pub struct CertificateChain {
    certificates: Arc<[CertificateDer<'static>]>,
    digest: [u8; 32],
}

impl CertificateChain {
    /// # Errors
    /// If there is no certificate in the file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let certificates = certificates(pem)?;
        Ok(Self { digest: digest(&certificates), certificates: certificates.into() })
    }

    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

#[derive(Clone)]
pub struct PrivateKey(Arc<PrivateKeyDer<'static>>);

impl PrivateKey {
    /// # Errors
    /// If there is no key in the file that can be read without a password.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map(|key| Self(Arc::new(key))).map_err(|_| TlsError::NoKey)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Puts a configuration together; no roots: nothing is verified.
///
/// # Errors
/// If the key is not the certificate's, or of a kind that isn't supported.
pub fn client_config(
    roots: Option<&Roots>,
    identity: Option<(CertificateChain, PrivateKey)>,
    allow_http2: bool,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?;
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(Arc::clone(&roots.store)),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    let mut config = match identity {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain.certificates.to_vec(), key.0.clone_key())
            .map_err(TlsError::Identity)?,
        None => builder.with_no_client_auth(),
    };
    let protocols: &[&[u8]] = if allow_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem(error.to_string()))?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}

fn digest(certificates: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for certificate in certificates {
        hasher.update(&(certificate.len() as u64).to_le_bytes());
        hasher.update(certificate);
    }
    *hasher.finalize().as_bytes()
}

/// `authgear_ssl_verify off`: whoever holds the key of the certificate shown is taken for the resolver.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["auth.example.com".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn files_that_hold_nothing_usable_are_refused() {
        let (certificate, key) = pair();
        assert!(matches!(Roots::from_pem(b""), Err(TlsError::NoCertificate)));
        assert!(matches!(Roots::from_pem(key.as_bytes()), Err(TlsError::NoCertificate)));
        assert!(matches!(Roots::from_pem(b"-----BEGIN CERTIFICATE-----\n!\n"), Err(TlsError::Pem(_))));
        let hollow = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Roots::from_pem(hollow), Err(TlsError::BadCertificate(_))));
        assert!(matches!(PrivateKey::from_pem(certificate.as_bytes()), Err(TlsError::NoKey)));
        assert!(PrivateKey::from_pem(key.as_bytes()).is_ok());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let ((certificate, key), (_, other)) = (pair(), pair());
        let config = |key: &str| {
            let chain = CertificateChain::from_pem(certificate.as_bytes()).unwrap();
            client_config(None, Some((chain, PrivateKey::from_pem(key.as_bytes()).unwrap())), true)
        };
        assert!(config(&key).is_ok());
        assert!(matches!(config(&other), Err(TlsError::Identity(_))));
    }

    #[test]
    fn sets_of_roots_are_told_apart() {
        let (one, two) = (pair().0, pair().0);
        let digest = |pem: &str| Roots::from_pem(pem.as_bytes()).unwrap().digest;
        assert_ne!(digest(&one), digest(&two));
        assert_ne!(digest(&one), digest(&format!("{one}{two}")));
        assert_eq!(digest(&one), digest(&one));
    }
}
