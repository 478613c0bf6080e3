//! Changes to a running nginx: a new configuration, a new binary, a worker that dies.
//!
//! The messages of failures are short here, because the log is printed when the instance is dropped.

use std::fs;

use rustix::process::Signal;

use super::config::Builder;
use super::log;
use super::nginx::Nginx;
use super::process::{self, Pid};
use super::{PATIENCE, poll};

impl Nginx {
    /// Sends HUP, and waits until new workers are running and the old ones accept no more connections. Old workers may
    /// still be busy with their requests: see [`Nginx::wait_for_old_workers`].
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.reload_with(|builder| builder);
    }

    /// Reloads with a changed configuration.
    #[track_caller]
    pub(crate) fn reload_with(&self, change: impl FnOnce(Builder) -> Builder) {
        if let Err(refusal) = self.try_reload_with(change) {
            panic!("nginx refused the new configuration: {refusal}");
        }
    }

    /// Reloads; the error is nginx's reason for keeping the old configuration. Such a reason is an `[emerg]` line: a test
    /// that expects one must also call [`Nginx::allow_log`].
    #[track_caller]
    pub(crate) fn try_reload_with(&self, change: impl FnOnce(Builder) -> Builder) -> Result<(), String> {
        let builder = change(self.state().builder.clone());
        fs::write(self.prefix().join("nginx.conf"), builder.render(self.prefix(), &self.ports))
            .expect("writable");
        let workers = builder.workers;
        self.state().builder = builder;
        let (master, old, mark) = (self.pid(), self.all_worker_pids(), self.error_mark());
        self.signal(Signal::HUP);
        let outcome = poll(PATIENCE, || {
            let since = self.error_log.since(mark);
            if let Some(refusal) = log::refusal(&since) {
                return Some(Err(refusal));
            }
            let all = self.error_log.text();
            let new_came = log::started_workers(&since, master).len() >= workers;
            let old_leave = old.iter().all(|pid| log::is_leaving(&all, *pid) || !process::is_running(*pid));
            (new_came && old_leave).then_some(Ok(()))
        });
        outcome.unwrap_or_else(|| panic!("the reload did not come about"))
    }

    /// Waits until the workers of earlier configurations have ended.
    #[track_caller]
    pub(crate) fn wait_for_old_workers(&self) {
        let gone = poll(PATIENCE, || (self.all_worker_pids() == self.worker_pids()).then_some(()));
        assert!(gone.is_some(), "an old worker stays");
    }

    /// Kills one worker with signal 9, waits until the master has replaced it, and returns its id.
    #[track_caller]
    pub(crate) fn kill_worker(&self) -> Pid {
        let victim = *self.worker_pids().first().expect("a worker runs");
        self.kill_worker_pid(victim);
        victim
    }

    /// Kills this worker, and waits for its replacement.
    #[track_caller]
    pub(crate) fn kill_worker_pid(&self, victim: Pid) {
        let (master, mark) = (self.pid(), self.error_mark());
        assert!(process::is_child(victim, master), "{victim} is no worker of this nginx");
        self.state().killed.push(victim);
        process::signal(victim, Signal::KILL);
        let replaced = poll(PATIENCE, || {
            let since = self.error_log.since(mark);
            (!log::started_workers(&since, master).is_empty()).then_some(())
        });
        assert!(replaced.is_some(), "no new worker came");
    }

    /// Replaces the running binary, as an administrator does: USR2, then QUIT for the old master.
    #[track_caller]
    pub(crate) fn upgrade(&self) {
        let old = self.begin_upgrade();
        self.end_upgrade(old);
    }

    /// Sends USR2, and waits until the new master's workers are running. From then on, both generations accept connections.
    /// Returns the old master.
    #[track_caller]
    pub(crate) fn begin_upgrade(&self) -> Pid {
        let (old, workers) = {
            let state = self.state();
            assert!(state.builder.upgradable, "build it with .upgradable()");
            (state.master, state.builder.workers)
        };
        self.signal(Signal::USR2);
        let pid_file = self.prefix().join("nginx.pid");
        let new = poll(PATIENCE, || {
            let new = process::read_pid_file(&pid_file).filter(|pid| *pid != old)?;
            (log::started_workers(&self.error_log.text(), new).len() >= workers).then_some(new)
        });
        let new = new.unwrap_or_else(|| panic!("no new master came"));
        let mut state = self.state();
        state.master = new;
        state.masters.push(new);
        old
    }

    /// Sends WINCH: the old master's workers accept no more connections, but the master stays. Waits until they have logged
    /// it.
    #[track_caller]
    pub(crate) fn wind_down(&self, old: Pid) {
        self.have_workers_leave(old, Signal::WINCH);
    }

    /// Sends QUIT to a master, whose workers may still be busy. See [`Nginx::wait_for_master_to_go`]: until the master has
    /// ended, nginx ignores HUP and USR2.
    #[track_caller]
    pub(crate) fn dismiss(&self, master: Pid) {
        self.have_workers_leave(master, Signal::QUIT);
    }

    /// Sends a signal to a master, and waits until its workers accept no more connections.
    #[track_caller]
    fn have_workers_leave(&self, master: Pid, signal: Signal) {
        assert!(self.state().masters.contains(&master), "{master} was no master of this nginx");
        process::signal(master, signal);
        let started = log::started_workers(&self.error_log.text(), master);
        let leave = || {
            let log = self.error_log.text();
            started.iter().all(|pid| log::is_leaving(&log, *pid) || !process::is_running(*pid)).then_some(())
        };
        assert!(poll(PATIENCE, leave).is_some(), "a worker of the master {master} stays");
    }

    /// Reverts the upgrade, after [`Nginx::wind_down`]: sends HUP, on which the old master starts workers with its
    /// configuration, waits for them, and returns the new master, which must still be ended with [`Nginx::end_upgrade`].
    #[track_caller]
    pub(crate) fn roll_back(&self, old: Pid) -> Pid {
        let (mark, workers) = (self.error_mark(), self.state().builder.workers);
        process::signal(old, Signal::HUP);
        let came = || (log::started_workers(&self.error_log.since(mark), old).len() >= workers).then_some(());
        assert!(poll(PATIENCE, came).is_some(), "the old master starts no workers");
        std::mem::replace(&mut self.state().master, old)
    }

    /// Waits until a master that is shutting down has ended, and the pid file is that of the remaining one. Allows enough
    /// time for its workers to finish their requests, and for clients that don't close their HTTP/2 connections.
    #[track_caller]
    pub(crate) fn wait_for_master_to_go(&self, gone: Pid) {
        let (left, pid_file) = (self.pid(), self.prefix().join("nginx.pid"));
        let alone = poll(3 * PATIENCE, || {
            (!process::is_running(gone) && process::read_pid_file(&pid_file) == Some(left)).then_some(())
        });
        assert!(alone.is_some(), "the master {gone} stays");
    }

    /// The workers of a master that are still there.
    pub(crate) fn workers_of(&self, master: Pid) -> Vec<Pid> {
        let started = log::started_workers(&self.error_log.text(), master);
        started.into_iter().filter(|pid| process::is_child(*pid, master)).collect()
    }

    /// Kills workers of a master that has been dismissed and so starts no others.
    pub(crate) fn kill_lingering(&self, workers: &[Pid]) {
        self.state().killed.extend(workers);
        workers.iter().for_each(|worker| process::signal(*worker, Signal::KILL));
    }

    /// Ends the old master, and waits until it has ended.
    #[track_caller]
    pub(crate) fn end_upgrade(&self, old: Pid) {
        assert!(self.state().masters.contains(&old), "{old} was no master of this nginx");
        process::signal(old, Signal::QUIT);
        let gone = poll(PATIENCE, || (!process::is_running(old)).then_some(()));
        assert!(gone.is_some(), "the old master stays");
    }
}
