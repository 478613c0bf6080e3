//! Kinds of servers that a resolver, or a proxy before it, may be. Whether one of them is accepted is nginx's to say:
//! `proxy_ssl_verify on` asks the same server, which is nginx's own as well.

use std::fmt::Write;

use super::openssl::{CA, Openssl, P256, P384, P521, RSA, RSA_PSS, SERVER};
use crate::harness::{Nginx, PATIENCE, Request, Wire, free_port, send};

/// What becomes of a call to a server of this kind.
#[derive(Clone, Copy)]
enum Fate {
    /// Both accept it.
    Both,
    /// `proxy_ssl_verify` accepts it, the module says this. The documents name it.
    Ours(&'static str),
    /// Both refuse it, the module with these words.
    Neither(&'static str),
    /// The module accepts it, for the reason that the manual gives.
    ProxyOnly,
}
use Fate::{Both, Neither, Ours, ProxyOnly};

/// Its name; what it presents, which is `NAME.pem` with `KEY.key`; what is trusted; more of its configuration.
type Kind = (&'static str, &'static str, &'static str, &'static str, Fate);

const TLS12: &str = "ssl_protocols TLSv1.2;";

const HANDSHAKE: &str = "HandshakeFailure";
const EXTENSION: &str = "UnsupportedCriticalExtension";

#[rustfmt::skip]
const KINDS: [Kind; 49] = [
    // The server's key.
    ("RSA", "rsa", "ca", "", Both),
    ("P-256", "p256", "ca", "", Both),
    ("P-384", "p384", "ca", "", Both),
    ("P-521", "p521", "ca", "", Both),
    ("P-521 with TLS 1.2", "p521", "ca", TLS12, Both),
    ("Ed25519", "ed25519", "ca", "", Both),
    ("Ed448", "ed448", "ca", "", Ours(HANDSHAKE)),
    ("RSA-PSS", "rsapss", "ca", "", Ours(HANDSHAKE)),
    ("secp256k1", "k256", "ca", TLS12, Neither(HANDSHAKE)),
    // The key of who signed, and how it did.
    ("signed by RSA", "by-rsa", "ca-rsa", "", Both),
    ("signed by RSA, SHA-512", "by-rsa-512", "ca-rsa", "", Both),
    ("signed by RSA in the way of PSS", "by-rsa-pss", "ca-rsa", "", Both),
    ("signed by P-384", "by-p384", "ca-p384", "", Both),
    ("signed by P-521", "by-p521", "ca-p521", "", Both),
    ("signed by Ed25519", "by-ed25519", "ca-ed25519", "", Both),
    ("signed by an authority of version 1", "by-v1", "ca-v1", "", Both),
    // The key exchange.
    ("X25519 alone", "p256", "ca", "ssl_ecdh_curve X25519;", Both),
    ("P-256 alone", "p256", "ca", "ssl_ecdh_curve prime256v1;", Both),
    ("P-384 alone", "p256", "ca", "ssl_ecdh_curve secp384r1;", Both),
    ("P-521 alone", "p256", "ca", "ssl_ecdh_curve secp521r1;", Both),
    ("P-521 alone with TLS 1.2", "p256", "ca", "ssl_ecdh_curve secp521r1; ssl_protocols TLSv1.2;", Both),
    ("X448 alone", "p256", "ca", "ssl_ecdh_curve X448;", Ours(HANDSHAKE)),
    // Ciphers.
    ("TLS 1.3 alone", "p256", "ca", "ssl_protocols TLSv1.3;", Both),
    ("TLS 1.2, ECDHE, GCM", "rsa", "ca", "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;", Both),
    ("TLS 1.2, ECDHE, ChaCha20", "rsa", "ca", "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-CHACHA20-POLY1305;", Both),
    ("TLS 1.2, ECDHE, CBC", "rsa", "ca", "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES256-SHA384;", Ours(HANDSHAKE)),
    ("TLS 1.2, ECDHE, CCM", "p256", "ca", "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-CCM;", Neither(HANDSHAKE)),
    ("TLS 1.2, RSA, GCM", "rsa", "ca", "ssl_protocols TLSv1.2; ssl_ciphers AES128-GCM-SHA256;", Ours(HANDSHAKE)),
    // What the certificate says.
    ("a wildcard", "wildcard", "ca", "", Both),
    ("no alternative name", "common-name", "ca", "", Ours("not valid for any names")),
    ("another name", "other-name", "ca", "", Neither("not valid for name")),
    ("version 1", "v1", "ca", "", Ours("UnsupportedCertVersion")),
    ("CA:TRUE", "is-ca", "ca", "", Ours("CaUsedAsEndEntity")),
    ("expired", "expired", "ca", "", Neither("Expired")),
    ("for servers", "for-servers", "ca", "", Both),
    ("for clients", "for-clients", "ca", "", Neither("extended key usage")),
    ("critical key usage", "usage", "ca", "", Both),
    ("policies", "policies", "ca", "", Both),
    ("critical policies", "critical-policies", "ca", "", Ours(EXTENSION)),
    ("an unknown critical extension", "unknown", "ca", "", Neither(EXTENSION)),
    // The chain.
    ("an intermediate", "chain", "ca", "", Both),
    ("an intermediate that isn't sent", "by-intermediate", "ca", "", Neither("UnknownIssuer")),
    ("names that the authority may not sign", "by-constrained", "ca-constrained", "", Neither("NameConstraintViolation")),
    ("signed by a server", "by-server", "p256", "", Neither("UnknownIssuer")),
    ("signed by a server that has signed itself", "by-self-signed", "self-signed", "", Neither("UnknownIssuer")),
    ("self-signed and trusted", "self-signed", "self-signed", "", Both),
    ("self-signed and trusted, CA:TRUE", "self-signed-ca", "self-signed-ca", "", Ours("CaUsedAsEndEntity")),
    ("an intermediate that is trusted", "by-intermediate", "intermediate", "", ProxyOnly),
    ("an authority that has expired", "by-expired", "ca-expired", "", ProxyOnly),
];

/// The authorities, and then who is signed by them.
fn make() -> Openssl {
    let openssl = Openssl::new();
    let make = |name: &str, kind: &str, issuer: &str, extensions: &str, options: &str| {
        openssl.certificate(name, kind, issuer, extensions, options);
    };
    for (name, kind) in
        [("ca", P256), ("ca-rsa", RSA), ("ca-p384", P384), ("ca-p521", P521), ("ca-ed25519", "ED25519")]
    {
        make(name, kind, name, CA, "");
    }
    make("ca-v1", P256, "ca-v1", "", "");
    make("ca-expired", P256, "ca-expired", CA, "-days -1");
    let constrained = format!("{CA}; nameConstraints=critical,excluded;DNS:example.com");
    make("ca-constrained", P256, "ca-constrained", &constrained, "");
    make("intermediate", P256, "ca", CA, "");
    make_servers(&openssl);
    openssl.write("chain.pem", openssl.text("by-intermediate.pem") + &openssl.text("intermediate.pem"));
    openssl.write("chain.key", openssl.text("by-intermediate.key"));
    openssl
}

fn make_servers(openssl: &Openssl) {
    let make = |name: &str, kind: &str, issuer: &str, extensions: &str, options: &str| {
        openssl.certificate(name, kind, issuer, extensions, options);
    };
    for (name, kind) in [
        ("rsa", RSA),
        ("p256", P256),
        ("p384", P384),
        ("p521", P521),
        ("ed25519", "ED25519"),
        ("ed448", "ED448"),
        ("rsapss", RSA_PSS),
        ("k256", "EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ] {
        make(name, kind, "ca", SERVER, "");
    }
    for (name, issuer, options) in [
        ("by-rsa", "ca-rsa", ""),
        ("by-rsa-512", "ca-rsa", "-sha512"),
        ("by-rsa-pss", "ca-rsa", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
        ("by-p384", "ca-p384", ""),
        ("by-p521", "ca-p521", ""),
        ("by-ed25519", "ca-ed25519", ""),
        ("by-v1", "ca-v1", ""),
        ("by-expired", "ca-expired", ""),
        ("by-constrained", "ca-constrained", ""),
        ("by-intermediate", "intermediate", ""),
        ("by-server", "p256", ""),
        ("self-signed", "self-signed", ""),
        ("by-self-signed", "self-signed", ""),
        ("expired", "ca", "-days -1"),
    ] {
        make(name, P256, issuer, SERVER, options);
    }
    for (name, extensions) in [
        ("wildcard", "subjectAltName=DNS:*.example.com"),
        ("other-name", "subjectAltName=DNS:other.example.com"),
        ("v1", ""),
        ("common-name", "basicConstraints=CA:FALSE"),
        ("is-ca", "subjectAltName=DNS:auth.example.com; basicConstraints=CA:TRUE"),
        ("for-servers", "subjectAltName=DNS:auth.example.com; extendedKeyUsage=serverAuth"),
        ("for-clients", "subjectAltName=DNS:auth.example.com; extendedKeyUsage=clientAuth"),
        ("usage", "subjectAltName=DNS:auth.example.com; keyUsage=critical,digitalSignature"),
        ("policies", "subjectAltName=DNS:auth.example.com; certificatePolicies=1.2.3.4"),
        ("critical-policies", "subjectAltName=DNS:auth.example.com; certificatePolicies=critical,1.2.3.4"),
        ("unknown", "subjectAltName=DNS:auth.example.com; 1.2.3.4.5=critical,DER:0500"),
    ] {
        make(name, P256, "ca", extensions, "");
    }
    make("self-signed-ca", P256, "self-signed-ca", &format!("{SERVER}; {CA}"), "");
}

/// An nginx with a server of each kind, which vouches for alice, and with two locations for each: one asks that server by the module,
/// the other one is `proxy_pass`.
fn start(openssl: &Openssl) -> (Nginx, Vec<u16>) {
    let (mut servers, mut locations, mut ports) = (String::new(), String::new(), Vec::new());
    for (n, (_, presented, trusted, lines, _)) in KINDS.iter().enumerate() {
        let port = free_port();
        let [certificate, key, trusted] =
            [format!("{presented}.pem"), format!("{presented}.key"), format!("{trusted}.pem")]
                .map(|file| openssl.path(&file).display().to_string());
        write!(
            servers,
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; {lines}\n\
             add_header X-Authgear-Session-Valid true; add_header X-Authgear-User-Id alice; return 200; }}\n"
        )
        .expect("a string");
        write!(
            locations,
            "location /module/{n}/ {{ authgear_resolve https://127.0.0.1:{port}; authgear_ssl_name auth.example.com;\n\
             authgear_ssl_trusted_certificate {trusted}; authgear_breaker off; authgear_require valid; empty_gif; }}\n\
             location /proxy/{n}/ {{ proxy_pass https://127.0.0.1:{port}; proxy_ssl_name auth.example.com;\n\
             proxy_ssl_trusted_certificate {trusted}; proxy_ssl_verify on; proxy_ssl_verify_depth 3;\n\
             proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3; }}\n"
        )
        .expect("a string");
        ports.push(port);
    }
    let nginx =
        Nginx::builder().http(servers).server(locations).allow_log("SSL_do_handshake() failed").start();
    (nginx, ports)
}

#[test]
fn each_kind_of_server_is_accepted_or_refused_as_the_documents_say() {
    let documents = [include_str!("../../../docs/install.md"), include_str!("../../../docs/messages.md")];
    let openssl = make();
    let (nginx, ports) = start(&openssl);
    let mut wrong = Vec::new();
    for (n, (name, .., fate)) in KINDS.iter().enumerate() {
        let ask = |what: &str| {
            let request = Request::get(format!("/{what}/{n}/")).header("Authorization", "Bearer token");
            send(&nginx, Wire::Http1, request).status
        };
        let (proxy, mark) = (ask("proxy"), nginx.error_mark());
        let module = ask("module");
        let (expected, words) = match fate {
            Both => ((200, 200), None),
            Ours(words) => ((200, 502), Some(words)),
            Neither(words) => ((502, 502), Some(words)),
            ProxyOnly => ((502, 200), None),
        };
        let line = match module {
            502 => nginx.wait_for_log_since(
                mark,
                &format!("resolver \"https://127.0.0.1:{}/", ports[n]),
                PATIENCE,
            ),
            _ => String::new(),
        };
        if (proxy, module) != expected || !words.is_none_or(|words| line.contains(words)) {
            wrong.push(format!("{name}: proxy_pass {proxy}, the module {module}: {line}"));
        }
        if let Ours(words) = fate {
            assert!(documents.iter().all(|document| document.contains(words)), "{words} is not documented");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    nginx.finish();
}

/// What the guide says of servers that can't be changed, and of a certificate that signs itself.
#[test]
fn the_ways_out_of_the_guide_lead_out() {
    let guide = include_str!("../../../docs/install.md");
    let command = guide.split("```sh\nopenssl ").nth(1).and_then(|rest| rest.split("```").next());
    let openssl = Openssl::new();
    openssl.run_plainly(&command.expect("the guide has it").replace('\\', ""));
    let [relay, made, weak] = [(); 3].map(|()| free_port());
    let [certificate, key] =
        ["server.pem", "server.key"].map(|file| openssl.path(file).display().to_string());
    let server = |port: u16, lines: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; {lines}\n\
             add_header X-Authgear-Session-Valid true; add_header X-Authgear-User-Id alice; return 200; }}\n"
        )
    };
    let weakly = "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES256-SHA384;";
    let verified = format!("proxy_ssl_verify on; proxy_ssl_trusted_certificate {certificate};");
    let servers = format!(
        "{}{}server {{ listen 127.0.0.1:{relay}; location / {{ proxy_pass https://127.0.0.1:{weak}; {verified}\n\
         proxy_ssl_name auth.example.com; }} }}\n",
        server(made, ""),
        server(weak, weakly)
    );
    let location = |name: &str, url: String| {
        format!(
            "location /{name}/ {{ authgear_resolve {url}; authgear_ssl_name auth.example.com; authgear_require valid;\n\
             authgear_ssl_trusted_certificate {certificate}; empty_gif; }}\n"
        )
    };
    let locations = location("made", format!("https://127.0.0.1:{made}"))
        + &location("relay", format!("http://127.0.0.1:{relay}"))
        + &location("weak", format!("https://127.0.0.1:{weak}"));
    let nginx =
        Nginx::builder().http(servers).server(locations).allow_log("SSL_do_handshake() failed").start();
    for (name, status) in [("made", 200), ("relay", 200), ("weak", 502)] {
        let request = Request::get(format!("/{name}/")).header("Authorization", "Bearer token");
        assert_eq!(send(&nginx, Wire::Http1, request).status, status, "{name}");
    }
    nginx.finish();
}
