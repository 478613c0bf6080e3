use proptest::prelude::*;

use super::model::{
    ROOMY, SMALL, assert_all_free, collect, compare, compare_until_all_came, event, follow, key, lead, slots,
    worker,
};
use super::*;
use crate::blocks::BLOCK_BYTES;
use zerocopy::IntoBytes;

mod damage;

mod late;

/// Memory as in a zone.
struct Arena {
    memory: Vec<u64>,
    layout: Layout,
}

impl Arena {
    fn new(bytes: usize) -> Self {
        Self { memory: vec![0; bytes / 8], layout: Layout::of(bytes).unwrap() }
    }

    fn claims(&mut self) -> Claims<'_> {
        Claims::over(self.memory.as_mut_slice().as_mut_bytes(), &self.layout).unwrap()
    }
}

fn usage(claims: &Claims<'_>) -> (u32, u32) {
    let Usage { flying, landed } = claims.usage();
    (flying, landed)
}

#[test]
fn two_megabytes_hold_thousands_of_claims() {
    let bytes = 2 * 1024 * 1024;
    // The slab allocator uses part of the zone.
    for bytes in [bytes, bytes - 64 * 1024] {
        let mut arena = Arena::new(bytes);
        let claims = arena.claims();
        assert!(claims.claims.len() >= 8192 && claims.buckets.len() >= 8192);
        assert!(claims.blocks.len() * BLOCK_BYTES > bytes / 2, "{}", claims.blocks.len());
    }
}

#[test]
fn layouts_never_exceed_their_memory() {
    assert_eq!(Layout::of(0), None);
    for bytes in (0..40_000).step_by(8) {
        let Some(layout) = Layout::of(bytes) else { continue };
        let mut memory = vec![0u64; bytes / 8];
        assert!(Claims::over(memory.as_mut_slice().as_mut_bytes(), &layout).is_some(), "{bytes}");
    }
    let mut memory = [0u64; SMALL / 8];
    let layout = Layout::of(SMALL).unwrap();
    assert!(Claims::over(&mut memory.as_mut_bytes()[..SMALL / 2], &layout).is_none());
    let mut unaligned = [0u64; SMALL / 8 + 1];
    assert!(Claims::over(&mut unaligned.as_mut_bytes()[4..], &layout).is_none());
    assert!(Layout::of(ROOMY).is_some() && Layout::of(usize::MAX).is_none());
}

#[test]
fn all_room_can_be_used_at_once() {
    for bytes in [SMALL, ROOMY] {
        assert_all_free(&mut Arena::new(bytes).claims(), 5);
    }
}

#[test]
fn the_first_leads_and_the_others_follow_until_it_lands() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let first = lead(&mut claims, 1, 3, 0);
    assert_eq!(claims.join(&key(1), worker(5), 99, 500), Ok(Joined::Follow(first, worker(3))));
    assert_eq!(claims.join(&key(1), worker(63), 99, 500), Ok(Joined::Follow(first, worker(3))));
    let other = lead(&mut claims, 2, 5, 0);
    assert_eq!(collect(&mut claims, first), Err(Collected::Flying(worker(3))));
    assert_eq!(slots(claims.land(first, 50, b"one").unwrap()), [5, 63]);
    assert_eq!(usage(&claims), (1, 1));
    let later = lead(&mut claims, 1, 7, 50);
    assert_ne!(later, first);
    assert_eq!(claims.land(other, 50, b"two"), Ok(Wakes::default()));
    assert_eq!(collect(&mut claims, first), Ok(b"one".to_vec()));
    assert_eq!(collect(&mut claims, first), Ok(b"one".to_vec()));
    assert_eq!(collect(&mut claims, first), Err(Collected::Gone));
    assert_eq!(usage(&claims), (1, 0));
    assert_eq!(claims.head.used_blocks, 0);
}

#[test]
fn outcomes_of_any_length_come_whole() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    for len in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, MAX_OUTCOME] {
        let outcome: Vec<u8> = (0..len).map(|place| place as u8).collect();
        let id = lead(&mut claims, 1, 1, 0);
        follow(&mut claims, 1, 2, 0);
        assert_eq!(slots(claims.land(id, 0, &outcome).unwrap()), [2]);
        assert_eq!(collect(&mut claims, id), Ok(outcome));
    }
    assert_all_free(&mut claims, 0);
}

