//! The issuer of a request's bearer token, according to the token itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Credentials;

/// Authgear's tokens are about 1,500 bytes long. Longer ones are not parsed, because the client would control how long that
/// takes.
const MAX_TOKEN: usize = 4 * 1024;

impl Credentials {
    /// The `iss` claim of the bearer token, if the token has the form of JWTs issued by Authgear. It is not verified and may
    /// be any text.
    #[must_use]
    pub fn bearer_issuer(&self) -> Option<String> {
        let token = self.authorization()?.get(b"bearer ".len()..)?;
        // Authgear treats tokens with any other prefix as opaque.
        if !token.starts_with(b"eyJ") || token.len() > MAX_TOKEN {
            return None;
        }
        let mut parts = token.split(|&byte| byte == b'.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let claims: Map<String, Value> =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Presented, present};
    use super::*;

    fn issuer_of(authorization: &str) -> Option<String> {
        match present([(&b"authorization"[..], authorization.as_bytes())], b"") {
            Presented::Credentials(credentials) => credentials.bearer_issuer(),
            other => panic!("{other:?}"),
        }
    }

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_issuer_of_a_jwt_is_found() {
        let token = token(r#"{"sub":"u","iss":"https://auth.example.com","exp":1}"#);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let found = issuer_of(&format!("{scheme} {token}"));
            assert_eq!(found.as_deref(), Some("https://auth.example.com"), "{scheme}");
        }
    }

    #[test]
    fn what_is_no_jwt_has_none() {
        let good = token(r#"{"iss":"https://a"}"#);
        for text in [
            "opaque".to_owned(),
            // Authgear checks the first bytes, so this is an opaque token.
            good.replacen("eyJ", "eyK", 1),
            format!(" {good}"),
            format!("{good}.more"),
            good.rsplit_once('.').unwrap().0.to_owned(),
            good.replace(".ey", ".!!"),
            token("no JSON"),
            token("[]"),
            token("{}"),
            token(r#"{"iss":1}"#),
            token(&format!(r#"{{"iss":"https://a","pad":"{}"}}"#, "p".repeat(MAX_TOKEN))),
        ] {
            assert_eq!(issuer_of(&format!("Bearer {text}")), None, "{text}");
        }
    }
}
