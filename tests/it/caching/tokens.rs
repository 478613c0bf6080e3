//! What a token's `exp` doesn't bound.

use std::thread;
use std::time::Duration;

use super::super::harness::Request;
use super::super::stage::with_bearer;
use super::super::standin::Fault;
use super::{Live, MOMENT, SHORT, ask, assert_asked, cached, fill, to, wait_until};

/// A token in the shape of a JWT with these claims, which the resolver doesn't know. The base64 is that of RFC 4648 §5.
fn token(claims: &str) -> String {
    use base64::Engine;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256"}"#), part(claims))
}

/// What the resolver says of a good token, whatever the token is.
fn valid() -> Fault {
    let headers = [("X-Authgear-Session-Valid", "true"), ("X-Authgear-User-Id", "u")];
    Fault::ReplaceHeaders(super::super::stage::pairs(&headers))
}

fn now(live: &Live) -> u64 {
    live.accounts().now().as_secs()
}

/// Whether a valid answer to this request is kept.
fn is_kept(live: &Live, request: &Request) -> bool {
    live.resolver.set_fault(Some(valid()));
    assert_asked(live, request, "200 valid resolved MISS");
    let told = ask(live, request);
    assert!(["200 valid hit HIT", "200 valid resolved MISS"].contains(&told.as_str()), "{told}");
    live.resolver.clear_faults();
    told.ends_with("HIT")
}

#[test]
fn a_token_far_in_the_past_is_not_what_a_session_is_judged_by() {
    let live = cached("");
    for (n, ago) in (0..).zip([400, 3600, 1_000_000]) {
        let expired = live.accounts().jwt("alice", &live.resolver.url(), now(&live) - ago);
        let session = live.accounts().wildcard("alice", super::Kind::AppSession, n);
        let request =
            Request::get("/").header("Cookie", format!("app_access_token={expired}; app_session={session}"));
        fill(&live, &request);
        assert_asked(&live, &request, "200 valid hit HIT");
    }
    live.finish();
}

#[test]
fn a_token_that_has_just_ended_keeps_nothing() {
    let live = cached("");
    for ago in [1, 10, 100] {
        assert!(!is_kept(&live, &with_bearer(&token(&format!("{{\"exp\":{}}}", now(&live) - ago)))), "{ago}");
    }
    live.finish();
}

#[test]
fn what_says_no_end_is_kept() {
    let live = cached("");
    let far = now(&live) + 1_000_000;
    for claims in [
        "{}".to_owned(),
        "{\"exp\":\"soon\"}".to_owned(),
        "{\"exp\":null}".to_owned(),
        "{\"exp\":-1}".to_owned(),
        "{\"exp\":18446744073709551615}".to_owned(),
        "{\"exp\":1e30}".to_owned(),
        format!("{{\"exp\":{far}}}"),
        format!("{{\"exp\":{far}.5}}"),
        "no JSON".to_owned(),
        "[]".to_owned(),
    ] {
        assert!(is_kept(&live, &with_bearer(&token(&claims))), "{claims}");
    }
    for odd in ["a.b", "a.b.c.d", "..", "opaque", "a.!.c"] {
        assert!(is_kept(&live, &with_bearer(odd)), "{odd}");
    }
    live.finish();
}

#[test]
fn a_token_s_end_makes_no_time_longer() {
    let live = cached(&format!("location /short/ {{ {SHORT} {{pass}} }}"));
    let jwt = live.accounts().jwt("alice", &live.resolver.url(), now(&live) + 100_000);
    let request = to("/short/", with_bearer(&jwt));
    wait_until(fill(&live, &request), MOMENT);
    assert_asked(&live, &request, "200 valid resolved EXPIRED");
    live.finish();
}

#[test]
fn answers_that_there_is_no_session_outlast_the_token() {
    let live = cached("");
    let exp = now(&live) + 1;
    let bad = with_bearer(&token(&format!("{{\"exp\":{exp}}}")));
    let disabled = with_bearer(&live.accounts().jwt("disabled", &live.resolver.url(), exp));
    assert_asked(&live, &bad, "200 none resolved MISS");
    // Invalid, or none where the token has ended already.
    let first = ask(&live, &disabled);
    assert!(first.ends_with(" resolved MISS"), "{first}");
    let end = Duration::from_millis(exp * 1000 + 10);
    thread::sleep(end.saturating_sub(live.accounts().now()));
    assert_asked(&live, &bad, "200 none hit HIT");
    assert!(ask(&live, &disabled).ends_with(" hit HIT"));
    live.finish();
}
