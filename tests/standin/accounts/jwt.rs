//! Tokens in the form of Authgear's JWT access tokens. The signature is made up: the resolver knows which tokens it issued.

use super::User;

/// The data that decides whether an issued token is valid.
#[derive(Debug)]
pub(super) struct Issued {
    pub user: String,
    pub origin: String,
    pub exp: u64,
}

pub(super) fn encode(user: &User, origin: &str, now: u64, exp: u64, jti: &str) -> String {
    let header = r#"{"alg":"RS256","kid":"standin","typ":"at+jwt"}"#;
    let roles: Vec<String> = user.roles.iter().map(|role| format!("{role:?}")).collect();
    let claims = format!(
        concat!(
            r#"{{"iss":"{origin}","aud":["{origin}"],"iat":{now},"exp":{exp},"client_id":"standin","#,
            r#""scope":"openid offline_access https://authgear.com/scopes/full-access","auth_time":{auth_time},"#,
            r#""jti":"{jti}","sub":"{sub}","https://authgear.com/claims/user/is_anonymous":{anonymous},"#,
            r#""https://authgear.com/claims/user/is_verified":{verified},"#,
            r#""https://authgear.com/claims/user/can_reauthenticate":{can_reauthenticate},"#,
            r#""https://authgear.com/claims/user/roles":[{roles}]}}"#
        ),
        origin = origin,
        now = now,
        exp = exp,
        auth_time = user.authenticated_at.unwrap_or(now),
        jti = jti,
        sub = user.id,
        anonymous = user.anonymous,
        verified = user.verified,
        can_reauthenticate = user.can_reauthenticate,
        roles = roles.join(","),
    );
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    // As long as an RSA signature, and different for each token.
    let mut signature = [0; 256];
    blake3::Hasher::new().update(signed.as_bytes()).finalize_xof().fill(&mut signature);
    format!("{signed}.{}", base64url(&signature))
}

/// Without padding, as in JWTs.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0usize, |acc, i| acc << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..=chunk.len() {
            text.push(char::from(ALPHABET[group >> (18 - 6 * i) & 63]));
        }
    }
    text
}
