//! How long the turns of the workers' event loops took, as `turns.c` notes it from inside nginx.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// As in `turns.c`.
const FIELDS: usize = 16;
/// So many workers there may be in one run.
const SLOTS: usize = 8192;

pub(crate) struct Recorder {
    library: PathBuf,
    file: PathBuf,
}

/// Of all workers together.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) workers: u64,
    pub(crate) turns: u64,
    /// CPU time of the turn that took most.
    pub(crate) longest: Duration,
    /// The longest that a turn waited for a CPU.
    pub(crate) run_queue: Duration,
    /// Turns in which the thread waited for something else, and the longest of those.
    pub(crate) blocked: u64,
    pub(crate) blocked_for: Duration,
    /// How many took at least 0.1 ms, 0.2 ms and so on, each twice the one before.
    pub(crate) over: [u64; 10],
}

impl Recorder {
    /// With `turns.c` built as that library; the notes are taken in the folder.
    pub(crate) fn new(library: &Path, folder: &Path) -> Self {
        let file = folder.join("turns");
        std::fs::write(&file, vec![0; SLOTS * FIELDS * 8]).expect("the folder is writable");
        Self { library: library.canonicalize().expect("the library of turns.c"), file }
    }

    /// The command to run nginx under.
    pub(crate) fn runner(&self) -> Vec<String> {
        vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("SOAK_TURNS={}", self.file.display()),
        ]
    }

    pub(crate) fn read(&self) -> Turns {
        let bytes = std::fs::read(&self.file).expect("the file is there");
        let numbers: Vec<u64> =
            bytes.chunks_exact(8).map(|b| u64::from_ne_bytes(b.try_into().expect("eight bytes"))).collect();
        let mut all = Turns { workers: numbers[0], ..Turns::default() };
        assert!(all.workers < SLOTS as u64, "{} workers are more than there are slots", all.workers);
        for slot in numbers.chunks_exact(FIELDS).skip(1) {
            let [_pid, turns, cpu, delay, blocked, blocked_for, over @ ..] = slot else { continue };
            let longer = |than: Duration, ns: &u64| than.max(Duration::from_nanos(*ns));
            all.turns += turns;
            all.longest = longer(all.longest, cpu);
            all.run_queue = longer(all.run_queue, delay);
            all.blocked += blocked;
            all.blocked_for = longer(all.blocked_for, blocked_for);
            all.over.iter_mut().zip(over).for_each(|(sum, more)| *sum += more);
        }
        all
    }
}
