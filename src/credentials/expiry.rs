//! When a request's credentials expire, according to their own claims.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, PAD_INDIFFERENT};

use super::claims::Claims;
use super::{Credentials, trim};

/// How far the resolver's clock may be behind ours, in seconds.
const LEEWAY: u64 = 300;

/// Authgear's library (jwx) accepts both base64 alphabets, with or without padding, and ignores leftover bits.
const LENIENT: GeneralPurposeConfig = PAD_INDIFFERENT.with_decode_allow_trailing_bits(true);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

impl Credentials {
    /// The earliest time at which a JWT among the credentials expires, in Unix seconds.
    ///
    /// The JWTs are not verified, and it isn't known which of the credentials the resolver used, so this may only be used to
    /// shorten the lifetime of an answer. A JWT that expired more than 300 s before `now` can't be the one that the resolver
    /// accepted, and is ignored: a left-over cookie must not prevent answers for a valid session beside it from being cached.
    /// One that expired later is included, so that nothing is cached.
    #[must_use]
    pub fn expires(&self, now: u64) -> Option<u64> {
        let token = self.authorization().and_then(|value| value.get(b"bearer ".len()..));
        let cookies =
            self.cookie().into_iter().flat_map(|line| line.split(|&byte| byte == b';').map(cookie_value));
        let ends = token.into_iter().chain(cookies).filter_map(exp);
        ends.filter(|exp| exp.saturating_add(LEEWAY) >= now).min()
    }
}

/// The value of a pair as parsed by Go's `net/http`: everything after the first `=`, without surrounding quotes.
fn cookie_value(pair: &[u8]) -> &[u8] {
    let value = trim(pair).splitn(2, |&byte| byte == b'=').nth(1).unwrap_or_default();
    match value {
        [b'"', quoted @ .., b'"'] => quoted,
        _ => value,
    }
}

/// The `exp` claim of a signed JWT in compact form (RFC 7515 §7.1), rounded down.
///
/// The header and signature are not checked: if this were stricter than the resolver, a client could encode its token so that
/// answers outlive it.
fn exp(token: &[u8]) -> Option<u64> {
    let mut parts = token.split(|&byte| byte == b'.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE.decode(claims).or_else(|_| STANDARD.decode(claims)).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok()?.exp
}

#[cfg(test)]
mod tests;
