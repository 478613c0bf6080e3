//! What is kept of an entry besides its payload.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::MAX_PAYLOAD;
use super::chain::By;
use crate::blocks::{Damaged, place};
use crate::freshness::{Kind, Millis, Stamp};

/// Which bound an entry counts against.
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

const FREE: u8 = 0;
const VALID: u8 = 1;
const INVALID: u8 = 2;
const NONE: u8 = 3;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) key: [u8; 32],
    /// Whose session it is; of a "none", since when it is in doubt, or 0.
    pub(super) user: u64,
    pub(super) asked: Millis,
    until: Millis,
    next_in_bucket: u32,
    next_of_user: u32,
    /// The neighbours in the list of the class.
    pub(super) newer: u32,
    pub(super) older: u32,
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
        // Zeros are links that lead nowhere.
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

    /// Since when a "none" that is asked for now and takes the place of this entry is in doubt.
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

    /// From this moment on it is of no use.
    pub(super) fn end(&mut self, asked: Millis) {
        (self.asked, self.until) = (asked, asked);
    }

    pub(super) fn is_free(&self) -> bool {
        self.kind == FREE
    }

    pub(super) fn set_free(&mut self) {
        self.kind = FREE;
    }

    pub(super) fn next(&self, by: By) -> u32 {
        match by {
            By::Key => self.next_in_bucket,
            By::User => self.next_of_user,
        }
    }

    pub(super) fn next_mut(&mut self, by: By) -> &mut u32 {
        match by {
            By::Key => &mut self.next_in_bucket,
            By::User => &mut self.next_of_user,
        }
    }
}

/// The slot that a link names.
pub(super) fn at(slots: &[Slot], link: u32) -> Result<&Slot, Damaged> {
    slots.get(place(link)?).ok_or(Damaged)
}

pub(super) fn at_mut(slots: &mut [Slot], link: u32) -> Result<&mut Slot, Damaged> {
    slots.get_mut(place(link)?).ok_or(Damaged)
}
