//! When the credentials of a request end, as far as they say so themselves.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, PAD_INDIFFERENT};

use super::claims::Claims;
use super::{Credentials, trim};

/// How far the resolver's clock may be behind ours.
const LEEWAY: u64 = 300;

/// Authgear's library (jwx) takes either alphabet of base64, padded or not, and ignores bits left over.
const LENIENT: GeneralPurposeConfig = PAD_INDIFFERENT.with_decode_allow_trailing_bits(true);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

impl Credentials {
    /// The first moment at which one of the JWTs among the credentials ends, in Unix seconds.
    ///
    /// Nobody has checked these, and it isn't known which of the credentials the resolver went by: this is good for
    /// keeping an answer less long, and for nothing else. A JWT that ended more than 300 s before `now` can't be what the
    /// resolver went by; a left-over cookie must not keep the answers of the good session beside it out of the cache.
    /// One that ended since then is reported, so that nothing is kept.
    #[must_use]
    pub fn expires(&self, now: u64) -> Option<u64> {
        let token = self.authorization().and_then(|value| value.get(b"bearer ".len()..));
        let cookies =
            self.cookie().into_iter().flat_map(|line| line.split(|&byte| byte == b';').map(cookie_value));
        let ends = token.into_iter().chain(cookies).filter_map(exp);
        ends.filter(|exp| exp.saturating_add(LEEWAY) >= now).min()
    }
}

/// The value of a pair as Go's `net/http` sees it: all that follows the first `=`, without the quotes around it.
fn cookie_value(pair: &[u8]) -> &[u8] {
    let value = trim(pair).splitn(2, |&byte| byte == b'=').nth(1).unwrap_or_default();
    match value {
        [b'"', quoted @ .., b'"'] => quoted,
        _ => value,
    }
}

/// The `exp` claim of a signed JWT in its compact form (RFC 7515 §7.1), rounded down.
///
/// Its header and signature aren't looked at: where this is stricter than the resolver, whoever holds a token could spell
/// it so that its answers outlast it.
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
