//! What the resolvers do wrong, one thing after the other.

use std::time::Duration;

use crate::standin::{ConnectionFault, Fault, Resolver};

pub(crate) struct Trouble {
    pub(crate) name: &'static str,
    what: What,
    pub(crate) lasts: Duration,
}

#[derive(Clone)]
enum What {
    /// Connections are refused, and those there are end.
    Refuses,
    Call(Fault),
    Connection(ConnectionFault),
}

impl Trouble {
    pub(crate) fn begin(&self, resolvers: &[Resolver]) {
        for resolver in resolvers {
            match self.what.clone() {
                What::Refuses => resolver.stop_listening(),
                What::Call(fault) => resolver.set_fault(Some(fault)),
                What::Connection(fault) => resolver.set_connection_fault(Some(fault)),
            }
            if !matches!(self.what, What::Call(_)) {
                resolver.reset_idle_connections();
            }
        }
    }

    pub(crate) fn end(resolvers: &[Resolver]) {
        for resolver in resolvers {
            resolver.clear_faults();
            resolver.resume_listening();
        }
    }
}

/// Those that last longer than stale answers may be used come last.
pub(crate) fn troubles() -> Vec<Trouble> {
    let trouble = |what, ms| Trouble { name: "", what, lasts: Duration::from_millis(ms) };
    let call = |fault| trouble(What::Call(fault), 700);
    let misspelt = vec![("X-Authgear-Session-Valid".to_owned(), "TRUE".to_owned())];
    vec![
        trouble(What::Refuses, 1500),
        call(Fault::PanicJson500),
        trouble(What::Call(Fault::Hang), 1500),
        call(Fault::ResetBeforeAnswer),
        call(Fault::Status(503)),
        call(Fault::Delay(Duration::from_millis(150))),
        call(Fault::CloseInBody),
        call(Fault::Garbage(b"garbage\r\n\r\n".to_vec())),
        trouble(What::Call(Fault::HangConnection), 1500),
        call(Fault::ReplaceHeaders(misspelt)),
        call(Fault::GoAway),
        call(Fault::HugeHeaders(100_000)),
        trouble(What::Connection(ConnectionFault::Reset), 700),
        call(Fault::RefusedStream),
        trouble(What::Connection(ConnectionFault::Hang), 1500),
        call(Fault::Answer { status: 418, headers: Vec::new(), body: b"no".to_vec() }),
        trouble(What::Call(Fault::Status(503)), 14_000),
    ]
}

/// What an outage can look like from outside, for as long as the caller likes.
pub(crate) fn outages() -> Vec<Trouble> {
    let outage = |name, what| Trouble { name, what, lasts: Duration::ZERO };
    vec![
        outage("refused", What::Refuses),
        outage("503", What::Call(Fault::Status(503))),
        outage("no answer", What::Call(Fault::Hang)),
        // As if all packets of the established connection were dropped, pings too.
        outage("dead connection", What::Call(Fault::HangConnection)),
    ]
}
