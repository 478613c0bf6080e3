//! The users that the stand-in resolver knows, and their credentials.
//!
//! | user | roles | what is special |
//! |---|---|---|
//! | `alice` | `admin,editor` | |
//! | `bob` | `viewer` | |
//! | `norole` | none | the answer has no roles header |
//! | `anonymous` | none | an anonymous user |
//! | `unverified` | `viewer` | not verified |
//! | `disabled` | `viewer` | every credential resolves to *invalid* |
//!
//! Each user has one credential of each [`Kind`], the same in every run. [`Accounts::mint`] makes more. In addition, the
//! following are valid without any setup, so that a load test can make millions of them:
//! - bearer token, `app_access_token` and `app_session`: `user:<name>:<anything>`
//! - `session`: `<the user's id>.<any 32 alphanumerics>`
//!
//! `revoke` works on all of these. Sessions (`session`, `app_session`) expire at the end of their lifetime. All credentials
//! except JWTs and those that are valid without setup also expire when idle, where being resolved counts as access; the
//! clock can be advanced. The idle time of a `session` counts from its last access. That of the others, which are grants,
//! counts from the access before the last: the real server computes a grant's end from what it reads before it writes the
//! new access.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::date;

mod jwt;

/// The kinds of credentials. `AppAccessToken` is a bearer token in a cookie: the same tokens work in both places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Bearer,
    AppSession,
    AppAccessToken,
    Session,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Bearer, Self::AppSession, Self::AppAccessToken, Self::Session];

    /// The cookie that carries it, without the prefix.
    pub fn cookie(self) -> Option<&'static str> {
        match self {
            Self::Bearer => None,
            Self::AppSession => Some("app_session"),
            Self::AppAccessToken => Some("app_access_token"),
            Self::Session => Some("session"),
        }
    }

    /// Tokens are looked up independently of where they were sent.
    fn store(self) -> Self {
        if self == Self::AppAccessToken { Self::Bearer } else { self }
    }
}

/// One good credential of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub bearer: String,
    pub app_session: String,
    pub app_access_token: String,
    pub session: String,
}

impl Credentials {
    pub fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::Bearer => &self.bearer,
            Kind::AppSession => &self.app_session,
            Kind::AppAccessToken => &self.app_access_token,
            Kind::Session => &self.session,
        }
    }

    /// The name and value of the request header with the credential.
    pub fn header(&self, kind: Kind, cookie_prefix: &str) -> (String, String) {
        match kind.cookie() {
            None => ("Authorization".to_owned(), format!("Bearer {}", self.bearer)),
            Some(name) => ("Cookie".to_owned(), format!("{cookie_prefix}{name}={}", self.of(kind))),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub id: String,
    pub roles: Vec<String>,
    /// Today's server sends an empty `X-Authgear-Session-Amr` in any case, so it is empty here.
    pub amr: Vec<String>,
    pub anonymous: bool,
    pub verified: bool,
    pub can_reauthenticate: bool,
    pub disabled: bool,
    /// Seconds since 1970; the header is left out for `None`.
    pub authenticated_at: Option<u64>,
}

#[derive(Debug)]
struct Grant {
    user: String,
    created: Duration,
    last_access: Duration,
    previous_access: Duration,
    /// When an access token expires; sessions expire by the settings of the deployment.
    expires: Option<Duration>,
}

#[derive(Debug, Default)]
struct Inner {
    users: HashMap<String, User>,
    /// A user's name by id.
    ids: HashMap<String, String>,
    grants: HashMap<(Kind, String), Grant>,
    jwts: HashMap<String, jwt::Issued>,
    revoked: HashSet<String>,
    minted: u64,
    clock_offset: Duration,
    session_lifetime: Option<Duration>,
    idle_timeout: Option<Duration>,
}

/// A handle: clones share the accounts.
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Mutex<Inner>>);

