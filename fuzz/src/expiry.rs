//! When credentials end by their own word. Input: how the JWT is spelled (one byte), the time (8 bytes), the claims.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use nginx_authgear::credentials::{Credentials, Presented, present};
use serde_json::Value;

/// How far in the past an end may be that is still told.
const LEEWAY: u64 = 300;

pub fn run(input: &[u8]) {
    let Some((&spelling, rest)) = input.split_first() else { return };
    let Some((now, claims)) = rest.split_first_chunk() else { return };
    let now = u64::from_le_bytes(*now);
    check_any(claims, now);
    let token = spell(spelling, claims);
    let value = match spelling & 0x30 {
        0x00 => format!("Bearer {token}"),
        0x10 => format!("session={token}"),
        0x20 => format!("a=b; app_access_token=\"{token}\"; c=d"),
        _ => format!("session = x; app_session={token}"),
    };
    let name = if spelling & 0x30 == 0 { "authorization" } else { "cookie" };
    let Some(found) = credentials(name, value.as_bytes()) else { return };
    // What this parser refuses, the one in use may take: it passes over what it doesn't need.
    let Ok(claimed) = serde_json::from_slice::<Value>(claims) else { return };
    let end = claimed_end(&claimed);
    // The last moment at which the end is told, and the first at which it isn't.
    let last = end.map_or(now, |end| end.saturating_add(LEEWAY));
    for now in [now, last, last.saturating_add(1)] {
        let expected = end.filter(|end| end.saturating_add(LEEWAY) >= now);
        assert_eq!(found.expires(now), expected, "{value} at {now}");
    }
}

/// Of any bytes: no panic, and no end that is long past.
fn check_any(token: &[u8], now: u64) {
    let value = [b"Bearer ", token].concat();
    let Some(found) = credentials("authorization", &value) else { return };
    let (at_first, at_now) = (found.expires(0), found.expires(now));
    assert!(at_now.is_none_or(|end| end.saturating_add(LEEWAY) >= now));
    assert!(at_now.is_none() || at_now == at_first, "one token has one end");
}

fn credentials(name: &str, value: &[u8]) -> Option<Credentials> {
    match present([(name.as_bytes(), value)], b"") {
        Presented::Credentials(found) => Some(found),
        _ => None,
    }
}

fn spell(spelling: u8, claims: &[u8]) -> String {
    let claims = match spelling & 3 {
        0 => URL_SAFE_NO_PAD.encode(claims),
        1 => URL_SAFE.encode(claims),
        2 => STANDARD_NO_PAD.encode(claims),
        _ => STANDARD.encode(claims),
    };
    let signature = if spelling & 4 == 0 { "c2ln" } else { "" };
    format!("eyJhbGciOiJSUzI1NiJ9.{claims}.{signature}")
}

/// The `exp` of a JSON object: a number, rounded down, and not below zero.
fn claimed_end(claims: &Value) -> Option<u64> {
    let Value::Number(exp) = claims.as_object()?.get("exp")? else { return None };
    match (exp.as_u64(), exp.as_f64()) {
        (Some(exp), _) => Some(exp),
        (None, Some(exp)) if exp >= 0.0 => Some(exp.floor() as u64),
        _ => None,
    }
}
