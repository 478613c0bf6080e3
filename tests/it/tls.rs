//! TLS to the resolver: whom it trusts, who it is, and that nothing else passes.

use super::harness::{Wire, for_each_wire, send};
use super::stage::{SOON, Stage, assert_ending};
use super::standin::tls::Leaf;
use super::standin::{ClientAuth, ConnectionFault, Pki, Resolver};

/// The files of the PKI; read by nginx's master when it starts and at each reload.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    folder
}

/// An nginx in front of a resolver that presents this. `{}` in the lines is the folder of the PKI.
fn stage(leaf: Leaf, client_auth: ClientAuth, lines: &str) -> Stage {
    let files = files();
    let tls = Pki::shared().server(leaf);
    let resolver = Resolver::builder().tls(tls).client_auth(client_auth).start();
    let lines = lines.replace("{}", &files.path().display().to_string());
    Stage::with(resolver, &lines)
}

const TRUST: &str = "authgear_ssl_trusted_certificate {}/ca.pem;";

#[track_caller]
fn assert_works(stage: &Stage) {
    for_each_wire(|wire| {
        assert_ending(&send(&stage.nginx, wire, stage.unique()), 200, "valid", "resolved");
        assert!(stage.resolver.last_call().is_some_and(|call| call.tls));
    });
}

/// No call is made, and the log says why.
#[track_caller]
fn assert_fails(stage: &Stage, causes: &[&str]) {
    for_each_wire(|wire| {
        assert_ending(&send(&stage.nginx, wire, stage.alice()), 502, "error", "connect");
    });
    assert_eq!(stage.resolver.call_count(), 0, "not a byte of a credential may go there");
    let line = stage.nginx.wait_for_log("[error]", SOON);
    assert!(line.contains(&stage.resolver.url()), "{line}");
    assert!(causes.iter().any(|cause| line.contains(cause)), "none of {causes:?} in {line}");
}

#[test]
fn a_certificate_of_the_trusted_ca_is_good() {
    let stage = stage(Leaf::Good, ClientAuth::None, TRUST);
    assert_works(&stage);
    stage.finish();
}

#[test]
fn any_other_certificate_fails_the_call() {
    for (leaf, causes) in [
        (Leaf::WrongCa, ["UnknownIssuer", "BadSignature"]),
        (Leaf::SelfSigned, ["UnknownIssuer", "CaUsedAsEndEntity"]),
        (Leaf::Expired, ["expired", "Expired"]),
        (Leaf::WrongName, ["not valid for name", "NotValidForName"]),
    ] {
        let stage = stage(leaf, ClientAuth::None, TRUST);
        assert_fails(&stage, &causes);
        stage.finish();
    }
}

#[test]
fn a_ca_that_is_trusted_elsewhere_does_not_count() {
    let stage = stage(Leaf::Good, ClientAuth::None, "authgear_ssl_trusted_certificate {}/other-ca.pem;");
    assert_fails(&stage, &["UnknownIssuer", "BadSignature"]);
    stage.finish();
}

#[test]
fn every_ca_of_the_file_is_trusted() {
    let files = files();
    let both = files.path().join("both.pem");
    let pki = Pki::shared();
    std::fs::write(&both, format!("# a comment\n{}{}", pki.other_ca_pem, pki.ca_pem)).expect("writable");
    for leaf in [Leaf::Good, Leaf::WrongCa] {
        let lines = format!("authgear_ssl_trusted_certificate {};", both.display());
        let stage = stage(leaf, ClientAuth::None, &lines);
        assert_works(&stage);
        stage.finish();
    }
}

#[test]
fn verification_is_left_out_only_where_it_is_off() {
    for leaf in [Leaf::WrongCa, Leaf::SelfSigned, Leaf::Expired, Leaf::WrongName] {
        let lines = "authgear_ssl_verify off;";
        let unverified = stage(leaf, ClientAuth::None, lines);
        assert_works(&unverified);
        unverified.finish();
    }
}

#[test]
fn the_name_to_verify_can_be_given() {
    let named =
        |leaf, name: &str| stage(leaf, ClientAuth::None, &format!("{TRUST}\nauthgear_ssl_name {name};"));
    for (leaf, name) in [
        (Leaf::Good, "auth.example.com"),
        (Leaf::Good, "AUTH.example.COM"),
        (Leaf::Good, "localhost"),
        (Leaf::WrongName, "wrong.example.net"),
    ] {
        let stage = named(leaf, name);
        assert_works(&stage);
        stage.finish();
    }
}

