//! How the memory of a zone is divided.

use std::mem::size_of;

use super::class::{Bounds, Class};
use super::head::Head;
use super::slot::Slot;
use crate::blocks::Block;

/// A typical session has 67 to 100 bytes, which two blocks hold.
const BLOCKS_PER_SLOT: usize = 2;

/// A slot with all that comes with it: its blocks, a bucket, and a bucket of users.
const BYTES_PER_SLOT: usize = size_of::<Slot>() + BLOCKS_PER_SLOT * size_of::<Block>() + 2 * size_of::<u32>();

/// Negative answers get one part in this many.
const NEGATIVE_SHARE: u32 = 8;

/// With fewer there is little to keep, and most of that could be one user's.
const MIN_SLOTS: usize = 32;

/// So many that a link (one more than a place) can name each slot and each block.
const MAX_SLOTS: usize = u32::MAX as usize / BLOCKS_PER_SLOT - 1;

/// How memory is divided: a function of its size alone. It is computed once in each process and kept outside the memory,
/// where no damage reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bytes: usize,
    slots: u32,
}

/// How many entries of each class there is room for, if their payloads are of typical size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub valid: u32,
    pub negative: u32,
}

impl Layout {
    /// Divides this many bytes. `None`: too few to be of use.
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
