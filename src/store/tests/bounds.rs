//! Which entries are evicted, and what is reported.

use super::*;

#[test]
fn a_full_class_loses_what_was_used_least_recently() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        assert_eq!(store.put_valid(name, name), STORED);
    }
    assert!(store.got(0).is_some());
    // Stored again.
    store.put_valid(2, 2);
    assert_eq!(store.put_valid(100, 50), Put::Stored { crowded_out: Some(1) });
    assert_eq!(store.put_valid(101, 50), Put::Stored { crowded_out: Some(3) });
    let left: Vec<_> = (0..6).filter(|name| store.has(*name)).collect();
    assert_eq!(left, [0, 2, 4, 5]);
    assert_eq!(store.usage(), Usage { valid: 35, negative: 0, evictions: 2, negative_evictions: 0 });
    store.assert_sound();
}

#[test]
fn looking_for_what_is_not_there_uses_nothing() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        store.put_valid(name, 0);
    }
    assert!((100..200).all(|name| store.got(name).is_none()));
    store.put_valid(100, 0);
    assert!(!store.has(0) && store.has(1));
}

#[test]
fn each_class_makes_room_for_its_own_only() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        store.put_valid(name, 0);
    }
    for name in 100..105 {
        assert_eq!(store.put_negative(name, 0), STORED);
    }
    for name in 105..200 {
        assert_eq!(store.put_negative(name, 0), STORED);
    }
    assert!((0..35).all(|name| store.has(name)));
    assert_eq!(store.usage(), Usage { valid: 35, negative: 5, evictions: 0, negative_evictions: 95 });
    for name in 200..300 {
        store.put_valid(name, 0);
    }
    assert!((195..200).all(|name| store.has(name)));
    assert_eq!(store.usage(), Usage { valid: 35, negative: 5, evictions: 100, negative_evictions: 95 });
    store.assert_sound();
}

#[test]
fn long_payloads_cost_as_many_entries_as_their_blocks() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        store.put_valid(name, 100 - name);
    }
    // All blocks are used, two by each entry. 5 entries are evicted for the third to eleventh block, including the two blocks
    // of the 36th entry.
    let put = store.put(&key(100), 0, valid(0), &[1; 60 * 9]);
    assert_eq!(put, Ok(Put::Stored { crowded_out: Some(100) }));
    assert_eq!(store.counts(), (31, 0));
    assert!(!store.has(4) && store.has(5));
    store.assert_sound();
}

#[test]
fn entries_without_payload_count_as_a_block() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..5 {
        store.put(&key(name), 0, stamp(Kind::None, 0), b"").unwrap();
    }
    let put = store.put(&key(5), 0, stamp(Kind::Invalid, 0), &[1; 60 * 7]);
    assert_eq!((put, store.counts()), (Ok(STORED), (0, 4)));
    store.assert_sound();
}

#[test]
fn what_no_class_has_room_for_is_too_large() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for (kind, most) in [(Kind::Valid, 70 * 60), (Kind::Invalid, 10 * 60), (Kind::None, 10 * 60)] {
        for (len, expected) in
            [(most, STORED), (most + 1, Put::TooLarge), (usize::from(u16::MAX) + 2, Put::TooLarge)]
        {
            store.format();
            let put = store.put(&key(1), even(1), stamp(kind, 0), &vec![1; len]);
            assert_eq!(put, Ok(expected), "{kind:?} {len}");
            assert_eq!(store.has(1), expected == STORED);
            store.assert_sound();
        }
    }
    let mut large = Memory::new(1 << 20);
    let put = large.store().put(&key(1), even(1), valid(0), &[0; MAX_PAYLOAD + 1]);
    assert_eq!(put, Ok(Put::TooLarge));
}

#[test]
fn what_is_too_large_leaves_nothing_that_contradicts_it() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        store.put_valid(name, 10);
    }
    let mut put = |asked| store.put(&key(1), even(1), stamp(Kind::Invalid, asked), &[0; 601]).unwrap();
    assert_eq!((put(9), put(10)), (Put::Older, Put::TooLarge));
    assert_eq!(store.usage(), Usage { valid: 34, negative: 0, evictions: 0, negative_evictions: 0 });
    assert!(!store.has(1));
    store.assert_sound();
}

