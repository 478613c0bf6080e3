//! How the memory of a zone is divided.

use std::mem::size_of;

use super::class::{Bounds, Class};
use super::head::Head;
use super::slot::Slot;
use crate::blocks::Block;

/// A typical session takes 67 to 100 bytes, which fit into two blocks.
const BLOCKS_PER_SLOT: usize = 2;

/// The memory for a slot with its share of the rest: its blocks, a bucket for keys, and a bucket for users.
const BYTES_PER_SLOT: usize = size_of::<Slot>() + BLOCKS_PER_SLOT * size_of::<Block>() + 2 * size_of::<u32>();

/// Negative answers get one in this many slots.
const NEGATIVE_SHARE: u32 = 8;

/// With fewer slots there is little to store, and a single user could fill most of it.
const MIN_SLOTS: usize = 32;

/// The limit at which a link (index + 1) can still refer to every slot and every block.
const MAX_SLOTS: usize = u32::MAX as usize / BLOCKS_PER_SLOT - 1;

/// How memory is divided, which depends only on its size. Each process computes it once and keeps it outside that memory,
/// where it can't be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bytes: usize,
    slots: u32,
}

/// The number of entries of each class that fit, with payloads of typical size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub valid: u32,
    pub negative: u32,
}

impl Layout {
    /// Divides this many bytes. Returns `None` if there are too few.
    #[must_use]
    pub fn of(bytes: usize) -> Option<Self> {
        let slots = bytes.checked_sub(size_of::<Head>())? / BYTES_PER_SLOT;
        let slots = u32::try_from(slots.min(MAX_SLOTS)).ok()?;
        (slots as usize >= MIN_SLOTS).then_some(Self { bytes, slots })
    }

    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity { valid: self.bounds(Class::Valid).entries, negative: self.bounds(Class::Negative).entries }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn slots(&self) -> usize {
        self.slots as usize
    }

    pub(super) fn blocks(&self) -> usize {
        self.slots() * BLOCKS_PER_SLOT
    }

    pub(super) fn bounds(&self, class: Class) -> Bounds {
        let negative = self.slots / NEGATIVE_SHARE;
        let entries = match class {
            Class::Valid => self.slots - negative,
            Class::Negative => negative,
        };
        Bounds { entries, blocks: entries * BLOCKS_PER_SLOT as u32 }
    }
}
