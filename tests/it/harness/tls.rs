//! TLS for the clients, and certificates for the servers.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// How a client uses TLS. It trusts every server: these tests test nginx, not the client.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    name: String,
    identity: Option<(String, String)>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { name: "localhost".into(), identity: None }
    }
}

impl Tls {
    /// The name to send as SNI.
    pub(crate) fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// A client certificate and its key, as PEM text.
    pub(crate) fn identity(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    pub(super) fn connection(&self, alpn: &[u8]) -> rustls::ClientConnection {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("AWS-LC knows the default versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustsEveryServer(provider)));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().expect("certificates as PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key as PEM");
                builder.with_client_auth_cert(chain, key).expect("the key fits the certificate")
            }
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from(self.name.clone()).expect("a server's name");
        rustls::ClientConnection::new(Arc::new(config), name).expect("a valid configuration")
    }
}

/// A self-signed certificate for these names and its key, as PEM text.
pub(crate) fn self_signed(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("valid names");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[derive(Debug)]
struct TrustsEveryServer(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsEveryServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
