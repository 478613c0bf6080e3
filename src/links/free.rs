//! Which records are free: those that were given back, and those that were never in use.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::chain::{self, Chain};
use super::{Damaged, NIL, at};

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Free {
    /// The first record of the chain of those that were given back.
    pub first: u32,
    /// How many records have ever been in use. Memory behind them was never touched.
    pub used: u32,
}

impl Free {
    /// All records are free.
    pub const ALL: Self = Self { first: NIL, used: 0 };

    /// Takes a free record; `None` if there is none.
    ///
    /// # Errors
    /// [`Damaged`], here as below.
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

    /// Gives a record back, which must be in no chain of this kind.
    pub fn give_back<C: Chain>(&mut self, records: &mut [C::Record], link: u32) -> Result<(), Damaged> {
        chain::push::<C>(&mut self.first, records, link)
    }

    /// The link of the last record that has ever been in use; [`NIL`] for none.
    pub fn last_used<T>(&self, records: &[T]) -> Result<u32, Damaged> {
        if self.used as usize > records.len() { Err(Damaged) } else { Ok(self.used) }
    }
}
