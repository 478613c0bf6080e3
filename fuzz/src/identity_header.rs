//! Which names are those of identity headers. Input: a name.

use nginx_authgear::identity_header::{is_exempt, is_identity_header};

pub fn run(name: &[u8]) {
    let found = is_identity_header(name);
    assert_eq!(found, expect(name));
    // A name that a backend could confuse with one that is an identity header is one itself, or is exempt by its spelling.
    for alias in aliases(name) {
        assert!(is_identity_header(&alias) == found || is_exempt(name) || is_exempt(&alias));
    }
    assert!(!(found && is_exempt(name)));
    assert_eq!(is_exempt(name), is_exempt(&name.to_ascii_uppercase()));
}

/// The rule as the manual words it.
fn expect(name: &[u8]) -> bool {
    let exempt: [&[u8]; 2] = [b"x-authgear-xhr", b"x-authgear-body-signature"];
    cgi(name).starts_with(b"X_AUTHGEAR_") && !exempt.contains(&&name.to_ascii_lowercase()[..])
}

/// The name of the variable that a careless server makes of a name.
fn cgi(name: &[u8]) -> Vec<u8> {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' };
    name.iter().map(fold).collect()
}

/// Names that are the same variable there.
fn aliases(name: &[u8]) -> [Vec<u8>; 3] {
    let folded = cgi(name);
    let spelled = |with: u8| folded.iter().map(|byte| if *byte == b'_' { with } else { *byte }).collect();
    [spelled(b'-'), spelled(b'.'), folded.to_ascii_lowercase()]
}
