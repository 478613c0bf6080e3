//! Which request headers carry identity, and so may come from the resolver alone.

/// What the name of every header of the resolver's answer that reaches the backend starts with.
pub const PREFIX: &str = "x-authgear-";

/// Authgear's own headers that share the prefix and carry no identity: its pages send the first with every XHR,
/// its webhooks the second. They pass in exactly this spelling (case apart), and are never injected.
///
/// A third one, `X-Authgear-Portal-Is-Proxied`, is none of these. It goes from the portal's server to the Admin API and says where a
/// request comes from. A browser has no use for it, and what a server says of a request's way isn't for a client to say, although
/// today it only chooses between two looks of the GraphiQL page.
const EXEMPT: [&str; 2] = ["x-authgear-xhr", "x-authgear-body-signature"];

/// Whether a backend might take a header of this name for one of Authgear's identity headers.
///
/// CGI turns a name into a variable by folding bytes (RFC 3875 §4.1.18 names `-`, servers fold `_`, `.` and more), so
/// every byte that is neither letter nor digit counts as `-` here.
#[must_use]
#[inline]
pub fn is_identity_header(name: &[u8]) -> bool {
    // Nearly all names end here: this is asked for each header of each request, more than once.
    matches!(name.first(), Some(b'x' | b'X')) && has_prefix(name)
}

fn has_prefix(name: &[u8]) -> bool {
    let Some(head) = name.get(..PREFIX.len()) else {
        return false;
    };
    head.iter().zip(PREFIX.bytes()).all(|(&byte, expected)| fold(byte) == expected) && !is_exempt(name)
}

/// Whether this is one of the two headers that pass untouched although they share the prefix.
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
        /// The rule as the manual words it, written the slow way.
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
