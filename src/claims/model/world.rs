//! A model of claims with complete knowledge. Property tests, the module for fault injection and the fuzz targets include it;
//! each generates events in its own way.

#![allow(unreachable_pub, reason = "programs that include it have no outside of their own")]

use std::collections::BTreeSet;

use super::basics::{assert_all_free, collect, slots, worker};
use super::{
    BLOCK_BYTES, ClaimId, Claims, Collected, Damaged, Joined, KEEP_LANDED, MAX_OUTCOME, Millis, Usage, key,
};

pub const WORKERS: u32 = 5;
pub const KEYS: u64 = 4;

#[derive(Clone, Debug)]
pub enum Event {
    Join { slot: u32, name: u64, timeout: Millis },
    Lead { slot: u32, name: u64, timeout: Millis },
    Land { pick: usize, len: usize },
    Abandon { pick: usize },
    AbandonAll { slot: u32 },
    Collect { pick: usize },
    Forsake { pick: usize },
    Pass { time: Millis },
}

/// A flight in the model.
struct Flight {
    id: ClaimId,
    name: u64,
    leader: u32,
    deadline: Millis,
    followers: BTreeSet<u32>,
    /// Every worker that has ever been registered.
    seen: BTreeSet<u32>,
    end: Option<End>,
}

struct End {
    at: Millis,
    outcome: Option<Vec<u8>>,
    may_be_dropped: bool,
}

impl Flight {
    fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the flight may have been given up as lost.
    fn is_lost(&self, now: Millis) -> bool {
        now >= self.deadline + KEEP_LANDED
    }

    fn end(&mut self, at: Millis, outcome: Option<Vec<u8>>, may_be_dropped: bool) {
        self.end = Some(End { at, outcome, may_be_dropped });
    }

    /// The number of blocks that its outcome may use.
    fn blocks(&self) -> usize {
        let kept = self.end.as_ref().filter(|_| !self.followers.is_empty());
        kept.and_then(|end| end.outcome.as_ref()).map_or(0, |outcome| outcome.len().div_ceil(BLOCK_BYTES))
    }
}

/// All flights so far, to compare with the claims under test.
#[derive(Default)]
struct World {
    flights: Vec<Flight>,
    now: Millis,
}

impl World {
    fn apply(&mut self, claims: &mut Claims<'_>, event: &Event) {
        match *event {
            Event::Join { slot, name, timeout } => self.join(claims, slot, name, timeout),
            Event::Lead { slot, name, timeout } => self.lead(claims, slot, name, timeout),
            Event::Land { pick, len } => self.finish(claims, pick, Some(len)),
            Event::Abandon { pick } => self.finish(claims, pick, None),
            Event::AbandonAll { slot } => self.abandon_all(claims, slot),
            Event::Collect { pick } => self.collect(claims, pick),
            Event::Forsake { pick } => self.forsake(claims, pick),
            Event::Pass { time } => self.now += time,
        }
    }

    /// The flight that a worker needing this key has to follow.
    fn current(&mut self, name: u64) -> Option<&mut Flight> {
        let now = self.now;
        self.flights
            .iter_mut()
            .find(|flight| flight.name == name && !flight.is_over() && now < flight.deadline)
    }

    fn join(&mut self, claims: &mut Claims<'_>, slot: u32, name: u64, timeout: Millis) {
        if self.current(name).is_some_and(|flight| flight.followers.contains(&slot)) {
            return; // Coalesced within the worker.
        }
        match claims.join(&key(name), worker(slot), self.now, self.now + timeout) {
            Ok(Joined::Follow(id, owner)) => {
                let flight = self.current(name).expect("a flight to follow");
                assert_eq!((id, owner), (flight.id, worker(flight.leader)));
                assert!(flight.followers.insert(slot));
                flight.seen.insert(slot);
            }
            Ok(Joined::Lead(id)) => self.led(id, slot, name, timeout),
            Ok(Joined::Full) => self.full(claims, name),
            Err(Damaged) => panic!("damaged"),
        }
    }

