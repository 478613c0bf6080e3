//! A stage with an nginx on it that tells how each request ends.

use std::ops::Deref;
use std::time::Duration;

use super::harness::{Builder, COUNTERS, Http1, Nginx, PATIENCE, Request, Response, Wire, poll, send};
use super::stage::Stage;
use super::standin::{Fault, Resolver};

/// What its stage has is at hand here too.
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

    /// Sends a request over HTTP/1.1 and leaves the connection to be answered later.
    pub(crate) fn begin(&self, request: &Request) -> Http1 {
        let mut connection = Http1::connect(self.nginx.port()).expect("nginx accepts");
        connection.send(request).expect("nginx reads");
        connection
    }

    /// Has the probe of a breaker that is open wait at the resolver's gate: until that opens, or `authgear_timeout` is over, no
    /// other call is made for these requests.
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

    /// A request with a credential of its own gets the answer that was asked for it.
    #[track_caller]
    pub(crate) fn assert_resolves(&self, wire: Wire) {
        assert_ending(&send(&self.nginx, wire, self.unique()), 200, "valid", "resolved");
    }

    /// Requests are answered again: at once, but on a machine that is too busy to answer within a short timeout.
    #[track_caller]
    pub(crate) fn assert_recovers(&self, wire: Wire) {
        let answered = || (send(&self.nginx, wire, self.unique()).status == 200).then_some(());
        assert!(poll(PATIENCE, answered).is_some(), "no call is answered any more");
    }

    pub(crate) fn finish(self) {
        self.nginx.finish();
    }
}

/// The answers to requests that wait, in their order.
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
