//! Claims: flights as all workers see them, in memory that they share. At most one worker makes the call for a key, and
//! hands the outcome to the workers that registered in the meantime; nobody who comes later sees it.
//!
//! The caller holds a lock, under which nothing here panics, allocates, or takes long. A process may have been ended in
//! the middle of a change, so the memory may hold anything: what can't be is [`Damaged`], and is to be formatted.

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

/// For how long an outcome waits for a follower: its worker may have died. A flight that is late by as much has lost its
/// leader.
pub const KEEP_LANDED: Millis = 2_000;

/// Names a claim. One that is over finds nothing, although its place may have been taken since.
///
/// Serials are kept in the memory that may be damaged, and may so come again. What must never happen, that the outcome for one
/// key gets to another's followers, hangs on the key alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimId {
    link: u32,
    serial: u64,
    key: CacheKey,
}

/// What came of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Whoever joined has to make the call, and to land or abandon the claim.
    Lead(ClaimId),
    /// This worker makes the call. Whoever joined is registered, and has to collect or forsake.
    Follow(ClaimId, Owner),
    /// There is no room: the call is to be made without a claim.
    Full,
}

/// What a follower finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// This worker still makes the call.
    Flying(Owner),
    /// So many bytes of outcome are at the front of the buffer.
    Landed(usize),
    /// There is no outcome, and will be none.
    Gone,
}

/// The workers to wake. Two whose numbers are 64 apart share a bit; to be woken for nothing does no harm.
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

/// How many claims there are: in flight, and over but kept for followers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub flying: u32,
    pub landed: u32,
}

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub claims: usize,
    /// The blocks of all outcomes.
    pub blocks: usize,
}

/// The claims in a piece of memory. Zeroed memory has none, as formatted memory.
pub struct Claims<'a> {
    head: &'a mut Head,
    claims: &'a mut [Claim],
    /// Links to the claims in flight, by their keys.
    buckets: &'a mut [u32],
    blocks: &'a mut [Block],
}

impl<'a> Claims<'a> {
    /// The claims in this memory. `None` if the layout doesn't fit in, or the memory isn't aligned as u64.
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
    /// Throws everything away. Serials go on, so that the ids of before find nothing.
    pub fn format(&mut self) {
        self.head.format();
        self.buckets.fill(NIL);
    }

    /// Registers a worker with the flight of a key, or makes it the leader of a new one.
    ///
    /// # Errors
    /// [`Damaged`], here as below.
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

    /// Makes a worker the leader of a flight that it doesn't wait for. `None`: somebody leads one already, or there is no room.
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

    /// Ends a flight with an outcome, for those who are registered. An outcome that finds no room is gone.
    pub fn land(&mut self, id: ClaimId, now: Millis, outcome: &[u8]) -> Result<Wakes, Damaged> {
        self.sweep_landed(now)?;
        let wakes = self.abandon(id, now)?;
        // Without followers the claim is free already.
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

    /// Ends the flights of all leaders that are dead, for which it goes through all claims.
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

    /// Whether a claim that the worker is registered with is over, so that there is something to collect. One that is past its
    /// deadline ends here: its leader is late for good.
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

    /// Asks for the outcome of a flight that the worker is registered with. Unless it still flies the registration is over then.
    /// `out` has room for [`MAX_OUTCOME`].
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

    /// Ends the registration of a worker that doesn't want the outcome any more.
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
