//! Identifies the request headers that carry identity and may therefore only come from the resolver.

/// The prefix of all headers in the resolver's answer that are passed to the backend.
pub const PREFIX: &str = "x-authgear-";

/// Authgear's own headers that share the prefix but carry no identity: its pages send the first with every XHR, its webhooks
/// the second. They pass only in exactly this spelling (ignoring case), and are never injected.
///
/// A third one, `X-Authgear-Portal-Is-Proxied`, is not exempt. The portal's server sends it to the Admin API to indicate
/// where a request comes from. Browsers don't need it, and clients must not be able to set what a server states about a
/// request's origin, even though today it only selects between two looks of the GraphiQL page.
const EXEMPT: [&str; 2] = ["x-authgear-xhr", "x-authgear-body-signature"];

/// Whether a backend might mistake a header of this name for one of Authgear's identity headers.
///
/// CGI turns a header name into a variable name by folding bytes (RFC 3875 §4.1.18 mentions `-`; servers also fold `_`, `.`
/// and others), so every byte that is neither a letter nor a digit counts as `-` here.
#[must_use]
#[inline]
pub fn is_identity_header(name: &[u8]) -> bool {
    // Fast path for most names: this is called for each header of each request, more than once.
    matches!(name.first(), Some(b'x' | b'X')) && has_prefix(name)
}

fn has_prefix(name: &[u8]) -> bool {
    let Some(head) = name.get(..PREFIX.len()) else {
        return false;
    };
    head.iter().zip(PREFIX.bytes()).all(|(&byte, expected)| fold(byte) == expected) && !is_exempt(name)
}

/// Whether this is one of the two headers that pass unchanged although they share the prefix.
#[must_use]
pub fn is_exempt(name: &[u8]) -> bool {
    EXEMPT.iter().any(|exempt| name.eq_ignore_ascii_case(exempt.as_bytes()))
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn aliases_that_cgi_folds_are_identity_headers() {
        for name in [
            "x-authgear-user-id",
            "X-Authgear-User-Id",
            "x_authgear_user_id",
            "X.AUTHGEAR.session.valid",
            "x-authgear-",
            "x-authgear_xhr",
            "x_authgear-body-signature",
            "x-authgear-xhr2",
            "X-Authgear-Portal-Is-Proxied",
            "x!authgear~anything",
        ] {
            assert!(is_identity_header(name.as_bytes()), "{name}");
        }
        assert!(is_identity_header(b"x\xffauthgear\x80user-id"));
    }

    #[test]
    fn other_headers_are_left_alone() {
        for name in
            ["", "x-authgea", "x-authgear", "xx-authgear-user-id", "authgear-user-id", "x--authgear-user-id"]
        {
            assert!(!is_identity_header(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn authgears_own_headers_pass_in_their_exact_spelling_only() {
        assert!(!is_identity_header(b"X-Authgear-XHR"));
        assert!(!is_identity_header(b"x-authgear-body-signature"));
        assert!(is_identity_header(b"x-authgear-body_signature"));
    }

    proptest! {
        /// Compared with a naive version of the rule as the manual words it.
        #[test]
        fn agrees_with_the_rule_written_naively(name in prop::collection::vec(any::<u8>(), 0..24), start in 0..3usize) {
            let name = [["", "X-aUTHGEAR-", "x_authgear."][start].as_bytes(), &name].concat();
            let folded: String =
                name.iter().map(|b| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() as char } else { '-' }).collect();
            let exempt = ["x-authgear-xhr", "x-authgear-body-signature"]
                .contains(&String::from_utf8_lossy(&name).to_ascii_lowercase().as_str());
            prop_assert_eq!(is_identity_header(&name), folded.starts_with("x-authgear-") && !exempt);
        }
    }
}
