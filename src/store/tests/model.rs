//! The store does what the simplest thing does that keeps the same rules.

use super::*;
use proptest::prelude::*;

#[path = "naive.rs"]
mod naive;
pub(super) use naive::Step;
use naive::{Entry, Model};

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
    let void = (0..70u64, 0..30u64).prop_map(|(name, asked)| Step::Void { name, asked });
    let touch = (0..70u64).prop_map(|name| Step::Touch { name });
    prop_oneof![120 => put, 60 => get, 6 => void, 12 => touch, 1 => Just(Step::Format)]
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
            Step::Void { name, asked } => {
                store.void(&key(name), asked).unwrap();
                model.void(name, asked);
            }
            Step::Touch { name } => {
                store.touch(&key(name)).unwrap();
                model.touch(name);
            }
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
