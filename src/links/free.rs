//! Tracks free records: those that were released, and those that were never used.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::chain::{self, Chain};
use super::{Damaged, NIL, at};

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Free {
    /// The first record in the chain of released records.
    pub first: u32,
    /// How many records have ever been used. The memory after them has never been touched.
    pub used: u32,
}

impl Free {
    /// All records are free.
    pub const ALL: Self = Self { first: NIL, used: 0 };

    /// Takes a free record. Returns `None` if there is none.
    ///
    /// # Errors
    /// [`Damaged`], as for the methods below.
    pub fn take<C: Chain>(&mut self, records: &[C::Record]) -> Result<Option<u32>, Damaged> {
        if self.first != NIL {
            let link = self.first;
            self.first = C::next(at(records, link)?);
            return Ok(Some(link));
        }
        if self.last_used(records)? as usize == records.len() {
            return Ok(None);
        }
        self.used += 1;
        Ok(Some(self.used))
    }

    /// Releases a record, which must not be in a chain of this kind.
    pub fn give_back<C: Chain>(&mut self, records: &mut [C::Record], link: u32) -> Result<(), Damaged> {
        chain::push::<C>(&mut self.first, records, link)
    }

    /// The link of the last record that has ever been used; [`NIL`] if there is none.
    pub fn last_used<T>(&self, records: &[T]) -> Result<u32, Damaged> {
        if self.used as usize > records.len() { Err(Damaged) } else { Ok(self.used) }
    }
}
