//! Doubly linked queues: records are added at the end and can be removed from anywhere.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Damaged, NIL, at, at_mut};

/// A record's neighbours in its queue. A record is in at most one queue at a time.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Neighbours {
    pub before: u32,
    pub after: u32,
}

/// A record that can be in a queue.
pub trait Queued {
    fn neighbours(&self) -> &Neighbours;
    fn neighbours_mut(&mut self) -> &mut Neighbours;
}

#[derive(Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Queue {
    pub first: u32,
    pub last: u32,
    pub len: u32,
}

impl Queue {
    /// Adds a record at the end.
    ///
    /// # Errors
    /// [`Damaged`], as for the methods below; also if a neighbour doesn't link back.
    pub fn push<T: Queued>(&mut self, records: &mut [T], link: u32) -> Result<(), Damaged> {
        let before = self.last;
        replace(self.after(records, before)?, NIL, link)?;
        *at_mut(records, link)?.neighbours_mut() = Neighbours { before, after: NIL };
        self.last = link;
        self.len = self.len.checked_add(1).ok_or(Damaged)?;
        Ok(())
    }

    /// Removes a record.
    pub fn remove<T: Queued>(&mut self, records: &mut [T], link: u32) -> Result<(), Damaged> {
        let Neighbours { before, after } = *at(records, link)?.neighbours();
        replace(self.after(records, before)?, link, after)?;
        replace(self.before(records, after)?, link, before)?;
        self.len = self.len.checked_sub(1).ok_or(Damaged)?;
        Ok(())
    }

    /// Moves a record that is in the queue to the end.
    pub fn move_to_end<T: Queued>(&mut self, records: &mut [T], link: u32) -> Result<(), Damaged> {
        if self.last == link {
            return Ok(());
        }
        self.remove(records, link)?;
        self.push(records, link)
    }

    /// The link to the record after this one. The record after [`NIL`] is the first.
    fn after<'a, T: Queued>(&'a mut self, records: &'a mut [T], link: u32) -> Result<&'a mut u32, Damaged> {
        if link == NIL { Ok(&mut self.first) } else { Ok(&mut at_mut(records, link)?.neighbours_mut().after) }
    }

    /// The link to the record before this one. The record before [`NIL`] is the last.
    fn before<'a, T: Queued>(&'a mut self, records: &'a mut [T], link: u32) -> Result<&'a mut u32, Damaged> {
        if link == NIL { Ok(&mut self.last) } else { Ok(&mut at_mut(records, link)?.neighbours_mut().before) }
    }
}

/// Replaces a link, whose value must be `old`.
fn replace(link: &mut u32, old: u32, new: u32) -> Result<(), Damaged> {
    if *link != old {
        return Err(Damaged);
    }
    *link = new;
    Ok(())
}
