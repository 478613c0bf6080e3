//! The store's global state.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::class::{Class, Entries};
use crate::blocks::FreeBlocks;
use crate::links::free::Free;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Head {
    pub(super) evictions: u64,
    pub(super) negative_evictions: u64,
    pub(super) valid: Entries,
    pub(super) negative: Entries,
    pub(super) free_blocks: FreeBlocks,
    pub(super) free_slots: Free,
}

impl Head {
    pub(super) fn entries(&mut self, class: Class) -> &mut Entries {
        match class {
            Class::Valid => &mut self.valid,
            Class::Negative => &mut self.negative,
        }
    }

    pub(super) fn evictions(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::Valid => &mut self.evictions,
            Class::Negative => &mut self.negative_evictions,
        }
    }
}
