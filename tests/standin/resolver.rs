//! The stand-in for Authgear's session resolver.
//!
//! Answers like the real server, byte for byte, including Go's parsing of cookies; records every byte that it receives; and
//! misbehaves as a [`Fault`] says. Differences from the real server: sessions and users are those of [`Accounts`], user
//! info is never five minutes old, and TLS and HTTP/2 are available, which the real server leaves to the proxy in front of
//! it.
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
    /// Plain HTTP/1.1 on a free port of 127.0.0.1, one app for any host, with `TRUST_PROXY` on.
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

    /// All calls since the start or the last reset, in the order of arrival. If the builder limits their number, only the
    /// latest calls.
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

    /// Connections accepted so far; with TLS, including those whose handshake failed.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Why TLS handshakes failed.
    pub fn handshake_errors(&self) -> Vec<String> {
        self.shared.state().handshake_errors.clone()
    }

    /// Requests that could not be parsed, and so aren't calls: 400 and 431.
    pub fn bad_requests(&self) -> u64 {
        self.shared.state().bad_requests
    }

    /// Calls received and not yet completely answered. Zero as soon as the last byte of an answer is sent.
    pub fn in_flight(&self) -> usize {
        self.shared.state().in_flight
    }

    pub fn max_in_flight(&self) -> usize {
        self.shared.state().max_in_flight
    }

    /// Resets the calls, connections and errors so far. Keeps faults and accounts.
    pub fn reset_counters(&self) {
        self.shared.state().reset();
    }

    /// Waits for `n` calls, and returns whether they arrived in time.
    pub fn wait_for_calls(&self, n: u64, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.call_count >= n)
    }

    /// Waits for `n` connections, and returns whether they were accepted in time.
    pub fn wait_for_connections(&self, n: u64, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.connections >= n)
    }

    /// Waits until all calls have been answered or their clients have left, and returns whether that happened in time.
    pub fn wait_until_idle(&self, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.in_flight == 0)
    }

    // -- faults -------------------------------------------------------------------------------------------------

    /// Sets the fault for every call from now on. Setting a gate closes it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.shared.state();
        state.gate_open = false;
        state.steady = fault;
    }

    /// Sets the fault for one call. Pushed faults are used in order, before any other fault; pushing a gate closes it.
    pub fn push_fault(&self, fault: Fault) {
        let mut state = self.shared.state();
        state.gate_open = false;
        state.queue.push_back(fault);
    }

    /// Decides for each call, after the pushed faults and before the steady one.
    pub fn set_rule(&self, rule: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.shared.state().rule = Some(Arc::new(rule));
    }

    /// Removes all faults, including pushed ones and those of connections, and releases all calls at the gate.
    pub fn clear_faults(&self) {
        let mut state = self.shared.state();
        (state.steady, state.rule, state.connection_fault) = (None, None, None);
        state.queue.clear();
        state.open_gate();
    }

    /// The number of pushed faults not used yet.
    pub fn faults_left(&self) -> usize {
        self.shared.state().queue.len()
    }

    /// Sets the fault for every connection from now on.
    pub fn set_connection_fault(&self, fault: Option<ConnectionFault>) {
        self.shared.state().connection_fault = fault;
    }

    /// Releases all calls at the gate, and keeps it open until a fault is set or pushed.
    pub fn open_gate(&self) {
        self.shared.state().open_gate();
    }

    /// Releases the `n` calls that have waited longest at the gate, which stays closed. Returns how many there were.
    pub fn release(&self, n: usize) -> usize {
        self.shared.state().release(n)
    }

    /// The number of calls at the gate, including those whose clients have left.
    pub fn at_gate(&self) -> usize {
        self.shared.state().gate.len()
    }

    /// Waits for `n` calls at the gate, and returns whether they arrived in time.
    pub fn wait_for_gate(&self, n: usize, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.gate.len() >= n)
    }

    // -- connections --------------------------------------------------------------------------------------------

    /// Connection attempts are refused once this returns. Connections stay open.
    pub fn stop_listening(&self) {
        self.server.stop_listening();
    }

    /// Listens on the same port again.
    pub fn resume_listening(&self) {
        self.server.resume_listening();
    }

    /// Ends all connections, including calls in flight, while clients can still connect: as when a process is replaced by
    /// another one that inherits the listening socket.
    pub fn restart(&self) {
        self.server.end_connections();
    }

    /// Sends FIN (HTTP/2: GOAWAY first) on connections without a call in flight. Returns how many there were.
    pub fn close_idle_connections(&self) -> usize {
        self.shared.idle.close(CloseKind::Fin)
    }

    /// Sends RST on connections without a call in flight. Returns how many there were.
    pub fn reset_idle_connections(&self) -> usize {
        self.shared.idle.close(CloseKind::Reset)
    }
}
