//! The stand-in for Authgear's session resolver.
//!
//! Answers as the real server does, byte for byte, down to Go's parsing of cookies; records every byte that it is
//! sent; and does wrong whatever a [`Fault`] says. Differences from the real server: sessions and users are those of
//! [`Accounts`], user info is never five minutes old, and TLS and HTTP/2 are on offer, which the real one leaves to
//! the proxy in front of it.
//!
//! ```ignore
//! let resolver = Resolver::start();
//! resolver.push_fault(Fault::Gate);
//! // ... a request through nginx to `resolver.url()` ...
//! assert!(resolver.wait_for_gate(1, Duration::from_secs(5)));
//! resolver.open_gate();
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::Accounts;
use super::net::Server;
use call::Call;
use fault::{ConnectionFault, Fault};
use idle::CloseKind;
use shared::Shared;

pub mod answer;
pub mod builder;
pub mod call;
pub mod fault;
mod http1;
mod http2;
mod idle;
pub mod routes;
mod serve;
pub mod session;
pub mod settings;
mod shared;

pub use builder::Builder;

/// A running resolver. It stops, and its connections end, when this is dropped.
pub struct Resolver {
    server: Server,
    shared: Arc<Shared>,
    scheme: &'static str,
}

impl Resolver {
    /// Plain HTTP/1.1 on a free port of 127.0.0.1, one app whatever the host, `TRUST_PROXY` on.
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// `http://127.0.0.1:<port>`, or `https://`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr())
    }

    pub fn accounts(&self) -> &Accounts {
        &self.shared.accounts
    }

    // -- what was received --------------------------------------------------------------------------------------

    /// All calls since the start or the last reset, in the order of their arrival. A builder that keeps fewer
    /// calls than arrive keeps the latest.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.iter().cloned().collect()
    }

    /// The latest call.
    pub fn last_call(&self) -> Option<Call> {
        self.shared.state().calls.back().cloned()
    }

    pub fn call_count(&self) -> u64 {
        self.shared.state().call_count
    }

    /// Connections accepted so far; with TLS, also those whose handshake failed.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Why TLS handshakes failed.
    pub fn handshake_errors(&self) -> Vec<String> {
        self.shared.state().handshake_errors.clone()
    }

    /// Requests that could not be read, so are no calls: 400 and 431.
    pub fn bad_requests(&self) -> u64 {
        self.shared.state().bad_requests
    }

    /// Calls received and not yet answered in full. Zero as soon as the last byte of an answer is on its way.
    pub fn in_flight(&self) -> usize {
        self.shared.state().in_flight
    }

    pub fn max_in_flight(&self) -> usize {
        self.shared.state().max_in_flight
    }

    /// Forgets calls, connections and errors so far. Faults and accounts stay.
    pub fn reset_counters(&self) {
        self.shared.state().reset();
    }

    /// Whether `n` calls have arrived by then.
    pub fn wait_for_calls(&self, n: u64, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.call_count >= n)
    }

    /// Whether `n` connections have been accepted by then.
    pub fn wait_for_connections(&self, n: u64, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.connections >= n)
    }

    /// Whether all calls have been answered, or their clients have left, by then.
    pub fn wait_until_idle(&self, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.in_flight == 0)
    }

    // -- faults -------------------------------------------------------------------------------------------------

    /// For every call from now on. A gate that is set closes.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.shared.state();
        state.gate_open = false;
        state.steady = fault;
    }

    /// For one call. Those pushed are used in order, before any other fault; pushing a gate closes it.
    pub fn push_fault(&self, fault: Fault) {
        let mut state = self.shared.state();
        state.gate_open = false;
        state.queue.push_back(fault);
    }

    /// Decides by the call, after the pushed faults and before the steady one.
    pub fn set_rule(&self, rule: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.shared.state().rule = Some(Arc::new(rule));
    }

    /// No fault any more, pushed ones and those of connections included; whoever waits at the gate is let out.
    pub fn clear_faults(&self) {
        let mut state = self.shared.state();
        (state.steady, state.rule, state.connection_fault) = (None, None, None);
        state.queue.clear();
        state.open_gate();
    }

    /// Faults that were pushed and not used yet.
    pub fn faults_left(&self) -> usize {
        self.shared.state().queue.len()
    }

    /// For every connection from now on.
    pub fn set_connection_fault(&self, fault: Option<ConnectionFault>) {
        self.shared.state().connection_fault = fault;
    }

    /// Lets out all calls at the gate, and keeps it open until a fault is set or pushed.
    pub fn open_gate(&self) {
        self.shared.state().open_gate();
    }

    /// Lets out the `n` calls that have waited at the gate longest; it stays closed. How many there were.
    pub fn release(&self, n: usize) -> usize {
        self.shared.state().release(n)
    }

    /// Calls that wait at the gate, those whose clients have left included.
    pub fn at_gate(&self) -> usize {
        self.shared.state().gate.len()
    }

    /// Whether `n` calls wait at the gate by then.
    pub fn wait_for_gate(&self, n: usize, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.gate.len() >= n)
    }

    // -- connections --------------------------------------------------------------------------------------------

    /// From its return on, connects are refused. Connections stay.
    pub fn stop_listening(&self) {
        self.server.stop_listening();
    }

    /// Listens on the same port again.
    pub fn resume_listening(&self) {
        self.server.resume_listening();
    }

    /// Ends all connections, calls in flight included, while clients can connect: as when a process is replaced by another
    /// that is given the listening socket.
    pub fn restart(&self) {
        self.server.end_connections();
    }

    /// Sends FIN (HTTP/2: GOAWAY first) on connections that have no call in flight. How many there were.
    pub fn close_idle_connections(&self) -> usize {
        self.shared.idle.close(CloseKind::Fin)
    }

    /// Sends RST on connections that have no call in flight. How many there were.
    pub fn reset_idle_connections(&self) -> usize {
        self.shared.idle.close(CloseKind::Reset)
    }
}
