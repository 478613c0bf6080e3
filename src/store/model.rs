//! Compares the store with a naive model, with random steps. Tests run both in memory of their own; the module for fault
//! injection runs them in the shared memory of a real worker (`nginx::shm::model`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, wherever they run")]

mod naive;

use proptest::prelude::*;

use super::*;
use crate::cache_key::{KeyMaker, ResolverId, Secret};
use crate::credentials::{Credentials, Presented, present};
use crate::freshness::Kind;
use crate::links::chain::Chain;
use crate::links::queue::Queue;

pub use naive::{SMALL, Step, bear, even, got, key, stamp};

/// A step for a store with this layout.
pub fn step(layout: &Layout) -> impl Strategy<Value = Step> + use<> {
    let names = naive::names(layout);
    let kind = prop_oneof![3 => Just(Kind::Valid), 1 => Just(Kind::Invalid), 1 => Just(Kind::None)];
    let len = prop_oneof![6 => 0..130usize, 2 => 0..700usize, 1 => 4000..4300usize];
    // The first few users share a bucket.
    let user = prop_oneof![Just(1), Just(2), (0..names).prop_map(even)];
    let put = (0..names, user, kind, 0..30u64, len).prop_map(|(name, user, kind, asked, len)| Step::Put {
        name,
        user,
        stamp: stamp(kind, asked),
        len,
    });
    let get = (0..names).prop_map(|name| Step::Get { name });
    let void = (0..names, 0..30u64).prop_map(|(name, asked)| Step::Void { name, asked });
    let touch = (0..names).prop_map(|name| Step::Touch { name });
    prop_oneof![120 => put, 60 => get, 6 => void, 12 => touch, 1 => Just(Step::Format)]
}

/// Runs the steps on an empty store and the model, and compares the results.
pub fn compare(store: &mut Store<'_>, steps: &[Step]) {
    let layout = store.layout;
    naive::compare(store, &layout, steps);
    store.assert_sound();
}

impl Store<'_> {
    /// Checks all invariants of memory that only this module has written.
    pub fn assert_sound(&self) {
        let keys = in_chains::<ByKey>(self.buckets, self.slots);
        let users = in_chains::<ByUser>(self.users, self.slots);
        let free = in_chains::<ByKey>(&[self.head.free_slots.first], self.slots);
        let mut entries = 0;
        for (class, list) in [(Class::Valid, &self.head.valid), (Class::Negative, &self.head.negative)] {
            let listed = links(&list.queue, self.slots);
            let slots: Vec<_> = listed.iter().map(|link| at(self.slots, *link).unwrap()).collect();
            assert!(slots.iter().all(|slot| slot.class() == Ok(class)));
            let weighs = slots.iter().map(|slot| weight(slot.size().unwrap())).sum::<u32>();
            assert_eq!((list.queue.len, list.blocks), (listed.len() as u32, weighs));
            assert!(listed.len() as u32 <= self.bounds(class).entries && weighs <= self.bounds(class).blocks);
            assert!(listed.iter().all(|link| keys.contains(link)));
            assert_eq!(
                listed.iter().filter(|link| users.contains(link)).count() as u32,
                match class {
                    Class::Valid => list.queue.len,
                    Class::Negative => 0,
                }
            );
            entries += listed.len();
        }
        assert_eq!((keys.len(), users.len()), (entries, self.head.valid.queue.len as usize));
        assert!(free.iter().all(|link| at(self.slots, *link).unwrap().is_free()));
        assert_eq!(entries + free.len(), self.head.free_slots.used as usize);
    }
}

/// The links of all records in the chains that start with these links.
fn in_chains<C: Chain<Record = Slot>>(firsts: &[u32], slots: &[Slot]) -> Vec<u32> {
    let links = firsts.iter().flat_map(|first| walk::<C>(slots, *first));
    links.map(|step| step.unwrap().0).collect()
}

/// The links of a queue, checked in both directions.
fn links(queue: &Queue, slots: &[Slot]) -> Vec<u32> {
    let (mut links, mut before, mut link) = (Vec::new(), NIL, queue.first);
    while link != NIL {
        assert!(links.len() < slots.len());
        let slot = at(slots, link).unwrap();
        assert_eq!(slot.neighbours.before, before);
        links.push(link);
        (before, link) = (link, slot.neighbours.after);
    }
    assert_eq!(queue.last, before);
    links
}
