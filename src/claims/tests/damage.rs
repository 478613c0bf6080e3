//! Memory with arbitrary content causes no panic and no endless loop, and after formatting works like new memory.

use super::super::model::stir;
use super::*;
use zerocopy::IntoBytes;

/// Key 1 is in flight with a follower, key 2 has landed for a follower, and key 3 has been freed.
#[test]
fn what_cant_be_is_damage() {
    type Break = fn(&mut Claims<'_>);
    type Use = fn(&mut Claims<'_>, ClaimId, ClaimId) -> Option<Damaged>;
    let join: Use = |claims, _, _| claims.join(&key(4), worker(4), 0, 100).err();
    let rejoin: Use = |claims, _, _| claims.join(&key(1), worker(4), 0, 100).err();
    let expire: Use = |claims, _, _| claims.lead(&key(4), worker(4), 1_000_000, 2_000_000).err();
    let abandon: Use = |claims, flying, _| claims.abandon(flying, 0).err();
    let abandon_all: Use = |claims, _, _| claims.abandon_all(0, |_| true).err();
    let collect: Use = |claims, _, landed| claims.collect(landed, &mut [0; MAX_OUTCOME]).err();
    let forsake: Use = |claims, _, landed| claims.forsake(landed).err();
    let land: Use = |claims, flying, _| claims.land(flying, 0, &[1; MAX_OUTCOME / 2]).err();
    let circle: Break = |claims| {
        // Every bucket leads to key 3's record, which links to itself.
        claims.buckets.fill(3);
        claims.claims[2].next = 3;
    };
    let long: Break = |claims| {
        // All of its blocks link to the first block.
        claims.claims[1].len = 1 << 20;
        let blocks = claims.blocks.as_mut_bytes().chunks_mut(size_of::<Block>());
        blocks.for_each(|block| block[..4].copy_from_slice(&1u32.to_le_bytes()));
    };
    let cases: [(&str, Break, &[Use]); 16] = [
        ("a circle in a bucket", circle, &[join, rejoin, abandon, abandon_all]),
        ("an end of a bucket before its claim", |claims| claims.buckets.fill(NIL), &[abandon, abandon_all]),
        ("a link beyond the end", |claims| claims.buckets.fill(u32::MAX), &[join, rejoin, abandon]),
        ("a bucket with what is over", |claims| claims.claims[0].state = LANDED, &[rejoin]),
        ("an unknown state", |claims| claims.claims[0].state = 9, &[rejoin, abandon]),
        ("too many records", |claims| claims.head.free.used = u32::MAX, &[abandon_all, collect, forsake]),
        ("a free record in use", |claims| claims.claims[2].state = LANDED, &[join]),
        ("a free record beyond the end", |claims| claims.head.free.first = u32::MAX, &[join]),
        ("a follower too many", |claims| claims.claims[0].pending = u32::MAX, &[rejoin]),
        ("a follower too few", |claims| claims.claims[1].pending = 0, &[collect, forsake]),
        ("an outcome too long", long, &[collect, forsake, expire]),
        ("an outcome without blocks", |claims| claims.claims[1].chain = NIL, &[collect, forsake, expire]),
        ("no blocks in use", |claims| claims.head.used_blocks = 0, &[collect, forsake, expire]),
        ("blocks beyond the end", |claims| claims.head.used_blocks = u32::MAX, &[land]),
        ("a wrong link back", |claims| claims.claims[1].neighbours.before = 1, &[collect, forsake, expire]),
        ("a wrong link on", |claims| claims.claims[0].neighbours.after = 2, &[abandon, abandon_all, expire]),
    ];
    for (name, damage, uses) in cases {
        for (place, operation) in uses.iter().enumerate() {
            let mut arena = Arena::new(ROOMY);
            let mut claims = arena.claims();
            let [flying, landed, freed] = [1, 2, 3].map(|name| lead(&mut claims, name, 1, 0));
            follow(&mut claims, 1, 2, 0);
            follow(&mut claims, 2, 2, 0);
            claims.land(landed, 0, &[1; 100]).unwrap();
            claims.abandon(freed, 0).unwrap();
            damage(&mut claims);
            assert_eq!(operation(&mut claims, flying, landed), Some(Damaged), "{name}, {place}");
            claims.format();
            assert_all_free(&mut claims, 0);
        }
    }
}

/// Arbitrary ids, including ids that this memory never issued.
fn any_ids() -> impl Strategy<Value = Vec<ClaimId>> {
    prop::collection::vec((0..16u32, 0..4u64), 1..8)
        .prop_map(|ids| ids.into_iter().map(|(link, serial)| ClaimId { link, serial, key: key(0) }).collect())
}

proptest! {
    /// Arbitrary bytes cause no panic and no endless loop, and after formatting the memory works like new.
    #[test]
    fn any_memory_can_be_worked_on(
        memory in prop::collection::vec(prop_oneof![2 => any::<u64>(), 1 => Just(u64::MAX), 3 => 0..8u64, 2 => (0..8u64, 0..8u64).prop_map(|(a, b)| a << 32 | b)], SMALL / 8),
        events in prop::collection::vec(event(), 0..40), mut ids in any_ids(),
    ) {
        let mut arena = Arena { memory, layout: Layout::of(SMALL).unwrap() };
        let mut claims = arena.claims();
        for id in &ids {
            // With the wrong key an id would find nothing, and so would never reach damaged contents.
            if let Some(claim) = claims.claims.get_mut((id.link as usize).wrapping_sub(1)) {
                claim.key = *id.key.as_bytes();
            }
        }
        stir(&mut claims, &events, &mut ids);
        claims.format();
        assert_all_free(&mut claims, 0);
    }

    /// The same for sound memory in which a few words were damaged.
    #[test]
    fn slight_damage_does_no_worse(
        before in prop::collection::vec(event(), 0..60), after in prop::collection::vec(event(), 0..60),
        // Most of the first words belong to the head and to records in use.
        words in prop::collection::vec((prop_oneof![0..14usize, 0..SMALL / 4], prop_oneof![0..16u32, any::<u32>(), Just(u32::MAX)]), 1..4),
    ) {
        let mut arena = Arena::new(SMALL);
        let mut ids = Vec::new();
        stir(&mut arena.claims(), &before, &mut ids);
        for (place, word) in words {
            let bytes = arena.memory.as_mut_slice().as_mut_bytes();
            bytes[place * 4..][..4].copy_from_slice(&word.to_le_bytes());
        }
        let mut claims = arena.claims();
        stir(&mut claims, &after, &mut ids);
        claims.format();
        assert_all_free(&mut claims, 0);
    }
}
