//! The resolver over TLS.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::client::request;
use super::http2;
use super::standin::tls::Identity;
use super::standin::{ClientAuth, ConnectionFault, Leaf, Pki, Resolver, Version, runtime};

fn client(identity: Option<&Identity>, alpn: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(Pki::shared().ca()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.parts();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    resolver: &Resolver,
    client: &TlsConnector,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    client.connect(name, TcpStream::connect(resolver.addr()).await?).await
}

async fn ask(resolver: &Resolver, client: &TlsConnector) -> std::io::Result<String> {
    let mut stream = connect(resolver, client, "auth.example.com").await?;
    stream.write_all(request("GET", "/resolve", &["Connection: close"]).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[test]
fn only_the_good_certificate_is_accepted() {
    let good = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
    assert!(good.url().starts_with("https://127.0.0.1:"));
    for name in ["127.0.0.1", "localhost", "auth.example.com"] {
        runtime().block_on(connect(&good, &client(None, "http/1.1"), name)).unwrap();
    }
    let answer = runtime().block_on(ask(&good, &client(None, "http/1.1"))).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(good.last_call().unwrap().tls);
    for leaf in [Leaf::WrongCa, Leaf::Expired, Leaf::WrongName, Leaf::SelfSigned] {
        let bad = Resolver::builder().tls(Pki::shared().server(leaf)).start();
        let error = runtime().block_on(ask(&bad, &client(None, "http/1.1"))).unwrap_err();
        assert!(error.to_string().contains("certificate"), "{leaf:?}: {error}");
        assert_eq!(bad.call_count(), 0);
    }
}

#[test]
fn client_certificates_are_asked_for_and_recorded() {
    let pki = Pki::shared();
    let start = |auth| Resolver::builder().tls(pki.server(Leaf::Good)).client_auth(auth).start();
    let ask =
        |resolver: &Resolver, identity| runtime().block_on(ask(resolver, &client(identity, "http/1.1")));
    let required = start(ClientAuth::Required);
    ask(&required, Some(&pki.client)).unwrap();
    assert_eq!(required.last_call().unwrap().client_certificate.as_ref(), Some(&pki.client.certificate_der));
    assert!(ask(&required, None).is_err());
    assert!(ask(&required, Some(&pki.other_client)).is_err());
    assert_eq!((required.call_count(), required.connections()), (1, 3));
    let optional = start(ClientAuth::Optional);
    ask(&optional, None).unwrap();
    assert_eq!(optional.last_call().unwrap().client_certificate, None);
}

#[test]
fn alpn_chooses_http2() {
    let resolver =
        Resolver::builder().tls(Pki::shared().server(Leaf::Good)).alpn(&["h2", "http/1.1"]).start();
    let token = resolver.accounts().login("bob").bearer;
    let answer = runtime().block_on(async {
        let stream = connect(&resolver, &client(None, "h2"), "localhost").await.unwrap();
        let (mut client, _driver) = http2::begin(stream).await;
        http2::get(&mut client, &token).await.unwrap()
    });
    assert_eq!(answer.headers()["x-authgear-user-roles"], "viewer");
    assert_eq!(resolver.last_call().unwrap().version, Version::Http2);
}

#[test]
fn plain_text_can_come_before_the_handshake() {
    let resolver = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
    resolver.set_connection_fault(Some(ConnectionFault::PlainFirst(b"HTTP/1.1 200 OK\r\n\r\n".into())));
    assert!(runtime().block_on(ask(&resolver, &client(None, "http/1.1"))).is_err());
    assert_eq!(resolver.call_count(), 0);
}

#[test]
fn certificates_can_be_written_to_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    Pki::shared().write(dir.path()).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 16, "{names:?}");
    let ca = std::fs::read_to_string(dir.path().join("ca.pem")).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"));
}
