//! nginx's error log: what happened, and what must not have happened.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::Pid;

/// Texts that must never be in a log, whatever the level: a panic, or a finding of a sanitizer.
const NEVER: [&str; 4] = ["panicked", "Sanitizer", "runtime error:", "Invalid read"];

/// A position in a log, to read only what follows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark(usize);

#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole log; invalid UTF-8 is replaced by the replacement character.
    pub(crate) fn text(&self) -> String {
        self.since(Mark::default())
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(fs::read(&self.path).map_or(0, |bytes| bytes.len()))
    }

    pub(crate) fn since(&self, mark: Mark) -> String {
        let bytes = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(mark.0..).unwrap_or_default()).into_owned()
    }

    /// The end of the log, for the message of a failed test.
    pub(crate) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// `2025/01/31 12:00:00 [notice] 17#17: start worker process 18`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) level: &'a str,
    pub(crate) pid: Pid,
    pub(crate) message: &'a str,
}

impl<'a> Entry<'a> {
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (level, rest) = line.split_once(" [")?.1.split_once("] ")?;
        let (process, message) = rest.split_once(": ")?;
        let (pid, _thread) = process.split_once('#')?;
        Some(Self { level, pid: pid.parse().ok()?, message })
    }
}

/// The workers that `master` has logged as started, oldest first.
pub(crate) fn started_workers(log: &str, master: Pid) -> Vec<Pid> {
    started(log).filter(|s| s.by == master && s.kind == "worker").map(|s| s.pid).collect()
}

/// All processes that any master started: workers, cache managers, cache loaders.
pub(crate) fn started_processes(log: &str) -> Vec<Pid> {
    started(log).map(|started| started.pid).collect()
}

struct Started<'a> {
    by: Pid,
    kind: &'a str,
    pid: Pid,
}

fn started(log: &str) -> impl Iterator<Item = Started<'_>> {
    log.lines().filter_map(Entry::parse).filter_map(|entry| {
        let (kind, pid) = entry.message.strip_prefix("start ")?.split_once(" process ")?;
        Some(Started { by: entry.pid, kind, pid: pid.trim().parse().ok()? })
    })
}

/// Whether this worker has logged that it is shutting down.
pub(crate) fn is_leaving(log: &str, worker: Pid) -> bool {
    let mut entries = log.lines().filter_map(Entry::parse);
    entries.any(|e| e.pid == worker && (e.message == "gracefully shutting down" || e.message == "exiting"))
}

/// Why nginx rejected a configuration, if it did.
pub(crate) fn refusal(log: &str) -> Option<String> {
    let mut entries = log.lines().filter_map(Entry::parse);
    entries.find(|entry| entry.level == "emerg").map(|entry| entry.message.to_owned())
}

/// The lines that make a test fail. `killed` are workers that the test killed, `allowed` the lines that it expects.
pub(crate) fn offending_lines(log: &str, killed: &[Pid], allowed: &[String]) -> Vec<String> {
    let is_allowed = |line: &str| {
        allowed.iter().any(|text| line.contains(text.as_str()))
            || killed.iter().any(|pid| line.contains(&format!("process {pid} exited on signal 9")))
    };
    log.lines().filter(|line| offends(line) && !is_allowed(line)).map(str::to_owned).collect()
}

/// Whether the text contains a panic or a finding of a sanitizer.
pub(crate) fn has_finding(text: &str) -> bool {
    NEVER.iter().any(|word| text.contains(word))
}

fn offends(line: &str) -> bool {
    if has_finding(line) {
        return true;
    }
    let Some(entry) = Entry::parse(line) else {
        return false;
    };
    matches!(entry.level, "alert" | "emerg" | "crit")
        || exit_code(entry.message).is_some_and(|code| code != "0")
}

/// A worker's exit code is logged at the level notice, even if a sanitizer or valgrind set it.
fn exit_code(message: &str) -> Option<&str> {
    let (process, code) = message.split_once(" exited with code ")?;
    process.contains("process").then(|| code.trim())
}
