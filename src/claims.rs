//! Claims: flights shared by all workers, in shared memory. At most one worker makes the call for a key and passes the
//! outcome to the workers that registered in the meantime. Workers that come later don't see it.
//!
//! The caller holds a lock; under the lock nothing here panics, allocates or runs long. A process may have been killed in the
//! middle of a change, so the memory may contain anything: impossible contents are reported as [`Damaged`], and the caller
//! must then format the memory.

mod layout;
mod life;
mod record;

use zerocopy::FromBytes;

use crate::blocks::Block;
use crate::cache_key::CacheKey;
use crate::freshness::Millis;
use crate::links::{Damaged, NIL, at, at_mut};
use layout::Head;
use record::{Claim, FLYING, LANDED};

pub use layout::Layout;
pub use record::{MAX_OUTCOME, Owner};

/// How long an outcome is kept for a follower, whose worker may have died. A flight whose leader is late by this much is
/// considered lost.
pub const KEEP_LANDED: Millis = 2_000;

/// Identifies a claim. The id of a finished claim finds nothing, even if its record has been reused.
///
/// Serials are stored in memory that may be damaged, so they may repeat. Only the key guarantees that the outcome for one key
/// never reaches the followers of another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimId {
    link: u32,
    serial: u64,
    key: CacheKey,
}

/// The result of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The caller must make the call and then land or abandon the claim.
    Lead(ClaimId),
    /// This worker makes the call. The caller is registered and must collect or forsake.
    Follow(ClaimId, Owner),
    /// There is no free record: make the call without a claim.
    Full,
}

/// The result of collecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// This worker is still making the call.
    Flying(Owner),
    /// The outcome is in the buffer and has this length.
    Landed(usize),
    /// There is no outcome, and there won't be one.
    Gone,
}

/// The workers to wake. Workers whose slots differ by 64 share a bit; a spurious wake-up is harmless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakes(u64);

impl Wakes {
    #[must_use]
    pub fn has(&self, slot: u32) -> bool {
        self.0 & bit(slot) != 0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// The number of claims in flight, and of finished claims kept for followers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub flying: u32,
    pub landed: u32,
}

/// The available capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub claims: usize,
    /// The blocks for all outcomes.
    pub blocks: usize,
}

/// The claims in a region of memory. Zeroed memory is formatted and empty.
pub struct Claims<'a> {
    head: &'a mut Head,
    claims: &'a mut [Claim],
    /// Links to the claims in flight, hashed by key.
    buckets: &'a mut [u32],
    blocks: &'a mut [Block],
}

impl<'a> Claims<'a> {
    /// Interprets this memory as claims. Returns `None` if the layout doesn't fit, or if the memory isn't aligned for u64.
    #[must_use]
    pub fn over(memory: &'a mut [u8], layout: &Layout) -> Option<Self> {
        let (head, rest) = Head::mut_from_prefix(memory).ok()?;
        let (claims, rest) = <[Claim]>::mut_from_prefix_with_elems(rest, layout.claims).ok()?;
        let (buckets, rest) = <[u32]>::mut_from_prefix_with_elems(rest, layout.claims).ok()?;
        let (blocks, _) = <[Block]>::mut_from_prefix_with_elems(rest, layout.blocks).ok()?;
        Some(Self { head, claims, buckets, blocks })
    }
}

