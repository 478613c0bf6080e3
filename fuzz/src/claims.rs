//! The claims against their model. Input: how much memory there is (one byte), then events.

use arbitrary::{Result, Unstructured};
use nginx_authgear::blocks::BLOCK_BYTES;
use nginx_authgear::claims::{
    Capacity, ClaimId, Claims, Collected, Joined, KEEP_LANDED, Layout, MAX_OUTCOME, Owner, Usage, Wakes,
};
use nginx_authgear::freshness::Millis;
use nginx_authgear::links::Damaged;
use zerocopy::IntoBytes;

use super::store::key;

#[path = "../../src/claims/model/basics.rs"]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what is not as it should be is a finding"
)]
mod basics;

#[path = "../../src/claims/model/world.rs"]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what is not as it should be is a finding"
)]
mod world;

use basics::ROOMY;
pub use basics::{SMALL, assert_all_free};
pub use world::{Event, stir};
use world::{KEYS, WORKERS, compare, compare_until_all_came};

/// Memory as the zone has it.
pub struct Arena {
    memory: Vec<u64>,
    layout: Layout,
}

impl Arena {
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let layout = Layout::of(bytes).expect("enough for a claim");
        Self { memory: vec![0; bytes.div_ceil(8)], layout }
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        self.memory.as_mut_slice().as_mut_bytes()
    }

    pub fn claims(&mut self) -> Claims<'_> {
        Claims::over(self.memory.as_mut_slice().as_mut_bytes(), &self.layout).expect("memory of that size")
    }
}

pub fn run(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let Ok(bytes) = input.choose(&[900, SMALL, ROOMY]).copied() else { return };
    let events = events(&mut input, 400);
    for hold in [compare, compare_until_all_came] {
        hold(&mut Arena::new(bytes).claims(), &events);
    }
}

/// As many events as the input has, up to a number.
pub fn events(input: &mut Unstructured<'_>, most: usize) -> Vec<Event> {
    std::iter::from_fn(|| if input.is_empty() { None } else { event(input).ok() }).take(most).collect()
}

fn event(input: &mut Unstructured<'_>) -> Result<Event> {
    let choice = input.int_in_range(0..=15)?;
    let slot = input.int_in_range(0..=WORKERS - 1)?;
    let any = input.arbitrary::<u8>()?;
    let (pick, name) = (usize::from(any), u64::from(any) % KEYS);
    Ok(match choice {
        0..5 => Event::Join { slot, name, timeout: timeout(input)? },
        5 => Event::Lead { slot, name, timeout: timeout(input)? },
        6..9 => Event::Land { pick, len: input.int_in_range(0..=1023)? },
        9 => Event::Abandon { pick },
        10 => Event::AbandonAll { slot },
        11..14 => Event::Collect { pick },
        14 => Event::Forsake { pick },
        _ => Event::Pass { time: input.int_in_range(0..=2_500)? },
    })
}

fn timeout(input: &mut Unstructured<'_>) -> Result<Millis> {
    input.int_in_range(1..=3_000)
}
