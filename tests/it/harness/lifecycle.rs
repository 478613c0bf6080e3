//! How an instance ends, and the checks at its end.

use std::thread;

use rustix::process::Signal;

use super::log::{self, Log};
use super::nginx::Nginx;
use super::process;
use super::{PATIENCE, poll};

impl Nginx {
    /// Requests a graceful end without waiting; `finish` must still be called.
    pub(crate) fn quit(&self) {
        self.signal(Signal::QUIT);
    }

    /// Ends nginx gracefully. Fails the test if nginx doesn't end by itself, a worker is left, or the log holds an
    /// unexpected `[alert]`, `[emerg]`, `[crit]`, panic or exit code of a worker. Drop HTTP/2 connections first: nginx
    /// lingers 5 s for the client to close them.
    #[track_caller]
    pub(crate) fn finish(self) {
        let problems = self.end(Signal::QUIT);
        assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), self.output());
    }

    /// Ends it, by force if necessary, and lists the problems.
    fn end(&self, how: Signal) -> Vec<String> {
        let mut problems = Vec::new();
        let ours = || {
            let masters = self.state().masters.clone();
            masters.into_iter().filter(|master| process::belongs_to(*master, self.prefix()))
        };
        ours().for_each(|master| process::signal(master, how));
        if poll(PATIENCE, || ours().next().is_none().then_some(())).is_none() {
            problems.push("nginx did not end by itself".to_owned());
            ours().for_each(|master| process::signal(master, Signal::KILL));
        }
        self.state().finished = true;
        problems.extend(self.exit_status());
        problems.extend(self.end_leftovers());
        problems.extend(self.offending_lines());
        problems
    }

    fn exit_status(&self) -> Option<String> {
        let mut state = self.state();
        // It has ended or was killed, so this doesn't take long.
        let status = state.child.wait().expect("it is our child");
        (!status.success()).then(|| format!("nginx ended with {status}"))
    }

    /// Workers end before their master does, unless it crashed or had to be killed.
    fn end_leftovers(&self) -> Vec<String> {
        let mut left = log::started_processes(&self.error_log.text());
        left.retain(|pid| process::belongs_to(*pid, self.prefix()));
        left.iter().for_each(|pid| process::signal(*pid, Signal::KILL));
        left.iter().map(|pid| format!("process {pid} was left")).collect()
    }

    fn offending_lines(&self) -> Vec<String> {
        let stderr = Log::new(self.prefix().join("stderr.log")).text();
        let state = self.state();
        let mut lines = log::offending_lines(&self.error_log.text(), &state.killed, &state.builder.allowed);
        lines.extend(log::offending_lines(&stderr, &state.killed, &state.builder.allowed));
        lines
    }
}

impl Drop for Nginx {
    /// For tests that don't call `finish`: a fast shutdown, and the same checks.
    fn drop(&mut self) {
        if self.state().finished {
            return;
        }
        let problems = self.end(Signal::TERM);
        if thread::panicking() {
            // The test has failed already; this is what its author needs next.
            eprintln!("{}\n{}", problems.join("\n"), self.output());
        } else {
            assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), self.output());
        }
    }
}
