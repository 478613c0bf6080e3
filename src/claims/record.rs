//! The record of a claim.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::freshness::Millis;
use crate::links::chain::Chain;
use crate::links::queue::{Neighbours, Queued};
use crate::links::{Damaged, NIL};

/// Longer outcomes are not shared.
pub const MAX_OUTCOME: usize = 16 * 1024;

pub(super) const FREE: u32 = 0;
pub(super) const FLYING: u32 = 1;
pub(super) const LANDED: u32 = 2;
/// Ended without an outcome, and kept until all followers have noticed.
pub(super) const ABANDONED: u32 = 3;

/// The worker that makes a call: its process, its slot, and its configuration's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Owner {
    pub pid: u32,
    pub slot: u32,
    pub generation: u32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Claim {
    pub(super) key: [u8; 32],
    pub(super) serial: u64,
    /// The flight's deadline; after the flight has ended, the time until which it is kept.
    pub(super) until: Millis,
    /// The bits of all registered workers.
    pub(super) followers: u64,
    pub(super) owner: Owner,
    /// The number of registrations.
    pub(super) pending: u32,
    pub(super) state: u32,
    /// The next claim in the bucket, or the next free one.
    pub(super) next: u32,
    pub(super) neighbours: Neighbours,
    pub(super) chain: u32,
    pub(super) len: u32,
}

impl Claim {
    pub(super) const EMPTY: Self = Self {
        key: [0; 32],
        serial: 0,
        until: 0,
        followers: 0,
        owner: Owner { pid: 0, slot: 0, generation: 0 },
        pending: 0,
        state: FREE,
        next: NIL,
        neighbours: Neighbours { before: NIL, after: NIL },
        chain: NIL,
        len: 0,
    };

    /// The length of the stored outcome.
    pub(super) fn outcome_len(&self) -> Result<usize, Damaged> {
        let len = self.len as usize;
        if len > MAX_OUTCOME { Err(Damaged) } else { Ok(len) }
    }
}

impl Queued for Claim {
    fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    fn neighbours_mut(&mut self) -> &mut Neighbours {
        &mut self.neighbours
    }
}

/// Chains of claims in flight with keys in the same bucket, and of free records.
pub(super) struct ByKey;

impl Chain for ByKey {
    type Record = Claim;

    fn next(claim: &Claim) -> u32 {
        claim.next
    }

    fn next_mut(claim: &mut Claim) -> &mut u32 {
        &mut claim.next
    }
}
