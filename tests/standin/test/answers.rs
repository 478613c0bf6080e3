//! Answers, byte for byte.

use super::client::{header, read_all, request, resolve, send, undated};
use super::standin::resolver::answer::PERMISSIONS_POLICY as PP;
use super::standin::{Kind, Resolver};

const CLEARING: &str = "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax";

#[test]
fn the_policy_is_673_bytes_long() {
    assert_eq!(PP.len(), 673);
}

#[test]
fn a_valid_session_is_answered_as_by_go() {
    let resolver = Resolver::start();
    let token = resolver.accounts().login("alice").bearer;
    let answer = resolve(resolver.addr(), &[&format!("Authorization: Bearer {token}")]);
    let expected = format!(
        "HTTP/1.1 200 OK\r\nPermissions-Policy: {PP}\r\nX-Authgear-Session-Amr: \r\n\
         X-Authgear-Session-Authenticated-At: 1136171045\r\nX-Authgear-Session-Valid: true\r\n\
         X-Authgear-User-Anonymous: false\r\nX-Authgear-User-Can-Reauthenticate: true\r\n\
         X-Authgear-User-Id: acdc0d99-f784-43d5-b53d-70f3506dfbf7\r\nX-Authgear-User-Roles: admin,editor\r\n\
         X-Authgear-User-Verified: true\r\nX-Content-Type-Options: nosniff\r\n\
         X-Robots-Tag: noindex, nofollow\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(undated(&answer), expected);
    assert!(answer.contains("X-Robots-Tag: noindex, nofollow\r\nDate: "), "{answer}");
    assert!(answer.contains(" GMT\r\nContent-Length: 0\r\n"), "{answer}");
}

#[test]
fn no_credential_and_an_invalid_session_are_answered_as_by_go() {
    let resolver = Resolver::start();
    let none = resolve(resolver.addr(), &[]);
    let expected = format!(
        "HTTP/1.1 200 OK\r\nPermissions-Policy: {PP}\r\nX-Content-Type-Options: nosniff\r\n\
         X-Robots-Tag: noindex, nofollow\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(undated(&none), expected);
    let invalid = resolve(resolver.addr(), &["Cookie: session=bad"]);
    let expected = format!(
        "HTTP/1.1 200 OK\r\nPermissions-Policy: {PP}\r\nSet-Cookie: {CLEARING}\r\n\
         X-Authgear-Session-Valid: false\r\nX-Content-Type-Options: nosniff\r\n\
         X-Robots-Tag: noindex, nofollow\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(undated(&invalid), expected);
}

#[test]
fn the_clearing_cookie_follows_prefix_domain_and_scheme() {
    let resolver = Resolver::builder().cookie_prefix("p_").cookie_domain("example.com").start();
    let answer = resolve(resolver.addr(), &["Cookie: p_session=bad", "X-Forwarded-Proto: https"]);
    let expected = "p_session=; Path=/; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; \
                    Secure; SameSite=Lax";
    assert_eq!(header(&answer, "Set-Cookie"), Some(expected));
    // Without the prefix, the cookie is ignored.
    assert_eq!(header(&resolve(resolver.addr(), &["Cookie: session=bad"]), "Set-Cookie"), None);
}

#[test]
fn head_has_no_length_and_roles_are_left_out_when_there_are_none() {
    let resolver = Resolver::start();
    let cookie = format!("Cookie: session={}", resolver.accounts().login("norole").session);
    let answer = send(resolver.addr(), &request("HEAD", "/_resolver/resolve", &[&cookie]));
    assert_eq!(header(&answer, "X-Authgear-Session-Valid"), Some("true"));
    assert_eq!(header(&answer, "X-Authgear-User-Roles"), None);
    assert_eq!(header(&answer, "Content-Length"), None);
    let closed = send(resolver.addr(), &request("HEAD", "/resolve", &["Connection: close"]));
    assert!(closed.ends_with("Connection: close\r\n\r\n"), "{closed}");
}

/// Method and target; status, some headers, and body.
type Route =
    (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const ROUTES: &[Route] = &[
    (
        "POST",
        "/resolve",
        "405 Method Not Allowed",
        &[("Allow", "GET, HEAD, OPTIONS")],
        "Method Not Allowed\n",
    ),
    ("OPTIONS", "/_resolver/resolve", "405 Method Not Allowed", &[], "Method Not Allowed\n"),
    ("GET", "/healthz", "200 OK", &[("Content-Length", "2")], "OK"),
    ("HEAD", "/healthz", "405 Method Not Allowed", &[("Allow", "GET, OPTIONS")], ""),
    ("GET", "/", "404 Not Found", &[], "404 page not found\n"),
    ("POST", "/resolve/", "404 Not Found", &[], "404 page not found\n"),
    (
        "GET",
        "/resolve/",
        "301 Moved Permanently",
        &[("Location", "/resolve")],
        "<a href=\"/resolve\">Moved Permanently</a>.\n\n",
    ),
    ("HEAD", "/RESOLVE", "307 Temporary Redirect", &[("Location", "/resolve")], ""),
    (
        "GET",
        "//_resolver//resolve?a=b",
        "301 Moved Permanently",
        &[("Location", "/_resolver/resolve?a=b")],
        "<a href=\"/_resolver/resolve?a=b\">Moved Permanently</a>.\n\n",
    ),
    ("GET", "/resolve?x=y", "200 OK", &[], ""),
];

#[test]
fn routes_and_methods_are_those_of_the_router() {
    let resolver = Resolver::start();
    for (method, target, status, headers, body) in ROUTES {
        let answer = send(resolver.addr(), &request(method, target, &["Connection: close"]));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{method} {target}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{method} {target}: {answer}");
        for (name, value) in *headers {
            assert_eq!(header(&answer, name), Some(*value), "{method} {target}");
        }
    }
}

#[test]
fn an_unknown_host_has_no_app() {
    let resolver = Resolver::builder().app_host("auth.example.com").start();
    let answer = |headers: &[&str]| {
        let lines = headers.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        send(resolver.addr(), &format!("GET /resolve HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"))
    };
    let status = |headers: &[&str]| answer(headers)[9..12].to_owned();
    let expected = format!(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nPermissions-Policy: {PP}\r\n\
         X-Content-Type-Options: nosniff\r\nX-Robots-Tag: noindex, nofollow\r\nContent-Length: 14\r\n\
         Connection: close\r\n\r\napp not found\n"
    );
    assert_eq!(undated(&answer(&["Host: other.example.com"])), expected);
    assert_eq!(status(&["Host: auth.example.com:8443"]), "200");
    assert_eq!(status(&["Host: x", "X-Forwarded-Host: auth.example.com:1 , evil"]), "200");
    assert_eq!(status(&["Host: x", "X-Original-Host: auth.example.com"]), "200");
    assert_eq!(status(&["Host: auth.example.com", "X-Forwarded-Host: x"]), "404");
    assert_eq!(status(&["Host: AUTH.example.com"]), "404");

    let distrustful = Resolver::builder().app_host("auth.example.com").trust_proxy(false).start();
    let answer = resolve(distrustful.addr(), &["X-Forwarded-Host: x"]);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn go_refuses_what_is_no_request() {
    let resolver = Resolver::start();
    for (request, why) in [
        ("GET /resolve HTTP/1.1\r\n\r\n", ": missing required Host header"),
        ("GET /resolve HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ": too many Host headers"),
        ("GET /resolve HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", ": invalid header value"),
        ("GET /resolve HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", ": invalid header name"),
        ("nonsense\r\n\r\n", ""),
    ] {
        let mut stream = super::client::connect(resolver.addr());
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let answer = read_all(&mut stream);
        let expected = format!("Connection: close\r\n\r\n400 Bad Request{why}");
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.ends_with(&expected),
            "{answer}"
        );
    }
    assert_eq!((resolver.bad_requests(), resolver.call_count()), (5, 0));
}

#[test]
fn calls_are_recorded_to_the_byte() {
    let resolver = Resolver::start();
    let request = "GET /resolve?q HTTP/1.1\r\nhOst: a\r\nX-Two:  1 \r\nX-Two: 2\r\nContent-Length: 4\r\n\r\n";
    send(resolver.addr(), &format!("{request}body"));
    let call = resolver.last_call().unwrap();
    assert_eq!(call.raw_head, request.as_bytes());
    assert_eq!(
        (call.method.as_str(), call.target.as_str(), call.body.as_slice()),
        ("GET", "/resolve?q", &b"body"[..])
    );
    assert_eq!(call.header_all("x-two"), [b"1", b"2"]);
    assert_eq!(call.header_names(), ["host", "x-two", "x-two", "content-length"]);
    assert_eq!(resolver.accounts().login("alice").header(Kind::Session, "p_").0, "Cookie");
}
