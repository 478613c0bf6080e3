//! The thread that runs the calls: one per worker, with its own tokio runtime.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::Job;
use super::call::perform;
use super::clients::Clients;
use super::error::ResolveError;

/// Called on the thread for each job.
#[cfg(feature = "fault-injection")]
pub static FAULT: std::sync::OnceLock<fn()> = std::sync::OnceLock::new();

/// A handle to the thread. The submitter bounds the number of jobs.
pub struct ResolverThread {
    jobs: UnboundedSender<Job>,
    ended: std::sync::mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl ResolverThread {
    /// Starts the thread. Call it only after the worker has been forked, since threads don't survive a fork.
    ///
    /// # Errors
    /// If the system can't create a thread or an epoll instance.
    pub fn start() -> io::Result<Self> {
        let (jobs, queue) = unbounded_channel();
        let (end, ended) = sync_channel(1);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = Builder::new().name("authgear".into()).spawn(move || run(runtime, queue, &end))?;
        Ok(Self { jobs, ended, thread })
    }

    /// Submits a job. If an accepted job is never run, its lease completes it with an internal error.
    ///
    /// # Errors
    /// If the thread has ended because of a panic. The error contains the job.
    #[allow(clippy::result_large_err, reason = "a job isn't copied more often for it")]
    pub fn submit(&self, job: Job) -> Result<(), Job> {
        self.jobs.send(job).map_err(|refused| refused.0)
    }

    /// Ends the thread and waits for it up to the deadline. Its calls are dropped.
    pub fn stop(self, deadline: Duration) {
        drop(self.jobs);
        if self.ended.recv_timeout(deadline) != Err(RecvTimeoutError::Timeout) {
            // The thread has finished all of our code, so this doesn't block.
            let _ = self.thread.join();
        }
    }
}

fn run(runtime: runtime::Runtime, queue: UnboundedReceiver<Job>, end: &SyncSender<()>) {
    runtime.block_on(LocalSet::new().run_until(serve(queue)));
    // Doesn't wait: tasks are dropped, and their leases complete their flights.
    runtime.shutdown_background();
    let _ = end.try_send(());
}

/// Spawns a task for each job and does nothing else: tokio catches a panic in a task, but a panic here would end the
/// thread.
async fn serve(mut queue: UnboundedReceiver<Job>) {
    let clients = Rc::new(RefCell::new(Clients::default()));
    while let Some(job) = queue.recv().await {
        let _closing = ClosedByPanic(&mut queue);
        #[cfg(feature = "fault-injection")]
        if let Some(fault) = FAULT.get() {
            fault();
        }
        drop(spawn_local(start(job, Rc::clone(&clients))));
    }
}

/// Declared after the job and therefore dropped first: when the job's call is reported as failed, the queue is already
/// closed.
struct ClosedByPanic<'a>(&'a mut UnboundedReceiver<Job>);

impl Drop for ClosedByPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

async fn start(job: Job, clients: Rc<RefCell<Clients>>) {
    let client = clients.borrow_mut().get(job.lease.target(), Instant::now());
    match client {
        Ok(client) => perform(job, client).await,
        Err(_) => job.lease.fail(ResolveError::Internal("the HTTP client can't be set up")),
    }
}