#[test]
fn an_outcome_without_room_is_gone() {
    for (bytes, len) in [(ROOMY, MAX_OUTCOME + 1), (SMALL, MAX_OUTCOME), (SMALL, 100 * 1024)] {
        let mut arena = Arena::new(bytes);
        let mut claims = arena.claims();
        let id = lead(&mut claims, 1, 1, 0);
        follow(&mut claims, 1, 2, 0);
        assert_eq!(slots(claims.land(id, 0, &vec![1; len]).unwrap()), [2]);
        assert_eq!(collect(&mut claims, id), Err(Collected::Gone));
        assert_all_free(&mut claims, 0);
    }
}

#[test]
fn a_buffer_that_is_too_short_gets_nothing() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let id = lead(&mut claims, 1, 1, 0);
    follow(&mut claims, 1, 2, 0);
    claims.land(id, 0, b"four").unwrap();
    assert_eq!(claims.collect(id, &mut [0; 3]), Ok(Collected::Gone));
    assert_all_free(&mut claims, 0);
}

#[test]
fn nothing_is_kept_where_nobody_is_registered() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    for end in 0..3 {
        let id = lead(&mut claims, 1, 1, 0);
        if end == 2 {
            follow(&mut claims, 1, 2, 0);
            claims.forsake(id).unwrap();
        }
        let wakes = if end == 0 { claims.abandon(id, 0) } else { claims.land(id, 0, b"x") };
        assert_eq!(wakes, Ok(Wakes::default()));
        assert_eq!(collect(&mut claims, id), Err(Collected::Gone));
        assert_eq!(usage(&claims), (0, 0));
    }
    assert_all_free(&mut claims, 0);
}

#[test]
fn forsaking_ends_a_registration() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let id = lead(&mut claims, 1, 1, 0);
    follow(&mut claims, 1, 2, 0);
    follow(&mut claims, 1, 3, 0);
    follow(&mut claims, 1, 4, 0);
    claims.forsake(id).unwrap();
    assert!(claims.land(id, 0, b"x").unwrap().has(4));
    claims.forsake(id).unwrap();
    assert_eq!(collect(&mut claims, id), Ok(b"x".to_vec()));
    assert_eq!(claims.forsake(id), Ok(()));
    assert_all_free(&mut claims, 0);
}

#[test]
fn an_abandoned_flight_has_followers_look_elsewhere() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let id = lead(&mut claims, 1, 1, 0);
    follow(&mut claims, 1, 2, 0);
    follow(&mut claims, 1, 3, 0);
    assert_eq!(slots(claims.abandon(id, 0).unwrap()), [2, 3]);
    assert_eq!(claims.land(id, 0, b"late"), Ok(Wakes::default()));
    assert_eq!(collect(&mut claims, id), Err(Collected::Gone));
    assert_eq!(claims.abandon(id, 0), Ok(Wakes::default()));
    assert_eq!(usage(&claims), (0, 1));
    lead(&mut claims, 1, 2, 0);
    assert_eq!(collect(&mut claims, id), Err(Collected::Gone));
    assert_eq!(usage(&claims), (1, 0));
}

#[test]
fn leading_registers_nobody() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let id = claims.lead(&key(1), worker(1), 0, 100).unwrap().unwrap();
    assert_eq!(claims.lead(&key(1), worker(2), 0, 100), Ok(None));
    assert_eq!(claims.land(id, 0, b"x"), Ok(Wakes::default()));
    assert_all_free(&mut claims, 0);
}

#[test]
fn the_flights_of_the_dead_are_abandoned_at_once() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let dead: Vec<_> = (0..20).map(|name| lead(&mut claims, name, 1, 0)).collect();
    let alive = lead(&mut claims, 20, 2, 0);
    let landed = lead(&mut claims, 21, 1, 0);
    for (name, slot) in [(0, 2), (5, 3), (20, 4), (21, 5)] {
        follow(&mut claims, name, slot, 0);
    }
    claims.land(landed, 0, b"x").unwrap();
    assert_eq!(slots(claims.abandon_all(0, |owner| owner == worker(1)).unwrap()), [2, 3]);
    assert_eq!(usage(&claims), (1, 3));
    for id in dead {
        assert_eq!(collect(&mut claims, id), Err(Collected::Gone));
    }
    assert_eq!(collect(&mut claims, alive), Err(Collected::Flying(worker(2))));
    assert_eq!(collect(&mut claims, landed), Ok(b"x".to_vec()));
    assert_eq!(slots(claims.land(alive, 0, b"y").unwrap()), [4]);
    assert_eq!(collect(&mut claims, alive), Ok(b"y".to_vec()));
    assert_all_free(&mut claims, 0);
}

