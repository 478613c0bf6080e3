//! Which of the credentials in a request counts, and the result: Authgear's session middleware.

use super::call::Call;
use super::settings::Settings;
use crate::standin::accounts::{Accounts, Kind, User};
use crate::standin::go;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    None,
    /// `clear`: the request had a `session` cookie, which the answer deletes.
    Invalid {
        clear: bool,
    },
    Valid(User),
}

/// `Authorization`, then `app_session`, then `app_access_token`, then `session`: the first that resolves wins, and the
/// others are ignored. A bad one of the first three is the same as none; only a bad `session` is *invalid*.
pub fn resolve(accounts: &Accounts, settings: &Settings, call: &Call) -> Resolution {
    let session = call.cookie(&settings.cookie_name(Kind::Session));
    let clear = session.is_some();
    let winner = by_oauth(accounts, settings, call)
        .or_else(|| session.and_then(|value| accounts.by_session(Kind::Session, value)));
    match winner {
        Some(user) if user.disabled => Resolution::Invalid { clear },
        Some(user) => Resolution::Valid(user),
        None if clear => Resolution::Invalid { clear },
        None => Resolution::None,
    }
}

fn by_oauth(accounts: &Accounts, settings: &Settings, call: &Call) -> Option<User> {
    let origin = settings.origin(call);
    let bearer = call.header("authorization").and_then(go::bearer);
    let cookie = |kind| call.cookie(&settings.cookie_name(kind));
    bearer
        .and_then(|token| accounts.by_token(token, &origin))
        .or_else(|| accounts.by_session(Kind::AppSession, cookie(Kind::AppSession)?))
        .or_else(|| accounts.by_token(cookie(Kind::AppAccessToken)?, &origin))
}

/// What the real server locks: the session of the first credential that has one. Dead credentials before it lock nothing.
pub fn lock_key(accounts: &Accounts, settings: &Settings, call: &Call) -> Option<Vec<u8>> {
    let origin = settings.origin(call);
    let cookie = |kind| call.cookie(&settings.cookie_name(kind));
    let is_token = |token: &&[u8]| accounts.by_token(token, &origin).is_some();
    let session = |kind| cookie(kind).filter(|value| accounts.by_session(kind, value).is_some());
    let bearer = call.header("authorization").and_then(go::bearer).filter(is_token);
    bearer
        .or_else(|| session(Kind::AppSession))
        .or_else(|| cookie(Kind::AppAccessToken).filter(is_token))
        .or_else(|| session(Kind::Session))
        .map(<[u8]>::to_vec)
}
