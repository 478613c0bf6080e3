//! What nginx holds: memory and descriptors.

use std::fs;
use std::time::{Duration, Instant};

use crate::it::harness::{Nginx, process};

/// Master and workers at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    /// Bytes; memory that several processes share is divided among them. Without the zones, whose size is configured.
    pub(crate) master: u64,
    pub(crate) workers: u64,
    /// What has been used of the zones so far.
    pub(crate) zones: u64,
    pub(crate) master_fds: usize,
    pub(crate) worker_fds: usize,
}

impl Sample {
    pub(crate) fn take(nginx: &Nginx, started: Instant) -> Self {
        let (master, workers) = (nginx.pid(), nginx.worker_pids());
        let held: Vec<Held> = workers.iter().copied().map(Held::by).collect();
        let of_master = Held::by(master);
        Self {
            at: started.elapsed(),
            master: of_master.own,
            workers: held.iter().map(|held| held.own).sum(),
            zones: of_master.shared + held.iter().map(|held| held.shared).sum::<u64>(),
            master_fds: process::open_fds(master),
            worker_fds: workers.iter().copied().map(process::open_fds).sum(),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.master + self.workers
    }
}

/// A process's proportional share.
struct Held {
    own: u64,
    shared: u64,
}

impl Held {
    fn by(pid: i32) -> Self {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
            kilobytes.unwrap_or(0) * 1024
        };
        let shared = bytes("Pss_Shmem:");
        Self { own: bytes("Pss:").saturating_sub(shared), shared }
    }
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
