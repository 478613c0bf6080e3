//! The life of a claim: it flies, ends, is kept if it has followers, and is freed.

use super::record::{ABANDONED, ByKey, Claim, FLYING, FREE, LANDED, MAX_OUTCOME, Owner};
use super::{ClaimId, Claims, Collected, KEEP_LANDED, Wakes};
use crate::blocks::{self, blocks_for};
use crate::cache_key::CacheKey;
use crate::freshness::Millis;
use crate::links::chain::{push, unlink, walk};
use crate::links::{Damaged, NIL, at, at_mut, bucket};

/// The maximum number of overdue claims, of each kind, that an operation cleans up.
const SWEEP: usize = 4;

impl Claims<'_> {
    /// The state of a claim; `None` if the id is stale. Records that were never used since formatting may contain anything.
    pub(super) fn find(&self, id: ClaimId) -> Result<Option<u32>, Damaged> {
        if id.link > self.head.free.last_used(self.claims)? {
            return Ok(None);
        }
        let claim = at(self.claims, id.link)?;
        match claim.state {
            state @ (FLYING | LANDED | ABANDONED) => {
                let is_it = claim.serial == id.serial && claim.key == *id.key.as_bytes();
                Ok(is_it.then_some(state))
            }
            FREE => Ok(None),
            _ => Err(Damaged),
        }
    }

    /// The flight to follow. A flight past its deadline is ended instead, since it can only time out.
    pub(super) fn current(&mut self, key: &CacheKey, now: Millis) -> Result<Option<u32>, Damaged> {
        let Some(link) = self.look_up(key)? else { return Ok(None) };
        let claim = at(self.claims, link)?;
        if claim.state != FLYING {
            return Err(Damaged);
        }
        if now < claim.until {
            return Ok(Some(link));
        }
        self.end(link, now)?;
        Ok(None)
    }

    /// The claim in flight for this key.
    fn look_up(&self, key: &CacheKey) -> Result<Option<u32>, Damaged> {
        let first = self.buckets.get(bucket(key.as_bytes(), self.buckets.len())).ok_or(Damaged)?;
        for step in walk::<ByKey>(self.claims, *first) {
            let (link, claim) = step?;
            if claim.key == *key.as_bytes() {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    fn take_record(&mut self) -> Result<Option<u32>, Damaged> {
        let given_back = self.head.free.first;
        if given_back != NIL && at(self.claims, given_back)?.state != FREE {
            return Err(Damaged);
        }
        self.head.free.take::<ByKey>(self.claims)
    }

    pub(super) fn start(
        &mut self,
        key: &CacheKey,
        owner: Owner,
        deadline: Millis,
    ) -> Result<Option<ClaimId>, Damaged> {
        let Some(link) = self.take_record()? else { return Ok(None) };
        let serial = self.head.next_serial();
        let claim = at_mut(self.claims, link)?;
        *claim =
            Claim { key: *key.as_bytes(), serial, until: deadline, owner, state: FLYING, ..Claim::EMPTY };
        push::<ByKey>(bucket_of(self.buckets, key.as_bytes())?, self.claims, link)?;
        self.head.flying.push(self.claims, link)?;
        Ok(Some(ClaimId { link, serial, key: *key }))
    }

    /// Ends a flight and returns the workers to wake. If no worker is registered, the claim is freed.
    pub(super) fn end(&mut self, link: u32, now: Millis) -> Result<Wakes, Damaged> {
        let key = at(self.claims, link)?.key;
        unlink::<ByKey>(bucket_of(self.buckets, &key)?, self.claims, link)?;
        self.head.flying.remove(self.claims, link)?;
        let claim = at_mut(self.claims, link)?;
        if claim.pending == 0 {
            self.free(link)?;
            return Ok(Wakes::default());
        }
        (claim.state, claim.until) = (ABANDONED, now.saturating_add(KEEP_LANDED));
        let wakes = Wakes(claim.followers);
        self.head.kept.push(self.claims, link)?;
        Ok(wakes)
    }

    /// Adds an outcome to an ended flight.
    pub(super) fn store(&mut self, link: u32, outcome: &[u8]) -> Result<(), Damaged> {
        if outcome.len() > MAX_OUTCOME {
            return Ok(());
        }
        let used = self.head.used_blocks.checked_add(blocks_for(outcome.len())).ok_or(Damaged)?;
        if used as usize > self.blocks.len() {
            return Ok(());
        }
        let claim = at_mut(self.claims, link)?;
        claim.chain = self.head.blocks.write(self.blocks, outcome)?;
        claim.len = u32::try_from(outcome.len()).map_err(|_| Damaged)?;
        claim.state = LANDED;
        self.head.used_blocks = used;
        Ok(())
    }

    pub(super) fn outcome(&self, link: u32, out: &mut [u8]) -> Result<Collected, Damaged> {
        let claim = at(self.claims, link)?;
        let len = claim.outcome_len()?;
        if len > out.len() {
            return Ok(Collected::Gone);
        }
        blocks::read(self.blocks, claim.chain, len, out)?;
        Ok(Collected::Landed(len))
    }

    /// Frees a claim's record and its blocks. The claim must not be in a queue.
    pub(super) fn free(&mut self, link: u32) -> Result<(), Damaged> {
        let claim = at(self.claims, link)?;
        let len = claim.outcome_len()?;
        self.head.blocks.release(self.blocks, claim.chain, len)?;
        self.head.used_blocks = self.head.used_blocks.checked_sub(blocks_for(len)).ok_or(Damaged)?;
        at_mut(self.claims, link)?.state = FREE;
        self.head.free.give_back::<ByKey>(self.claims, link)
    }

    /// Ends overdue claims, a few at a time.
    pub(super) fn sweep(&mut self, now: Millis) -> Result<(), Damaged> {
        self.sweep_landed(now)?;
        for _ in 0..SWEEP {
            let link = self.head.flying.first;
            if link == NIL || now < at(self.claims, link)?.until.saturating_add(KEEP_LANDED) {
                break;
            }
            self.end(link, now)?;
        }
        Ok(())
    }

    pub(super) fn sweep_landed(&mut self, now: Millis) -> Result<(), Damaged> {
        for _ in 0..SWEEP {
            let link = self.head.kept.first;
            if link == NIL || now < at(self.claims, link)?.until {
                break;
            }
            self.head.kept.remove(self.claims, link)?;
            self.free(link)?;
        }
        Ok(())
    }
}

/// The first link in the bucket of a key.
fn bucket_of<'a>(buckets: &'a mut [u32], key: &[u8; 32]) -> Result<&'a mut u32, Damaged> {
    let count = buckets.len();
    buckets.get_mut(bucket(key, count)).ok_or(Damaged)
}
