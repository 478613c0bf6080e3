use super::*;
use crate::links::index;
use proptest::prelude::*;
use zerocopy::FromZeros;

/// Blocks filled with old contents.
fn blocks(count: usize) -> (FreeBlocks, Vec<Block>) {
    let blocks = (0..count).map(|_| Block { next: u32::MAX, bytes: [0xee; BLOCK_BYTES] }).collect();
    let mut free = FreeBlocks(Free { first: u32::MAX, used: u32::MAX });
    free.format();
    (free, blocks)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|place| place as u8).collect()
}

fn read_all(blocks: &[Block], chain: u32, len: usize) -> Result<Vec<u8>, Damaged> {
    let mut out = vec![0; len];
    read(blocks, chain, len, &mut out).map(|()| out)
}

#[test]
fn as_few_blocks_as_hold_the_bytes() {
    for (len, count) in [(0, 0), (1, 1), (60, 1), (61, 2), (120, 2), (121, 3), (usize::MAX, u32::MAX)] {
        assert_eq!(blocks_for(len), count, "{len}");
    }
}

#[test]
fn what_is_written_is_read() {
    for len in [0, 1, 59, 60, 61, 119, 120, 121, 600] {
        let (mut free, mut blocks) = blocks(10);
        let chain = free.write(&mut blocks, &bytes(len)).unwrap();
        assert_eq!(read_all(&blocks, chain, len), Ok(bytes(len)));
        assert_eq!(chain == NIL, len == 0);
    }
}

#[test]
fn only_the_front_of_the_buffer_is_written() {
    let (mut free, mut blocks) = blocks(2);
    let chain = free.write(&mut blocks, &[1; 61]).unwrap();
    let mut out = [7; 70];
    read(&blocks, chain, 61, &mut out).unwrap();
    assert_eq!((out[60], out[61]), (1, 7));
    assert_eq!(read(&blocks, chain, 61, &mut [0; 60]), Err(Damaged));
}

#[test]
fn blocks_are_taken_once_and_used_again() {
    let (mut free, mut blocks) = blocks(4);
    let one = free.write(&mut blocks, &[1; 120]).unwrap();
    let two = free.write(&mut blocks, &[2; 120]).unwrap();
    assert_eq!(free.write(&mut blocks, &[3]), Err(Damaged));
    free.release(&mut blocks, one, 120).unwrap();
    let three = free.write(&mut blocks, &[3; 61]).unwrap();
    assert_eq!(read_all(&blocks, two, 120), Ok(vec![2; 120]));
    assert_eq!(read_all(&blocks, three, 61), Ok(vec![3; 61]));
    assert_eq!(free.write(&mut blocks, &[4]), Err(Damaged));
}

#[test]
fn given_back_blocks_go_before_untouched_ones() {
    let (mut free, mut blocks) = blocks(3);
    for _ in 0..5 {
        let chain = free.write(&mut blocks, &[1; 120]).unwrap();
        free.release(&mut blocks, chain, 120).unwrap();
    }
    assert!(blocks[2].bytes == [0xee; BLOCK_BYTES] && blocks[2].next == u32::MAX);
}

#[test]
fn chains_that_lead_nowhere_are_damage() {
    for next in [NIL, 3, u32::MAX] {
        let (mut free, mut blocks) = blocks(2);
        let chain = free.write(&mut blocks, &[1; 61]).unwrap();
        blocks[index(chain).unwrap()].next = next;
        assert_eq!(read_all(&blocks, chain, 61), Err(Damaged), "{next}");
        assert_eq!(free.release(&mut blocks, chain, 61), Err(Damaged), "{next}");
    }
    let (mut free, mut blocks) = blocks(2);
    (free.0.first, free.0.used) = (3, 0);
    assert_eq!(free.write(&mut blocks, &[1]), Err(Damaged));
    (free.0.first, free.0.used) = (NIL, u32::MAX);
    assert_eq!(free.write(&mut blocks, &[1]), Err(Damaged));
}

#[test]
fn a_circle_ends_with_the_length() {
    let (mut free, mut blocks) = blocks(1);
    let chain = free.write(&mut blocks, &[1; 60]).unwrap();
    blocks[0].next = chain;
    assert_eq!(read_all(&blocks, chain, 600), Ok(vec![1; 600]));
    assert_eq!(free.release(&mut blocks, chain, 600), Err(Damaged));
}

proptest! {
    /// Chains never share a block, no block is lost, and the caller's count tells whether there are enough.
    #[test]
    fn chains_are_apart(steps in proptest::collection::vec((any::<bool>(), 0..200usize, any::<usize>()), 1..80)) {
        const COUNT: u32 = 16;
        let (mut free, mut blocks) = blocks(COUNT as usize);
        let mut chains: Vec<(u32, Vec<u8>)> = Vec::new();
        for (number, (write, len, pick)) in steps.into_iter().enumerate() {
            let used: u32 = chains.iter().map(|(_, bytes)| blocks_for(bytes.len())).sum();
            if write {
                let bytes = vec![number as u8; len];
                if used + blocks_for(len) <= COUNT {
                    chains.push((free.write(&mut blocks, &bytes).unwrap(), bytes));
                }
            } else if !chains.is_empty() {
                let (chain, bytes) = chains.swap_remove(pick % chains.len());
                free.release(&mut blocks, chain, bytes.len()).unwrap();
            }
            for (chain, bytes) in &chains {
                prop_assert_eq!(&read_all(&blocks, *chain, bytes.len()).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn any_memory_is_read_to_an_end(
        words in proptest::collection::vec(prop_oneof![0..6u32, any::<u32>()], 4 * 16 + 2),
        link in prop_oneof![0..6u32, any::<u32>()], len in 0..400usize,
    ) {
        let mut blocks: Vec<_> = (0..4).map(|_| Block::new_zeroed()).collect();
        for (block, words) in blocks.iter_mut().zip(words.chunks(16)) {
            block.as_mut_bytes().copy_from_slice(words.as_bytes());
        }
        let mut free = FreeBlocks(Free { first: words[64], used: words[65] });
        let _ = read_all(&blocks, link, len);
        let _ = free.release(&mut blocks, link, len);
        let _ = free.write(&mut blocks, &bytes(len));
        free.format();
        let chain = free.write(&mut blocks, &bytes(240)).unwrap();
        prop_assert_eq!(read_all(&blocks, chain, 240), Ok(bytes(240)));
    }
}
