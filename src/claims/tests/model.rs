//! Claims against a naive model: whatever the order of events, each follower gets what its leader landed, or nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const WORKERS: u32 = 5;
const KEYS: usize = 4;

#[derive(Clone, Debug)]
pub(super) enum Event {
    Join { slot: u32, name: usize, timeout: Millis },
    Lead { slot: u32, name: usize, timeout: Millis },
    Land { pick: usize, len: usize },
    Abandon { pick: usize },
    AbandonAll { slot: u32 },
    Collect { pick: usize },
    Forsake { pick: usize },
    Pass { time: Millis },
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let (slot, name, timeout, pick) = (0..WORKERS, 0..KEYS, 1..3_000u64, any::<usize>());
    prop_oneof![
        6 => (slot.clone(), name.clone(), timeout.clone())
            .prop_map(|(slot, name, timeout)| Event::Join { slot, name, timeout }),
        1 => (slot.clone(), name, timeout)
            .prop_map(|(slot, name, timeout)| Event::Lead { slot, name, timeout }),
        3 => (pick, 0..900usize).prop_map(|(pick, len)| Event::Land { pick, len }),
        1 => pick.prop_map(|pick| Event::Abandon { pick }),
        1 => slot.prop_map(|slot| Event::AbandonAll { slot }),
        4 => pick.prop_map(|pick| Event::Collect { pick }),
        1 => pick.prop_map(|pick| Event::Forsake { pick }),
        2 => (0..1_500u64).prop_map(|time| Event::Pass { time }),
    ]
}

/// One flight, as somebody remembers it who sees everything.
struct Flight {
    id: ClaimId,
    name: usize,
    leader: u32,
    deadline: Millis,
    followers: BTreeSet<u32>,
    /// Everybody who was registered at any time.
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

    /// May have been given up as lost.
    fn is_lost(&self, now: Millis) -> bool {
        now >= self.deadline + KEEP_LANDED
    }

    fn end(&mut self, at: Millis, outcome: Option<Vec<u8>>, may_be_dropped: bool) {
        self.end = Some(End { at, outcome, may_be_dropped });
    }

    /// Blocks that its outcome may take.
    fn blocks(&self) -> usize {
        let kept = self.end.as_ref().filter(|_| !self.followers.is_empty());
        kept.and_then(|end| end.outcome.as_ref()).map_or(0, |outcome| outcome.len().div_ceil(BLOCK_BYTES))
    }
}

/// All flights there ever were, beside the claims that are put to the test.
#[derive(Default)]
struct World {
    flights: Vec<Flight>,
    now: Millis,
}

