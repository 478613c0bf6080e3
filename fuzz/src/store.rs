//! The store against its model. Input: steps.

use arbitrary::{Result, Unstructured};
use nginx_authgear::cache_key::{CacheKey, KeyMaker, ResolverId, Secret};
use nginx_authgear::credentials::{Credentials, Presented, present};
use nginx_authgear::freshness::{Kind, Millis, Stamp};
use nginx_authgear::store::{Capacity, Layout, MAX_PAYLOAD, Put, Store, Usage};
use zerocopy::IntoBytes;

#[path = "../../src/store/model/naive.rs"]
#[allow(clippy::unwrap_used, clippy::panic, reason = "what is not as it should be is a finding")]
mod naive;

use naive::{SMALL, even};
pub use naive::{Step, bear, key};

/// Names as the model has them in memory of that size.
const NAMES: u64 = 70;

/// Memory as a zone has it.
pub struct Memory {
    words: Vec<u64>,
    layout: Layout,
}

impl Default for Memory {
    fn default() -> Self {
        let layout = Layout::of(SMALL).expect("enough for a store");
        let mut memory = Self { words: vec![0; SMALL / 8], layout };
        memory.store().format();
        memory
    }
}

impl Memory {
    pub fn bytes(&mut self) -> &mut [u8] {
        self.words.as_mut_slice().as_mut_bytes()
    }

    pub fn store(&mut self) -> Store<'_> {
        Store::over(self.words.as_mut_slice().as_mut_bytes(), &self.layout).expect("memory of that size")
    }

    /// Holds the store, which is empty, against the model.
    pub fn compare(&mut self, steps: &[Step]) {
        let layout = self.layout;
        naive::compare(&mut self.store(), &layout, steps);
    }
}

pub fn run(input: &[u8]) {
    Memory::default().compare(&steps(&mut Unstructured::new(input), usize::MAX));
}

/// As many steps as the input has, up to a number.
pub fn steps(input: &mut Unstructured<'_>, most: usize) -> Vec<Step> {
    std::iter::from_fn(|| if input.is_empty() { None } else { step(input).ok() }).take(most).collect()
}

fn step(input: &mut Unstructured<'_>) -> Result<Step> {
    let choice = input.int_in_range(0..=15)?;
    let name = input.int_in_range(0..=NAMES - 1)?;
    Ok(match choice {
        0..9 => Step::Put { name, user: user(input)?, stamp: stamp(input)?, len: len(input)? },
        9..12 => Step::Get { name },
        12 => Step::Void { name, asked: input.int_in_range(0..=29)? },
        13..15 => Step::Touch { name },
        _ => {
            if input.ratio(1, 8)? {
                Step::Format
            } else {
                Step::Get { name }
            }
        }
    })
}

/// Many entries of few users, who share a bucket, and others.
fn user(input: &mut Unstructured<'_>) -> Result<u64> {
    let user = input.int_in_range(0..=31)?;
    Ok(if user < 16 { user % 2 + 1 } else { even(user) })
}

fn stamp(input: &mut Unstructured<'_>) -> Result<Stamp> {
    let kind = *input.choose(&[Kind::Valid, Kind::Valid, Kind::Invalid, Kind::None])?;
    Ok(naive::stamp(kind, input.int_in_range(0..=29)?))
}

/// Around the bounds: of a block, of what a class may hold, of what is ever kept.
fn len(input: &mut Unstructured<'_>) -> Result<usize> {
    let len: usize = input.int_in_range(0..=255)?;
    Ok(match len {
        0..200 => len,
        200..230 => (len - 200) * 25,
        230..250 => 4190 + len - 230,
        _ => MAX_PAYLOAD + len - 253,
    })
}