#[test]
fn a_name_that_the_certificate_lacks_fails_the_call() {
    for name in ["other.example.com", "example.com", "sub.auth.example.com"] {
        let stage = stage(Leaf::Good, ClientAuth::None, &format!("{TRUST}\nauthgear_ssl_name {name};"));
        assert_fails(&stage, &["not valid for name", "NotValidForName"]);
        stage.finish();
    }
}

#[test]
fn a_client_certificate_is_presented_where_one_is_configured() {
    let identity = format!(
        "{TRUST}\nauthgear_ssl_certificate {{}}/client.pem;\nauthgear_ssl_certificate_key {{}}/client.key;"
    );
    for client_auth in [ClientAuth::Required, ClientAuth::Optional] {
        let stage = stage(Leaf::Good, client_auth, &identity);
        assert_works(&stage);
        let call = stage.resolver.last_call().expect("a call");
        assert_eq!(call.client_certificate.as_ref(), Some(&Pki::shared().client.certificate_der));
        stage.finish();
    }
    let not_asked = stage(Leaf::Good, ClientAuth::None, &identity);
    assert_works(&not_asked);
    assert_eq!(not_asked.resolver.last_call().expect("a call").client_certificate, None);
    not_asked.finish();
    let none = stage(Leaf::Good, ClientAuth::Optional, TRUST);
    assert_works(&none);
    assert_eq!(none.resolver.last_call().expect("a call").client_certificate, None);
    none.finish();
}

#[test]
fn a_server_that_demands_another_client_certificate_fails_the_call() {
    let other =
        "authgear_ssl_certificate {}/other-client.pem;\nauthgear_ssl_certificate_key {}/other-client.key;";
    for identity in ["", other] {
        let stage = stage(Leaf::Good, ClientAuth::Required, &format!("{TRUST}\n{identity}"));
        for_each_wire(|wire| {
            let response = send(&stage.nginx, wire, stage.alice());
            // TLS 1.3 tells the client only after its handshake is done.
            assert_eq!(response.status, 502, "{response:?}");
        });
        assert_eq!(stage.resolver.call_count(), 0);
        let line = stage.nginx.wait_for_log("[error]", SOON);
        assert!(line.contains(&stage.resolver.url()) && line.contains("alert"), "{line}");
        stage.finish();
    }
}

#[test]
fn plain_text_before_the_handshake_fails_the_call() {
    let answer = b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: mallory\r\n\r\n";
    let stage = stage(Leaf::Good, ClientAuth::None, TRUST);
    for bytes in [&answer[..], b"\0", b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03"] {
        stage.resolver.set_connection_fault(Some(ConnectionFault::PlainFirst(bytes.to_vec())));
        for_each_wire(|wire| {
            let response = send(&stage.nginx, wire, stage.alice());
            assert!([502, 504].contains(&response.status), "{response:?}");
            assert!(!response.text().contains("mallory"));
        });
        assert_eq!(stage.resolver.call_count(), 0, "{}", bytes.escape_ascii());
    }
    stage.resolver.clear_faults();
    assert_works(&stage);
    assert_eq!(stage.echo.requests().len(), 2);
    stage.finish();
}

#[test]
fn connections_that_end_or_hang_in_the_handshake_fail_the_call() {
    let stage = stage(Leaf::Good, ClientAuth::None, &format!("{TRUST}\nauthgear_timeout 400ms;"));
    for (fault, status, reason) in [
        (ConnectionFault::Close, 502, "connect"),
        (ConnectionFault::Reset, 502, "connect"),
        (ConnectionFault::Hang, 504, "timeout"),
    ] {
        stage.resolver.set_connection_fault(Some(fault));
        assert_ending(&send(&stage.nginx, Wire::Http1, stage.unique()), status, "error", reason);
        stage.resolver.clear_faults();
        assert_works(&stage);
        stage.resolver.close_idle_connections();
    }
    stage.finish();
}

#[test]
fn https_to_a_server_without_tls_and_http_to_one_with_it_fail() {
    let plain = Resolver::start();
    let url = format!("https://{}", plain.addr());
    let files = files();
    let trust = TRUST.replace("{}", &files.path().display().to_string());
    let lines = format!("{trust}\nauthgear_timeout 300ms;");
    let stage = Stage::at(&url, plain, &lines, |builder| builder);
    // The stand-in waits for the rest of a request's head, which a handshake never is.
    assert_ending(&send(&stage.nginx, Wire::Http1, stage.alice()), 504, "error", "timeout");
    assert_eq!(stage.resolver.call_count(), 0);
    stage.finish();

    let tls = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
    let url = format!("http://{}", tls.addr());
    let stage = Stage::at(&url, tls, "", |builder| builder);
    assert_eq!(send(&stage.nginx, Wire::Http1, stage.alice()).status, 502);
    assert_eq!(stage.resolver.call_count(), 0);
    stage.finish();
}
