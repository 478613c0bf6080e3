//! One running nginx: how it starts, and its properties.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::config::{Builder, Ports};
use super::log::{self, Log, Mark};
use super::process::{self, Pid};
use super::{PATIENCE, poll};

/// An nginx with a folder, ports and a log of its own. Methods take `&self`, so that threads can share it.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(super) folder: TempDir,
    pub(super) ports: Ports,
    pub(super) error_log: Log,
    pub(super) access_log: Log,
    pub(super) state: Mutex<State>,
}

/// The state that reloads, upgrades and kills change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) builder: Builder,
    /// The process that was started: the master, or the launcher of a daemon.
    pub(super) child: Child,
    pub(super) master: Pid,
    /// Every master so far, including the first: none may be left at the end.
    pub(super) masters: Vec<Pid>,
    pub(super) killed: Vec<Pid>,
    pub(super) finished: bool,
}

/// Why an instance didn't start.
enum Failure {
    /// Another process took the port in between; try again.
    PortTaken,
    Other(String),
}

impl Nginx {
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.http
    }

    /// HTTP/2 without TLS, with prior knowledge.
    pub(crate) fn h2_port(&self) -> u16 {
        self.ports.h2
    }

    pub(crate) fn tls_port(&self) -> u16 {
        assert!(self.state().builder.has_tls(), "this nginx was built without .tls(certificate, key)");
        self.ports.tls
    }

    /// The master's process id.
    pub(crate) fn pid(&self) -> Pid {
        self.state().master
    }

    /// The workers that accept connections; not those that are shutting down after a reload.
    pub(crate) fn worker_pids(&self) -> Vec<Pid> {
        let log = self.error_log.text();
        self.all_worker_pids().into_iter().filter(|pid| !log::is_leaving(&log, *pid)).collect()
    }

    /// All running workers, of every generation and every master.
    pub(crate) fn all_worker_pids(&self) -> Vec<Pid> {
        let log = self.error_log.text();
        let masters = self.state().masters.clone();
        let of = |master: &Pid| {
            let master = *master;
            let workers = log::started_workers(&log, master).into_iter();
            workers.filter(move |worker| process::is_child(*worker, master))
        };
        masters.iter().flat_map(of).collect()
    }

    /// The folder with everything of this instance.
    pub(crate) fn prefix(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn error_log(&self) -> String {
        self.error_log.text()
    }

    pub(crate) fn access_log(&self) -> String {
        self.access_log.text()
    }

    /// Marks the current end of the error log.
    pub(crate) fn error_mark(&self) -> Mark {
        self.error_log.mark()
    }

    pub(crate) fn error_lines_since(&self, mark: Mark) -> Vec<String> {
        self.error_log.since(mark).lines().map(str::to_owned).collect()
    }

    /// Waits until the error log holds `needle`, and returns its first line that does.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, needle: &str, timeout: Duration) -> String {
        wait_for_line(&self.error_log, Mark::default(), needle, timeout)
    }

    /// Like [`Nginx::wait_for_log`], for lines after `mark`.
    #[track_caller]
    pub(crate) fn wait_for_log_since(&self, mark: Mark, needle: &str, timeout: Duration) -> String {
        wait_for_line(&self.error_log, mark, needle, timeout)
    }

    /// nginx logs a request only after the client has its answer.
    #[track_caller]
    pub(crate) fn wait_for_access_log(&self, needle: &str, timeout: Duration) -> String {
        wait_for_line(&self.access_log, Mark::default(), needle, timeout)
    }

    /// Resident memory of all workers, in bytes.
    pub(crate) fn rss(&self) -> u64 {
        self.worker_pids().into_iter().map(process::rss).sum()
    }

    /// Open descriptors of all workers.
    pub(crate) fn open_fds(&self) -> usize {
        self.worker_pids().into_iter().map(process::open_fds).sum()
    }

    /// Allows lines with this text: they no longer make `finish` fail.
    pub(crate) fn allow_log(&self, text: impl Into<String>) {
        self.state().builder.allowed.push(text.into());
    }

    /// Ignores poisoning, so that it doesn't hide the failed assertion that caused it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[track_caller]
