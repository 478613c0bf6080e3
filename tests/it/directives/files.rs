//! Files and system roots for TLS: read and checked when the configuration is.

use std::fs;
use std::path::Path;

use super::super::harness::{Nginx, Place, Wire, send};
use super::super::live::{Live, assert_ending};
use super::super::standin::tls::Leaf;
use super::super::standin::{ClientAuth, Pki, Resolver};
use super::{assert_accepted, assert_says};

const FILES: [&str; 3] =
    ["authgear_ssl_trusted_certificate", "authgear_ssl_certificate", "authgear_ssl_certificate_key"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    folder
}

#[track_caller]
fn assert_file_refused(directive: &str, path: &Path, why: &str) {
    let path = path.display();
    let sentence = format!("invalid file \"{path}\" in \"{directive}\" directive, {why}");
    assert_says(&format!("{directive} {path};"), &sentence);
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let folder = folder();
    for directive in FILES {
        let missing = "it can't be read: No such file or directory (os error 2)";
        assert_file_refused(directive, &folder.path().join("missing.pem"), missing);
        assert_file_refused(directive, folder.path(), "it can't be read: Is a directory (os error 21)");
        let below = "it can't be read: Not a directory (os error 20)";
        assert_file_refused(directive, &folder.path().join("ca.pem/x"), below);
    }
}

#[test]
fn a_file_with_nothing_of_use_is_refused() {
    let folder = folder();
    let no_key = "there is no private key in it";
    let no_certificate = "there is no certificate in it";
    for (file, text) in [("empty.pem", ""), ("text.pem", "hello\n"), ("binary.pem", "\0\x01\x02")] {
        let path = folder.path().join(file);
        fs::write(&path, text).expect("writable");
        assert_file_refused(FILES[0], &path, no_certificate);
        assert_file_refused(FILES[1], &path, no_certificate);
        assert_file_refused(FILES[2], &path, no_key);
    }
    // One for the other.
    assert_file_refused(FILES[0], &folder.path().join("good.key"), no_certificate);
    assert_file_refused(FILES[1], &folder.path().join("good.key"), no_certificate);
    assert_file_refused(FILES[2], &folder.path().join("good.pem"), no_key);
}

#[test]
fn a_damaged_certificate_is_refused() {
    let folder = folder();
    let good = fs::read_to_string(folder.path().join("ca.pem")).expect("readable");
    for (n, text) in [
        good.replace("-----END CERTIFICATE-----", ""),
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".to_owned(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("damaged-{n}.pem"));
        fs::write(&path, text).expect("writable");
        let fragment = format!("authgear_ssl_trusted_certificate {};", path.display());
        let check = Place::Http.put(Nginx::builder(), &fragment).check();
        check.assert_refused_somewhere(&format!("invalid file \"{}\" in", path.display()));
    }
}

fn identity(folder: &Path, certificate: &str, key: &str) -> String {
    let folder = folder.display();
    let line = |directive: &str, file: &str| {
        if file.is_empty() { String::new() } else { format!("{directive} {folder}/{file};\n") }
    };
    let (certificate, key) = (line(FILES[1], certificate), line(FILES[2], key));
    format!("authgear_resolve https://a;\n{}{certificate}{key}", line(FILES[0], "ca.pem"))
}

#[test]
fn a_certificate_and_its_key_go_together() {
    let folder = folder();
    assert_accepted(&identity(folder.path(), "client.pem", "client.key"));
    for (certificate, key, sentence) in [
        ("client.pem", "", "\"authgear_ssl_certificate\" needs \"authgear_ssl_certificate_key\""),
        ("", "client.key", "\"authgear_ssl_certificate_key\" needs \"authgear_ssl_certificate\""),
    ] {
        let fragment = identity(folder.path(), certificate, key);
        Place::Http.put(Nginx::builder(), &fragment).check().assert_refused(&fragment, sentence, 3);
    }
    let fragment = identity(folder.path(), "client.pem", "good.key");
    let path = folder.path().display();
    let refusal = format!(
        "the private key in \"{path}/good.key\" belongs to another certificate than the first one in \"{path}/client.pem\""
    );
    Place::Http.put(Nginx::builder(), &fragment).check().assert_refused_somewhere(&refusal);
}

