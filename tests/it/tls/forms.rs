//! Files as `openssl` and editors write them. What nginx makes of the same file in its own directives is the reference.

use super::openssl::{CA, Openssl, P256, P521, RSA, RSA_PSS, SERVER};
use crate::harness::{Nginx, Request, Wire, free_port, send};

/// Whether nginx takes it (the proxy directives in one location), and what the module says instead of taking it.
type Form = (&'static str, bool, Option<&'static str>);

fn make() -> Openssl {
    let openssl = Openssl::new();
    let make = |name: &str, kind: &str, issuer: &str, extensions: &str, options: &str| {
        openssl.certificate(name, kind, issuer, extensions, options);
    };
    make("ca", P256, "ca", CA, "");
    make("server", P256, "ca", SERVER, "");
    make("ed448", "ED448", "ed448", CA, "");
    make("pss", RSA_PSS, "pss", CA, "");
    make("k256", "EC -pkeyopt ec_paramgen_curve:secp256k1", "k256", CA, "");
    make("for-mail", P256, "for-mail", CA, "-addtrust emailProtection");
    make("for-servers", P256, "for-servers", CA, "-addtrust serverAuth");
    make("rejected", P256, "rejected", CA, "-addreject serverAuth");
    make("v1", P256, "ca", "", "");
    make("v1-rsa", RSA, "ca", "", "");
    make("p521", P521, "ca", SERVER, "");
    make("ed25519", "ED25519", "ca", SERVER, "");
    make("other", P256, "ca", SERVER, "");
    openssl.run("x509 -in ca.pem -text -out text.pem");
    openssl.run("x509 -in v1.pem -trustout -out trusted-v1.pem");
    openssl.run("rsa -in v1-rsa.key -traditional -out pkcs1.key");
    openssl.run("pkey -in v1.key -aes256 -passout pass:secret -out encrypted.key");
    openssl.run("rsa -in v1-rsa.key -traditional -aes256 -passout pass:secret -out encrypted-pkcs1.key");
    openssl.run("ec -in v1.key -out sec1.key");
    let parameters = openssl.run("ecparam -name prime256v1");
    openssl.write("parameters.key", parameters + &openssl.text("sec1.key"));
    let (ca, v1) = (openssl.text("ca.pem"), openssl.text("v1.pem"));
    for (name, text) in [("ca", &ca), ("v1", &v1)] {
        let old = text.replace(" CERTIFICATE-", " X509 CERTIFICATE-");
        openssl.write(&format!("old-{name}.pem"), old);
        openssl.write(&format!("mark-{name}.pem"), format!("\u{feff}{text}"));
        openssl.write(&format!("crlf-{name}.pem"), text.replace('\n', "\r\n"));
        openssl.write(
            &format!("dos-{name}.pem"),
            format!("{}\r\n\u{1a}", text.trim_end().replace('\n', "\r\n")),
        );
    }
    let key = openssl.text("v1.key");
    openssl.write("mark-v1.key", format!("\u{feff}{key}"));
    openssl.write("crlf-v1.key", key.replace('\n', "\r\n"));
    openssl.write("one.pem", format!("{key}{v1}"));
    openssl.write("chain.pem", format!("{v1}{ca}"));
    openssl.write("upside-down.pem", format!("{ca}{v1}"));
    openssl.write("two.pem", format!("{ca}{}", openssl.text("ed448.pem")));
    openssl.write("wrong-password", "wrong\n");
    openssl
}

/// What nginx says of a location with these lines.
fn check(lines: &str) -> (bool, String) {
    let check = Nginx::builder().server(format!("location /checked/ {{ {lines} }}")).check();
    (check.ok, check.stderr)
}

#[track_caller]
fn assert_taken(proxy: &str, module: &str, (name, nginx_takes_it, refusal): Form) {
    let (taken, said) = check(&format!("proxy_pass https://127.0.0.1; {proxy}"));
    assert_eq!(taken, nginx_takes_it, "{name}: nginx: {said}");
    let (taken, said) = check(&format!("authgear_resolve https://127.0.0.1; {module}"));
    assert_eq!(taken, refusal.is_none(), "{name}: the module: {said}");
    assert!(refusal.is_none_or(|words| said.contains(words)), "{name}: not {refusal:?}: {said}");
}

const UNSUPPORTED_1: &str = "certificate 1 in it can't be trusted: keys of its kind aren't supported";
const UNSUPPORTED_2: &str = "certificate 2 in it can't be trusted: keys of its kind aren't supported";
const SETTINGS: &str = "certificate 1 in it can't be trusted: its trust settings leave TLS servers out";

