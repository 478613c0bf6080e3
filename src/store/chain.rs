//! Chains of slots that start in a bucket: all whose keys, or users, fall into it.

use super::slot::{Slot, at, at_mut};
use crate::blocks::{Damaged, NIL};

/// What a chain has in common.
#[derive(Clone, Copy)]
pub(super) enum By {
    Key,
    User,
}

/// Longer than any chain in sound memory: there are as many buckets as slots and hashes are even, so that a dozen keys in
/// one bucket are rare, and so are the 16 entries of each of three users.
pub(super) const MAX_STEPS: usize = 1024;

/// The slots of a chain and their links. It ends in [`Damaged`] where the chain leads nowhere, or on and on.
pub(super) fn walk(
    slots: &[Slot],
    first: u32,
    by: By,
) -> impl Iterator<Item = Result<(u32, &Slot), Damaged>> {
    let mut link = first;
    // One step more than may be, so that who gets there can be told.
    (0..=MAX_STEPS).map_while(move |step| {
        if link == NIL {
            return None;
        }
        let found = if step < MAX_STEPS { at(slots, link) } else { Err(Damaged) };
        let found = found.map(|slot| (link, slot));
        link = found.as_ref().map_or(NIL, |(_, slot)| slot.next(by));
        Some(found)
    })
}

/// Puts a slot in front.
pub(super) fn push(first: &mut u32, slots: &mut [Slot], link: u32, by: By) -> Result<(), Damaged> {
    *at_mut(slots, link)?.next_mut(by) = *first;
    *first = link;
    Ok(())
}

/// Takes a slot out.
pub(super) fn unlink(first: &mut u32, slots: &mut [Slot], link: u32, by: By) -> Result<(), Damaged> {
    let next = at(slots, link)?.next(by);
    if *first == link {
        *first = next;
        return Ok(());
    }
    let mut before = *first;
    for _ in 0..MAX_STEPS {
        let slot = at_mut(slots, before)?;
        if slot.next(by) == link {
            *slot.next_mut(by) = next;
            return Ok(());
        }
        before = slot.next(by);
    }
    Err(Damaged)
}