#[test]
fn without_a_free_record_followers_are_still_taken() {
    let mut arena = Arena::new(SMALL);
    let mut claims = arena.claims();
    let records = claims.claims.len() as u64;
    let ids: Vec<_> = (0..records).map(|name| lead(&mut claims, name, 1, 0)).collect();
    assert_eq!(claims.join(&key(records), worker(2), 0, 100), Ok(Joined::Full));
    assert_eq!(claims.lead(&key(records), worker(2), 0, 100), Ok(None));
    follow(&mut claims, 0, 2, 0);
    claims.land(ids[0], 0, b"x").unwrap();
    assert_eq!(claims.join(&key(records), worker(2), KEEP_LANDED - 1, 9000), Ok(Joined::Full));
    assert!(matches!(claims.join(&key(records), worker(2), KEEP_LANDED, 9000), Ok(Joined::Lead(_))));
}

#[test]
fn the_ids_of_before_formatting_find_nothing() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let mut old = Vec::new();
    for round in 0..3 {
        let flying = lead(&mut claims, 1, 1, 0);
        follow(&mut claims, 1, 2, 0);
        let landed = lead(&mut claims, 2, 1, 0);
        follow(&mut claims, 2, 2, 0);
        claims.land(landed, 0, b"x").unwrap();
        assert!(!old.contains(&flying) && !old.contains(&landed));
        old.extend([flying, landed]);
        claims.format();
        if round == 1 {
            // New claims in the same records.
            lead(&mut claims, 1, 1, 0);
            lead(&mut claims, 3, 1, 0);
        }
        for id in &old {
            assert_eq!(collect(&mut claims, *id), Err(Collected::Gone));
            assert_eq!(claims.forsake(*id), Ok(()));
            assert_eq!(claims.abandon(*id, 0), Ok(Wakes::default()));
            assert_eq!(claims.land(*id, 0, b"x"), Ok(Wakes::default()));
        }
        assert_eq!(usage(&claims), if round == 1 { (2, 0) } else { (0, 0) });
        claims.format();
    }
    assert_all_free(&mut claims, 0);
}

#[test]
fn worker_numbers_share_64_bits() {
    let wakes = Wakes(bit(0) | bit(65) | bit(u32::MAX));
    assert_eq!(slots(wakes), [0, 1, 63]);
    assert!(wakes.has(64) && wakes.has(1) && !wakes.has(2));
    assert!(Wakes::default().is_empty() && !wakes.is_empty());
}

#[test]
fn an_id_of_before_never_meets_another_key_though_serials_come_again() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let alices = lead(&mut claims, 1, 1, 0);
    let alices_follower = follow(&mut claims, 1, 2, 0);
    // A worker died, and the stored serial has gone back to an earlier value.
    claims.format();
    claims.head.serial = alices.serial - 1;
    let bobs = lead(&mut claims, 2, 3, 0);
    let bobs_follower = follow(&mut claims, 2, 4, 0);
    assert_eq!((bobs.serial, bobs.link), (alices.serial, alices.link));
    assert_eq!(claims.land(alices, 1, b"alice"), Ok(Wakes::default()));
    assert_eq!(claims.collect(alices_follower, &mut [0; MAX_OUTCOME]), Ok(Collected::Gone));
    assert!(!claims.land(bobs, 1, b"bob").unwrap().is_empty());
    assert_eq!(claims.collect(bobs_follower, &mut [0; MAX_OUTCOME]), Ok(Collected::Landed(3)));
}

proptest! {
    #[test]
    fn followers_get_what_their_leader_landed(
        events in prop::collection::vec(event(), 0..150), bytes in prop::sample::select(vec![900, SMALL, ROOMY]),
    ) {
        compare(&mut Arena::new(bytes).claims(), &events);
    }

    #[test]
    fn nothing_is_left_when_everybody_has_come(events in prop::collection::vec(event(), 0..150)) {
        compare_until_all_came(&mut Arena::new(SMALL).claims(), &events);
    }
}
