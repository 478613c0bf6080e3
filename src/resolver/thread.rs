//! The thread that runs the calls: one per worker, with a tokio runtime of its own.

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

/// Called with each job, on the thread.
#[cfg(feature = "fault-injection")]
pub static FAULT: std::sync::OnceLock<fn()> = std::sync::OnceLock::new();

/// A handle on the thread. The number of jobs in it is bounded by whoever submits them.
pub struct ResolverThread {
    jobs: UnboundedSender<Job>,
    ended: std::sync::mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl ResolverThread {
    /// Starts the thread; only after the fork that makes the worker, for a fork takes no thread along.
    ///
    /// # Errors
    /// If the system gives no thread, or no epoll instance.
    pub fn start() -> io::Result<Self> {
        let (jobs, queue) = unbounded_channel();
        let (end, ended) = sync_channel(1);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = Builder::new().name("authgear".into()).spawn(move || run(runtime, queue, &end))?;
        Ok(Self { jobs, ended, thread })
    }

    /// Takes a job. One that it takes and doesn't come to is completed as an internal error by its lease.
    ///
    /// # Errors
    /// The thread has ended, by a panic; here is the job.
    #[allow(clippy::result_large_err, reason = "a job isn't copied more often for it")]
    pub fn submit(&self, job: Job) -> Result<(), Job> {
        self.jobs.send(job).map_err(|refused| refused.0)
    }

    /// Ends the thread and waits for it, no longer than the deadline. Calls in it are dropped.
    pub fn stop(self, deadline: Duration) {
        drop(self.jobs);
        if self.ended.recv_timeout(deadline) != Err(RecvTimeoutError::Timeout) {
            // It is past its last instruction of ours, so this doesn't wait.
            let _ = self.thread.join();
        }
    }
}

fn run(runtime: runtime::Runtime, queue: UnboundedReceiver<Job>, end: &SyncSender<()>) {
    runtime.block_on(LocalSet::new().run_until(serve(queue)));
    // Without waiting for anything: tasks are dropped, and their leases complete their flights.
    runtime.shutdown_background();
    let _ = end.try_send(());
}

/// Makes a task of each job. Nothing else is done here: tokio contains the panic of a task, and one here would end the
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

/// Declared after a job, and so dropped before it: whoever hears that its call has failed with the thread finds the queue closed.
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
