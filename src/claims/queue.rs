//! Claims in a row: new ones come last, and any may leave.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::memory::{Claim, at, at_mut};
use crate::blocks::{Damaged, NIL};

/// A claim is in one queue at a time; its links `before` and `after` are those in the queue.
#[derive(Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Queue {
    first: u32,
    last: u32,
    len: u32,
}

impl Queue {
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn push(&mut self, claims: &mut [Claim], link: u32) -> Result<(), Damaged> {
        let before = self.last;
        replace(self.after(claims, before)?, NIL, link)?;
        let claim = at_mut(claims, link)?;
        (claim.before, claim.after) = (before, NIL);
        self.last = link;
        self.len = self.len.checked_add(1).ok_or(Damaged)?;
        Ok(())
    }

    pub(super) fn remove(&mut self, claims: &mut [Claim], link: u32) -> Result<(), Damaged> {
        let claim = at(claims, link)?;
        let (before, after) = (claim.before, claim.after);
        replace(self.after(claims, before)?, link, after)?;
        replace(self.before(claims, after)?, link, before)?;
        self.len = self.len.checked_sub(1).ok_or(Damaged)?;
        Ok(())
    }

    /// What names the one after this one; after none is the first.
    fn after<'a>(&'a mut self, claims: &'a mut [Claim], link: u32) -> Result<&'a mut u32, Damaged> {
        if link == NIL { Ok(&mut self.first) } else { Ok(&mut at_mut(claims, link)?.after) }
    }

    /// What names the one before this one; before none is the last.
    fn before<'a>(&'a mut self, claims: &'a mut [Claim], link: u32) -> Result<&'a mut u32, Damaged> {
        if link == NIL { Ok(&mut self.last) } else { Ok(&mut at_mut(claims, link)?.before) }
    }
}

/// Changes a link, which has to be the one that the other side says it is.
fn replace(link: &mut u32, old: u32, new: u32) -> Result<(), Damaged> {
    if *link != old {
        return Err(Damaged);
    }
    *link = new;
    Ok(())
}
