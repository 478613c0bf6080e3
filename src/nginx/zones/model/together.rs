//! Several workers at once. Each has sessions of its own, and finds them either as it stored them or not at all. All of
//! them make and follow claims on the same few keys, and check that they find the outcome that the leader landed.

mod flights;

use std::cell::RefCell;
use std::collections::HashMap;
use std::iter::repeat_n;

use proptest::collection::vec;
use proptest::prelude::{TestCaseError, prop_assert, prop_assert_eq};
use zerocopy::IntoBytes;

use super::{SharedState, check, sessions};
use crate::claims::Owner;
use crate::claims::model as claiming;
use crate::freshness::{Kind, Millis, Stamp};
use crate::links::Damaged;
use crate::nginx::ffi::shm::Arena;
use crate::store::model::{self as storing, Step};
use crate::store::{self, MAX_PAYLOAD, Put, Store};
use flights::Flights;

pub(super) fn run(cases: u32, store: &Arena, state: &SharedState, me: Owner) -> Result<(), String> {
    let own = RefCell::new(Own::new(store, me));
    let steps = vec(storing::step(&own.borrow().layout), 1..400);
    check(cases, steps, |steps| steps.iter().try_for_each(|step| own.borrow_mut().take(step)))?;
    own.into_inner().assert_sound();
    check(cases, vec(claiming::event(), 0..400), |events| {
        let mut flights = Flights::new(state, me);
        events.iter().try_for_each(|event| flights.apply(event))?;
        flights.end()
    })
}

/// A sequence of bytes of the given length that identifies its writer.
fn marked(marks: [u64; 2], len: usize) -> Vec<u8> {
    repeat_n(marks, len.div_ceil(16)).flat_map(|marks| marks.as_bytes().to_vec()).take(len).collect()
}

/// The sessions that this worker has stored, as far as it knows.
struct Own<'a> {
    arena: &'a Arena,
    layout: store::Layout,
    me: Owner,
    steps: u64,
    known: HashMap<u64, (Stamp, Vec<u8>)>,
    buffer: Vec<u8>,
}

impl<'a> Own<'a> {
    fn new(arena: &'a Arena, me: Owner) -> Self {
        let layout = store::Layout::of(arena.bytes()).expect("it is enough for a store");
        Self { arena, layout, me, steps: 0, known: HashMap::new(), buffer: vec![0; MAX_PAYLOAD] }
    }

    /// Returns `None` if others held the lock for too long.
    fn with<R>(&self, body: impl FnOnce(&mut Store<'_>) -> Result<R, Damaged>) -> Option<R> {
        self.arena
            .with(sessions::format, |memory| body(&mut Store::over(memory, &self.layout).ok_or(Damaged)?))
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.steps += 1;
        // Each worker has its own keys, but they share users: a user's oldest entry may be evicted by another worker.
        let own = |name: u64| u64::from(self.me.slot) << 32 | name;
        match *step {
            Step::Put { name, user, stamp, len } => self.put(own(name), user, stamp, len),
            Step::Get { name } => self.get(own(name)),
            Step::Void { name, asked } => {
                self.void(own(name), asked);
                Ok(())
            }
            Step::Touch { name } => {
                let key = storing::key(own(name));
                self.with(|store| store.touch(&key));
                Ok(())
            }
            Step::Format => Ok(()),
        }
    }

    fn put(&mut self, name: u64, user: u64, stamp: Stamp, len: usize) -> Result<(), TestCaseError> {
        let (key, payload) = (storing::key(name), marked([name, self.steps], len));
        match self.with(|store| store.put(&key, user, stamp, &payload)) {
            Some(Put::Stored { .. }) => drop(self.known.insert(name, (stamp, payload))),
            Some(Put::TooLarge) => drop(self.known.remove(&name)),
            Some(Put::Older) => {
                let known = self.known.get(&name);
                prop_assert!(
                    known.is_some_and(|(known, _)| known.asked > stamp.asked),
                    "{name} is not older"
                );
            }
            None => {}
        }
        Ok(())
    }

    fn get(&mut self, name: u64) -> Result<(), TestCaseError> {
        let (key, mut buffer) = (storing::key(name), std::mem::take(&mut self.buffer));
        let found = self.with(|store| store.get(&key, &mut buffer));
        match found {
            Some(Some((stamp, len))) => {
                prop_assert_eq!(self.known.get(&name), Some(&(stamp, buffer[..len].to_vec())));
            }
            Some(None) => drop(self.known.remove(&name)),
            None => {}
        }
        self.buffer = buffer;
        Ok(())
    }

    fn void(&mut self, name: u64, asked: Millis) {
        let key = storing::key(name);
        let voided = self.with(|store| store.void(&key, asked)).is_some();
        let known = self.known.get_mut(&name).map(|(stamp, _)| stamp).filter(|_| voided);
        if let Some(stamp) = known.filter(|stamp| stamp.kind == Kind::Valid && stamp.asked <= asked) {
            (stamp.asked, stamp.until) = (asked, asked);
        }
    }

    /// Checks a copy, since assertions must not fail under the lock.
    fn assert_sound(&self) {
        let mut copy = vec![0_u64; self.arena.bytes().div_ceil(8)];
        let bytes = &mut copy.as_mut_bytes()[..self.arena.bytes()];
        self.arena.with(sessions::format, |memory| {
            bytes.copy_from_slice(memory);
            Ok(())
        });
        Store::over(bytes, &self.layout).expect("it is aligned").assert_sound();
    }
}