impl Claims<'_> {
    /// Discards all claims. Serials continue, so that older ids find nothing.
    pub fn format(&mut self) {
        self.head.format();
        self.buckets.fill(NIL);
    }

    /// Registers a worker with the flight of a key, or makes it the leader of a new one.
    ///
    /// # Errors
    /// [`Damaged`], as for all methods below.
    pub fn join(
        &mut self,
        key: &CacheKey,
        me: Owner,
        now: Millis,
        deadline: Millis,
    ) -> Result<Joined, Damaged> {
        self.sweep(now)?;
        let Some(link) = self.current(key, now)? else {
            return Ok(self.start(key, me, deadline)?.map_or(Joined::Full, Joined::Lead));
        };
        let claim = at_mut(self.claims, link)?;
        claim.followers |= bit(me.slot);
        claim.pending = claim.pending.checked_add(1).ok_or(Damaged)?;
        Ok(Joined::Follow(ClaimId { link, serial: claim.serial, key: *key }, claim.owner))
    }

    /// Makes a worker the leader of a flight that it doesn't wait for. Returns `None` if there already is a flight, or if
    /// there is no free record.
    pub fn lead(
        &mut self,
        key: &CacheKey,
        me: Owner,
        now: Millis,
        deadline: Millis,
    ) -> Result<Option<ClaimId>, Damaged> {
        self.sweep(now)?;
        match self.current(key, now)? {
            Some(_) => Ok(None),
            None => self.start(key, me, deadline),
        }
    }

    /// Whether there is a flight that could be joined.
    pub fn is_flying(&mut self, key: &CacheKey, now: Millis) -> Result<bool, Damaged> {
        self.current(key, now).map(|current| current.is_some())
    }

    /// Ends a flight with an outcome for the registered workers. If there is no space for the outcome, it is lost.
    pub fn land(&mut self, id: ClaimId, now: Millis, outcome: &[u8]) -> Result<Wakes, Damaged> {
        self.sweep_landed(now)?;
        let wakes = self.abandon(id, now)?;
        // Without followers, the claim has already been freed.
        if !wakes.is_empty() {
            self.store(id.link, outcome)?;
        }
        Ok(wakes)
    }

    /// Ends a flight without an outcome.
    pub fn abandon(&mut self, id: ClaimId, now: Millis) -> Result<Wakes, Damaged> {
        match self.find(id)? {
            Some(FLYING) => self.end(id.link, now),
            _ => Ok(Wakes::default()),
        }
    }

    /// Ends the flights of all dead leaders. Scans all claims.
    pub fn abandon_all(
        &mut self,
        now: Millis,
        mut is_dead: impl FnMut(Owner) -> bool,
    ) -> Result<Wakes, Damaged> {
        let mut wakes = Wakes::default();
        for link in 1..=self.head.free.last_used(self.claims)? {
            let claim = at(self.claims, link)?;
            if claim.state == FLYING && is_dead(claim.owner) {
                wakes.0 |= self.end(link, now)?.0;
            }
        }
        Ok(wakes)
    }

    /// Whether a claim that the worker is registered with is over, so that the worker can collect. Ends a claim past its
    /// deadline: its leader is too late.
    pub fn is_over(&mut self, id: ClaimId, now: Millis) -> Result<bool, Damaged> {
        if self.find(id)? != Some(FLYING) {
            return Ok(true);
        }
        let is_late = now >= at(self.claims, id.link)?.until;
        if is_late {
            self.end(id.link, now)?;
        }
        Ok(is_late)
    }

    /// Fetches the outcome of a flight that the worker is registered with. Ends the registration, unless the claim is still
    /// in flight. `out` must have space for [`MAX_OUTCOME`].
    pub fn collect(&mut self, id: ClaimId, out: &mut [u8]) -> Result<Collected, Damaged> {
        let found = match self.find(id)? {
            None => return Ok(Collected::Gone),
            Some(FLYING) => return Ok(Collected::Flying(at(self.claims, id.link)?.owner)),
            Some(LANDED) => self.outcome(id.link, out)?,
            Some(_) => Collected::Gone,
        };
        self.forsake(id)?;
        Ok(found)
    }

    /// Ends the registration of a worker that no longer wants the outcome.
    pub fn forsake(&mut self, id: ClaimId) -> Result<(), Damaged> {
        let Some(state) = self.find(id)? else { return Ok(()) };
        let claim = at_mut(self.claims, id.link)?;
        claim.pending = claim.pending.checked_sub(1).ok_or(Damaged)?;
        if claim.pending == 0 && state != FLYING {
            self.head.kept.remove(self.claims, id.link)?;
            self.free(id.link)?;
        }
        Ok(())
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { flying: self.head.flying.len, landed: self.head.kept.len }
    }

    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity { claims: self.claims.len(), blocks: self.blocks.len() }
    }
}

fn bit(slot: u32) -> u64 {
    1 << (slot % u64::BITS)
}

#[cfg(any(test, feature = "fault-injection"))]
pub mod model;
#[cfg(test)]
mod tests;
