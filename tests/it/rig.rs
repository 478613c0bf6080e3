//! What most tests of a running site stand on: a resolver, a backend, and nginx with the module between them.

use crate::harness::{Builder, EchoReply, Nginx, Request, Response, Wire, send};
use crate::standin::echo::{self, Echo};
use crate::standin::{Accounts, Kind, Resolver};

/// The resolver and the backend of one test.
pub(crate) struct Rig {
    pub(crate) resolver: Resolver,
    pub(crate) backend: Echo,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(Resolver::start())
    }

    pub(crate) fn with(resolver: Resolver) -> Self {
        Self { resolver, backend: echo::Http::start() }
    }

    /// nginx that resolves everything, and passes it to the backend.
    pub(crate) fn site(&self) -> Builder {
        self.site_with("")
    }

    /// The same with more lines at the level http.
    pub(crate) fn site_with(&self, http: &str) -> Builder {
        Nginx::builder()
            .http(format!("authgear_resolve {};\n{http}", self.resolver.url()))
            .server(format!("location / {{ {} }}", self.pass()))
    }

    /// The line that passes a location's requests to the backend.
    pub(crate) fn pass(&self) -> String {
        format!("proxy_pass http://{};", self.backend.addr())
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        self.resolver.accounts()
    }

    /// A GET with a bearer token of alice's that no other request has.
    pub(crate) fn fresh_request(&self) -> Request {
        with_bearer(&self.accounts().mint("alice", Kind::Bearer))
    }

    /// What the backend must be told of this user.
    #[track_caller]
    pub(crate) fn assert_is(&self, user: &str, response: &Response) {
        let reply = EchoReply::of(response);
        assert_eq!(reply.header("x-authgear-user-id"), Some(self.accounts().user(user).id.as_str()));
        assert_eq!(reply.header("x-authgear-session-valid"), Some("true"));
    }

    /// A request with credentials of its own is resolved from beginning to end.
    #[track_caller]
    pub(crate) fn assert_serves(&self, nginx: &Nginx) {
        for wire in [Wire::Http1, Wire::Http2] {
            self.assert_is("alice", &send(nginx, wire, self.fresh_request()));
        }
    }
}

pub(crate) fn with_bearer(token: &str) -> Request {
    Request::get("/").header("Authorization", format!("Bearer {token}"))
}
