//! The claims against their model. Input: how much memory there is (one byte), then events.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use nginx_authgear::blocks::{BLOCK_BYTES, Damaged};
use nginx_authgear::cache_key::CacheKey;
use nginx_authgear::claims::{
    ClaimId, Claims, Collected, Joined, KEEP_LANDED, Layout, MAX_OUTCOME, Owner, Usage, Wakes,
};
use nginx_authgear::freshness::Millis;
use zerocopy::IntoBytes;

use super::store;

#[path = "../../src/claims/tests/world.rs"]
mod world;

pub use world::{Event, stir};
use world::{KEYS, WORKERS, World};

/// Memory as the zone has it.
pub struct Arena {
    memory: Vec<u64>,
    layout: Layout,
}

/// Sizes, with how many records and blocks they are good for.
static ROOMS: LazyLock<[(usize, usize, usize); 3]> = LazyLock::new(|| {
    [900, 12 * 224, 32 * 1024].map(|bytes| {
        let (records, blocks) = measure(&mut Arena::new(bytes).claims());
        (bytes, records, blocks)
    })
});

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
    let Ok((bytes, records, blocks)) = input.choose(&*ROOMS).copied() else { return };
    let mut arena = Arena::new(bytes);
    let mut claims = arena.claims();
    let mut world = World { records, blocks, ..World::default() };
    for event in events(&mut input, 400) {
        world.apply(&mut claims, event);
        let Usage { flying, landed } = claims.usage();
        assert!((flying + landed) as usize <= records);
        let unfinished = world.flights.iter().filter(|flight| !flight.is_over()).count();
        assert!(flying as usize <= unfinished);
    }
    // Nobody comes any more.
    let end = clear(&mut claims, records, world.now);
    assert_all_free(&mut claims, records, blocks, end);
}

/// A size in which damage is likely to be met, with its records and blocks.
#[must_use]
pub fn room() -> (usize, usize, usize) {
    ROOMS[1]
}

/// As many events as the input has, up to a number.
pub fn events(input: &mut Unstructured<'_>, most: usize) -> Vec<Event> {
    std::iter::from_fn(|| if input.is_empty() { None } else { event(input).ok() }).take(most).collect()
}

fn event(input: &mut Unstructured<'_>) -> Result<Event> {
    let choice = input.int_in_range(0..=15)?;
    let slot = input.int_in_range(0..=WORKERS - 1)?;
    let pick = usize::from(input.arbitrary::<u8>()?);
    Ok(match choice {
        0..5 => Event::Join { slot, name: pick % KEYS, timeout: timeout(input)? },
        5 => Event::Lead { slot, name: pick % KEYS, timeout: timeout(input)? },
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

/// Lets time pass: what is past due ends in the course of other operations. Returns when.
fn clear(claims: &mut Claims<'_>, records: usize, mut now: Millis) -> Millis {
    for _ in 0..records {
        now += 10_000;
        let lead = claims.lead(&key(KEYS), worker(0), now, now + 1).expect("sound memory");
        lead.map(|id| claims.abandon(id, now).expect("sound memory"));
    }
    now
}

/// Nothing is in use, so all of it can be: every record leads, and every block holds a part of an outcome.
pub fn assert_all_free(claims: &mut Claims<'_>, records: usize, blocks: usize, now: Millis) {
    assert_eq!(claims.usage(), Usage { flying: 0, landed: 0 });
    assert_eq!(fill(claims, now), records);
    assert!(holds(claims, blocks * BLOCK_BYTES, now) && !holds(claims, (blocks + 1) * BLOCK_BYTES, now));
    claims.abandon_all(now, |_| true).expect("sound memory");
    assert_eq!(claims.usage(), Usage { flying: 0, landed: 0 });
}

/// How many records, and how many blocks, can be in use.
fn measure(claims: &mut Claims<'_>) -> (usize, usize) {
    let records = fill(claims, 0);
    let blocks = (1..=MAX_OUTCOME / BLOCK_BYTES).take_while(|blocks| holds(claims, blocks * BLOCK_BYTES, 0));
    (records, blocks.count())
}

/// Leads as many flights as there is room for.
fn fill(claims: &mut Claims<'_>, now: Millis) -> usize {
    let mut lead = |name: usize| claims.join(&key(1000 + name), worker(1), now, now + 100);
    (0_usize..).take_while(|name| matches!(lead(*name), Ok(Joined::Lead(_)))).count()
}

/// Whether an outcome of that length finds room.
fn holds(claims: &mut Claims<'_>, len: usize, now: Millis) -> bool {
    // The leader of the first of those who fill everything has to make room for it.
    let Ok(Joined::Follow(id, _)) = claims.join(&key(1000), worker(2), now, now + 100) else {
        panic!("the first one leads no more")
    };
    claims.land(id, now, &vec![7; len]).expect("sound memory");
    let found = collect(claims, id);
    assert!(matches!(claims.join(&key(1000), worker(1), now, now + 100), Ok(Joined::Lead(_))));
    assert!(found.is_err() || found == Ok(vec![7; len]));
    found.is_ok()
}

/// What the model asks of those who include it.
fn collect(claims: &mut Claims<'_>, id: ClaimId) -> std::result::Result<Vec<u8>, Collected> {
    let mut out = vec![0xee; MAX_OUTCOME];
    match claims.collect(id, &mut out) {
        Ok(Collected::Landed(len)) => {
            assert!(out.drain(len..).all(|byte| byte == 0xee));
            Ok(out)
        }
        Ok(other) => Err(other),
        Err(Damaged) => panic!("damaged"),
    }
}

fn key(name: usize) -> CacheKey {
    store::key(name as u64)
}

fn worker(slot: u32) -> Owner {
    Owner { pid: 1000 + slot, slot, generation: 1 }
}

fn slots(wakes: Wakes) -> Vec<u32> {
    (0..64).filter(|slot| wakes.has(*slot)).collect()
}
