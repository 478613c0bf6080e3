//! The entries of a class in the order of their use.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::layout::Bounds;
use super::slot::{Slot, at, at_mut};
use crate::blocks::{Damaged, NIL};

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct List {
    pub(super) newest: u32,
    pub(super) oldest: u32,
    pub(super) entries: u32,
    /// What the entries weigh.
    pub(super) blocks: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { newest: NIL, oldest: NIL, entries: 0, blocks: 0 };

    pub(super) fn has_room(&self, bounds: Bounds, weight: u32) -> bool {
        self.entries < bounds.entries && weight <= bounds.blocks.saturating_sub(self.blocks)
    }

    /// Makes an entry of the list its newest.
    pub(super) fn touch(&mut self, slots: &mut [Slot], link: u32) -> Result<(), Damaged> {
        if self.newest == link {
            return Ok(());
        }
        self.unlink(slots, link)?;
        self.push(slots, link)
    }

    /// Puts an entry in as the newest.
    pub(super) fn push(&mut self, slots: &mut [Slot], link: u32) -> Result<(), Damaged> {
        let slot = at_mut(slots, link)?;
        (slot.newer, slot.older) = (NIL, self.newest);
        match self.newest {
            NIL => self.oldest = link,
            newest => at_mut(slots, newest)?.newer = link,
        }
        self.newest = link;
        Ok(())
    }

    /// Takes an entry out.
    pub(super) fn unlink(&mut self, slots: &mut [Slot], link: u32) -> Result<(), Damaged> {
        let Slot { newer, older, .. } = *at(slots, link)?;
        let to_newer = match older {
            NIL => &mut self.oldest,
            older => &mut at_mut(slots, older)?.newer,
        };
        replace(to_newer, link, newer)?;
        let to_older = match newer {
            NIL => &mut self.newest,
            newer => &mut at_mut(slots, newer)?.older,
        };
        replace(to_older, link, older)
    }

    pub(super) fn count(&mut self, weight: u32) -> Result<(), Damaged> {
        self.entries = self.entries.checked_add(1).ok_or(Damaged)?;
        self.blocks = self.blocks.checked_add(weight).ok_or(Damaged)?;
        Ok(())
    }

    pub(super) fn discount(&mut self, weight: u32) -> Result<(), Damaged> {
        self.entries = self.entries.checked_sub(1).ok_or(Damaged)?;
        self.blocks = self.blocks.checked_sub(weight).ok_or(Damaged)?;
        Ok(())
    }
}

/// A neighbour that doesn't point back is damage.
fn replace(link: &mut u32, from: u32, to: u32) -> Result<(), Damaged> {
    if *link != from {
        return Err(Damaged);
    }
    *link = to;
    Ok(())
}
