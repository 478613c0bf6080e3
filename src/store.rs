//! The session store in one zone of shared memory: answers by key, with least-recently-used eviction.
//!
//! The caller holds the zone's mutex, so nothing here panics, allocates or loops without a bound, whatever bytes the memory
//! contains. Contents that this module can't have written are reported as [`Damaged`], and the caller must then format the
//! memory.
//!
//! Valid and negative answers share slots and blocks, but each class has its own limit, so that negative answers never evict
//! valid ones.

mod class;
mod head;
mod layout;
mod slot;

use zerocopy::FromBytes;

use crate::blocks::{self, Block, blocks_for};
use crate::cache_key::CacheKey;
use crate::freshness::{Kind, Millis, Stamp};
use crate::links::chain::{push, unlink, walk};
use crate::links::free::Free;
use crate::links::{Damaged, NIL, at, at_mut, bucket, spread};
use class::{Bounds, Class, Entries};
use head::Head;
use slot::{ByKey, ByUser, Slot};

pub use layout::{Capacity, Layout};
pub use slot::MAX_PAYLOAD;

/// The maximum number of valid entries per user. A client that sends random cookies beside a valid one could otherwise create
/// any number of keys.
pub const MAX_PER_USER: usize = 16;

/// The result of storing an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// `crowded_out`: when the call of the most recent answer was sent, among valid entries evicted because the zone is full.
    Stored { crowded_out: Option<Millis> },
    /// The existing entry's call was sent later, so it stays.
    Older,
    /// The entry is too large to store. Nothing is kept under its key, because an earlier entry would contradict it.
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub valid: u32,
    pub negative: u32,
    /// The number of valid entries evicted because their class was full. Formatting doesn't reset it, and damaged memory may
    /// contain any number.
    pub evictions: u64,
    /// The same for negative entries.
    pub negative_evictions: u64,
}

/// Access to the memory of a zone. The zone's mutex must be held.
pub struct Store<'a> {
    head: &'a mut Head,
    /// The first slots of the chains by key, and of those by user.
    buckets: &'a mut [u32],
    users: &'a mut [u32],
    slots: &'a mut [Slot],
    blocks: &'a mut [Block],
    layout: Layout,
}

impl<'a> Store<'a> {
    /// Interprets memory as a store. New memory (all zeros) must be formatted first.
    ///
    /// Returns `None` if its size differs from the layout's, or if it isn't aligned to 8 bytes.
    pub fn over(memory: &'a mut [u8], layout: &Layout) -> Option<Self> {
        if memory.len() != layout.bytes() {
            return None;
        }
        let (slots, blocks) = (layout.slots(), layout.blocks());
        let (head, rest) = Head::mut_from_prefix(memory).ok()?;
        let (slots_part, rest) = <[Slot]>::mut_from_prefix_with_elems(rest, slots).ok()?;
        let (blocks_part, rest) = <[Block]>::mut_from_prefix_with_elems(rest, blocks).ok()?;
        let (buckets, rest) = <[u32]>::mut_from_prefix_with_elems(rest, slots).ok()?;
        let (users, _) = <[u32]>::mut_from_prefix_with_elems(rest, slots).ok()?;
        Some(Self { head, buckets, users, slots: slots_part, blocks: blocks_part, layout: *layout })
    }

    /// Empties the store. Slots and blocks are not touched, so that memory that was never used stays untouched.
    pub fn format(&mut self) {
        (self.head.valid, self.head.negative) = (Entries::default(), Entries::default());
        self.head.free_blocks.format();
        self.head.free_slots = Free::ALL;
        self.buckets.fill(NIL);
        self.users.fill(NIL);
    }

    /// Copies the payload of this key's entry to the start of `out`, and marks the entry as most recently used.
    ///
    /// `out` should have space for [`MAX_PAYLOAD`]: a longer entry is treated as missing.
    ///
    /// # Errors
    /// [`Damaged`] if the memory has impossible contents.
    pub fn get(&mut self, key: &CacheKey, out: &mut [u8]) -> Result<Option<(Stamp, usize)>, Damaged> {
        let Some(link) = self.find(key)? else { return Ok(None) };
        let slot = at(self.slots, link)?;
        let (stamp, size) = (slot.stamp()?, slot.size()?);
        if size > out.len() {
            return Ok(None);
        }
        blocks::read(self.blocks, slot.payload, size, out)?;
        self.head.entries(Class::of(stamp.kind)).queue.move_to_end(self.slots, link)?;
        Ok(Some((stamp, size)))
    }