    fn lead(&mut self, claims: &mut Claims<'_>, slot: u32, name: u64, timeout: Millis) {
        match claims.lead(&key(name), worker(slot), self.now, self.now + timeout).unwrap() {
            Some(id) => self.led(id, slot, name, timeout),
            None if self.current(name).is_some() => {}
            None => self.full(claims, name),
        }
    }

    fn led(&mut self, id: ClaimId, leader: u32, name: u64, timeout: Millis) {
        assert!(self.current(name).is_none(), "two leaders");
        assert!(self.flights.iter().all(|flight| flight.id != id), "an id twice");
        let (now, deadline) = (self.now, self.now + timeout);
        self.taken_over(name);
        let (followers, seen) = Default::default();
        self.flights.push(Flight { id, name, leader, deadline, followers, seen, end: None });
        assert!(now < deadline);
    }

    fn taken_over(&mut self, name: u64) {
        let now = self.now;
        for flight in self.flights.iter_mut().filter(|flight| flight.name == name && !flight.is_over()) {
            flight.end(now, None, false);
        }
    }

    fn full(&mut self, claims: &Claims<'_>, name: u64) {
        assert!(self.current(name).is_none());
        self.taken_over(name);
        let held = self.flights.iter().filter(|flight| !flight.is_over() || !flight.followers.is_empty());
        assert!(held.count() >= claims.capacity().claims, "full before it is");
    }

    /// Lands or abandons a flight, which may already be over.
    fn finish(&mut self, claims: &mut Claims<'_>, pick: usize, len: Option<usize>) {
        if self.flights.is_empty() {
            return;
        }
        let place = pick % self.flights.len();
        let outcome = len.map(|len| {
            // Each flight has a different outcome.
            (place as u32).to_le_bytes().into_iter().cycle().take(len).collect::<Vec<u8>>()
        });
        let used: usize = self.flights.iter().map(Flight::blocks).sum();
        let (now, flight) = (self.now, &mut self.flights[place]);
        let wakes = match &outcome {
            Some(outcome) => claims.land(flight.id, now, outcome).unwrap(),
            None => claims.abandon(flight.id, now).unwrap(),
        };
        if flight.is_over() || flight.followers.is_empty() {
            assert!(wakes.is_empty());
        } else if !(flight.is_lost(now) && wakes.is_empty()) {
            assert!(flight.followers.iter().all(|slot| wakes.has(*slot)), "a follower sleeps on");
            assert!(slots(wakes).iter().all(|slot| flight.seen.contains(slot)), "a stranger is woken");
        }
        if !flight.is_over() {
            let needed = len.unwrap_or(0).div_ceil(BLOCK_BYTES);
            let dropped = used + needed > claims.capacity().blocks || flight.is_lost(now);
            flight.end(now, outcome, dropped);
        }
    }

    fn abandon_all(&mut self, claims: &mut Claims<'_>, slot: u32) {
        let wakes = claims.abandon_all(self.now, |owner| owner == worker(slot)).unwrap();
        let now = self.now;
        for flight in self.flights.iter_mut().filter(|flight| flight.leader == slot && !flight.is_over()) {
            if !flight.is_lost(now) {
                assert!(flight.followers.iter().all(|slot| wakes.has(*slot)));
            }
            flight.end(now, None, false);
        }
    }

    /// A registration: the index of its flight, and the worker.
    fn registration(&self, pick: usize) -> Option<(usize, u32)> {
        let all: Vec<_> = self
            .flights
            .iter()
            .enumerate()
            .flat_map(|(place, flight)| flight.followers.iter().map(move |slot| (place, *slot)))
            .collect();
        all.get(pick % all.len().max(1)).copied()
    }

