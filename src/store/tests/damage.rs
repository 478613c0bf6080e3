//! Impossible contents are reported, after a bounded number of steps.

use super::super::model::{Step, bear};
use super::*;
use zerocopy::IntoBytes;

/// The links of the first and the last entry that were stored.
const FIRST: u32 = 1;
const LAST: u32 = 20;

/// 20 valid entries, ten of which belong to user 1. Entries 0 and up are in slots 1 and up.
fn filled() -> Memory {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..u64::from(LAST) {
        let user = if name % 2 == 0 { 1 } else { 2 };
        store.put(&key(name), user, valid(10), &TYPICAL).unwrap();
    }
    memory
}

#[test]
fn an_entry_of_no_kind_is_not_taken_for_a_later_one() {
    let mut memory = filled();
    let mut store = memory.store();
    store.slots[0].set_free();
    assert_eq!(store.put(&key(0), 1, valid(9), b""), Err(Damaged));
}

/// Damages the memory, and then returns the results of a get and of a put of an entry.
fn after(damage: impl Fn(&mut Store<'_>), name: u64) -> (bool, bool) {
    let (mut one, mut two) = (filled(), filled());
    damage(&mut one.store());
    damage(&mut two.store());
    let got = one.store().get(&key(name), &mut [0; MAX_PAYLOAD]);
    let put = two.store().put(&key(name), 1, valid(10), &TYPICAL);
    (got == Err(Damaged), put == Err(Damaged))
}

#[test]
fn what_cant_be_is_told() {
    type Damage = fn(&mut Store<'_>);
    let slot = |store: &mut Store<'_>, word: usize, value: u32| {
        store.slots[0].as_mut_bytes()[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
    };
    // The words of a slot: 8 to 13 are user, asked and until, 14 to 18 links, 19 size and kind.
    for (word, value, expected) in [
        (15, 99, (false, true)),
        (16, 99, (true, true)),
        (16, 3, (true, true)),
        (17, 99, (true, true)),
        (17, FIRST, (true, true)),
        (17, NIL, (true, true)),
        (18, 99, (true, true)),
        (18, NIL, (true, true)),
        (19, 100, (true, true)),
        (19, 100 | 4 << 16, (true, true)),
        (19, 100 | 0xff << 16, (true, true)),
        (19, (MAX_PAYLOAD as u32 + 1) | 1 << 16, (true, true)),
        (19, 0xffff | 1 << 16, (true, true)),
    ] {
        assert_eq!(after(|store| slot(store, word, value), 0), expected, "{word} {value}");
    }
    let others: [(&str, Damage, (bool, bool)); 6] = [
        ("bucket", |store| store.buckets.fill(99), (true, true)),
        ("users", |store| store.users.fill(99), (false, true)),
        (
            "slot not free",
            |store| (store.buckets.fill(NIL), store.head.free_slots.first = 3).1,
            (false, true),
        ),
        (
            "all in use",
            |store| (store.buckets.fill(NIL), store.head.free_slots.used = u32::MAX).1,
            (false, true),
        ),
        ("no entries", |store| store.head.valid.queue.len = 0, (true, true)),
        ("more entries than may be", |store| store.head.valid.queue.len = u32::MAX, (false, true)),
    ];
    for (what, damage, expected) in others {
        assert_eq!(after(damage, 0), expected, "{what}");
    }
}

#[test]
fn circles_end() {
    for circle in [
        |slot: &mut Slot, link| slot.next_in_bucket = link,
        |slot: &mut Slot, link| {
            (slot.next_in_bucket, slot.next_of_user) = (link, link);
        },
    ] {
        let mut memory = filled();
        let mut store = memory.store();
        for (place, slot) in store.slots.iter_mut().enumerate() {
            circle(slot, place as u32 + 1);
        }
        store.buckets.fill(LAST);
        store.users.fill(LAST);
        assert_eq!(store.get(&key(500), &mut [0; 100]), Err(Damaged));
        assert_eq!(store.put(&key(500), 1, valid(10), b""), Err(Damaged));
        assert_eq!(store.remove(FIRST), Err(Damaged));
    }
    let mut memory = filled();
    let mut store = memory.store();
    store.slots[LAST as usize - 1].next_of_user = LAST;
    assert_eq!(store.put(&key(500), 1, valid(10), b""), Err(Damaged));
}

#[test]
fn a_user_with_more_than_may_be_is_damage() {
    let mut memory = filled();
    let mut store = memory.store();
    for slot in store.slots.iter_mut() {
        slot.user = 1;
    }
    assert_eq!(store.put(&key(500), 1, valid(10), b""), Err(Damaged));
}

#[test]
fn one_put_lets_no_more_go_than_the_longest_payload_needs() {
    let mut memory = Memory::new(1 << 20);
    let mut store = memory.store();
    for name in 0..2000 {
        store.put_valid(name, 0);
    }
    store.head.valid.queue.len = u32::MAX;
    assert_eq!(store.put(&key(5000), 1, valid(10), b""), Err(Damaged));
    assert_eq!(store.usage().evictions, 206);
}

/// Words to write over memory. Most are small, since those are valid links.
fn damage() -> impl Strategy<Value = Vec<(usize, u32)>> {
    let value = prop_oneof![4 => 0..45u32, 1 => any::<u32>(), 1 => Just(u32::MAX)];
    let place = prop_oneof![1 => 0..16usize, 4 => 0..SMALL / 4];
    proptest::collection::vec((place, value), 1..60)
}

/// Fills the memory with pseudorandom words from a seed; about `small` in 256 are valid links.
fn scatter(memory: &mut Memory, mut seed: u64, small: u64) {
    for word in memory.bytes().chunks_exact_mut(4) {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let any = (seed >> 32) as u32;
        let value = if seed >> 24 & 0xff < small { any % 45 } else { any };
        word.copy_from_slice(&value.to_le_bytes());
    }
}

/// Makes the slots look like entries, except for their links.
fn disguise(store: &mut Store<'_>) {
    for (name, slot) in (0..).zip(store.slots.iter_mut()) {
        let kind = if slot.payload % 4 == 0 { Kind::Invalid } else { Kind::Valid };
        let mut entry = Slot::new(*key(name).as_bytes(), 1, stamp(kind, 10), slot.payload, 100);
        entry.next_in_bucket = slot.next_in_bucket;
        entry.next_of_user = slot.next_of_user;
        entry.neighbours = slot.neighbours;
        *slot = entry;
    }
}

/// After formatting, the memory works like new.
fn recover(store: &mut Store<'_>, steps: &[Step]) {
    // The counters continue from any value.
    (store.head.evictions, store.head.negative_evictions) = (0, 0);
    store.format();
    compare(store, steps);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damage_is_borne(
        before in proptest::collection::vec(step(&small()), 0..120), damage in damage(),
        after in proptest::collection::vec(step(&small()), 1..60),
    ) {
        let mut memory = Memory::new(SMALL);
        bear(&mut memory.store(), &before);
        for (place, value) in damage {
            memory.bytes()[4 * place..4 * place + 4].copy_from_slice(&value.to_le_bytes());
        }
        bear(&mut memory.store(), &after);
        recover(&mut memory.store(), &after);
    }

    #[test]
    fn any_memory_is_borne(
        seed in any::<u64>(), small in 0..=256u64, disguised in any::<bool>(),
        steps in proptest::collection::vec(step(&small()), 1..40),
    ) {
        let mut memory = Memory::new(SMALL);
        scatter(&mut memory, seed, small);
        if disguised {
            disguise(&mut memory.store());
        }
        bear(&mut memory.store(), &steps);
        recover(&mut memory.store(), &steps);
    }
}