    /// Since when an answer with this stamp has been in doubt. `None` unless it is a "none" that replaces a valid answer.
    ///
    /// # Errors
    /// [`Damaged`] if the memory has impossible contents.
    pub fn doubt(&self, key: &CacheKey, stamp: &Stamp) -> Result<Option<Millis>, Damaged> {
        match self.find(key)? {
            Some(link) if stamp.kind == Kind::None => at(self.slots, link)?.doubt(stamp.asked),
            _ => Ok(None),
        }
    }

    /// Stores an entry, replacing an existing one for this key, unless the existing one's call was sent later. If both were
    /// sent at the same time, the new one wins. `user` is a uniformly distributed keyed hash of the session's user. Negative
    /// answers have no user; for a "none" it is the time since when it has been in doubt, or 0.
    ///
    /// # Errors
    /// [`Damaged`] if the memory has impossible contents. The change may have been made in part.
    pub fn put(&mut self, key: &CacheKey, user: u64, stamp: Stamp, payload: &[u8]) -> Result<Put, Damaged> {
        if let Some(link) = self.find(key)? {
            if at(self.slots, link)?.stamp()?.asked > stamp.asked {
                return Ok(Put::Older);
            }
            self.remove(link)?;
        }
        let class = Class::of(stamp.kind);
        let Some(size) = u16::try_from(payload.len()).ok().filter(|_| self.fits(class, payload.len())) else {
            return Ok(Put::TooLarge);
        };
        if class == Class::Valid {
            self.make_room_for_user(user)?;
        }
        let crowded_out = self.make_room(class, weight(payload.len()))?;
        let payload = self.head.free_blocks.write(self.blocks, payload)?;
        self.insert(Slot::new(*key.as_bytes(), user, stamp, payload, size))?;
        Ok(Put::Stored { crowded_out })
    }

    /// Invalidates a valid entry of this key if its call was sent at or before `asked`: it remains, but may no longer be
    /// used.
    ///
    /// # Errors
    /// [`Damaged`] if the memory has impossible contents.
    pub fn void(&mut self, key: &CacheKey, asked: Millis) -> Result<(), Damaged> {
        if let Some(link) = self.find(key)? {
            let slot = at_mut(self.slots, link)?;
            if slot.asked <= asked && slot.class()? == Class::Valid {
                slot.end(asked);
            }
        }
        Ok(())
    }

    /// Marks the entry of this key as most recently used.
    ///
    /// # Errors
    /// [`Damaged`] if the memory has impossible contents.
    pub fn touch(&mut self, key: &CacheKey) -> Result<(), Damaged> {
        let Some(link) = self.find(key)? else { return Ok(()) };
        let class = at(self.slots, link)?.class()?;
        self.head.entries(class).queue.move_to_end(self.slots, link)
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        let &Head { evictions, negative_evictions, ref valid, ref negative, .. } = &*self.head;
        Usage { valid: valid.queue.len, negative: negative.queue.len, evictions, negative_evictions }
    }

