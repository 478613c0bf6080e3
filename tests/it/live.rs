//! A stage with a running nginx that reports how each request ended.

use std::ops::Deref;
use std::time::Duration;

use super::harness::{Builder, COUNTERS, Http1, Nginx, PATIENCE, Request, Response, Wire, poll, send};
use super::stage::Stage;
use super::standin::{Fault, Resolver};

/// Dereferences to its stage.
pub(crate) struct Live {
    stage: Stage,
    pub(crate) nginx: Nginx,
}

impl Deref for Live {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// The end of a request as the client sees it: status, `$authgear_result`, `$authgear_reason`.
pub(crate) type Ending = (u16, String, String);

impl Live {
    pub(crate) fn start() -> Self {
        Self::with(Resolver::start(), "")
    }

    /// Adds lines to the server, which resolves and passes everything to the backend.
    pub(crate) fn with(resolver: Resolver, lines: &str) -> Self {
        Self::build(resolver, lines, |builder| builder)
    }

    pub(crate) fn build(resolver: Resolver, lines: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let url = resolver.url();
        Self::at(&url, resolver, lines, change)
    }

    /// Resolves at this URL, which may be any server's. `{pass}` in the lines passes to the backend.
    pub(crate) fn at(
        url: &str,
        resolver: Resolver,
        lines: &str,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let stage = Stage::with(resolver);
        let pass = stage.pass();
        let lines = lines.replace("{pass}", &pass);
        let builder = Nginx::builder().server(format!("authgear_resolve {url};\n{lines}"));
        let builder = builder.server(format!(
            "add_header X-Result $authgear_result always;\n\
             add_header X-Reason $authgear_reason always;\n\
             location / {{ {pass} }}\n\
             {COUNTERS}"
        ));
        Self { stage, nginx: change(builder).start() }
    }

    /// Sends a request over HTTP/1.1 and returns the connection, to read the answer later.
    pub(crate) fn begin(&self, request: &Request) -> Http1 {
        let mut connection = Http1::connect(self.nginx.port()).expect("nginx accepts");
        connection.send(request).expect("nginx reads");
        connection
    }

    /// Makes the probe of an open breaker wait at the resolver's gate: until the gate opens, or `authgear_timeout` is over,
    /// no other call is made for these requests.
    #[track_caller]
    pub(crate) fn hold_probe(&self, request: impl Fn() -> Request) -> Http1 {
        self.resolver.set_fault(Some(Fault::Gate));
        let before = self.resolver.at_gate();
        let probe = poll(PATIENCE, || {
            let connection = self.begin(&request());
            self.resolver.wait_for_gate(before + 1, Duration::from_millis(50)).then_some(connection)
        });
        probe.expect("the breaker lets a call be made")
    }

    /// Checks that a request with a fresh credential gets the answer to that credential.
    #[track_caller]
    pub(crate) fn assert_resolves(&self, wire: Wire) {
        assert_ending(&send(&self.nginx, wire, self.unique()), 200, "valid", "resolved");
    }

    /// Checks that requests are answered again: at once, unless the machine is too busy to answer within a short timeout.
    #[track_caller]
    pub(crate) fn assert_recovers(&self, wire: Wire) {
        let answered = || (send(&self.nginx, wire, self.unique()).status == 200).then_some(());
        assert!(poll(PATIENCE, answered).is_some(), "no call is answered any more");
    }

    pub(crate) fn finish(self) {
        self.nginx.finish();
    }
}

/// The answers to waiting requests, in order.
#[track_caller]
pub(crate) fn answers(waiting: Vec<Http1>) -> Vec<Response> {
    waiting.into_iter().map(|mut connection| connection.receive(b"GET").expect("an answer")).collect()
}

pub(crate) fn ending(response: &Response) -> Ending {
    let header = |name| response.header(name).unwrap_or_default();
    (response.status, header("x-result"), header("x-reason"))
}

#[track_caller]
pub(crate) fn assert_ending(response: &Response, status: u16, result: &str, reason: &str) {
    assert_eq!(ending(response), (status, result.to_owned(), reason.to_owned()), "{response:?}");
}
