//! Singly linked chains, such as the buckets of a hash table.

use super::{Damaged, NIL, at, at_mut};

/// A kind of chain: determines which field of a record links to the next one.
pub trait Chain {
    type Record;
    fn next(record: &Self::Record) -> u32;
    fn next_mut(record: &mut Self::Record) -> &mut u32;
}

/// Longer than any chain in sound memory: there are as many buckets as records, and hashes are uniformly distributed, so even
/// a dozen records in one bucket are rare.
pub const MAX_STEPS: usize = 1024;

/// Iterates over the records of a chain and their links. Ends with [`Damaged`] if a link is invalid or the chain is too long.
pub fn walk<C: Chain>(
    records: &[C::Record],
    first: u32,
) -> impl Iterator<Item = Result<(u32, &C::Record), Damaged>> {
    let mut link = first;
    // One extra step, to detect a chain that is too long.
    (0..=MAX_STEPS).map_while(move |step| {
        if link == NIL {
            return None;
        }
        let found = if step < MAX_STEPS { at(records, link) } else { Err(Damaged) };
        let found = found.map(|record| (link, record));
        link = found.as_ref().map_or(NIL, |(_, record)| C::next(record));
        Some(found)
    })
}

/// Inserts a record at the front.
///
/// # Errors
/// [`Damaged`], as for the functions below.
pub fn push<C: Chain>(first: &mut u32, records: &mut [C::Record], link: u32) -> Result<(), Damaged> {
    *C::next_mut(at_mut(records, link)?) = *first;
    *first = link;
    Ok(())
}

/// Removes a record.
pub fn unlink<C: Chain>(first: &mut u32, records: &mut [C::Record], link: u32) -> Result<(), Damaged> {
    let next = C::next(at(records, link)?);
    if *first == link {
        *first = next;
        return Ok(());
    }
    let mut before = *first;
    for _ in 0..MAX_STEPS {
        let record = at_mut(records, before)?;
        if C::next(record) == link {
            *C::next_mut(record) = next;
            return Ok(());
        }
        before = C::next(record);
    }
    Err(Damaged)
}
