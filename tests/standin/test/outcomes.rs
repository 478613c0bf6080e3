//! Which credential wins, and the result.

use std::time::Duration;

use super::client::{header, resolve};
use super::standin::{Kind, Resolver};

/// The identity in the answer: a user's id, `invalid` (`invalid+clear` with Set-Cookie) or `none`.
fn outcome(resolver: &Resolver, headers: &[&str]) -> String {
    let answer = resolve(resolver.addr(), headers);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let clears = header(&answer, "Set-Cookie").is_some();
    match header(&answer, "X-Authgear-Session-Valid") {
        Some("true") => header(&answer, "X-Authgear-User-Id").unwrap().to_owned(),
        Some("false") => if clears { "invalid+clear" } else { "invalid" }.to_owned(),
        _ => "none".to_owned(),
    }
}

#[test]
fn outcomes_are_those_of_the_table() {
    let resolver = Resolver::start();
    let accounts = resolver.accounts();
    let [alice, bob] = ["alice", "bob"].map(|name| accounts.user(name).id);
    let bob_session = format!("session={}", accounts.login("bob").session);
    for kind in [Kind::Bearer, Kind::AppSession, Kind::AppAccessToken] {
        let header = |value: &str, session: &str| match kind.cookie() {
            None => vec![format!("Authorization: Bearer {value}"), format!("Cookie: {session}")],
            Some(name) => vec![format!("Cookie: {session}; {name}={value}")],
        };
        let outcome = |value: &str, session: &str| {
            let lines = header(value, session);
            outcome(&resolver, &lines.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let good = accounts.login("alice").of(kind).to_owned();
        let disabled = accounts.login("disabled").of(kind).to_owned();
        for (value, session, expected) in [
            (good.as_str(), "x=y", alice.as_str()),
            (&good, bob_session.as_str(), &alice),
            (&good, "session=bad", &alice),
            ("bad", &bob_session, &bob),
            ("bad", "session=bad", "invalid+clear"),
            ("bad", "session", "invalid+clear"),
            ("bad", "x=y", "none"),
            ("bad", "session=\"", "none"),
            (&disabled, "x=y", "invalid"),
            (&disabled, &bob_session, "invalid+clear"),
            (&disabled, "session=bad", "invalid+clear"),
        ] {
            assert_eq!(outcome(value, session), expected, "{kind:?} {value} {session}");
        }
    }
    assert_eq!(outcome(&resolver, &[]), "none");
    assert_eq!(outcome(&resolver, &[&format!("Cookie: {bob_session}")]), bob);
    assert_eq!(outcome(&resolver, &["Cookie: session=bad"]), "invalid+clear");
    let disabled = accounts.login("disabled").session;
    assert_eq!(outcome(&resolver, &[&format!("Cookie: session={disabled}")]), "invalid+clear");
}

#[test]
fn the_order_is_authorization_app_session_app_access_token_session() {
    let resolver = Resolver::start();
    let accounts = resolver.accounts();
    let users = ["alice", "bob", "norole", "unverified"];
    let cookie =
        |name: &str, kind: Kind| format!("{}={}", kind.cookie().unwrap(), accounts.login(name).of(kind));
    let bearer = format!("Authorization: Bearer {}", accounts.login(users[0]).bearer);
    // In reverse order of precedence.
    let mut cookies = vec![
        cookie(users[3], Kind::Session),
        cookie(users[2], Kind::AppAccessToken),
        cookie(users[1], Kind::AppSession),
    ];
    let line = format!("Cookie: {}", cookies.join("; "));
    assert_eq!(outcome(&resolver, &[&line, &bearer]), accounts.user(users[0]).id);
    for name in &users[1..] {
        let line = format!("Cookie: {}", cookies.join("; "));
        assert_eq!(outcome(&resolver, &[&line, "Authorization: Basic x"]), accounts.user(name).id);
        cookies.pop();
    }
}

#[test]
fn a_jwt_is_good_for_its_origin_and_time_only() {
    let resolver = Resolver::start();
    let accounts = resolver.accounts();
    let in_an_hour = accounts.now().as_secs() + 3600;
    let token = accounts.jwt("alice", "https://auth.example.com", in_an_hour);
    assert!(token.starts_with("eyJ") && token.split('.').count() == 3, "{token}");
    let bearer = format!("Authorization: Bearer {token}");
    let https = "X-Forwarded-Proto: https";
    let alice = accounts.user("alice").id;
    assert_eq!(outcome(&resolver, &[&bearer, https]), alice);
    assert_eq!(outcome(&resolver, &[&bearer]), "none");
    assert_eq!(outcome(&resolver, &[&bearer, https, "X-Forwarded-Host: other.example.com"]), "none");
    assert_eq!(outcome(&resolver, &[&format!("{bearer}A"), https]), "none");
    assert_eq!(outcome(&resolver, &[&format!("Cookie: app_access_token={token}"), https]), alice);
    accounts.advance(Duration::from_secs(3600));
    assert_eq!(outcome(&resolver, &[&bearer, https]), "none");
}

#[test]
fn what_is_revoked_or_disabled_ends() {
    let resolver = Resolver::start();
    let accounts = resolver.accounts();
    let token = accounts.mint("alice", Kind::Bearer);
    assert_ne!(token, accounts.mint("alice", Kind::Bearer));
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(outcome(&resolver, &[&bearer]), accounts.user("alice").id);
    accounts.revoke(&token);
    assert_eq!(outcome(&resolver, &[&bearer]), "none");
    let bob = format!("Cookie: session={}", accounts.mint("bob", Kind::Session));
    assert_eq!(outcome(&resolver, &[&bob]), accounts.user("bob").id);
    accounts.disable("bob");
    assert_eq!(outcome(&resolver, &[&bob]), "invalid+clear");
}

#[test]
fn wildcards_are_good_without_being_made() {
    let resolver = Resolver::start();
    let accounts = resolver.accounts();
    let alice = accounts.user("alice").id;
    let cookie = |kind: Kind, value: &str| format!("Cookie: {}={value}", kind.cookie().unwrap());
    assert_eq!(outcome(&resolver, &["Authorization: Bearer user:alice:x:y"]), alice);
    for kind in [Kind::AppSession, Kind::AppAccessToken, Kind::Session] {
        assert_eq!(
            outcome(&resolver, &[&cookie(kind, &accounts.wildcard("alice", kind, 7))]),
            alice,
            "{kind:?}"
        );
    }
    let session = accounts.wildcard("alice", Kind::Session, 8);
    assert_eq!(outcome(&resolver, &[&cookie(Kind::Session, &session[1..])]), "invalid+clear");
    accounts.revoke(&session);
    assert_eq!(outcome(&resolver, &[&cookie(Kind::Session, &session)]), "invalid+clear");
    assert_eq!(outcome(&resolver, &["Authorization: Bearer user:nobody:x"]), "none");
}

#[test]
fn sessions_end_by_idle_time_that_only_resolving_renews() {
    let resolver = Resolver::builder()
        .idle_timeout(Duration::from_secs(300))
        .session_lifetime(Duration::from_secs(800))
        .start();
    let accounts = resolver.accounts();
    let alice = accounts.user("alice").id;
    let [used, unused] =
        [(); 2].map(|()| format!("Cookie: session={}", accounts.mint("alice", Kind::Session)));
    accounts.advance(Duration::from_secs(200));
    assert_eq!(outcome(&resolver, &[&used]), alice);
    accounts.advance(Duration::from_secs(200));
    assert_eq!(outcome(&resolver, &[&used]), alice);
    assert_eq!(outcome(&resolver, &[&unused]), "invalid+clear");
    accounts.advance(Duration::from_secs(290));
    assert_eq!(outcome(&resolver, &[&used]), alice);
    // 890 seconds old and last used 200 seconds ago: its lifetime is over.
    accounts.advance(Duration::from_secs(200));
    assert_eq!(outcome(&resolver, &[&used]), "invalid+clear");
}

/// Observed on the real server with an idle timeout of 20 s: a token resolved every 12 s has expired after 24 s, and one
/// resolved every 9 s stays valid. The cookie stays valid in both cases.
#[test]
fn the_idle_time_of_grants_counts_from_the_access_before_the_last() {
    for (every, tokens_last) in [(12, false), (9, true)] {
        let resolver = Resolver::builder().idle_timeout(Duration::from_secs(20)).start();
        let accounts = resolver.accounts();
        let alice = accounts.user("alice").id;
        let headers = Kind::ALL.map(|kind| {
            let value = accounts.mint("alice", kind);
            match kind.cookie() {
                None => format!("Authorization: Bearer {value}"),
                Some(name) => format!("Cookie: {name}={value}"),
            }
        });
        for seconds in [0, every] {
            accounts.advance(Duration::from_secs(seconds));
            headers.iter().for_each(|header| assert_eq!(outcome(&resolver, &[header]), alice, "{header}"));
        }
        accounts.advance(Duration::from_secs(every));
        for (kind, header) in Kind::ALL.iter().zip(&headers) {
            let lives = *kind == Kind::Session || tokens_last;
            assert_eq!(
                outcome(&resolver, &[header]),
                if lives { alice.as_str() } else { "none" },
                "{header}"
            );
        }
    }
}