impl Default for Accounts {
    fn default() -> Self {
        let accounts = Self(Arc::default());
        let base = |name: &str, id: &str, roles: &[&str]| User {
            name: name.to_owned(),
            id: id.to_owned(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            amr: Vec::new(),
            anonymous: false,
            verified: true,
            can_reauthenticate: true,
            disabled: false,
            authenticated_at: Some(1_136_171_045),
        };
        accounts.add(base("alice", "acdc0d99-f784-43d5-b53d-70f3506dfbf7", &["admin", "editor"]));
        accounts.add(base("bob", "b0b00000-5b1e-4c2f-9d3a-2f6a1c0de001", &["viewer"]));
        accounts.add(base("norole", "4072011e-5b1e-4c2f-9d3a-2f6a1c0de002", &[]));
        let anonymous = base("anonymous", "a0070000-5b1e-4c2f-9d3a-2f6a1c0de003", &[]);
        accounts.add(User { anonymous: true, verified: false, can_reauthenticate: false, ..anonymous });
        let unverified = base("unverified", "07e21f1e-5b1e-4c2f-9d3a-2f6a1c0de004", &["viewer"]);
        accounts.add(User { verified: false, ..unverified });
        let disabled = base("disabled", "d15ab1ed-5b1e-4c2f-9d3a-2f6a1c0de005", &["viewer"]);
        accounts.add(User { disabled: true, ..disabled });
        accounts
    }
}

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Adds a user, with one fixed credential of each kind.
    pub fn add(&self, user: User) {
        let fixed = fixed_credentials(&user.name);
        let mut inner = self.lock();
        for kind in Kind::ALL {
            inner.grant(kind, fixed.of(kind), &user.name, None);
        }
        inner.ids.insert(user.id.clone(), user.name.clone());
        inner.users.insert(user.name.clone(), user);
    }

    /// The names of all users, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.lock().users.keys().cloned().collect();
        names.sort();
        names
    }

    pub fn user(&self, name: &str) -> User {
        self.lock().users.get(name).unwrap_or_else(|| panic!("no user {name}")).clone()
    }

    /// The user's fixed credentials: the same strings each time.
    pub fn login(&self, name: &str) -> Credentials {
        fixed_credentials(&self.user(name).name)
    }

    /// Makes another credential. The strings are unique, and the same in every run.
    pub fn mint(&self, name: &str, kind: Kind) -> String {
        self.mint_until(name, kind, None)
    }

    /// Like [`Self::mint`], with a time of expiry (since 1970).
    pub fn mint_until(&self, name: &str, kind: Kind, expires: Option<Duration>) -> String {
        let name = self.user(name).name;
        let mut inner = self.lock();
        inner.minted += 1;
        let value = credential(&name, kind, inner.minted);
        inner.grant(kind, &value, &name, expires);
        value
    }

    /// The `n`th of the credentials that are valid without setup.
    pub fn wildcard(&self, name: &str, kind: Kind, n: u64) -> String {
        match kind {
            Kind::Session => format!("{}.{n:032}", self.user(name).id),
            _ => format!("user:{name}:{n}"),
        }
    }

    /// A token in the form of a JWT, valid only for resolver requests of that origin (`https://auth.example.com`), until
    /// `exp` (seconds since 1970). Its claims are those of the real server. Any change to it makes it unknown.
    pub fn jwt(&self, name: &str, origin: &str, exp: u64) -> String {
        let user = self.user(name);
        let now = self.now().as_secs();
        let mut inner = self.lock();
        inner.minted += 1;
        let jti = blake3::hash(credential(name, Kind::Bearer, inner.minted).as_bytes()).to_hex();
        let token = jwt::encode(&user, origin, now, exp, &jti);
        let issued = jwt::Issued { user: user.name, origin: origin.to_owned(), exp };
        inner.jwts.insert(token.clone(), issued);
        token
    }

    /// Revokes this string as a credential of any kind.
    pub fn revoke(&self, credential: &str) {
        self.lock().revoked.insert(credential.to_owned());
    }

    pub fn disable(&self, name: &str) {
        self.update(name, |user| user.disabled = true);
    }

    /// Changes a user: roles, verified and so on.
    pub fn update(&self, name: &str, change: impl FnOnce(&mut User)) {
        let mut inner = self.lock();
        change(inner.users.get_mut(name).unwrap_or_else(|| panic!("no user {name}")));
    }

    /// Makes sessions expire this long after they were made.
    pub fn set_session_lifetime(&self, lifetime: Option<Duration>) {
        self.lock().session_lifetime = lifetime;
    }

    /// Makes sessions expire this long after they were last resolved, and grants this long after the resolution before the
    /// last.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        self.lock().idle_timeout = timeout;
    }

    /// Advances the clock by which sessions and tokens expire.
    pub fn advance(&self, by: Duration) {
        self.lock().clock_offset += by;
    }

    /// The time since 1970, by that clock.
    pub fn now(&self) -> Duration {
        self.lock().now()
    }

    /// The user of a bearer token, in a request to `origin`.
    pub fn by_token(&self, token: &[u8], origin: &str) -> Option<User> {
        let token = std::str::from_utf8(token).ok()?;
        let mut inner = self.lock();
        if token.starts_with("eyJ")
            && let Some(issued) = inner.jwts.get(token)
        {
            let good = issued.origin == origin && inner.now().as_secs() < issued.exp;
            return (good && !inner.revoked.contains(token))
                .then(|| inner.users.get(&issued.user).cloned())?;
        }
        inner.resolve(Kind::Bearer, token)
    }

    /// The user of an `app_session` or `session` cookie. Counts as access, as it does for tokens.
    pub fn by_session(&self, kind: Kind, value: &[u8]) -> Option<User> {
        self.lock().resolve(kind, std::str::from_utf8(value).ok()?)
    }
}