#[test]
fn an_inner_certificate_must_fit_the_inherited_key() {
    let folder = folder();
    let path = folder.path().display();
    let builder = Nginx::builder().http(identity(folder.path(), "client.pem", "client.key"));
    let inner = format!("location /in/ {{ authgear_ssl_certificate {path}/good.pem; }}");
    builder.clone().server(inner).check().assert_refused_somewhere("the private key in");
    let both = format!(
        "location /in/ {{ authgear_ssl_certificate {path}/good.pem; authgear_ssl_certificate_key {path}/good.key; }}"
    );
    builder.server(both).check().assert_ok();
}

#[test]
fn https_without_any_root_is_refused_and_http_is_not() {
    let sentence = "\"authgear_resolve\" is https, and no root certificates of the system can be found; \
                    name a file in \"authgear_ssl_trusted_certificate\"";
    let folder = folder();
    let rootless = || {
        Nginx::builder()
            .env("SSL_CERT_FILE", "/dev/null")
            .env("SSL_CERT_DIR", folder.path().join("none").display().to_string())
    };
    for place in [Place::Http, Place::Server, Place::Location] {
        let fragment = "authgear_resolve https://a;";
        place.put(rootless(), fragment).check().assert_refused(fragment, sentence, 1);
    }
    let ca = folder.path().join("ca.pem");
    for fragment in [
        "authgear_resolve http://a;".to_owned(),
        "authgear_resolve off;".to_owned(),
        "authgear_resolve https://a; authgear_ssl_verify off;".to_owned(),
        format!("authgear_resolve https://a; authgear_ssl_trusted_certificate {};", ca.display()),
    ] {
        rootless().http(fragment).check().assert_ok();
    }
}

#[test]
fn the_system_s_roots_are_those_that_the_master_finds() {
    let folder = folder();
    for (ca, status) in [("ca.pem", 200), ("other-ca.pem", 502)] {
        let resolver = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
        let live = Live::build(resolver, "", |builder| {
            builder
                .env("SSL_CERT_FILE", folder.path().join(ca).display().to_string())
                .env("SSL_CERT_DIR", folder.path().join("none").display().to_string())
        });
        assert_eq!(send(&live.nginx, Wire::Http1, live.alice()).status, status, "{ca}");
        live.finish();
    }
}

#[test]
fn relative_paths_start_at_the_configuration_s_folder() {
    let resolver =
        Resolver::builder().tls(Pki::shared().server(Leaf::Good)).client_auth(ClientAuth::Required).start();
    let live = Live::with(resolver, "authgear_ssl_verify off;");
    let folder = live.nginx.prefix().join("pki");
    fs::create_dir(&folder).expect("writable");
    Pki::shared().write(&folder).expect("writable");
    live.nginx.reload_with(|builder| {
        builder.replace(
            "authgear_ssl_verify off;",
            "authgear_ssl_trusted_certificate pki/ca.pem;\nauthgear_ssl_certificate pki/client.pem;\n\
             authgear_ssl_certificate_key pki/client.key;",
        )
    });
    live.nginx.wait_for_old_workers();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    live.finish();
}

#[test]
fn files_are_read_once_and_workers_need_no_access() {
    let folder = folder();
    let resolver = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
    let ca = folder.path().join("ca.pem");
    let live = Live::with(resolver, &format!("authgear_ssl_trusted_certificate {};", ca.display()));
    fs::remove_file(&ca).expect("it was there");
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    live.nginx.kill_worker();
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 200, "valid", "resolved");
    live.finish();
}
