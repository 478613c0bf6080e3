//! A JWT that was issued for another origin than the resolver is asked for comes to nothing at Authgear, without a word. The
//! error log has that word.

use super::super::harness::{Request, Wire, send};
use super::super::live::{Live, assert_ending};
use super::super::stage::with_bearer;
use super::super::standin::{Kind, Resolver};

const ORIGIN: &str = "https://auth.example.com";
const SAYS: &str = "found no session for a JWT: ";

fn jwt(live: &Live, origin: &str) -> String {
    let exp = live.accounts().now().as_secs() + 1800;
    live.accounts().jwt("alice", origin, exp)
}

/// A token with these claims that the resolver doesn't know. The base64 is that of RFC 4648 §5.
fn made_up(claims: &str) -> String {
    use base64::Engine;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    format!("eyJhbGciOiJSUzI1NiJ9.{claims}.c2lnbmF0dXJl")
}

fn issued_by(issuer: &str) -> String {
    made_up(&format!("{{\"iss\":{issuer:?}}}"))
}

/// Each answer comes after the line, if there is one.
#[track_caller]
fn assert_none(live: &Live, request: &Request) {
    assert_ending(&send(&live.nginx, Wire::Http1, request), 200, "none", "resolved");
}

fn said(live: &Live) -> Vec<String> {
    live.nginx.error_log().lines().filter(|line| line.contains(SAYS)).map(str::to_owned).collect()
}

#[test]
fn the_log_names_the_issuer_of_a_token_and_the_origin_that_is_asked_for() {
    let live = Live::with(Resolver::start(), "");
    let token = jwt(&live, ORIGIN);
    assert_none(&live, &with_bearer(&token));
    let [line] = &said(&live)[..] else { panic!("{:?}", said(&live)) };
    let url = live.resolver.url();
    let words = format!(
        "authgear: resolver \"{url}/_resolver/resolve\" found no session for a JWT: the token's issuer is \"{ORIGIN}\" \
         (not verified), and the resolver is asked for \"{url}\"; if that issuer is your Authgear, \
         check \"authgear_origin\", and TRUST_PROXY at Authgear, client: 127.0.0.1, "
    );
    assert!(line.contains("[warn]") && line.contains(&words), "{line}");
    for part in token.split('.') {
        assert!(!live.nginx.error_log().contains(part), "{part}");
    }
    live.finish();
}

#[test]
fn a_jwt_is_good_with_its_origin_and_trust_proxy_only() {
    let origin = format!("authgear_origin {ORIGIN};");
    for (trust_proxy, lines, expected) in
        [(true, &*origin, "valid"), (false, &*origin, "none"), (true, "", "none"), (false, "", "none")]
    {
        let live = Live::with(Resolver::builder().trust_proxy(trust_proxy).start(), lines);
        let request = with_bearer(&jwt(&live, ORIGIN));
        assert_ending(&send(&live.nginx, Wire::Http1, &request), 200, expected, "resolved");
        assert_eq!(said(&live).len(), usize::from(lines.is_empty()), "{trust_proxy} {lines}");
        live.finish();
    }
}

/// A session that has ended, or a token that is none, is everyday life.
#[test]
fn a_token_of_the_right_origin_is_not_spoken_of() {
    let live = Live::with(Resolver::start(), &format!("authgear_origin {ORIGIN};"));
    let revoked = jwt(&live, ORIGIN);
    live.accounts().revoke(&revoked);
    let other_spellings =
        ["HTTPS://AUTH.example.com", "https://auth.example.com:443", "https://auth.example.com/"];
    let tokens = other_spellings.map(issued_by).into_iter().chain([revoked, "opaque".into()]);
    for token in tokens {
        assert_none(&live, &with_bearer(&token));
    }
    assert_eq!(said(&live), [""; 0]);
    live.finish();
}

/// A session beside it is what counts, and so nobody misses the token.
#[test]
fn a_token_beside_a_good_session_is_not_spoken_of() {
    let live = Live::with(Resolver::start(), "");
    let session = live.accounts().mint("alice", Kind::Session);
    let request = with_bearer(&issued_by(ORIGIN)).header("Cookie", format!("session={session}"));
    assert_ending(&send(&live.nginx, Wire::Http1, &request), 200, "valid", "resolved");
    assert_eq!(said(&live), [""; 0]);
    live.finish();
}

/// Whoever makes a token up decides what stands in it.
#[test]
fn what_is_no_origin_is_not_repeated() {
    let live = Live::with(Resolver::start(), "");
    let long = format!("https://{}.example", "a".repeat(300));
    for issuer in [
        "https://evil.example/\", client: 192.0.2.1",
        "https://evil.example\n2026/01/01 00:00:00 [alert] 1#1: evil",
        "https://evil.example/%0a",
        "https://user:evil@evil.example",
        "https://evil.example?evil",
        "https://\u{e9}vil.example",
        "https://evil.example/path",
        "evil.example",
        "javascript:evil",
        "",
        &long,
    ] {
        assert_none(&live, &with_bearer(&issued_by(issuer)));
    }
    for claims in ["evil", "[\"evil\"]", "{\"iss\":[\"https://evil.example\"]}", "{\"sub\":\"evil\"}"] {
        assert_none(&live, &with_bearer(&made_up(claims)));
    }
    assert_eq!(said(&live), [""; 0]);
    assert!(!live.nginx.error_log().contains("evil"));
    live.finish();
}

#[test]
fn there_is_one_line_a_minute_whoever_sends_how_many() {
    let live = Live::with(Resolver::start(), "");
    for n in 0..200 {
        assert_none(&live, &with_bearer(&issued_by(&format!("https://issuer-{n}.example"))));
    }
    // A minute may have begun meanwhile.
    assert!((1..=2).contains(&said(&live).len()), "{:?}", said(&live));
    live.finish();
}
