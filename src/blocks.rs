//! Chains of fixed-size blocks, which hold what is longer than a slot of shared memory has room for.
//!
//! What is written here may be read by another process, after this one died in the middle of a change: every index is
//! checked, every walk is bounded, and what can't be so is [`Damaged`].

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The link that leads nowhere. Indices in links are one more than the place in the slice.
pub const NIL: u32 = 0;

/// The bytes that a block holds.
pub const BLOCK_BYTES: usize = 60;

/// What the memory says can't be: its contents are to be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Block {
    next: u32,
    bytes: [u8; BLOCK_BYTES],
}

/// Which blocks are free: those that were given back, and those that never were in use.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FreeBlocks {
    first: u32,
    /// The blocks from here on never were in use.
    untouched: u32,
}

/// How many blocks hold this many bytes.
#[must_use]
pub fn blocks_for(len: usize) -> u32 {
    u32::try_from(len.div_ceil(BLOCK_BYTES)).unwrap_or(u32::MAX)
}

impl FreeBlocks {
    /// Makes all blocks free.
    pub fn format(&mut self) {
        (self.first, self.untouched) = (NIL, 0);
    }

    /// Writes bytes to a new chain; returns its link, NIL for no bytes. The caller counts blocks, so there are enough.
    ///
    /// # Errors
    /// [`Damaged`] where there are not.
    pub fn write(&mut self, blocks: &mut [Block], bytes: &[u8]) -> Result<u32, Damaged> {
        // From the end, so that each block is written once.
        let mut next = NIL;
        for part in bytes.chunks(BLOCK_BYTES).rev() {
            let link = self.take(blocks)?;
            let block = at_mut(blocks, link)?;
            block.next = next;
            block.bytes.get_mut(..part.len()).ok_or(Damaged)?.copy_from_slice(part);
            next = link;
        }
        Ok(next)
    }

    /// Gives a chain that holds `len` bytes back.
    ///
    /// # Errors
    /// [`Damaged`] if it is shorter.
    pub fn release(&mut self, blocks: &mut [Block], chain: u32, len: usize) -> Result<(), Damaged> {
        let mut link = chain;
        for _ in 0..blocks_for(len) {
            let block = at_mut(blocks, link)?;
            let next = std::mem::replace(&mut block.next, self.first);
            self.first = link;
            link = next;
        }
        Ok(())
    }

    fn take(&mut self, blocks: &mut [Block]) -> Result<u32, Damaged> {
        if self.first != NIL {
            let link = self.first;
            self.first = at_mut(blocks, link)?.next;
            return Ok(link);
        }
        if self.untouched as usize >= blocks.len() {
            return Err(Damaged);
        }
        self.untouched += 1;
        Ok(self.untouched)
    }
}

/// Copies the `len` bytes of a chain to the front of `out`.
///
/// # Errors
/// [`Damaged`] if the chain or `out` is shorter.
pub fn read(blocks: &[Block], chain: u32, len: usize, out: &mut [u8]) -> Result<(), Damaged> {
    let mut link = chain;
    for part in out.get_mut(..len).ok_or(Damaged)?.chunks_mut(BLOCK_BYTES) {
        let block = blocks.get(place(link)?).ok_or(Damaged)?;
        part.copy_from_slice(block.bytes.get(..part.len()).ok_or(Damaged)?);
        link = block.next;
    }
    Ok(())
}

fn at_mut(blocks: &mut [Block], link: u32) -> Result<&mut Block, Damaged> {
    blocks.get_mut(place(link)?).ok_or(Damaged)
}

/// The place in its slice that a link names.
///
/// # Errors
/// [`Damaged`] if it is NIL.
pub fn place(link: u32) -> Result<usize, Damaged> {
    (link as usize).checked_sub(1).ok_or(Damaged)
}

#[cfg(test)]
#[path = "blocks/tests.rs"]
mod tests;