#[test]
fn a_user_has_sixteen_entries_and_loses_the_oldest() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    // Entries 1 to 3 share a bucket.
    for (user, first) in [(1, 0), (2, 50)] {
        for name in first..first + 16 {
            // The third one is the oldest.
            let asked = if name == first + 2 { 5 } else { 10 };
            assert_eq!(store.put(&key(name), user, valid(asked), b""), Ok(STORED));
        }
    }
    let mut put = |name, asked| store.put(&key(name), 1, valid(asked), b"").unwrap();
    // Replaced, not added.
    assert_eq!(put(0, 10), STORED);
    assert_eq!((put(100, 7), put(101, 20), put(102, 20)), (STORED, STORED, STORED));
    // Of equally old entries, those stored first are removed; 0 was stored again.
    let left: Vec<_> = (0..110).filter(|name| store.has(*name)).collect();
    let expected: Vec<_> = [0].into_iter().chain(3..16).chain(50..66).chain(101..103).collect();
    assert_eq!(left, expected);
    assert_eq!(store.usage(), Usage { valid: 32, negative: 0, evictions: 0, negative_evictions: 0 });
    store.assert_sound();
}

#[test]
fn the_bound_of_a_user_comes_before_the_bound_of_the_class() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        let user = if name < 16 { 1 } else { even(name) };
        store.put(&key(name), user, valid(name), &TYPICAL).unwrap();
    }
    assert_eq!(store.put(&key(100), 1, valid(99), &TYPICAL), Ok(STORED));
    assert_eq!(store.usage(), Usage { valid: 35, negative: 0, evictions: 0, negative_evictions: 0 });
    // It is longer than the entry it replaces, so others are evicted as well.
    let put = store.put(&key(101), 1, valid(99), &[1; 150]);
    assert_eq!(put, Ok(Put::Stored { crowded_out: Some(2) }));
}

#[test]
fn negative_answers_have_no_user() {
    let mut memory = Memory::new(1 << 18);
    let mut store = memory.store();
    for name in 0..100 {
        store.put(&key(name), 1, stamp(Kind::Invalid, 0), b"no").unwrap();
    }
    assert_eq!(store.counts(), (0, 100));
    store.assert_sound();
}

#[test]
fn the_youngest_that_was_crowded_out_is_told() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..35 {
        store.put_valid(name, if name == 2 { 90 } else { name });
    }
    let put = store.put(&key(100), 0, valid(100), &[1; 60 * 8]);
    assert_eq!(put, Ok(Put::Stored { crowded_out: Some(90) }));
    // Evicted negative entries are not reported.
    let all_blocks = store.put(&key(101), 0, stamp(Kind::Invalid, 0), &[1; 600]);
    assert_eq!(all_blocks, Ok(STORED));
    assert_eq!(store.put_negative(102, 0), STORED);
    assert!(!store.has(101));
}

/// The manual says: "1 MB holds about 4,000 sessions".
#[test]
fn a_megabyte_holds_four_thousand_sessions() {
    let mut memory = Memory::new(1 << 20);
    let mut store = memory.store();
    let mut held = 0;
    while store.put_valid(held, 0) == STORED {
        held += 1;
    }
    assert_eq!(held, 4248);
    assert!((1 << 20) / held <= 300, "{} bytes a session", (1 << 20) / held);
    store.assert_sound();
}

#[test]
fn garbage_leaves_valid_entries_alone() {
    let mut memory = Memory::new(1 << 18);
    let mut store = memory.store();
    for name in 0..100 {
        store.put_valid(name, 0);
    }
    for name in 0..100_000 {
        assert_eq!(store.put_negative(1000 + name, 0), STORED);
    }
    assert!((0..100).all(|name| store.has(name)));
}

#[test]
fn a_user_with_many_keys_leaves_the_others_alone() {
    let mut memory = Memory::new(1 << 18);
    let mut store = memory.store();
    for name in 0..100 {
        store.put_valid(name, 0);
    }
    for name in 0..100_000 {
        assert_eq!(store.put(&key(1000 + name), even(200), valid(name), &TYPICAL), Ok(STORED));
    }
    assert!((0..100).all(|name| store.has(name)));
    assert_eq!(store.usage(), Usage { valid: 116, negative: 0, evictions: 0, negative_evictions: 0 });
}
