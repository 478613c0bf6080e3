//! Asks Authgear's session resolver: a thread of its own runs the calls, so that the event loop never waits.

pub mod call;
pub mod clients;
pub mod dns;
pub mod error;
pub mod question;
pub mod relay;
pub mod target;
pub mod thread;
pub mod tls;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::session::answer::Answer;
use crate::single_flight::FlightId;
use error::ResolveError;
use question::Question;
use target::Target;

/// What a call came to.
pub type Outcome = Result<Answer, ResolveError>;

/// A call to make.
pub struct Job {
    /// For the whole call: connect, retry and answer included.
    pub timeout: Duration,
    pub question: Question,
    pub lease: Lease,
}

/// The word that a call is over.
pub struct Completion {
    pub flight: FlightId,
    pub outcome: Outcome,
}

/// Makes the event loop look at the completions; callable from any thread.
pub trait Wake: Send + Sync {
    fn wake(&self);
}

/// The duty to complete a flight. Dropped without that, by a panic or by the end of the thread, it completes the flight
/// with an error: nobody is left waiting.
pub struct Lease {
    flight: FlightId,
    target: Arc<Target>,
    completions: Sender<Completion>,
    wake: Arc<dyn Wake>,
    completed: bool,
}

impl Lease {
    #[must_use]
    pub fn new(
        flight: FlightId,
        target: Arc<Target>,
        completions: Sender<Completion>,
        wake: Arc<dyn Wake>,
    ) -> Self {
        Self { flight, target, completions, wake, completed: false }
    }

    /// The resolver to ask.
    #[must_use]
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    pub fn complete(mut self, outcome: Outcome) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Outcome) {
        self.completed = true;
        // The receiver is gone only where the worker is: then nobody waits.
        let completion = Completion { flight: self.flight, outcome };
        if self.completions.send(completion).is_ok() {
            self.wake.wake();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.completed {
            self.send(Err(ResolveError::Internal("the call was dropped")));
        }
    }
}
