//! Kept-alive connections that wait for their next request, and closing them from outside.

use std::collections::HashMap;
use std::sync::{Mutex, mpsc};

use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseKind {
    Fin,
    Reset,
}

/// An order to close. It is carried out when this is dropped, which whoever gave it waits for.
#[derive(Debug)]
pub(super) struct Order {
    pub kind: CloseKind,
    _done: mpsc::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<HashMap<u64, oneshot::Sender<Order>>>);

impl Idle {
    /// Marks a connection as idle. To be called before the last byte of an answer is written: whoever has read that
    /// answer may order the connection to be closed and must not miss it.
    pub fn enter(&self, connection: u64) -> oneshot::Receiver<Order> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap().insert(connection, sender);
        receiver
    }

    /// Marks it as busy.
    pub fn leave(&self, connection: u64) {
        self.0.lock().unwrap().remove(&connection);
    }

    /// Closes all that are idle, and waits until it is done.
    pub fn close(&self, kind: CloseKind) -> usize {
        let (done, all_done) = mpsc::channel();
        let idle = std::mem::take(&mut *self.0.lock().unwrap());
        let orders = idle.into_values().map(|sender| {
            sender.send(Order {
                kind,
                _done: done.clone(),
            })
        });
        let closed = orders.filter(Result::is_ok).count();
        drop(done);
        // Ends with an error, when the last sender is gone.
        let _ = all_done.recv();
        closed
    }
}
