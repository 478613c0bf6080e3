//! TLS to the resolver: whom it trusts, who it is, and that nothing else passes.

mod forms;
mod openssl;
mod renewal;
mod servers;

use super::harness::{PATIENCE, Wire, for_each_wire, send};
use super::live::{Live, assert_ending};
use super::standin::tls::Leaf;
use super::standin::{ClientAuth, ConnectionFault, Pki, Resolver};

/// The files of the PKI; read by nginx's master when it starts and at each reload.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    Pki::shared().write(folder.path()).expect("writable");
    folder
}

/// An nginx in front of a resolver that presents this. `{}` in the lines is the folder of the PKI.
fn live(leaf: Leaf, client_auth: ClientAuth, lines: &str) -> Live {
    let files = files();
    let tls = Pki::shared().server(leaf);
    let resolver = Resolver::builder().tls(tls).client_auth(client_auth).start();
    let lines = lines.replace("{}", &files.path().display().to_string());
    Live::with(resolver, &lines)
}

const TRUST: &str = "authgear_ssl_trusted_certificate {}/ca.pem;";

#[track_caller]
fn assert_works(live: &Live) {
    for_each_wire(|wire| {
        live.assert_resolves(wire);
        assert!(live.resolver.last_call().is_some_and(|call| call.tls));
    });
}

/// No call is made, and the log says why.
#[track_caller]
fn assert_fails(live: &Live, causes: &[&str]) {
    for_each_wire(|wire| {
        assert_ending(&send(&live.nginx, wire, live.alice()), 502, "error", "connect");
    });
    assert_eq!(live.resolver.call_count(), 0, "not a byte of a credential may go there");
    let line = live.nginx.wait_for_log("[error]", PATIENCE);
    assert!(line.contains(&live.resolver.url()), "{line}");
    assert!(causes.iter().any(|cause| line.contains(cause)), "none of {causes:?} in {line}");
}

#[test]
fn a_certificate_of_the_trusted_ca_is_good() {
    let live = live(Leaf::Good, ClientAuth::None, TRUST);
    assert_works(&live);
    live.finish();
}

#[test]
fn any_other_certificate_fails_the_call() {
    for (leaf, causes) in [
        (Leaf::WrongCa, ["UnknownIssuer", "BadSignature"]),
        (Leaf::SelfSigned, ["UnknownIssuer", "CaUsedAsEndEntity"]),
        (Leaf::Expired, ["expired", "Expired"]),
        (Leaf::WrongName, ["not valid for name", "NotValidForName"]),
    ] {
        let live = live(leaf, ClientAuth::None, TRUST);
        assert_fails(&live, &causes);
        live.finish();
    }
}

#[test]
fn a_resolver_that_gets_a_good_certificate_is_asked_again() {
    for leaf in [Leaf::WrongCa, Leaf::SelfSigned, Leaf::Expired, Leaf::WrongName] {
        let live = live(leaf, ClientAuth::None, TRUST);
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "connect");
        live.resolver.stop_listening();
        let good = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).listen(live.resolver.addr());
        let good = good.accounts(live.accounts()).start();
        for_each_wire(|wire| {
            live.assert_resolves(wire);
        });
        assert_eq!((live.resolver.call_count(), good.call_count()), (0, 2));
        live.finish();
    }
}

#[test]
fn a_ca_that_is_trusted_elsewhere_does_not_count() {
    let live = live(Leaf::Good, ClientAuth::None, "authgear_ssl_trusted_certificate {}/other-ca.pem;");
    assert_fails(&live, &["UnknownIssuer", "BadSignature"]);
    live.finish();
}

#[test]
fn every_ca_of_the_file_is_trusted() {
    let files = files();
    let both = files.path().join("both.pem");
    let pki = Pki::shared();
    std::fs::write(&both, format!("# a comment\n{}{}", pki.other_ca_pem, pki.ca_pem)).expect("writable");
    for leaf in [Leaf::Good, Leaf::WrongCa] {
        let lines = format!("authgear_ssl_trusted_certificate {};", both.display());
        let live = live(leaf, ClientAuth::None, &lines);
        assert_works(&live);
        live.finish();
    }
}

#[test]
fn verification_is_left_out_only_where_it_is_off() {
    for leaf in [Leaf::WrongCa, Leaf::SelfSigned, Leaf::Expired, Leaf::WrongName] {
        let lines = "authgear_ssl_verify off;";
        let unverified = live(leaf, ClientAuth::None, lines);
        assert_works(&unverified);
        unverified.finish();
    }
}

#[test]
fn the_name_to_verify_can_be_given() {
    let named =
        |leaf, name: &str| live(leaf, ClientAuth::None, &format!("{TRUST}\nauthgear_ssl_name {name};"));
    for (leaf, name) in [
        (Leaf::Good, "auth.example.com"),
        (Leaf::Good, "AUTH.example.COM"),
        (Leaf::Good, "localhost"),
        (Leaf::WrongName, "wrong.example.net"),
    ] {
        let live = named(leaf, name);
        assert_works(&live);
        live.finish();
    }
}