#[test]
fn files_of_authorities_are_read_as_nginx_reads_them() {
    let openssl = make();
    for form in [
        ("ca.pem", true, None),
        ("text.pem", true, None),
        ("old-ca.pem", true, None),
        ("mark-ca.pem", true, None),
        ("crlf-ca.pem", true, None),
        ("dos-ca.pem", true, None),
        ("for-servers.pem", true, None),
        ("one.pem", true, None),
        // nginx takes these as well, and believes no server by them; or has them where the module can't.
        ("for-mail.pem", true, Some(SETTINGS)),
        ("rejected.pem", true, Some(SETTINGS)),
        ("ed448.pem", true, Some(UNSUPPORTED_1)),
        ("pss.pem", true, Some(UNSUPPORTED_1)),
        ("k256.pem", true, Some(UNSUPPORTED_1)),
        ("two.pem", true, Some(UNSUPPORTED_2)),
        ("ca.key", false, Some("there is no certificate in it")),
        ("empty.cnf", false, Some("there is no certificate in it")),
    ] {
        let path = openssl.path(form.0);
        let path = path.display();
        let proxy = format!("proxy_ssl_verify on; proxy_ssl_trusted_certificate {path};");
        assert_taken(&proxy, &format!("authgear_ssl_trusted_certificate {path};"), form);
    }
}

/// The certificate, its key, and the rest of the form.
const PAIRS: [(&str, &str, bool, Option<&str>); 22] = [
    ("v1.pem", "v1.key", true, None),
    ("v1-rsa.pem", "v1-rsa.key", true, None),
    ("v1-rsa.pem", "pkcs1.key", true, None),
    ("v1.pem", "sec1.key", true, None),
    ("v1.pem", "parameters.key", true, None),
    ("v1.pem", "mark-v1.key", true, None),
    ("v1.pem", "crlf-v1.key", true, None),
    ("trusted-v1.pem", "v1.key", true, None),
    ("old-v1.pem", "v1.key", true, None),
    ("mark-v1.pem", "v1.key", true, None),
    ("crlf-v1.pem", "v1.key", true, None),
    ("dos-v1.pem", "v1.key", true, None),
    ("one.pem", "one.pem", true, None),
    ("chain.pem", "v1.key", true, None),
    ("p521.pem", "p521.key", true, None),
    ("ed25519.pem", "ed25519.key", true, None),
    ("upside-down.pem", "v1.key", false, Some("belongs to another certificate than the first one in")),
    ("v1.pem", "other.key", false, Some("belongs to another certificate than the first one in")),
    ("v1.pem", "encrypted.key", false, Some("the private key in it is encrypted; take the password off")),
    (
        "v1-rsa.pem",
        "encrypted-pkcs1.key",
        false,
        Some("the private key in it is encrypted; take the password off"),
    ),
    ("v1.pem", "v1.pem", false, Some("there is no private key in it")),
    (
        "ed448.pem",
        "ed448.key",
        true,
        Some("the private key in it is damaged, or of a kind that isn't supported"),
    ),
];

#[test]
fn client_certificates_and_their_keys_are_read_as_nginx_reads_them() {
    let openssl = make();
    for (certificate, key, nginx_takes_it, refusal) in PAIRS {
        let [certificate_path, key_path, passwords] =
            [certificate, key, "wrong-password"].map(|file| openssl.path(file).display().to_string());
        // With a file of passwords nginx asks for none.
        let proxy = format!(
            "proxy_ssl_certificate {certificate_path}; proxy_ssl_certificate_key {key_path}; proxy_ssl_password_file {passwords};"
        );
        let module =
            format!("authgear_ssl_certificate {certificate_path}; authgear_ssl_certificate_key {key_path};");
        assert_taken(&proxy, &module, (certificate, nginx_takes_it, refusal));
    }
}

#[test]
fn client_certificates_of_every_kind_are_shown() {
    let (openssl, port) = (make(), free_port());
    let [ca, certificate, key] =
        ["ca.pem", "server.pem", "server.key"].map(|file| openssl.path(file).display().to_string());
    let shown = PAIRS.iter().enumerate().filter(|(_, (.., refusal))| refusal.is_none());
    let mut locations = String::new();
    for (n, (certificate, key, ..)) in shown.clone() {
        let [certificate, key] = [certificate, key].map(|file| openssl.path(file).display().to_string());
        locations += &format!(
            "location /module/{n}/ {{ authgear_resolve https://127.0.0.1:{port}; authgear_ssl_name auth.example.com;\n\
             authgear_ssl_trusted_certificate {ca}; authgear_require valid; empty_gif;\n\
             authgear_ssl_certificate {certificate}; authgear_ssl_certificate_key {key}; }}\n\
             location /proxy/{n}/ {{ proxy_pass https://127.0.0.1:{port};\n\
             proxy_ssl_certificate {certificate}; proxy_ssl_certificate_key {key}; }}\n"
        );
    }
    let server = format!(
        "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
         ssl_client_certificate {ca}; ssl_verify_client on;\n\
         add_header X-Authgear-Session-Valid true; add_header X-Authgear-User-Id alice; return 200; }}"
    );
    let nginx = Nginx::builder().http(server).server(locations).start();
    for (n, (name, ..)) in shown {
        for place in ["proxy", "module"] {
            let request = Request::get(format!("/{place}/{n}/")).header("Authorization", "Bearer token");
            assert_eq!(send(&nginx, Wire::Http1, request).status, 200, "{place}: {name}");
        }
    }
    nginx.finish();
}
