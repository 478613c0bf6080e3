//! Idle kept-alive connections, and closing them from outside.

use std::collections::HashMap;
use std::sync::{Mutex, mpsc};

use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseKind {
    Fin,
    Reset,
}

/// An order to close a connection. Dropping it signals that it is done; the caller waits for that.
#[derive(Debug)]
pub(super) struct Order {
    pub kind: CloseKind,
    _done: mpsc::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<HashMap<u64, oneshot::Sender<Order>>>);

impl Idle {
    /// Marks a connection as idle. Call it before the last byte of an answer is written: a client that has read the answer
    /// may order the connection to be closed, and must not miss it.
    pub fn enter(&self, connection: u64) -> oneshot::Receiver<Order> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap().insert(connection, sender);
        receiver
    }

    /// Marks it as busy.
    pub fn leave(&self, connection: u64) {
        self.0.lock().unwrap().remove(&connection);
    }

    /// Closes all idle connections, and waits until that is done.
    pub fn close(&self, kind: CloseKind) -> usize {
        let (done, all_done) = mpsc::channel();
        let idle = std::mem::take(&mut *self.0.lock().unwrap());
        let orders = idle.into_values().map(|sender| sender.send(Order { kind, _done: done.clone() }));
        let closed = orders.filter(Result::is_ok).count();
        drop(done);
        // Returns an error when the last sender is gone.
        let _ = all_done.recv();
        closed
    }
}
