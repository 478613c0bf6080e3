use super::model::{SMALL, compare, even, got, key, stamp, step};
use super::*;
use crate::freshness::Kind;
use proptest::prelude::*;
use zerocopy::IntoBytes;

mod bounds;
mod damage;

/// The payload of a typical session.
const TYPICAL: [u8; 100] = [b's'; 100];

fn small() -> Layout {
    Layout::of(SMALL).unwrap()
}

struct Memory {
    words: Vec<u64>,
    layout: Layout,
}

impl Memory {
    /// Returns new, formatted memory.
    fn new(bytes: usize) -> Self {
        let layout = Layout::of(bytes).unwrap();
        let mut memory = Self { words: vec![0; bytes.div_ceil(8)], layout };
        memory.store().format();
        memory
    }

    fn bytes(&mut self) -> &mut [u8] {
        let len = self.layout.bytes();
        &mut self.words.as_mut_bytes()[..len]
    }

    fn store(&mut self) -> Store<'_> {
        let layout = self.layout;
        Store::over(self.bytes(), &layout).unwrap()
    }
}

impl Store<'_> {
    fn got(&mut self, name: u64) -> Option<(Stamp, Vec<u8>)> {
        got(self, name)
    }

    fn has(&self, name: u64) -> bool {
        self.find(&key(name)).unwrap().is_some()
    }

    /// Stores a session of a user that has no other session.
    fn put_valid(&mut self, name: u64, asked: Millis) -> Put {
        self.put(&key(name), even(name), valid(asked), &TYPICAL).unwrap()
    }

    fn put_negative(&mut self, name: u64, asked: Millis) -> Put {
        self.put(&key(name), 0, stamp(Kind::Invalid, asked), b"no").unwrap()
    }

    fn counts(&self) -> (u32, u32) {
        (self.usage().valid, self.usage().negative)
    }
}

fn valid(asked: Millis) -> Stamp {
    stamp(Kind::Valid, asked)
}

const STORED: Put = Put::Stored { crowded_out: None };

#[test]
fn what_is_put_is_got() {
    let mut memory = Memory::new(1 << 20);
    let mut store = memory.store();
    let kinds = [Kind::Valid, Kind::Invalid, Kind::None];
    for (name, len) in [0, 1, 59, 60, 61, 120, 121, 4000, MAX_PAYLOAD].into_iter().enumerate() {
        for (number, kind) in kinds.into_iter().enumerate() {
            let (name, stamp) = ((3 * name + number) as u64, stamp(kind, name as u64));
            let payload: Vec<u8> = (0..len).map(|place| (place + number) as u8).collect();
            assert_eq!(store.got(name), None);
            assert_eq!(store.put(&key(name), even(name), stamp, &payload), Ok(STORED));
            assert_eq!(store.got(name), Some((stamp, payload)));
            store.assert_sound();
        }
    }
    assert_eq!(store.usage(), Usage { valid: 9, negative: 18, evictions: 0, negative_evictions: 0 });
}

#[test]
fn a_none_is_in_doubt_where_a_valid_answer_was_and_as_long_as_nothing_else_comes() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    let none = |asked| stamp(Kind::None, asked);
    let put_none = |store: &mut Store<'_>, asked| {
        let since = store.doubt(&key(1), &none(asked)).unwrap();
        store.put(&key(1), since.unwrap_or(0), none(asked), b"").unwrap();
        since
    };
    assert_eq!((put_none(&mut store, 5), put_none(&mut store, 6)), (None, None), "nothing was there");
    store.put_valid(1, 10);
    assert_eq!(store.doubt(&key(1), &stamp(Kind::Invalid, 11)), Ok(None));
    assert_eq!(store.doubt(&key(2), &none(11)), Ok(None));
    assert_eq!(
        (put_none(&mut store, 11), put_none(&mut store, 20), put_none(&mut store, 90)),
        (Some(11), Some(11), Some(11))
    );
    store.put_negative(1, 91);
    assert_eq!(put_none(&mut store, 92), None, "that it is invalid is certain");
    // An answer that has ended by its own limits, or that the resolver has contradicted, can't be renewed.
    store.put_valid(1, 100);
    assert_eq!(store.doubt(&key(1), &none(valid(100).until - 1)), Ok(Some(valid(100).until - 1)));
    assert_eq!(store.doubt(&key(1), &none(valid(100).until)), Ok(None));
    store.void(&key(1), 101).unwrap();
    assert_eq!(put_none(&mut store, 102), None);
    store.assert_sound();
}

#[test]
fn another_process_sees_the_same() {
    let mut memory = Memory::new(SMALL);
    memory.store().put_valid(1, 5);
    let mut other = Memory { words: memory.words.clone(), layout: Layout::of(SMALL).unwrap() };
    assert_eq!(other.store().got(1), Some((valid(5), TYPICAL.to_vec())));
}

#[test]
fn keys_are_compared_in_full() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    store.put_valid(1, 0);
    for place in 0..32 {
        store.slots[0].key[place] ^= 1;
        assert!(!store.has(1), "{place}");
        store.slots[0].key[place] ^= 1;
    }
    assert!(store.has(1));
}

