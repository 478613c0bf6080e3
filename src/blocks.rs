//! Chains of fixed-size blocks, for contents that don't fit into a record in shared memory.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::links::chain::Chain;
use crate::links::free::Free;
use crate::links::{Damaged, NIL, at, at_mut};

/// The number of bytes in a block.
pub const BLOCK_BYTES: usize = 60;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Block {
    next: u32,
    bytes: [u8; BLOCK_BYTES],
}

struct ByNext;

impl Chain for ByNext {
    type Record = Block;

    fn next(block: &Block) -> u32 {
        block.next
    }

    fn next_mut(block: &mut Block) -> &mut u32 {
        &mut block.next
    }
}

/// The free blocks.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(transparent)]
pub struct FreeBlocks(Free);

/// The number of blocks needed for this many bytes.
#[must_use]
pub fn blocks_for(len: usize) -> u32 {
    u32::try_from(len.div_ceil(BLOCK_BYTES)).unwrap_or(u32::MAX)
}

impl FreeBlocks {
    /// Frees all blocks.
    pub fn format(&mut self) {
        self.0 = Free::ALL;
    }

    /// Writes bytes to a new chain and returns its link, or NIL if there are no bytes. The caller keeps count of the blocks,
    /// so there are enough.
    ///
    /// # Errors
    /// [`Damaged`] if there aren't.
    pub fn write(&mut self, blocks: &mut [Block], bytes: &[u8]) -> Result<u32, Damaged> {
        // Start at the end, so that each block is written only once.
        let mut next = NIL;
        for part in bytes.chunks(BLOCK_BYTES).rev() {
            let link = self.0.take::<ByNext>(blocks)?.ok_or(Damaged)?;
            let block = at_mut(blocks, link)?;
            block.next = next;
            block.bytes.get_mut(..part.len()).ok_or(Damaged)?.copy_from_slice(part);
            next = link;
        }
        Ok(next)
    }

    /// Releases a chain of `len` bytes.
    ///
    /// # Errors
    /// [`Damaged`] if it is shorter.
    pub fn release(&mut self, blocks: &mut [Block], chain: u32, len: usize) -> Result<(), Damaged> {
        let mut link = chain;
        for _ in 0..blocks_for(len) {
            let next = at(blocks, link)?.next;
            self.0.give_back::<ByNext>(blocks, link)?;
            link = next;
        }
        Ok(())
    }
}

/// Copies the `len` bytes of a chain to the start of `out`.
///
/// # Errors
/// [`Damaged`] if the chain or `out` is shorter.
pub fn read(blocks: &[Block], chain: u32, len: usize, out: &mut [u8]) -> Result<(), Damaged> {
    let mut link = chain;
    for part in out.get_mut(..len).ok_or(Damaged)?.chunks_mut(BLOCK_BYTES) {
        let block = at(blocks, link)?;
        part.copy_from_slice(block.bytes.get(..part.len()).ok_or(Damaged)?);
        link = block.next;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