fn wait_for_line(log: &Log, mark: Mark, needle: &str, timeout: Duration) -> String {
    let find = || log.since(mark).lines().find(|line| line.contains(needle)).map(str::to_owned);
    let found = poll(timeout, find);
    found.unwrap_or_else(|| panic!("no {needle:?} in {}", log.path().display()))
}

impl Builder {
    /// Starts nginx and waits until it listens and its workers are running. Otherwise panics with its log.
    #[track_caller]
    pub(crate) fn start(self) -> Nginx {
        for _ in 0..5 {
            match start_once(&self) {
                Ok(nginx) => return nginx,
                Err(Failure::PortTaken) => {}
                Err(Failure::Other(text)) => panic!("{text}"),
            }
        }
        panic!("others took the ports five times");
    }
}

fn start_once(builder: &Builder) -> Result<Nginx, Failure> {
    let mut folder = tempfile::Builder::new().prefix("authgear-it-").tempdir().expect("a temporary folder");
    folder.disable_cleanup(std::env::var_os("AUTHGEAR_TEST_KEEP").is_some());
    let ports = Ports::allocate();
    fs::write(folder.path().join("nginx.conf"), builder.render(folder.path(), &ports))
        .expect("configuration");
    let stderr = File::create(folder.path().join("stderr.log")).expect("a file for stderr");
    let mut command = builder.command();
    command
        .envs(builder.environment.iter().cloned())
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(folder.path().join("nginx.conf"))
        .args(["-e", "stderr"]);
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().expect("nginx starts");
    let first = Pid::try_from(child.id()).expect("a process id");
    let nginx = Nginx {
        error_log: Log::new(folder.path().join("error.log")),
        access_log: Log::new(folder.path().join("access.log")),
        ports,
        state: Mutex::new(State {
            builder: builder.clone(),
            master: first,
            masters: vec![first],
            killed: Vec::new(),
            child,
            finished: false,
        }),
        folder,
    };
    // Under a command such as valgrind, starting takes seconds even on an idle machine.
    let patience = if builder.has_runner() { 6 * PATIENCE } else { PATIENCE };
    match poll(patience, || nginx.has_started().transpose()) {
        Some(Ok(())) => Ok(nginx),
        Some(Err(failure)) => {
            nginx.state().finished = true;
            Err(failure)
        }
        None => panic!("nginx did not start in time"),
    }
}

impl Nginx {
    /// The pid file is written after the sockets are opened, and the workers start after that.
    fn has_started(&self) -> Result<Option<()>, Failure> {
        let mut state = self.state();
        let exit = state.child.try_wait().expect("it is our child");
        if state.builder.upgradable && exit.is_none() {
            // The daemon's launcher: the daemon ignores USR2 until the launcher has ended.
            return Ok(None);
        }
        if let Some(status) = exit
            && !(state.builder.upgradable && status.success())
        {
            let output = self.output();
            let taken = output.contains("98: Address already in use");
            let text = format!("nginx did not start: {status}\n{output}");
            return Err(if taken { Failure::PortTaken } else { Failure::Other(text) });
        }
        let Some(master) = process::read_pid_file(&self.prefix().join("nginx.pid")) else {
            return Ok(None);
        };
        state.master = master;
        if !state.masters.contains(&master) {
            state.masters.push(master);
        }
        let workers = log::started_workers(&self.error_log.text(), master);
        Ok((workers.len() >= state.builder.workers).then_some(()))
    }

    /// All its output, for the message of a failed test.
    pub(super) fn output(&self) -> String {
        let stderr = Log::new(self.prefix().join("stderr.log"));
        format!("--- stderr\n{}\n--- error log\n{}", stderr.tail(), self.error_log.tail())
    }

    /// Sends a signal to the master, without waiting.
    pub(crate) fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }
}