#[test]
fn an_entry_that_the_buffer_has_no_room_for_is_not_found() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    store.put_valid(1, 0);
    assert_eq!(store.get(&key(1), &mut [0; 99]), Ok(None));
    assert_eq!(store.get(&key(1), &mut [0; 100]), Ok(Some((valid(0), 100))));
}

#[test]
fn what_was_asked_for_later_stays() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    let mut put = |kind, asked, payload: &[u8]| {
        let put = store.put(&key(1), even(1), stamp(kind, asked), payload).unwrap();
        (put, store.got(1).unwrap().1, store.counts())
    };
    assert_eq!(put(Kind::Valid, 10, b"a"), (STORED, b"a".to_vec(), (1, 0)));
    assert_eq!(put(Kind::Valid, 9, b"b"), (Put::Older, b"a".to_vec(), (1, 0)));
    assert_eq!(put(Kind::Invalid, 9, b"c"), (Put::Older, b"a".to_vec(), (1, 0)));
    assert_eq!(put(Kind::Valid, 10, b"d"), (STORED, b"d".to_vec(), (1, 0)));
    assert_eq!(put(Kind::Invalid, 11, b"e"), (STORED, b"e".to_vec(), (0, 1)));
    assert_eq!(put(Kind::Valid, 10, b"f"), (Put::Older, b"e".to_vec(), (0, 1)));
    assert_eq!(put(Kind::None, 12, b""), (STORED, b"".to_vec(), (0, 1)));
    assert_eq!(put(Kind::Valid, 13, b"g"), (STORED, b"g".to_vec(), (1, 0)));
    store.assert_sound();
    assert_eq!(store.usage().evictions, 0);
}

#[test]
fn format_empties_and_goes_on_counting() {
    let mut memory = Memory::new(SMALL);
    let mut store = memory.store();
    for name in 0..36 {
        store.put_valid(name, 0);
    }
    assert_eq!(store.usage(), Usage { valid: 35, negative: 0, evictions: 1, negative_evictions: 0 });
    store.format();
    assert_eq!(store.usage(), Usage { valid: 0, negative: 0, evictions: 1, negative_evictions: 0 });
    for name in 0..36 {
        assert_eq!(store.got(name), None);
        store.put_valid(name, 0);
    }
    assert_eq!(store.usage().evictions, 2);
    store.assert_sound();
}

#[test]
fn format_touches_no_slots_and_no_blocks() {
    let mut memory = Memory::new(SMALL);
    memory.bytes().fill(0xaa);
    memory.store().format();
    let store = memory.store();
    assert!(store.slots.as_bytes().iter().all(|byte| *byte == 0xaa));
    assert!(store.blocks.as_bytes().iter().all(|byte| *byte == 0xaa));
}

#[test]
fn what_is_used_again_costs_no_new_memory() {
    let mut memory = Memory::new(SMALL);
    memory.bytes().fill(0xaa);
    let mut store = memory.store();
    store.format();
    for name in 0..1000 {
        store.put_valid(1, name);
        store.put_negative(1, name);
    }
    assert!(store.slots[1..].as_bytes().iter().all(|byte| *byte == 0xaa));
    assert!(store.blocks[2..].as_bytes().iter().all(|byte| *byte == 0xaa));
}

#[test]
fn memory_is_divided_by_its_size_alone() {
    assert_eq!((size_of::<Head>(), size_of::<Slot>(), size_of::<Block>()), (64, 80, 64));
    let capacity = |bytes| Layout::of(bytes).map(|layout| layout.capacity());
    for bytes in [0, 8, 4096, 64 + 32 * 216 - 1] {
        assert_eq!(capacity(bytes), None, "{bytes}");
    }
    assert_eq!(capacity(64 + 32 * 216), Some(Capacity { valid: 28, negative: 4 }));
    assert_eq!(capacity(SMALL), Some(Capacity { valid: 35, negative: 5 }));
    assert_eq!(capacity(1 << 20), Some(Capacity { valid: 4248, negative: 606 }));
    let Capacity { valid, negative } = capacity(usize::MAX).unwrap();
    assert_eq!(valid + negative, u32::MAX / 2 - 1);
}

#[test]
fn memory_of_another_size_or_alignment_is_refused() {
    let layout = Layout::of(SMALL).unwrap();
    let mut words = vec![0_u64; SMALL / 8 + 1];
    let bytes = words.as_mut_bytes();
    assert!(Store::over(&mut bytes[..SMALL], &layout).is_some());
    for len in [0, 1, 8, SMALL - 8, SMALL - 1, SMALL + 1, SMALL + 8] {
        assert!(Store::over(&mut bytes[..len], &layout).is_none(), "{len}");
    }
    for start in 1..8 {
        assert!(Store::over(&mut bytes[start..start + SMALL], &layout).is_none(), "{start}");
    }
    assert!(Store::over(&mut bytes[8..8 + SMALL], &layout).is_some());
    // A size that isn't a whole number of slots leaves some bytes unused.
    for rest in 0..8 {
        let layout = Layout::of(SMALL + rest).unwrap();
        assert!(Store::over(&mut bytes[..SMALL + rest], &layout).is_some());
    }
}

proptest! {
    #[test]
    fn the_store_does_what_the_model_does(steps in proptest::collection::vec(step(&small()), 1..400)) {
        compare(&mut Memory::new(SMALL).store(), &steps);
    }
}
