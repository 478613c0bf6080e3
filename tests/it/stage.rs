//! The setup of most tests: a resolver, an echo backend, and nginx with the module between them.

use std::borrow::Borrow;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use super::harness::echo::fold;
use super::harness::{Builder, EchoReply, Nginx, Request, Response, Wire, send};
use super::standin::echo::{Echo, Http, Seen};
use super::standin::{Accounts, Kind, Resolver};

/// Settings that make nginx accept all odd header names.
pub(crate) const LAX: &str = "underscores_in_headers on; ignore_invalid_headers off;";

pub(crate) type Pairs = Vec<(String, String)>;

/// The resolver and the backend of one test.
pub(crate) struct Stage {
    pub(crate) resolver: Resolver,
    pub(crate) echo: Echo,
    /// How many credentials [`Stage::unique`] has used.
    used: AtomicU64,
}

impl Stage {
    pub(crate) fn start() -> Self {
        Self::with(Resolver::start())
    }

    pub(crate) fn with(resolver: Resolver) -> Self {
        Self { resolver, echo: Http::start(), used: AtomicU64::new(0) }
    }

    /// Uses another kind of backend.
    pub(crate) fn before(echo: Echo) -> Self {
        Self { resolver: Resolver::start(), echo, used: AtomicU64::new(0) }
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        self.resolver.accounts()
    }

    /// The directive that turns resolving on.
    pub(crate) fn resolve(&self) -> String {
        format!("authgear_resolve {};", self.resolver.url())
    }

    /// The directive that passes to the echo.
    pub(crate) fn pass(&self) -> String {
        format!("proxy_pass http://{};", self.echo.addr())
    }

    /// A server that resolves and passes everything to the echo, except that nothing under `/open/` is resolved.
    pub(crate) fn builder(&self) -> Builder {
        let (resolve, pass) = (self.resolve(), self.pass());
        Nginx::builder().server(format!(
            "{resolve} location / {{ {pass} }} location /open/ {{ authgear_resolve off; {pass} }}"
        ))
    }

    /// The same with the directive at the level http, so for each server that a test adds, and without `/open/`.
    pub(crate) fn site(&self) -> Builder {
        Nginx::builder().http(self.resolve()).server(format!("location / {{ {} }}", self.pass()))
    }

    /// Starts the server of [`Stage::builder`] with these lines added, accepting all odd header names.
    pub(crate) fn start_lax(&self, lines: impl Into<String>) -> Nginx {
        self.builder().http(LAX).server(lines.into()).start()
    }

    /// A request with the user's own credential of that kind.
    pub(crate) fn request_of(&self, user: &str, kind: Kind) -> Request {
        let (name, value) = self.accounts().login(user).header(kind, "");
        Request::get("/").header(name, value)
    }

    /// The request that most tests send.
    pub(crate) fn alice(&self) -> Request {
        self.request_of("alice", Kind::Bearer)
    }

    /// A request with a good credential of alice's that no other request on this stage has.
    pub(crate) fn unique(&self) -> Request {
        let n = self.used.fetch_add(1, Ordering::Relaxed);
        token_of("alice", format_args!("unique-{n}"))
    }

    /// Returns what the backend got. The request must be answered with 200, and reach the backend once.
    #[track_caller]
    pub(crate) fn ask(&self, nginx: &Nginx, wire: Wire, request: impl Borrow<Request>) -> Seen {
        self.echo.clear();
        let response = send(nginx, wire, request);
        assert_eq!(response.status, 200, "{response:?}");
        self.only_request()
    }

    /// The single request that the backend got since the last [`Stage::ask`].
    #[track_caller]
    pub(crate) fn only_request(&self) -> Seen {
        let mut seen = self.echo.requests();
        assert_eq!(seen.len(), 1, "the backend is to get one request: {seen:?}");
        seen.remove(0)
    }

