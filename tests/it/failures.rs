//! A resolver that fails: what the client gets, what the log says, what is tried again, and how it ends.

mod endings;
mod endless;
mod http2;
mod retries;
mod timeouts;
mod unreachable;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::harness::{Request, Response, Wire, send};
use super::live::{Live, assert_ending, ending};
use super::stage::{identity_told, pairs};
use super::standin::{ConnectionFault, Fault, Resolver};

/// Short, where a test has to wait for it.
const SHORT: &str = "authgear_timeout 300ms;";

/// A call's failure, the reason that is told, the status without `authgear_on_error`, the calls that it costs.
struct Case {
    fault: Fault,
    reason: &'static str,
    status: u16,
    calls: u64,
}

fn cases() -> Vec<Case> {
    let case = |fault, reason, status, calls| Case { fault, reason, status, calls };
    vec![
        case(Fault::CloseBeforeAnswer, "closed", 502, 2),
        case(Fault::ResetBeforeAnswer, "closed", 502, 2),
        case(Fault::CloseInBody, "closed", 502, 1),
        case(Fault::Hang, "timeout", 504, 1),
        case(Fault::HangInHead, "timeout", 504, 1),
        case(Fault::HangInBody, "timeout", 504, 1),
        case(Fault::SlowHead(Duration::from_millis(50)), "timeout", 504, 1),
        case(Fault::Garbage(b"garbage\r\n\r\n".to_vec()), "malformed", 502, 1),
        case(Fault::Headers(pairs(&[("X-Authgear-Session-Valid", "TRUE")])), "malformed", 502, 1),
        case(Fault::PanicJson500, "status", 502, 1),
        case(Fault::Status(503), "status", 502, 1),
        case(Fault::Status(404), "status", 502, 1),
    ]
}

/// Every request meets the fault until this returns.
#[track_caller]
fn fail_with(live: &Live, wire: Wire, fault: &Fault, request: &Request) -> Response {
    live.resolver.set_fault(Some(fault.clone()));
    let response = send(&live.nginx, wire, request);
    live.resolver.clear_faults();
    response
}

/// A socket whose queue of connections is full: SYNs to it stay without an answer.
pub(crate) struct FullQueue {
    _listener: TcpListener,
    _connected: Vec<TcpStream>,
    addr: SocketAddr,
}

impl FullQueue {
    fn new() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    pub(crate) fn at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).expect("a port");
        rustix::net::listen(&listener, 0).expect("a shorter queue");
        let addr = listener.local_addr().expect("it is bound");
        let mut connected = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
            connected.push(stream);
            assert!(connected.len() < 100, "the queue never fills");
        }
        Self { _listener: listener, _connected: connected, addr }
    }
}
