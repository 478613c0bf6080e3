//! A resolver, a backend, and an nginx with the module between them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::harness::{Builder, COUNTERS, EchoReply, Http1, Nginx, Request, Response};
use super::standin::echo::{Echo, Http};
use super::standin::{Kind, Resolver};

pub(crate) struct Live {
    pub(crate) resolver: Resolver,
    pub(crate) echo: Echo,
    pub(crate) nginx: Nginx,
    next: AtomicU64,
}

/// What a client gets to see of a request's end: status, `$authgear_result`, `$authgear_reason`.
pub(crate) type Ending = (u16, String, String);

impl Live {
    pub(crate) fn start() -> Self {
        Self::with(Resolver::start(), "")
    }

    /// With more lines in the server, which resolves and passes everything to the backend.
    pub(crate) fn with(resolver: Resolver, lines: &str) -> Self {
        Self::build(resolver, lines, |builder| builder)
    }

    pub(crate) fn build(resolver: Resolver, lines: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let url = resolver.url();
        Self::at(&url, resolver, lines, change)
    }

    /// Asks at this URL, which may lead anywhere. `{pass}` in the lines passes to the backend.
    pub(crate) fn at(
        url: &str,
        resolver: Resolver,
        lines: &str,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let echo = Http::start();
        let lines = lines.replace("{pass}", &format!("proxy_pass http://{};", echo.addr()));
        let builder = Nginx::builder().server(format!("authgear_resolve {url};\n{lines}"));
        let builder = builder.server(format!(
            "add_header X-Result $authgear_result always;\n\
             add_header X-Reason $authgear_reason always;\n\
             location / {{ proxy_pass http://{}; }}\n\
             {COUNTERS}",
            echo.addr()
        ));
        Self { resolver, echo, nginx: change(builder).start(), next: AtomicU64::new(0) }
    }

    /// A request with a user's credential of that kind.
    pub(crate) fn request_of(&self, user: &str, kind: Kind) -> Request {
        let (name, value) = self.resolver.accounts().login(user).header(kind, "");
        Request::get("/").header(name, value)
    }

    pub(crate) fn alice(&self) -> Request {
        self.request_of("alice", Kind::Bearer)
    }

    /// With a good credential that no other request here has.
    pub(crate) fn unique(&self) -> Request {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let token = self.resolver.accounts().wildcard("alice", Kind::Bearer, n);
        Request::get("/").header("Authorization", format!("Bearer {token}"))
    }

    /// Sends a request over HTTP/1.1 and leaves the connection to be answered later.
    pub(crate) fn begin(&self, request: &Request) -> Http1 {
        let mut connection = Http1::connect(self.nginx.port()).expect("nginx accepts");
        connection.send(request).expect("nginx reads");
        connection
    }

    pub(crate) fn finish(self) {
        self.nginx.finish();
    }
}

pub(crate) fn ending(response: &Response) -> Ending {
    let header = |name| response.header(name).unwrap_or_default();
    (response.status, header("x-result"), header("x-reason"))
}

#[track_caller]
pub(crate) fn assert_ending(response: &Response, status: u16, result: &str, reason: &str) {
    assert_eq!(ending(response), (status, result.to_owned(), reason.to_owned()), "{response:?}");
}

/// The identity headers that a backend got, as careless backends read names, in order of the names.
#[track_caller]
pub(crate) fn identity(response: &Response) -> Vec<(String, String)> {
    let echo = EchoReply::of(response);
    let folded = echo.headers_folded().into_iter().map(|(name, value)| (name, value.to_owned()));
    let mut identity: Vec<_> = folded.filter(|(name, _)| name.starts_with("x-authgear-")).collect();
    identity.sort();
    identity
}

/// Text pairs as the stand-ins take them.
pub(crate) fn pairs<V: AsRef<str>>(pairs: &[(&str, V)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_ref().to_owned())).collect()
}