    /// Checks that nginx answers a request without the backend.
    #[track_caller]
    pub(crate) fn refused(&self, nginx: &Nginx, wire: Wire, request: Request) -> Response {
        self.echo.clear();
        let response = send(nginx, wire, request);
        assert_eq!(self.echo.requests(), [], "{response:?}");
        response
    }

    /// Checks that the backend got this user's identity.
    #[track_caller]
    pub(crate) fn assert_is(&self, user: &str, response: &Response) {
        let reply = EchoReply::of(response);
        assert_eq!(reply.header("x-authgear-user-id"), Some(self.accounts().user(user).id.as_str()));
        assert_eq!(reply.header("x-authgear-session-valid"), Some("true"));
    }

    /// Checks that a request with fresh credentials is resolved completely.
    #[track_caller]
    pub(crate) fn assert_serves(&self, nginx: &Nginx) {
        for wire in [Wire::Http1, Wire::Http2] {
            self.assert_is("alice", &send(nginx, wire, self.unique()));
        }
    }

    /// Runs a function, and returns its result and how many calls it caused.
    pub(crate) fn calls_of<T>(&self, run: impl FnOnce() -> T) -> (T, u64) {
        let before = self.resolver.call_count();
        let result = run();
        (result, self.resolver.call_count() - before)
    }
}

/// A request with this bearer token.
pub(crate) fn with_bearer(token: &str) -> Request {
    Request::get("/").header("Authorization", format!("Bearer {token}"))
}

/// A request with the `n`th good bearer token of that user, for any `n`. Every stand-in accepts these.
pub(crate) fn token_of(user: &str, n: impl Display) -> Request {
    with_bearer(&format!("user:{user}:{n}"))
}

/// Adds such a token to a request.
pub(crate) fn by(user: &str, request: Request) -> Request {
    request.header("Authorization", format!("Bearer user:{user}:1"))
}

/// Every header (or CGI parameter) that a careless backend may take for an identity header, in alphabetical order. Names
/// are as [`fold`] returns them, without the `HTTP_` of CGI.
pub(crate) fn identity_among<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Pairs {
    let folded = headers.iter().map(|(name, value)| {
        let name = fold(name.as_ref());
        let name = name.strip_prefix("http-").map_or(name.clone(), str::to_owned);
        (name, String::from_utf8_lossy(value.as_ref()).into_owned())
    });
    let mut found: Pairs = folded.filter(|(name, _)| name.starts_with("x-authgear-")).collect();
    found.sort();
    found
}

/// The same for what a backend has got.
pub(crate) fn identity(seen: &Seen) -> Pairs {
    identity_among(&seen.headers)
}

/// The same for what a backend has got, read from its answer to the client.
#[track_caller]
pub(crate) fn identity_told(response: &Response) -> Pairs {
    identity_among(&EchoReply::of(response).headers)
}

/// The expected result of [`identity`] for that user: each header once, with the resolver's value.
pub(crate) fn identity_of(user: &str) -> Pairs {
    let user = Accounts::default().user(user);
    if user.disabled {
        return pairs(&[("x-authgear-session-valid", "false")]);
    }
    let mut expected = pairs(&[
        ("x-authgear-session-valid", "true"),
        ("x-authgear-user-anonymous", &user.anonymous.to_string()),
        ("x-authgear-user-can-reauthenticate", &user.can_reauthenticate.to_string()),
        ("x-authgear-user-id", &user.id),
        ("x-authgear-user-verified", &user.verified.to_string()),
    ]);
    if let Some(at) = user.authenticated_at {
        expected.push(("x-authgear-session-authenticated-at".into(), at.to_string()));
    }
    if !user.roles.is_empty() {
        expected.push(("x-authgear-user-roles".into(), user.roles.join(",")));
    }
    expected.sort();
    expected
}

/// Text pairs in the form that the stand-ins take.
pub(crate) fn pairs<V: AsRef<str>>(pairs: &[(&str, V)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_ref().to_owned())).collect()
}

pub(crate) fn user_id(name: &str) -> String {
    Accounts::default().user(name).id
}
