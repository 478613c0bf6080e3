//! The session store of one zone of shared memory: answers by key, the least recently used go first.
//!
//! Whoever calls holds the zone's mutex, so nothing here panics, allocates or loops without a bound, whatever bytes the
//! memory holds. What can't be in memory that this module alone has written is [`Damaged`]: the caller formats then.
//!
//! Valid and negative answers share slots and blocks, but each class has a bound of its own, so that no number of
//! negative answers costs a valid one.

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

/// How many valid entries one user has at most: who puts random cookies beside a good one makes any number of keys.
pub const MAX_PER_USER: usize = 16;

/// What came of putting an entry in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// `crowded_out`: when the youngest was asked for of the valid entries that went because the zone is full.
    Stored { crowded_out: Option<Millis> },
    /// The entry of this key was asked for later, and stays.
    Older,
    /// It is more than can be kept. Nothing is kept under its key: an entry from before would contradict it.
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub valid: u32,
    pub negative: u32,
    /// The valid entries that went because their class was full. A format doesn't end the count; damage may have made it
    /// any number.
    pub evictions: u64,
    /// The same of negative ones.
    pub negative_evictions: u64,
}

/// Who may use the memory of a zone, while the zone's mutex is held.
pub struct Store<'a> {
    head: &'a mut Head,
    /// The first slots of the chains of keys, and of users.
    buckets: &'a mut [u32],
    users: &'a mut [u32],
    slots: &'a mut [Slot],
    blocks: &'a mut [Block],
    layout: Layout,
}

impl<'a> Store<'a> {
    /// Sees memory as a store. New memory (all zeros) has to be formatted first.
    ///
    /// `None`: it is not of the layout's size, or not aligned to 8 bytes.
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

    /// Empties the store. Slots and blocks are not touched, so that memory which was never used stays unused.
    pub fn format(&mut self) {
        (self.head.valid, self.head.negative) = (Entries::default(), Entries::default());
        self.head.free_blocks.format();
        self.head.free_slots = Free::ALL;
        self.buckets.fill(NIL);
        self.users.fill(NIL);
    }

    /// Copies the payload of this key's entry to the front of `out`, and marks the entry as the most recently used one.
    ///
    /// `out` should have room for [`MAX_PAYLOAD`]: an entry that it has no room for is not found.
    ///
    /// # Errors
    /// [`Damaged`] where the memory says what can't be.
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

    /// Since when an answer with this stamp is in doubt, as a "none" in the place of a valid answer, if it is.
    ///
    /// # Errors
    /// [`Damaged`] where the memory says what can't be.
    pub fn doubt(&self, key: &CacheKey, stamp: &Stamp) -> Result<Option<Millis>, Damaged> {
        match self.find(key)? {
            Some(link) if stamp.kind == Kind::None => at(self.slots, link)?.doubt(stamp.asked),
            _ => Ok(None),
        }
    }

    /// Puts an entry in, instead of the one of this key unless that was asked for later; of two that were asked for at one
    /// moment the last stays. `user` is a keyed hash of whose session it is, as even as a key; negative answers have no
    /// user. Of a "none" it is since when it is in doubt, or 0.
    ///
    /// # Errors
    /// [`Damaged`] where the memory says what can't be. The change may have been made in part.
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

    /// Makes a valid entry of this key void, if it was asked for at this moment or before: it is there, and may not be given.
    ///
    /// # Errors
    /// [`Damaged`] where the memory says what can't be.
    pub fn void(&mut self, key: &CacheKey, asked: Millis) -> Result<(), Damaged> {
        if let Some(link) = self.find(key)? {
            let slot = at_mut(self.slots, link)?;
            if slot.asked <= asked && slot.class()? == Class::Valid {
                slot.end(asked);
            }
        }
        Ok(())
    }

    /// Marks the entry of this key as the most recently used one.
    ///
    /// # Errors
    /// [`Damaged`] where the memory says what can't be.
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

    /// What the entries take of the memory, apart from what is there for any number of them.
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

    /// Takes the user's oldest entry out if the user has as many as may be.
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
            // Of equally old ones the one that was put in first; the chain has the last ones first.
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

    /// Takes out the least recently used entries of a class until there is room for one of this weight. Returns when the
    /// youngest valid one of them was asked for.
    fn make_room(&mut self, class: Class, weight: u32) -> Result<Option<Millis>, Damaged> {
        let bounds = self.bounds(class);
        let mut crowded_out = None;
        // Each entry that goes makes room for a block at least, so no more have to go than the longest payload has blocks.
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

/// How many blocks an entry counts as. One without a payload counts as one, so that whatever goes makes room.
fn weight(len: usize) -> u32 {
    blocks_for(len).max(1)
}

#[cfg(any(test, feature = "fault-injection"))]
pub mod model;
#[cfg(test)]
mod tests;
