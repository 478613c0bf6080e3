//! An entry's data, without its payload.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::class::Class;
use crate::freshness::{Kind, Millis, Stamp};
use crate::links::Damaged;
use crate::links::chain::Chain;
use crate::links::queue::{Neighbours, Queued};

/// The longest payload that can be stored.
pub const MAX_PAYLOAD: usize = 12 * 1024;

const FREE: u8 = 0;
const VALID: u8 = 1;
const INVALID: u8 = 2;
const NONE: u8 = 3;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) key: [u8; 32],
    /// The session's user; for a "none", the time since when it has been in doubt, or 0.
    pub(super) user: u64,
    pub(super) asked: Millis,
    until: Millis,
    pub(super) next_in_bucket: u32,
    pub(super) next_of_user: u32,
    /// The neighbours in its class's queue.
    pub(super) neighbours: Neighbours,
    /// The first block.
    pub(super) payload: u32,
    size: u16,
    kind: u8,
    unused: u8,
}

impl Slot {
    pub(super) fn new(key: [u8; 32], user: u64, stamp: Stamp, payload: u32, size: u16) -> Self {
        let kind = match stamp.kind {
            Kind::Valid => VALID,
            Kind::Invalid => INVALID,
            Kind::None => NONE,
        };
        let Stamp { asked, until, .. } = stamp;
        // Zeroed links are null links.
        Self { key, user, asked, until, payload, size, kind, ..Self::new_zeroed() }
    }

    pub(super) fn stamp(&self) -> Result<Stamp, Damaged> {
        let kind = match self.kind {
            VALID => Kind::Valid,
            INVALID => Kind::Invalid,
            NONE => Kind::None,
            _ => return Err(Damaged),
        };
        Ok(Stamp { kind, asked: self.asked, until: self.until })
    }

    /// Since when a "none" that replaces this entry is in doubt, if its call is sent at `now`.
    pub(super) fn doubt(&self, now: Millis) -> Result<Option<Millis>, Damaged> {
        let stamp = self.stamp()?;
        Ok(match stamp.kind {
            Kind::Valid if now < stamp.until => Some(now),
            Kind::None if self.user > 0 => Some(self.user),
            Kind::Valid | Kind::Invalid | Kind::None => None,
        })
    }

    pub(super) fn class(&self) -> Result<Class, Damaged> {
        self.stamp().map(|stamp| Class::of(stamp.kind))
    }

    /// The length of the payload.
    pub(super) fn size(&self) -> Result<usize, Damaged> {
        Some(usize::from(self.size)).filter(|size| *size <= MAX_PAYLOAD).ok_or(Damaged)
    }

    /// Ends the entry's validity at this time.
    pub(super) fn end(&mut self, asked: Millis) {
        (self.asked, self.until) = (asked, asked);
    }

    pub(super) fn is_free(&self) -> bool {
        self.kind == FREE
    }

    pub(super) fn set_free(&mut self) {
        self.kind = FREE;
    }
}

impl Queued for Slot {
    fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    fn neighbours_mut(&mut self) -> &mut Neighbours {
        &mut self.neighbours
    }
}

/// Chains of slots with keys in the same bucket, and of free slots.
pub(super) struct ByKey;

impl Chain for ByKey {
    type Record = Slot;

    fn next(slot: &Slot) -> u32 {
        slot.next_in_bucket
    }

    fn next_mut(slot: &mut Slot) -> &mut u32 {
        &mut slot.next_in_bucket
    }
}

/// Chains of valid entries with users in the same bucket.
pub(super) struct ByUser;

impl Chain for ByUser {
    type Record = Slot;

    fn next(slot: &Slot) -> u32 {
        slot.next_of_user
    }

    fn next_mut(slot: &mut Slot) -> &mut u32 {
        &mut slot.next_of_user
    }
}
