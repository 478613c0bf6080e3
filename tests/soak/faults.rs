//! What the resolvers do wrong, one thing after the other.

use std::time::Duration;

use crate::standin::{ConnectionFault, Fault};
use crate::world::World;

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
    pub(crate) fn begin(&self, world: &World) {
        for resolver in world.all() {
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

    pub(crate) fn end(world: &World) {
        for resolver in world.all() {
            resolver.clear_faults();
            if !world.is_away(resolver) {
                resolver.resume_listening();
            }
        }
    }
}

/// Nobody is there.
pub(crate) const REFUSED: Trouble =
    Trouble { name: "refused", what: What::Refuses, lasts: Duration::from_millis(1500) };

/// The first of them are in every run. Those that last longer than stale answers may be used come last.
pub(crate) fn troubles() -> Vec<Trouble> {
    let trouble = |name, what, ms| Trouble { name, what, lasts: Duration::from_millis(ms) };
    let call = |name, fault| trouble(name, What::Call(fault), 700);
    let misspelt = vec![("X-Authgear-Session-Valid".to_owned(), "TRUE".to_owned())];
    let teapot = Fault::Answer { status: 418, headers: Vec::new(), body: b"no".to_vec() };
    vec![
        REFUSED,
        // As Authgear answers while its database or its Redis is away.
        trouble("500s", What::Call(Fault::PanicJson500), 3000),
        trouble("no answer", What::Call(Fault::Hang), 1500),
        call("reset", Fault::ResetBeforeAnswer),
        call("503", Fault::Status(503)),
        call("delay", Fault::Delay(Duration::from_millis(150))),
        call("cut off", Fault::CloseInBody),
        call("garbage", Fault::Garbage(b"garbage\r\n\r\n".to_vec())),
        trouble("dead connection", What::Call(Fault::HangConnection), 1500),
        call("malformed identity", Fault::ReplaceHeaders(misspelt)),
        call("GOAWAY", Fault::GoAway),
        call("huge headers", Fault::HugeHeaders(100_000)),
        trouble("connections reset", What::Connection(ConnectionFault::Reset), 700),
        call("refused streams", Fault::RefusedStream),
        trouble("connections without an answer", What::Connection(ConnectionFault::Hang), 1500),
        call("418", teapot),
        trouble("long 500s", What::Call(Fault::PanicJson500), 14_000),
        trouble("long 503s", What::Call(Fault::Status(503)), 14_000),
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
