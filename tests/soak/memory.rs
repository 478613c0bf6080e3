//! What nginx holds: memory and descriptors.

use std::fs;
use std::time::{Duration, Instant};

use crate::it::harness::{Nginx, process};

/// Master and workers at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    /// Bytes; memory that several processes share is divided among them.
    pub(crate) master: u64,
    pub(crate) workers: u64,
    pub(crate) master_fds: usize,
    pub(crate) worker_fds: usize,
}

impl Sample {
    pub(crate) fn take(nginx: &Nginx, started: Instant) -> Self {
        let (master, workers) = (nginx.pid(), nginx.worker_pids());
        Self {
            at: started.elapsed(),
            master: pss(master),
            workers: workers.iter().copied().map(pss).sum(),
            master_fds: process::open_fds(master),
            worker_fds: workers.iter().copied().map(process::open_fds).sum(),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.master + self.workers
    }
}

fn pss(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Of the samples in a stretch of time, the middle one.
pub(crate) fn median(
    samples: &[Sample],
    from: Duration,
    to: Duration,
    of: impl Fn(&Sample) -> u64,
) -> Option<u64> {
    let mut values: Vec<u64> =
        samples.iter().filter(|sample| (from..to).contains(&sample.at)).map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
