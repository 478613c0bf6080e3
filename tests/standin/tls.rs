//! Certificates, valid and invalid, and TLS servers that use them.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The certificate of a server. The good names are `127.0.0.1`, `localhost` and `auth.example.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    Good,
    /// Good names, signed by an untrusted CA.
    WrongCa,
    /// Good names, expired in 2001.
    Expired,
    /// For `wrong.example.net`.
    WrongName,
    /// Good names, self-signed.
    SelfSigned,
}

/// Whether a server requests a client certificate signed by the CA, and whether it requires one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Optional,
    Required,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
    pub certificate_der: Vec<u8>,
    key_der: Vec<u8>,
}

/// A CA, and certificates that it signed or didn't sign. Created once per process: the certificates differ between runs.
pub struct Pki {
    pub ca_pem: String,
    pub other_ca_pem: String,
    pub good: Identity,
    pub wrong_ca: Identity,
    pub expired: Identity,
    pub wrong_name: Identity,
    pub self_signed: Identity,
    /// A client's certificate, signed by the CA.
    pub client: Identity,
    /// A client's certificate, signed by the other CA.
    pub other_client: Identity,
    ca_der: CertificateDer<'static>,
}

impl Pki {
    pub fn shared() -> &'static Self {
        static PKI: OnceLock<Pki> = OnceLock::new();
        PKI.get_or_init(Self::generate)
    }

    /// A server that presents `leaf`.
    pub fn server(&self, leaf: Leaf) -> ServerTls {
        let identity = match leaf {
            Leaf::Good => &self.good,
            Leaf::WrongCa => &self.wrong_ca,
            Leaf::Expired => &self.expired,
            Leaf::WrongName => &self.wrong_name,
            Leaf::SelfSigned => &self.self_signed,
        };
        ServerTls { identity: identity.clone(), client_ca: self.ca_der.clone() }
    }

    /// The CA that clients should trust.
    pub fn ca(&self) -> CertificateDer<'static> {
        self.ca_der.clone()
    }

    /// Writes `ca.pem`, `other-ca.pem`, and a `.pem` and `.key` for each of `good`, `wrong-ca`, `expired`,
    /// `wrong-name`, `self-signed`, `client` and `other-client`.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::write(dir.join("ca.pem"), &self.ca_pem)?;
        fs::write(dir.join("other-ca.pem"), &self.other_ca_pem)?;
        for (name, identity) in [
            ("good", &self.good),
            ("wrong-ca", &self.wrong_ca),
            ("expired", &self.expired),
            ("wrong-name", &self.wrong_name),
            ("self-signed", &self.self_signed),
            ("client", &self.client),
            ("other-client", &self.other_client),
        ] {
            fs::write(dir.join(format!("{name}.pem")), &identity.certificate_pem)?;
            fs::write(dir.join(format!("{name}.key")), &identity.key_pem)?;
        }
        Ok(())
    }

    fn generate() -> Self {
        let (ca, other_ca) = (authority("Stand-in CA"), authority("Another CA"));
        let expired = {
            let mut params = names("expired", &GOOD_NAMES);
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
            params
        };
        let self_signed = {
            let key = KeyPair::generate().unwrap();
            Identity::new(&names("self-signed", &GOOD_NAMES).self_signed(&key).unwrap(), &key)
        };
        Self {
            good: Identity::signed(&names("good", &GOOD_NAMES), &ca),
            wrong_ca: Identity::signed(&names("wrong-ca", &GOOD_NAMES), &other_ca),
            expired: Identity::signed(&expired, &ca),
            wrong_name: Identity::signed(&names("wrong-name", &["wrong.example.net"]), &ca),
            self_signed,
            client: Identity::signed(&names("client", &["client.example.com"]), &ca),
            other_client: Identity::signed(&names("other-client", &["client.example.com"]), &other_ca),
            ca_pem: ca.pem(),
            other_ca_pem: other_ca.pem(),
            ca_der: ca.der().clone(),
        }
    }
}

const GOOD_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "auth.example.com"];

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn names(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Identity {
    fn signed(params: &CertificateParams, ca: &Authority) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::new(&params.signed_by(&key, ca).unwrap(), &key)
    }

    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        }
    }

    /// For a rustls configuration.
    pub fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::try_from(self.key_der.clone()).expect("a PKCS#8 key");
        (vec![CertificateDer::from(self.certificate_der.clone())], key)
    }
}

/// The configuration of a TLS server.
#[derive(Debug, Clone)]
pub struct ServerTls {
    identity: Identity,
    client_ca: CertificateDer<'static>,
}

impl ServerTls {
    pub(super) fn config(self, alpn: &[Vec<u8>], client_auth: ClientAuth) -> ServerConfig {
        // Stated explicitly, because the tests' client library may have installed another provider for the process.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("TLS versions");
        let builder = if client_auth == ClientAuth::None {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            roots.add(self.client_ca).expect("a CA");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let optional = client_auth == ClientAuth::Optional;
            let verifier = if optional { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        };
        let (chain, key) = self.identity.parts();
        let mut config = builder.with_single_cert(chain, key).expect("a certificate and its key");
        config.alpn_protocols = alpn.to_vec();
        config
    }
}
