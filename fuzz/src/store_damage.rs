//! A store whose memory says what can't be: that may cost its contents, and no more. Input: how much is damaged (one byte),
//! the damage, and steps before and after it.

use arbitrary::{Result, Unstructured};

use super::store::{Memory, bear, steps};

pub fn run(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let mut memory = Memory::default();
    let before = steps(&mut input, 24);
    bear(&mut memory.store(), &before);
    if damage(&mut input, memory.bytes()).is_err() {
        return;
    }
    let after = steps(&mut input, usize::MAX);
    bear(&mut memory.store(), &after);
    // After a format all is as new.
    let mut store = memory.store();
    store.format();
    let usage = store.usage();
    if usage.evictions.max(usage.negative_evictions) < u64::MAX / 2 {
        memory.compare(&after);
    }
}

/// Writes words over memory: a few, or all of it. Small ones are links that lead somewhere.
pub fn damage(input: &mut Unstructured<'_>, memory: &mut [u8]) -> Result<()> {
    let words = memory.len() / 4;
    if input.ratio(1, 4)? {
        let pattern: [u32; 4] = [word(input)?, word(input)?, word(input)?, word(input)?];
        for (word, value) in memory.chunks_exact_mut(4).zip(pattern.iter().cycle()) {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }
    for _ in 0..input.int_in_range(1..=60)? {
        // Most of what matters is at the front: the head and the first records.
        let last = if input.ratio(1, 3)? { 14 } else { words - 1 };
        let place = 4 * input.int_in_range(0..=last)?;
        let value = word(input)?;
        memory[place..place + 4].copy_from_slice(&value.to_le_bytes());
    }
    Ok(())
}

fn word(input: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match input.int_in_range(0..=7)? {
        0..5 => input.int_in_range(0..=44)?,
        5 => u32::MAX - input.int_in_range(0..=3)?,
        6 => input.int_in_range(0..=3)? << 16 | input.int_in_range(0..=255)?,
        _ => input.arbitrary()?,
    })
}
