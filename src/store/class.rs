//! The two classes of entries, each with its own limits.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::freshness::Kind;
use crate::links::Damaged;
use crate::links::queue::Queue;

/// Selects the limits that apply to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Valid,
    Negative,
}

impl Class {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Valid => Self::Valid,
            Kind::Invalid | Kind::None => Self::Negative,
        }
    }
}

/// The limits of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) entries: u32,
    pub(super) blocks: u32,
}

/// The entries of a class, least recently used first, and the number of blocks that they count as.
#[derive(Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Entries {
    pub(super) queue: Queue,
    pub(super) blocks: u32,
}

impl Entries {
    pub(super) fn has_room(&self, bounds: Bounds, weight: u32) -> bool {
        self.queue.len < bounds.entries && weight <= bounds.blocks.saturating_sub(self.blocks)
    }

    /// Counts the blocks of an added entry.
    pub(super) fn add(&mut self, weight: u32) -> Result<(), Damaged> {
        self.blocks = self.blocks.checked_add(weight).ok_or(Damaged)?;
        Ok(())
    }

    /// Discounts the blocks of a removed entry.
    pub(super) fn subtract(&mut self, weight: u32) -> Result<(), Damaged> {
        self.blocks = self.blocks.checked_sub(weight).ok_or(Damaged)?;
        Ok(())
    }
}