#[test]
fn a_name_that_the_certificate_lacks_fails_the_call() {
    for name in ["other.example.com", "example.com", "sub.auth.example.com"] {
        let live = live(Leaf::Good, ClientAuth::None, &format!("{TRUST}\nauthgear_ssl_name {name};"));
        assert_fails(&live, &["not valid for name", "NotValidForName"]);
        live.finish();
    }
}

#[test]
fn a_client_certificate_is_presented_where_one_is_configured() {
    let identity = format!(
        "{TRUST}\nauthgear_ssl_certificate {{}}/client.pem;\nauthgear_ssl_certificate_key {{}}/client.key;"
    );
    for client_auth in [ClientAuth::Required, ClientAuth::Optional] {
        let live = live(Leaf::Good, client_auth, &identity);
        assert_works(&live);
        let call = live.resolver.last_call().expect("a call");
        assert_eq!(call.client_certificate.as_ref(), Some(&Pki::shared().client.certificate_der));
        live.finish();
    }
    let not_asked = live(Leaf::Good, ClientAuth::None, &identity);
    assert_works(&not_asked);
    assert_eq!(not_asked.resolver.last_call().expect("a call").client_certificate, None);
    not_asked.finish();
    let none = live(Leaf::Good, ClientAuth::Optional, TRUST);
    assert_works(&none);
    assert_eq!(none.resolver.last_call().expect("a call").client_certificate, None);
    none.finish();
}

#[test]
fn a_server_that_demands_another_client_certificate_fails_the_call() {
    let other =
        "authgear_ssl_certificate {}/other-client.pem;\nauthgear_ssl_certificate_key {}/other-client.key;";
    for identity in ["", other] {
        let live = live(Leaf::Good, ClientAuth::Required, &format!("{TRUST}\n{identity}"));
        for_each_wire(|wire| {
            let response = send(&live.nginx, wire, live.alice());
            // TLS 1.3 tells the client only after its handshake is done.
            assert_eq!(response.status, 502, "{response:?}");
        });
        assert_eq!(live.resolver.call_count(), 0);
        let line = live.nginx.wait_for_log("[error]", PATIENCE);
        assert!(line.contains(&live.resolver.url()) && line.contains("alert"), "{line}");
        live.finish();
    }
}

#[test]
fn plain_text_before_the_handshake_fails_the_call() {
    let answer = b"HTTP/1.1 200 OK\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: mallory\r\n\r\n";
    let live = live(Leaf::Good, ClientAuth::None, &format!("{TRUST}\nauthgear_breaker off;"));
    for bytes in [&answer[..], b"\0", b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03"] {
        live.resolver.set_connection_fault(Some(ConnectionFault::PlainFirst(bytes.to_vec())));
        for_each_wire(|wire| {
            let response = send(&live.nginx, wire, live.alice());
            assert!([502, 504].contains(&response.status), "{response:?}");
            assert!(!response.text().contains("mallory"));
        });
        assert_eq!(live.resolver.call_count(), 0, "{}", bytes.escape_ascii());
    }
    live.resolver.clear_faults();
    assert_works(&live);
    assert_eq!(live.echo.requests().len(), 2);
    live.finish();
}

#[test]
fn connections_that_end_or_hang_in_the_handshake_fail_the_call() {
    let live = live(Leaf::Good, ClientAuth::None, &format!("{TRUST}\nauthgear_timeout 400ms;"));
    for (fault, status, reason) in [
        (ConnectionFault::Close, 502, "connect"),
        (ConnectionFault::Reset, 502, "connect"),
        (ConnectionFault::Hang, 504, "timeout"),
    ] {
        live.resolver.set_connection_fault(Some(fault));
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), status, "error", reason);
        live.resolver.clear_faults();
        assert_works(&live);
        live.resolver.close_idle_connections();
    }
    live.finish();
}

#[test]
fn https_to_a_server_without_tls_and_http_to_one_with_it_fail() {
    let plain = Resolver::start();
    let url = format!("https://{}", plain.addr());
    let files = files();
    let trust = TRUST.replace("{}", &files.path().display().to_string());
    let lines = format!("{trust}\nauthgear_timeout 300ms;");
    let live = Live::at(&url, plain, &lines, |builder| builder);
    // The stand-in waits for the rest of a request's head, which a handshake never is.
    assert_ending(&send(&live.nginx, Wire::Http1, live.alice()), 504, "error", "timeout");
    assert_eq!(live.resolver.call_count(), 0);
    live.finish();

    let tls = Resolver::builder().tls(Pki::shared().server(Leaf::Good)).start();
    let url = format!("http://{}", tls.addr());
    let live = Live::at(&url, tls, "", |builder| builder);
    assert_eq!(send(&live.nginx, Wire::Http1, live.alice()).status, 502);
    assert_eq!(live.resolver.call_count(), 0);
    live.finish();
}