impl Inner {
    fn now(&self) -> Duration {
        date::since_epoch() + self.clock_offset
    }

    fn grant(&mut self, kind: Kind, value: &str, user: &str, expires: Option<Duration>) {
        let now = self.now();
        let grant =
            Grant { user: user.to_owned(), created: now, last_access: now, previous_access: now, expires };
        self.grants.insert((kind.store(), value.to_owned()), grant);
    }

    fn resolve(&mut self, kind: Kind, value: &str) -> Option<User> {
        if self.revoked.contains(value) {
            return None;
        }
        if let Some(name) = self.wildcard(kind, value) {
            return self.users.get(name).cloned();
        }
        let (now, lifetime, idle) = (self.now(), self.session_lifetime, self.idle_timeout);
        let grant = self.grants.get_mut(&(kind.store(), value.to_owned()))?;
        let is_session = matches!(kind, Kind::Session | Kind::AppSession);
        let used = if kind == Kind::Session { grant.last_access } else { grant.previous_access };
        let ended = |limit: Option<Duration>, since: Duration| limit.is_some_and(|limit| now > since + limit);
        if grant.expires.is_some_and(|at| now > at)
            || is_session && ended(lifetime, grant.created)
            || ended(idle, used)
        {
            return None;
        }
        grant.previous_access = std::mem::replace(&mut grant.last_access, now);
        self.users.get(&grant.user).cloned()
    }

    fn wildcard<'a>(&'a self, kind: Kind, value: &'a str) -> Option<&'a str> {
        if kind == Kind::Session {
            let (id, token) = value.split_once('.')?;
            let alphanumeric = token.len() == 32 && token.bytes().all(|b| b.is_ascii_alphanumeric());
            return alphanumeric.then(|| self.ids.get(id).map(String::as_str))?;
        }
        value.strip_prefix("user:")?.split_once(':').map(|(name, _)| name)
    }
}

fn fixed_credentials(name: &str) -> Credentials {
    Credentials {
        bearer: credential(name, Kind::Bearer, 0),
        app_session: credential(name, Kind::AppSession, 0),
        app_access_token: credential(name, Kind::AppAccessToken, 0),
        session: credential(name, Kind::Session, 0),
    }
}

/// 32 alphanumerics, for a session after a UUID, as on the real server.
fn credential(name: &str, kind: Kind, n: u64) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let hash = blake3::hash(format!("{name} {kind:?} {n}").as_bytes());
    let token: String = hash.as_bytes().iter().map(|b| char::from(ALPHABET[usize::from(*b) % 62])).collect();
    if kind != Kind::Session {
        return token;
    }
    let hex = blake3::hash(token.as_bytes()).to_hex();
    format!("{}-{}-4{}-8{}-{}.{token}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}