    /// The memory used by entries, without the fixed overhead.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let classes = [&self.head.valid, &self.head.negative];
        let slots: u64 = classes.iter().map(|entries| u64::from(entries.queue.len)).sum();
        let blocks: u64 = classes.iter().map(|entries| u64::from(entries.blocks)).sum();
        slots * size_of::<Slot>() as u64 + blocks * size_of::<Block>() as u64
    }

    fn fits(&self, class: Class, len: usize) -> bool {
        len <= MAX_PAYLOAD && weight(len) <= self.bounds(class).blocks
    }

    fn bounds(&self, class: Class) -> Bounds {
        self.layout.bounds(class)
    }

    fn find(&self, key: &CacheKey) -> Result<Option<u32>, Damaged> {
        let first = self.buckets.get(bucket(key.as_bytes(), self.buckets.len())).ok_or(Damaged)?;
        for step in walk::<ByKey>(self.slots, *first) {
            let (link, slot) = step?;
            if slot.key == *key.as_bytes() {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    /// Removes the user's oldest entry if the user has the maximum number of entries.
    fn make_room_for_user(&mut self, user: u64) -> Result<(), Damaged> {
        let first = self.users.get(spread(user, self.users.len())).ok_or(Damaged)?;
        let mut held = 0;
        let mut oldest: Option<(Millis, u32)> = None;
        for step in walk::<ByUser>(self.slots, *first) {
            let (link, slot) = step?;
            if slot.user != user {
                continue;
            }
            held += 1;
            // Among equally old entries, the one stored first; the chain starts with the latest.
            if oldest.is_none_or(|(asked, _)| slot.asked <= asked) {
                oldest = Some((slot.asked, link));
            }
        }
        match oldest {
            _ if held > MAX_PER_USER => Err(Damaged),
            Some((_, link)) if held == MAX_PER_USER => self.remove(link),
            _ => Ok(()),
        }
    }

    /// Evicts the least recently used entries of a class until one of this weight fits. Returns when the call of the most
    /// recent valid one among them was sent.
    fn make_room(&mut self, class: Class, weight: u32) -> Result<Option<Millis>, Damaged> {
        let bounds = self.bounds(class);
        let mut crowded_out = None;
        // Each eviction frees at least one block, so the number of evictions is limited by the blocks of the longest payload.
        for _ in 0..=blocks_for(MAX_PAYLOAD) {
            let entries = self.head.entries(class);
            if entries.has_room(bounds, weight) {
                return Ok(crowded_out);
            }
            let oldest = entries.queue.first;
            if class == Class::Valid {
                crowded_out = crowded_out.max(Some(at(self.slots, oldest)?.asked));
            }
            self.remove(oldest)?;
            let evictions = self.head.evictions(class);
            *evictions = evictions.wrapping_add(1);
        }
        Err(Damaged)
    }

    fn insert(&mut self, slot: Slot) -> Result<(), Damaged> {
        let (class, weight) = (slot.class()?, weight(slot.size()?));
        let (bucket, user) = (bucket(&slot.key, self.buckets.len()), spread(slot.user, self.users.len()));
        let link = self.take_slot()?;
        *at_mut(self.slots, link)? = slot;
        push::<ByKey>(self.buckets.get_mut(bucket).ok_or(Damaged)?, self.slots, link)?;
        if class == Class::Valid {
            push::<ByUser>(self.users.get_mut(user).ok_or(Damaged)?, self.slots, link)?;
        }
        let entries = self.head.entries(class);
        entries.queue.push(self.slots, link)?;
        entries.add(weight)
    }

    fn remove(&mut self, link: u32) -> Result<(), Damaged> {
        let slot = at(self.slots, link)?;
        let (class, size, payload) = (slot.class()?, slot.size()?, slot.payload);
        let (bucket, user) = (bucket(&slot.key, self.buckets.len()), spread(slot.user, self.users.len()));
        unlink::<ByKey>(self.buckets.get_mut(bucket).ok_or(Damaged)?, self.slots, link)?;
        if class == Class::Valid {
            unlink::<ByUser>(self.users.get_mut(user).ok_or(Damaged)?, self.slots, link)?;
        }
        let entries = self.head.entries(class);
        entries.queue.remove(self.slots, link)?;
        entries.subtract(weight(size))?;
        self.head.free_blocks.release(self.blocks, payload, size)?;
        at_mut(self.slots, link)?.set_free();
        self.head.free_slots.give_back::<ByKey>(self.slots, link)
    }

    fn take_slot(&mut self) -> Result<u32, Damaged> {
        let given_back = self.head.free_slots.first;
        if given_back != NIL && !at(self.slots, given_back)?.is_free() {
            return Err(Damaged);
        }
        self.head.free_slots.take::<ByKey>(self.slots)?.ok_or(Damaged)
    }
}

/// The number of blocks that an entry counts as. An empty payload counts as one, so that every eviction frees something.
fn weight(len: usize) -> u32 {
    blocks_for(len).max(1)
}

#[cfg(any(test, feature = "fault-injection"))]
pub mod model;
#[cfg(test)]
mod tests;
