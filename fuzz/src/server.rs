//! What Authgear's server finds in header lines, by the stand-in's reading of them.

use super::lines::Line;

#[path = "../../tests/standin/go.rs"]
#[allow(dead_code, reason = "the stand-in needs more of it, elsewhere")]
mod go;

/// The cookies that the server reads, without the prefix.
pub const COOKIES: [&str; 3] = ["app_session", "app_access_token", "session"];

/// More separators than this in all cookie lines, and Go reads none: that is no difference that a client could use, since it
/// is the one who sends them.
const MAX_COOKIES: usize = 3000;

/// The token, and the cookies of [`COOKIES`].
pub type Found = (Option<Vec<u8>>, [Option<Vec<u8>>; 3]);

/// What is found. `None` where the server would refuse the request, or reads no cookie at all.
#[must_use]
pub fn read(lines: &[Line<'_>], prefix: &str) -> Option<Found> {
    let named =
        |wanted: &'static str| move |(name, _): &&Line<'_>| name.eq_ignore_ascii_case(wanted.as_bytes());
    let authorization = lines.iter().find(named("authorization")).map(|(_, value)| *value);
    let cookies: Vec<&[u8]> = lines.iter().filter(named("cookie")).map(|(_, value)| *value).collect();
    let separators: usize =
        cookies.iter().map(|line| line.iter().filter(|byte| **byte == b';').count() + 1).sum();
    let refused = lines.iter().any(|(_, value)| !go::is_header_value(value));
    if refused || separators > MAX_COOKIES {
        return None;
    }
    let cookies = go::read_cookies(cookies);
    let cookie = |name| go::cookie(&cookies, &format!("{prefix}{name}")).map(<[u8]>::to_vec);
    Some((authorization.and_then(go::bearer).map(<[u8]>::to_vec), COOKIES.map(cookie)))
}
