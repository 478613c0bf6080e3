//! The simplest store that follows the rules, and steps to run on it and on the real one. Property tests, the module for
//! fault injection and the fuzz targets include it; each generates steps in its own way.

#![allow(unreachable_pub, reason = "programs that include it have no outside of their own")]

use std::cell::RefCell;
use std::collections::HashMap;

use super::{
    CacheKey, Capacity, Credentials, KeyMaker, Kind, Layout, MAX_PAYLOAD, Millis, Presented, Put, ResolverId,
    Secret, Stamp, Store, Usage, present,
};

/// 40 slots: 35 valid entries with 70 blocks, 5 negative ones with 10.
pub const SMALL: usize = 64 + 40 * 216;

/// One operation of a process.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Put { name: u64, user: u64, stamp: Stamp, len: usize },
    Get { name: u64 },
    Void { name: u64, asked: Millis },
    Touch { name: u64 },
    Format,
}

struct Entry {
    name: u64,
    user: u64,
    stamp: Stamp,
    payload: Vec<u8>,
    /// The number of the step that stored it.
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

/// Least recently used first.
struct Model {
    capacity: Capacity,
    entries: Vec<Entry>,
    evictions: u64,
    negative_evictions: u64,
}

impl Model {
    fn get(&mut self, name: u64) -> Option<(Stamp, Vec<u8>)> {
        let place = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(place);
        let found = (entry.stamp, entry.payload.clone());
        self.entries.push(entry);
        Some(found)
    }

    fn touch(&mut self, name: u64) {
        self.get(name);
    }

    fn void(&mut self, name: u64, asked: Millis) {
        let entry = self.entries.iter_mut().find(|entry| entry.name == name && entry.is_valid());
        if let Some(entry) = entry.filter(|entry| entry.stamp.asked <= asked) {
            (entry.stamp.asked, entry.stamp.until) = (asked, asked);
        }
    }

    /// Since when a "none" with this stamp is in doubt: the existing entry is a valid answer that has not ended, or another
    /// "none" in doubt.
    fn doubt(&self, name: u64, stamp: Stamp) -> Option<Millis> {
        let there = self.entries.iter().find(|entry| entry.name == name && stamp.kind == Kind::None)?;
        match there.stamp.kind {
            Kind::Valid => (stamp.asked < there.stamp.until).then_some(stamp.asked),
            Kind::None => (there.user > 0).then_some(there.user),
            Kind::Invalid => None,
        }
    }

    fn put(&mut self, new: Entry) -> Put {
        if let Some(place) = self.entries.iter().position(|entry| entry.name == new.name) {
            if self.entries[place].stamp.asked > new.stamp.asked {
                return Put::Older;
            }
            self.entries.remove(place);
        }
        let Capacity { valid, negative } = self.capacity;
        let entries = if new.is_valid() { valid } else { negative } as usize;
        let blocks = 2 * entries;
        if new.weight() > blocks || new.payload.len() > MAX_PAYLOAD {
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
            if new.is_valid() {
                self.evictions += 1;
            } else {
                self.negative_evictions += 1;
            }
        }
        self.entries.push(new);
        Put::Stored { crowded_out }
    }

    fn usage(&self) -> Usage {
        let valid = self.entries.iter().filter(|entry| entry.is_valid()).count() as u32;
        let negative = self.entries.len() as u32 - valid;
        let &Self { evictions, negative_evictions, .. } = self;
        Usage { valid, negative, evictions, negative_evictions }
    }
}

/// Keys for somewhat more entries than fit, so that none of them stays for long.
#[must_use]
pub fn names(layout: &Layout) -> u64 {
    let Capacity { valid, negative } = layout.capacity();
    u64::from(valid + negative) * 7 / 4
}

/// Runs the steps on an empty store and the model, and compares the results.
pub fn compare(store: &mut Store<'_>, layout: &Layout, steps: &[Step]) {
    let Usage { evictions, negative_evictions, .. } = store.usage();
    let mut model = Model { capacity: layout.capacity(), entries: Vec::new(), evictions, negative_evictions };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Put { name, user, stamp, len } => {
                let payload = vec![number.to_le_bytes()[0]; len];
                let since = model.doubt(name, stamp);
                assert_eq!(store.doubt(&key(name), &stamp), Ok(since), "{step:?}");
                let stamp = since.map_or(stamp, |since| stamp.doubted(since));
                let user = if stamp.kind == Kind::None { since.unwrap_or(0) } else { user };
                let put = store.put(&key(name), user, stamp, &payload);
                assert_eq!(put, Ok(model.put(Entry { name, user, stamp, payload, number })), "{step:?}");
            }
            Step::Get { name } => assert_eq!(got(store, name), model.get(name), "{step:?}"),
            Step::Void { name, asked } => {
                assert_eq!(store.void(&key(name), asked), Ok(()));
                model.void(name, asked);
            }
            Step::Touch { name } => {
                assert_eq!(store.touch(&key(name)), Ok(()));
                model.touch(name);
            }
            Step::Format => {
                store.format();
                model.entries.clear();
            }
        }
        assert_eq!(store.usage(), model.usage());
    }
    for name in 0..names(layout) {
        assert_eq!(got(store, name), model.get(name));
    }
}

/// Runs the steps, except for formats, and ignores their results.
pub fn bear(store: &mut Store<'_>, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Put { name, user, stamp, len } => drop(store.put(&key(name), user, stamp, &vec![0; len])),
            Step::Get { name } => drop(store.get(&key(name), &mut [0; MAX_PAYLOAD])),
            Step::Void { name, asked } => drop(store.void(&key(name), asked)),
            Step::Touch { name } => drop(store.touch(&key(name))),
            Step::Format => {}
        }
        let _ = store.usage();
    }
}

pub fn got(store: &mut Store<'_>, name: u64) -> Option<(Stamp, Vec<u8>)> {
    let mut out = [0; MAX_PAYLOAD];
    let (stamp, size) = store.get(&key(name), &mut out).unwrap()?;
    Some((stamp, out[..size].to_vec()))
}

/// One key per name, the same in every run. Keys are cached, because making one takes longer than most operations on it.
#[must_use]
pub fn key(name: u64) -> CacheKey {
    thread_local!(static KEYS: RefCell<HashMap<u64, CacheKey>> = RefCell::default());
    KEYS.with_borrow_mut(|keys| *keys.entry(name).or_insert_with(|| new_key(name)))
}

fn new_key(name: u64) -> CacheKey {
    thread_local!(static CREDENTIALS: Credentials = credentials());
    let resolver = ResolverId::digest(&[&name.to_le_bytes()]);
    CREDENTIALS.with(|credentials| KeyMaker::new(&Secret::new([0; 32]), &resolver).key(credentials))
}

fn credentials() -> Credentials {
    match present([(&b"authorization"[..], &b"Bearer a"[..])], b"") {
        Presented::Credentials(found) => found,
        _ => panic!("no credentials"),
    }
}

/// A user's hash, uniformly distributed like real ones.
#[must_use]
pub fn even(user: u64) -> u64 {
    (user + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[must_use]
pub fn stamp(kind: Kind, asked: Millis) -> Stamp {
    Stamp { kind, asked, until: asked + 20 }
}
