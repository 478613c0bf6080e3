//! What the memory of the claims holds, and where: a head, the records of claims, buckets to find them by key, and blocks
//! for outcomes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::queue::Queue;
use super::{Claims, MAX_OUTCOME, Owner};
use crate::blocks::{Block, Damaged, FreeBlocks, NIL, place};
use crate::freshness::Millis;

/// A claim for so many bytes, of which its record takes less than half; blocks get the rest.
const BYTES_PER_CLAIM: usize = 224;

/// Buckets are as many as claims and keys are even, so a walk this long goes in circles.
const MAX_STEPS: usize = 1024;

pub(super) const FREE: u32 = 0;
pub(super) const FLYING: u32 = 1;
pub(super) const LANDED: u32 = 2;
/// Over without an outcome, and kept until the followers know.
pub(super) const ABANDONED: u32 = 3;

/// How memory of a size is divided. It is kept outside of that memory, where nothing can damage it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    claims: usize,
    blocks: usize,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Head {
    pub(super) serial: u64,
    /// The records that were given back.
    pub(super) free: u32,
    /// So many records have been in use.
    pub(super) touched: u32,
    /// By their start.
    pub(super) flying: Queue,
    /// Landed and abandoned ones, by their end.
    pub(super) kept: Queue,
    pub(super) blocks: FreeBlocks,
    pub(super) used_blocks: u32,
    unused: u32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Claim {
    pub(super) key: [u8; 32],
    pub(super) serial: u64,
    /// The flight's deadline; after its end, for how long it is kept.
    pub(super) until: Millis,
    /// The bits of all workers that registered.
    pub(super) followers: u64,
    pub(super) owner: Owner,
    /// How many registrations there are.
    pub(super) pending: u32,
    pub(super) state: u32,
    /// The next in the bucket, or the next free one.
    pub(super) next: u32,
    pub(super) before: u32,
    pub(super) after: u32,
    pub(super) chain: u32,
    pub(super) len: u32,
}

impl Layout {
    /// `None` if nothing useful fits in.
    #[must_use]
    pub fn of(bytes: usize) -> Option<Self> {
        let claims = bytes / BYTES_PER_CLAIM;
        // Links are u32, and one more than the place.
        u32::try_from(bytes).ok()?;
        let before_blocks = size_of::<Head>() + claims * (size_of::<Claim>() + size_of::<u32>());
        let blocks = bytes.checked_sub(before_blocks)? / size_of::<Block>();
        (claims > 0 && blocks > 0).then_some(Self { claims, blocks })
    }
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

impl Head {
    pub(super) fn format(&mut self) {
        (self.free, self.touched, self.used_blocks) = (NIL, 0, 0);
        (self.flying, self.kept) = (Queue::default(), Queue::default());
        self.blocks.format();
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// The last link that leads to a record that has been in use.
    pub(super) fn touched(&self, claims: &[Claim]) -> Result<u32, Damaged> {
        if self.touched as usize > claims.len() { Err(Damaged) } else { Ok(self.touched) }
    }

    /// Takes a free record, if there is one.
    pub(super) fn take(&mut self, claims: &[Claim]) -> Result<Option<u32>, Damaged> {
        if self.free != NIL {
            let link = self.free;
            let claim = at(claims, link)?;
            if claim.state != FREE {
                return Err(Damaged);
            }
            self.free = claim.next;
            return Ok(Some(link));
        }
        if self.touched(claims)? as usize == claims.len() {
            return Ok(None);
        }
        self.touched += 1;
        Ok(Some(self.touched))
    }

    pub(super) fn give_back(&mut self, claims: &mut [Claim], link: u32) -> Result<(), Damaged> {
        let claim = at_mut(claims, link)?;
        (claim.state, claim.next) = (FREE, self.free);
        self.free = link;
        Ok(())
    }
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
        before: NIL,
        after: NIL,
        chain: NIL,
        len: 0,
    };

    /// The bytes of outcome that it holds.
    pub(super) fn outcome_len(&self) -> Result<usize, Damaged> {
        let len = self.len as usize;
        if len > MAX_OUTCOME { Err(Damaged) } else { Ok(len) }
    }
}

pub(super) fn at(claims: &[Claim], link: u32) -> Result<&Claim, Damaged> {
    claims.get(place(link)?).ok_or(Damaged)
}

pub(super) fn at_mut(claims: &mut [Claim], link: u32) -> Result<&mut Claim, Damaged> {
    claims.get_mut(place(link)?).ok_or(Damaged)
}

/// The claim that is listed under a key.
pub(super) fn look_up(buckets: &[u32], claims: &[Claim], key: &[u8; 32]) -> Result<Option<u32>, Damaged> {
    let mut link = *buckets.get(bucket(buckets, key)?).ok_or(Damaged)?;
    for _ in 0..MAX_STEPS {
        if link == NIL {
            return Ok(None);
        }
        let claim = at(claims, link)?;
        if claim.key == *key {
            return Ok(Some(link));
        }
        link = claim.next;
    }
    Err(Damaged)
}

/// Lists a claim under its key.
pub(super) fn list(buckets: &mut [u32], claims: &mut [Claim], link: u32) -> Result<(), Damaged> {
    let claim = at_mut(claims, link)?;
    let bucket = bucket(buckets, &claim.key)?;
    let first = buckets.get_mut(bucket).ok_or(Damaged)?;
    claim.next = std::mem::replace(first, link);
    Ok(())
}

/// Takes a claim from the list.
pub(super) fn unlist(buckets: &mut [u32], claims: &mut [Claim], link: u32) -> Result<(), Damaged> {
    let claim = at(claims, link)?;
    let next = claim.next;
    let bucket = bucket(buckets, &claim.key)?;
    let first = buckets.get_mut(bucket).ok_or(Damaged)?;
    if *first == link {
        *first = next;
        return Ok(());
    }
    let mut before = *first;
    for _ in 0..MAX_STEPS {
        let claim = at_mut(claims, before)?;
        if claim.next == link {
            claim.next = next;
            return Ok(());
        }
        before = claim.next;
    }
    Err(Damaged)
}

fn bucket(buckets: &[u32], key: &[u8; 32]) -> Result<usize, Damaged> {
    let bits = u64::from_le_bytes(*key.first_chunk().ok_or(Damaged)?);
    let bucket = bits.checked_rem(buckets.len() as u64).ok_or(Damaged)?;
    usize::try_from(bucket).map_err(|_| Damaged)
}
