//! The state that the handle and all connections of a resolver share.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::answer::Answer;
use super::call::Call;
use super::fault::{ConnectionFault, Fault, Play};
use super::idle::Idle;
use super::settings::Settings;
use super::{routes, session};
use crate::standin::accounts::Accounts;

type Rule = Arc<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

pub(super) struct Shared {
    pub settings: Settings,
    pub accounts: Accounts,
    pub idle: Idle,
    keep_calls: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub calls: VecDeque<Call>,
    pub call_count: u64,
    pub connections: u64,
    pub last_connection: u64,
    pub bad_requests: u64,
    pub handshake_errors: Vec<String>,
    pub in_flight: usize,
    pub max_in_flight: usize,
    pub steady: Option<Fault>,
    pub queue: VecDeque<Fault>,
    pub rule: Option<Rule>,
    pub connection_fault: Option<ConnectionFault>,
    pub gate: VecDeque<oneshot::Sender<()>>,
    pub gate_open: bool,
    locked_sessions: HashSet<Vec<u8>>,
}

impl State {
    pub fn reset(&mut self) {
        self.calls.clear();
        (self.call_count, self.connections, self.bad_requests) = (0, 0, 0);
        self.handshake_errors.clear();
        self.max_in_flight = self.in_flight;
    }

    pub fn open_gate(&mut self) {
        self.gate_open = true;
        self.release(usize::MAX);
    }

    pub fn release(&mut self, n: usize) -> usize {
        let n = n.min(self.gate.len());
        for waiting in self.gate.drain(..n) {
            let _ = waiting.send(());
        }
        n
    }
}

impl Shared {
    pub fn new(settings: Settings, accounts: Accounts, keep_calls: usize) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { settings, accounts, idle: Idle::default(), keep_calls, state, changed }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn wait(&self, timeout: Duration, done: impl Fn(&State) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        true
    }

    /// Changes the state, and wakes everyone who waits for a change.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    /// Records a call that has arrived; the first half of its processing.
    pub fn arrive(self: &Arc<Self>, call: &Call) -> Flight {
        let key = if self.settings.lock_sessions && routes::is_resolve(call) {
            session::lock_key(&self.accounts, &self.settings, call)
        } else {
            None
        };
        let (rule, fault, locked_out) = self.change(|state| {
            state.call_count += 1;
            state.in_flight += 1;
            state.max_in_flight = state.max_in_flight.max(state.in_flight);
            if state.calls.len() >= self.keep_calls {
                state.calls.pop_front();
            }
            if self.keep_calls > 0 {
                state.calls.push_back(call.clone());
            }
            let locked_out = key.as_ref().is_some_and(|key| !state.locked_sessions.insert(key.clone()));
            let pushed = state.queue.pop_front();
            let rule = if pushed.is_none() { state.rule.clone() } else { None };
            (rule, pushed.or_else(|| state.steady.clone()), locked_out)
        });
        // Not under the lock, since a rule may call the resolver's methods.
        let fault = rule.and_then(|rule| rule(call)).or(fault);
        let key = if locked_out { None } else { key };
        Flight { shared: self.clone(), key, locked_out, fault }
    }
}

/// A call that has arrived and is not answered yet. It ends when this is dropped.
pub(super) struct Flight {
    shared: Arc<Shared>,
    /// The session whose lock it holds.
    key: Option<Vec<u8>>,
    locked_out: bool,
    fault: Option<Fault>,
}

impl Flight {
    /// Creates the answer, waits as the fault says, and returns how to send the answer.
    pub async fn play(&mut self, call: &Call) -> Play {
        let normal = if self.locked_out {
            Answer::panic_json()
        } else {
            routes::answer(&self.shared.accounts, &self.shared.settings, call)
        };
        let mut next = self.fault.take();
        loop {
            let fault = match next.take() {
                None => return Play::normal(normal),
                Some(Fault::Then(first, second)) => {
                    next = Some(*second);
                    *first
                }
                Some(fault) => fault,
            };
            match fault {
                Fault::Delay(delay) => tokio::time::sleep(delay).await,
                Fault::Gate => self.wait_at_gate().await,
                // Anything after a fault other than a wait is never reached.
                fault => return Play::of(fault, normal),
            }
        }
    }

    async fn wait_at_gate(&self) {
        let (sender, opened) = oneshot::channel();
        let open = self.shared.change(|state| {
            if !state.gate_open {
                state.gate.push_back(sender);
            }
            state.gate_open
        });
        if !open {
            let _ = opened.await;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.in_flight -= 1;
            if let Some(key) = &self.key {
                state.locked_sessions.remove(key);
            }
        });
    }
}