impl World {
    fn apply(&mut self, claims: &mut Claims<'_>, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Join { slot, name, timeout } => self.join(claims, slot, name, timeout),
            Event::Lead { slot, name, timeout } => self.lead(claims, slot, name, timeout),
            Event::Land { pick, len } => self.finish(claims, pick, Some(len)),
            Event::Abandon { pick } => self.finish(claims, pick, None),
            Event::AbandonAll { slot } => self.abandon_all(claims, slot),
            Event::Collect { pick } => self.collect(claims, pick),
            Event::Forsake { pick } => self.forsake(claims, pick),
            Event::Pass { time } => {
                self.now += time;
                Ok(())
            }
        }
    }

    /// The flight that a worker that needs this key has to follow.
    fn current(&mut self, name: usize) -> Option<&mut Flight> {
        let now = self.now;
        self.flights
            .iter_mut()
            .find(|flight| flight.name == name && !flight.is_over() && now < flight.deadline)
    }

    fn join(
        &mut self,
        claims: &mut Claims<'_>,
        slot: u32,
        name: usize,
        timeout: Millis,
    ) -> Result<(), TestCaseError> {
        if self.current(name).is_some_and(|flight| flight.followers.contains(&slot)) {
            return Ok(()); // Coalesced within the worker.
        }
        match claims.join(&key(name), worker(slot), self.now, self.now + timeout) {
            Ok(Joined::Follow(id, owner)) => {
                let flight = self.current(name).expect("a flight to follow");
                prop_assert_eq!((id, owner), (flight.id, worker(flight.leader)));
                prop_assert!(flight.followers.insert(slot));
                flight.seen.insert(slot);
                Ok(())
            }
            Ok(Joined::Lead(id)) => self.led(id, slot, name, timeout),
            Ok(Joined::Full) => self.full(claims, name),
            Err(Damaged) => Err(TestCaseError::fail("damaged")),
        }
    }

    fn lead(
        &mut self,
        claims: &mut Claims<'_>,
        slot: u32,
        name: usize,
        timeout: Millis,
    ) -> Result<(), TestCaseError> {
        match claims.lead(&key(name), worker(slot), self.now, self.now + timeout).unwrap() {
            Some(id) => self.led(id, slot, name, timeout),
            None if self.current(name).is_some() => Ok(()),
            None => self.full(claims, name),
        }
    }

    fn led(&mut self, id: ClaimId, leader: u32, name: usize, timeout: Millis) -> Result<(), TestCaseError> {
        prop_assert!(self.current(name).is_none(), "two leaders");
        prop_assert!(self.flights.iter().all(|flight| flight.id != id), "an id twice");
        let (now, deadline) = (self.now, self.now + timeout);
        self.taken_over(name);
        let (followers, seen) = Default::default();
        self.flights.push(Flight { id, name, leader, deadline, followers, seen, end: None });
        prop_assert!(now < deadline);
        Ok(())
    }

    fn taken_over(&mut self, name: usize) {
        let now = self.now;
        for flight in self.flights.iter_mut().filter(|flight| flight.name == name && !flight.is_over()) {
            flight.end(now, None, false);
        }
    }

    fn full(&mut self, claims: &Claims<'_>, name: usize) -> Result<(), TestCaseError> {
        prop_assert!(self.current(name).is_none());
        self.taken_over(name);
        let held = self.flights.iter().filter(|flight| !flight.is_over() || !flight.followers.is_empty());
        prop_assert!(held.count() >= claims.claims.len(), "full before it is");
        Ok(())
    }

    /// Lands a flight, or abandons it; those that are over as well.
    fn finish(
        &mut self,
        claims: &mut Claims<'_>,
        pick: usize,
        len: Option<usize>,
    ) -> Result<(), TestCaseError> {
        if self.flights.is_empty() {
            return Ok(());
        }
        let place = pick % self.flights.len();
        let outcome = len.map(|len| {
            // Each flight has an outcome of its own.
            (place as u32).to_le_bytes().into_iter().cycle().take(len).collect::<Vec<u8>>()
        });
        let used: usize = self.flights.iter().map(Flight::blocks).sum();
        let (now, flight) = (self.now, &mut self.flights[place]);
        let wakes = match &outcome {
            Some(outcome) => claims.land(flight.id, now, outcome).unwrap(),
            None => claims.abandon(flight.id, now).unwrap(),
        };
        if flight.is_over() || flight.followers.is_empty() {
            prop_assert!(wakes.is_empty());
        } else if !(flight.is_lost(now) && wakes.is_empty()) {
            prop_assert!(flight.followers.iter().all(|slot| wakes.has(*slot)), "a follower sleeps on");
            prop_assert!(slots(wakes).iter().all(|slot| flight.seen.contains(slot)), "a stranger is woken");
        }
        if !flight.is_over() {
            let needed = len.unwrap_or(0).div_ceil(BLOCK_BYTES);
            let dropped = used + needed > claims.blocks.len() || flight.is_lost(now);
            flight.end(now, outcome, dropped);
        }
        Ok(())
    }

    fn abandon_all(&mut self, claims: &mut Claims<'_>, slot: u32) -> Result<(), TestCaseError> {
        let wakes = claims.abandon_all(self.now, |owner| owner == worker(slot)).unwrap();
        let now = self.now;
        for flight in self.flights.iter_mut().filter(|flight| flight.leader == slot && !flight.is_over()) {
            if !flight.is_lost(now) {
                prop_assert!(flight.followers.iter().all(|slot| wakes.has(*slot)));
            }
            flight.end(now, None, false);
        }
        Ok(())
    }

    /// A registration: the place of its flight, and the worker.
    fn registration(&self, pick: usize) -> Option<(usize, u32)> {
        let all: Vec<_> = self
            .flights
            .iter()
            .enumerate()
            .flat_map(|(place, flight)| flight.followers.iter().map(move |slot| (place, *slot)))
            .collect();
        all.get(pick % all.len().max(1)).copied()
    }

    fn collect(&mut self, claims: &mut Claims<'_>, pick: usize) -> Result<(), TestCaseError> {
        let Some((place, slot)) = self.registration(pick) else { return Ok(()) };
        let (now, flight) = (self.now, &mut self.flights[place]);
        let found = collect(claims, flight.id);
        if found == Err(Collected::Flying(worker(flight.leader))) {
            prop_assert!(!flight.is_over());
            return Ok(());
        }
        flight.followers.remove(&slot);
        match (found, &flight.end) {
            (Ok(bytes), Some(End { outcome, .. })) => prop_assert_eq!(Some(&bytes), outcome.as_ref()),
            (Err(Collected::Gone), Some(end)) => {
                let in_time = now < end.at + KEEP_LANDED;
                prop_assert!(end.outcome.is_none() || end.may_be_dropped || !in_time, "an outcome is lost");
            }
            (Err(Collected::Gone), None) => prop_assert!(flight.is_lost(now)),
            (found, _) => prop_assert!(false, "{:?}", found),
        }
        Ok(())
    }

    fn forsake(&mut self, claims: &mut Claims<'_>, pick: usize) -> Result<(), TestCaseError> {
        let Some((place, slot)) = self.registration(pick) else { return Ok(()) };
        let flight = &mut self.flights[place];
        flight.followers.remove(&slot);
        claims.forsake(flight.id).unwrap();
        Ok(())
    }
}

proptest! {
    /// In any order of events: one leader at a time, what was landed or nothing for each follower, and nothing is left.
    #[test]
    fn followers_get_what_their_leader_landed(
        events in prop::collection::vec(event(), 0..150), bytes in prop::sample::select(vec![900, SMALL, ROOMY]),
    ) {
        let mut arena = Arena::new(bytes);
        let mut claims = arena.claims();
        let mut world = World::default();
        for event in events {
            world.apply(&mut claims, event)?;
            let usage = claims.usage();
            prop_assert!((usage.flying + usage.landed) as usize <= claims.claims.len());
            let flying = world.flights.iter().filter(|flight| !flight.is_over()).count();
            prop_assert!(usage.flying as usize <= flying);
        }
        // Nobody comes any more.
        for _ in 0..claims.claims.len() {
            world.now += 10_000;
            claims.sweep(world.now).unwrap();
        }
        assert_all_free(&mut claims, world.now);
    }

    /// Followers who come in the end leave nothing either, without any time passing.
    #[test]
    fn nothing_is_left_when_everybody_has_come(events in prop::collection::vec(event(), 0..150)) {
        let mut arena = Arena::new(SMALL);
        let mut claims = arena.claims();
        let mut world = World::default();
        for event in events {
            world.apply(&mut claims, event)?;
        }
        for slot in 0..WORKERS {
            world.abandon_all(&mut claims, slot)?;
        }
        while world.registration(0).is_some() {
            world.collect(&mut claims, 0)?;
        }
        assert_all_free(&mut claims, world.now);
    }
}
