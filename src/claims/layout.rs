//! The layout of the claims' memory: a head, claim records, buckets to find them by key, and blocks for outcomes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::record::Claim;
use crate::blocks::{Block, FreeBlocks};
use crate::links::free::Free;
use crate::links::queue::Queue;

/// There is one claim per this many bytes. Its record uses less than half of them; the rest is for blocks.
const BYTES_PER_CLAIM: usize = 224;

/// The layout of memory of a given size. It is stored outside that memory, where it can't be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) claims: usize,
    pub(super) blocks: usize,
}

impl Layout {
    /// Returns `None` if the memory is too small.
    #[must_use]
    pub fn of(bytes: usize) -> Option<Self> {
        let claims = bytes / BYTES_PER_CLAIM;
        // A link is a u32 with the value index + 1.
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
    /// Ordered by start.
    pub(super) flying: Queue,
    /// Landed and abandoned claims, ordered by end.
    pub(super) kept: Queue,
    pub(super) blocks: FreeBlocks,
    pub(super) used_blocks: u32,
    unused: u32,
}

impl Head {
    /// Keeps the serial, so that serials continue.
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
