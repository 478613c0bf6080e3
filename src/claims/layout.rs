//! How the memory of the claims is divided: a head, the records of claims, buckets to find them by key, and blocks for outcomes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::record::Claim;
use crate::blocks::{Block, FreeBlocks};
use crate::links::free::Free;
use crate::links::queue::Queue;

/// A claim for so many bytes, of which its record takes less than half; blocks get the rest.
const BYTES_PER_CLAIM: usize = 224;

/// How memory of a size is divided. It is kept outside of that memory, where nothing can damage it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) claims: usize,
    pub(super) blocks: usize,
}

impl Layout {
    /// `None` if nothing useful fits in.
    #[must_use]
    pub fn of(bytes: usize) -> Option<Self> {
        let claims = bytes / BYTES_PER_CLAIM;
        // Links are u32, and one more than the index.
        u32::try_from(bytes).ok()?;
        let before_blocks = size_of::<Head>() + claims * (size_of::<Claim>() + size_of::<u32>());
        let blocks = bytes.checked_sub(before_blocks)? / size_of::<Block>();
        (claims > 0 && blocks > 0).then_some(Self { claims, blocks })
    }
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Head {
    pub(super) serial: u64,
    pub(super) free: Free,
    /// By their start.
    pub(super) flying: Queue,
    /// Landed and abandoned ones, by their end.
    pub(super) kept: Queue,
    pub(super) blocks: FreeBlocks,
    pub(super) used_blocks: u32,
    unused: u32,
}

impl Head {
    /// Serials go on.
    pub(super) fn format(&mut self) {
        (self.free, self.used_blocks) = (Free::ALL, 0);
        (self.flying, self.kept) = (Queue::default(), Queue::default());
        self.blocks.format();
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }
}
