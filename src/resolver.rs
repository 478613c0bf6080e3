//! Calls Authgear's session resolver. The calls run on a separate thread, so that the event loop never blocks.

pub mod call;
pub mod clients;
pub mod dns;
pub mod error;
pub mod question;
pub mod relay;
mod shortage;
pub mod target;
pub mod thread;
pub mod tls;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::endpoint::Origin;
use crate::freshness::Millis;
use crate::session::answer::Answer;
use crate::single_flight::FlightId;
use error::ResolveError;
use question::Question;
use target::Target;

/// The result of a call.
pub type Outcome = Result<Answer, ResolveError>;

/// A call to make.
pub struct Job {
    /// The limit for the whole call, including connect, retry and answer.
    pub timeout: Duration,
    /// Unix time in milliseconds at which the job is sent.
    pub now: Millis,
    pub question: Question,
    pub lease: Lease,
}

/// Reports that a call has finished.
pub struct Completion {
    pub flight: FlightId,
    pub outcome: Outcome,
    pub claimed: Claimed,
}

/// What the tokens among the credentials claim about themselves. Nothing here has been verified.
#[derive(Default)]
pub struct Claimed {
    /// For a valid answer: the time from sending the job until the credentials expire.
    pub lasts: Option<Millis>,
    /// The issuer of a token for which no session was found, if it differs from the origin that the resolver was asked
    /// for.
    pub other_issuer: Option<Origin>,
}

/// Makes the event loop process completions. Callable from any thread.
pub trait Wake: Send + Sync {
    fn wake(&self);
}

/// The obligation to complete a flight. If it is dropped uncompleted, because of a panic or because the thread ends, it
/// completes the flight with an error, so that no request waits forever.
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

    pub fn complete(mut self, outcome: Outcome, claimed: Claimed) {
        self.send(outcome, claimed);
    }

    pub fn fail(self, error: ResolveError) {
        self.complete(Err(error), Claimed::default());
    }

    fn send(&mut self, outcome: Outcome, claimed: Claimed) {
        self.completed = true;
        // The receiver is dropped only when the worker exits; no request waits then.
        let completion = Completion { flight: self.flight, outcome, claimed };
        if self.completions.send(completion).is_ok() {
            self.wake.wake();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.completed {
            self.send(Err(ResolveError::Internal("the call was dropped")), Claimed::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::endpoint::endpoint;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_call_that_panics_ends_as_an_error() {
        let url = endpoint("http://a").unwrap();
        let target = Arc::new(Target::new(&url, None, "", Duration::from_secs(1), None).unwrap());
        let ((completions, completed), woken) = (channel(), Arc::new(Woken::default()));
        let wake: Arc<dyn Wake> = Arc::<Woken>::clone(&woken);
        let lease = Lease::new(FlightId::default(), target, completions, wake);
        let panics = move || {
            let _held = lease;
            panic!("in the middle of the call");
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        let completion: Completion = completed.try_recv().unwrap();
        assert_eq!(completion.outcome.unwrap_err().reason(), "internal");
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(completed.try_recv().is_err(), "once is enough");
    }
}
