//! The store does what the simplest thing does that keeps the same rules.

use super::*;
use proptest::prelude::*;

/// What one process does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Put { name: u64, user: u64, stamp: Stamp, len: usize },
    Get { name: u64 },
    Format,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![3 => Just(Kind::Valid), 1 => Just(Kind::Invalid), 1 => Just(Kind::None)];
    let len = prop_oneof![6 => 0..130usize, 2 => 0..700usize, 1 => 4000..4300usize];
    // The first few users fall into one bucket.
    let user = prop_oneof![Just(1), Just(2), (0..60u64).prop_map(even)];
    let put = (0..70u64, user, kind, 0..30u64, len).prop_map(|(name, user, kind, asked, len)| Step::Put {
        name,
        user,
        stamp: stamp(kind, asked),
        len,
    });
    let get = (0..70u64).prop_map(|name| Step::Get { name });
    prop_oneof![120 => put, 60 => get, 1 => Just(Step::Format)]
}

struct Entry {
    name: u64,
    user: u64,
    stamp: Stamp,
    payload: Vec<u8>,
    /// The number of the step that put it in.
    number: usize,
}

impl Entry {
    fn weight(&self) -> usize {
        self.payload.len().div_ceil(60).max(1)
    }

    fn is_valid(&self) -> bool {
        self.stamp.kind == Kind::Valid
    }
}

/// The least recently used go first.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    evictions: u64,
}

impl Model {
    fn get(&mut self, name: u64) -> Option<(Stamp, Vec<u8>)> {
        let place = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(place);
        let found = (entry.stamp, entry.payload.clone());
        self.entries.push(entry);
        Some(found)
    }

    fn put(&mut self, new: Entry) -> Put {
        if let Some(place) = self.entries.iter().position(|entry| entry.name == new.name) {
            if self.entries[place].stamp.asked > new.stamp.asked {
                return Put::Older;
            }
            self.entries.remove(place);
        }
        let (entries, blocks) = if new.is_valid() { (35, 70) } else { (5, 10) };
        if new.weight() > blocks {
            return Put::TooLarge;
        }
        let of_user = |entry: &&Entry| new.is_valid() && entry.is_valid() && entry.user == new.user;
        if self.entries.iter().filter(of_user).count() == 16 {
            let oldest =
                self.entries.iter().filter(of_user).min_by_key(|entry| (entry.stamp.asked, entry.number));
            let oldest = oldest.unwrap().name;
            self.entries.retain(|entry| entry.name != oldest);
        }
        let mut crowded_out = None;
        loop {
            let same = || self.entries.iter().filter(|entry| entry.is_valid() == new.is_valid());
            let weight = same().map(Entry::weight).sum::<usize>();
            if same().count() < entries && weight + new.weight() <= blocks {
                break;
            }
            let place = self.entries.iter().position(|entry| entry.is_valid() == new.is_valid()).unwrap();
            let gone = self.entries.remove(place);
            crowded_out = crowded_out.max(gone.is_valid().then_some(gone.stamp.asked));
            self.evictions += 1;
        }
        self.entries.push(new);
        Put::Stored { crowded_out }
    }

    fn usage(&self) -> Usage {
        let valid = self.entries.iter().filter(|entry| entry.is_valid()).count() as u32;
        let negative = self.entries.len() as u32 - valid;
        Usage { valid, negative, evictions: self.evictions }
    }
}

/// Does the steps with the store and the model side by side.
pub(super) fn compare(store: &mut Store<'_>, steps: &[Step]) {
    let mut model = Model { evictions: store.usage().evictions, ..Model::default() };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Put { name, user, stamp, len } => {
                let payload = vec![number as u8; len];
                let put = store.put(&key(name), user, stamp, &payload);
                assert_eq!(put, Ok(model.put(Entry { name, user, stamp, payload, number })), "{step:?}");
            }
            Step::Get { name } => assert_eq!(store.got(name), model.get(name), "{step:?}"),
            Step::Format => {
                store.format();
                model.entries.clear();
            }
        }
        assert_eq!(store.usage(), model.usage());
    }
    store.assert_sound();
    for name in 0..70 {
        assert_eq!(store.got(name), model.get(name));
    }
}

proptest! {
    #[test]
    fn the_store_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..400)) {
        compare(&mut Memory::new(SMALL).store(), &steps);
    }
}