    fn collect(&mut self, claims: &mut Claims<'_>, pick: usize) {
        let Some((place, slot)) = self.registration(pick) else { return };
        let (now, flight) = (self.now, &mut self.flights[place]);
        let found = collect(claims, flight.id);
        if found == Err(Collected::Flying(worker(flight.leader))) {
            assert!(!flight.is_over());
            return;
        }
        flight.followers.remove(&slot);
        match (found, &flight.end) {
            (Ok(bytes), Some(End { outcome, .. })) => assert_eq!(Some(&bytes), outcome.as_ref()),
            (Err(Collected::Gone), Some(end)) => {
                let in_time = now < end.at + KEEP_LANDED;
                assert!(end.outcome.is_none() || end.may_be_dropped || !in_time, "an outcome is lost");
            }
            (Err(Collected::Gone), None) => assert!(flight.is_lost(now)),
            (found, _) => panic!("{found:?}"),
        }
    }

    fn forsake(&mut self, claims: &mut Claims<'_>, pick: usize) {
        let Some((place, slot)) = self.registration(pick) else { return };
        let flight = &mut self.flights[place];
        flight.followers.remove(&slot);
        claims.forsake(flight.id).unwrap();
    }
}

/// In any order of events there is one leader at a time, each follower gets the landed outcome or nothing, and nothing is
/// left over. The claims must be empty.
pub fn compare(claims: &mut Claims<'_>, events: &[Event]) {
    let mut world = World::default();
    for event in events {
        world.apply(claims, event);
        let Usage { flying, landed } = claims.usage();
        assert!((flying + landed) as usize <= claims.capacity().claims);
        let unfinished = world.flights.iter().filter(|flight| !flight.is_over()).count();
        assert!(flying as usize <= unfinished);
    }
    // No worker joins any more. Other operations clean up what is overdue.
    for _ in 0..claims.capacity().claims {
        world.now += 10_000;
        let led = claims.lead(&key(KEYS), worker(0), world.now, world.now + 1).unwrap();
        led.map(|id| claims.abandon(id, world.now).unwrap());
    }
    assert_all_free(claims, world.now);
}

/// If all followers collect in the end, nothing is left over either, without any time passing.
pub fn compare_until_all_came(claims: &mut Claims<'_>, events: &[Event]) {
    let mut world = World::default();
    for event in events {
        world.apply(claims, event);
    }
    for slot in 0..WORKERS {
        world.abandon_all(claims, slot);
    }
    while world.registration(0).is_some() {
        world.collect(claims, 0);
    }
    assert_all_free(claims, world.now);
}

/// Runs operations on memory with arbitrary content and ignores their results.
pub fn stir(claims: &mut Claims<'_>, events: &[Event], ids: &mut Vec<ClaimId>) {
    let mut now = 0;
    let mut out = vec![0; MAX_OUTCOME];
    for event in events {
        let pick = |pick: usize| ids.get(pick % ids.len().max(1)).copied();
        let led = match *event {
            Event::Join { slot, name, timeout } => {
                match claims.join(&key(name), worker(slot), now, now.saturating_add(timeout)) {
                    Ok(Joined::Lead(id) | Joined::Follow(id, _)) => Some(id),
                    _ => None,
                }
            }
            Event::Lead { slot, name, timeout } => {
                let _ = claims.is_flying(&key(name), now);
                claims.lead(&key(name), worker(slot), now, now.saturating_add(timeout)).ok().flatten()
            }
            Event::Land { pick: place, len } => {
                pick(place).map(|id| claims.land(id, now, &vec![1; len]));
                None
            }
            Event::Abandon { pick: place } => {
                pick(place).map(|id| claims.abandon(id, now));
                None
            }
            Event::AbandonAll { slot } => {
                let _ = claims.abandon_all(now, |owner| owner == worker(slot) || owner.pid % 2 == 1);
                None
            }
            Event::Collect { pick: place } => {
                pick(place).map(|id| claims.is_over(id, now));
                pick(place).map(|id| claims.collect(id, &mut out));
                None
            }
            Event::Forsake { pick: place } => {
                pick(place).map(|id| claims.forsake(id));
                None
            }
            Event::Pass { time } => {
                // Includes times that occur in damaged memory.
                now = if time % 4 == 0 { u64::MAX - time } else { time };
                None
            }
        };
        ids.extend(led);
        let _ = claims.usage();
    }
}
