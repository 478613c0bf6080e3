//! What a worker knows about the claims on a few keys that all workers make and follow.

use proptest::prelude::{TestCaseError, prop_assert, prop_assert_eq};

use super::{SharedState, marked};
use crate::claims::model::{self as claiming, Event};
use crate::claims::{ClaimId, Claims, Collected, Joined, MAX_OUTCOME, Owner};
use crate::links::Damaged;
use crate::nginx::ffi::clock;

/// The timeout of a call, in milliseconds: longer than the test.
const TIMEOUT: u64 = 600_000;

/// The flights that this worker leads or follows.
pub(super) struct Flights<'a> {
    state: &'a SharedState,
    me: Owner,
    leads: Vec<(ClaimId, u64)>,
    follows: Vec<(ClaimId, u64, Owner)>,
    buffer: Vec<u8>,
}

impl<'a> Flights<'a> {
    pub(super) fn new(state: &'a SharedState, me: Owner) -> Self {
        Self { state, me, leads: Vec::new(), follows: Vec::new(), buffer: vec![0; MAX_OUTCOME] }
    }

    fn with<R>(&self, body: impl FnOnce(&mut Claims<'_>) -> Result<R, Damaged>) -> Option<R> {
        self.state.with(|state| body(&mut state.claims))
    }

    pub(super) fn apply(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match *event {
            Event::Join { name, .. } => self.join(name),
            Event::Lead { name, .. } => {
                let (key, me, now) = (claiming::key(name), self.me, clock::boot());
                let led = self.with(|claims| claims.lead(&key, me, now, now + TIMEOUT));
                led.flatten().map_or(Ok(()), |id| self.led(id, name))
            }
            Event::Land { pick, len } => self.land(pick, Some(len)),
            Event::Abandon { pick } => self.land(pick, None),
            Event::AbandonAll { .. } => {
                let (me, now) = (self.me, clock::boot());
                if self.with(|claims| claims.abandon_all(now, |owner| owner == me)).is_some() {
                    self.leads.clear();
                }
                Ok(())
            }
            Event::Collect { pick } => self.collect(pick),
            Event::Forsake { pick } => {
                self.forsake(pick);
                Ok(())
            }
            Event::Pass { .. } => Ok(()),
        }
    }

    fn join(&mut self, name: u64) -> Result<(), TestCaseError> {
        let (key, me, now) = (claiming::key(name), self.me, clock::boot());
        // A worker doesn't follow a key twice: its own requests share one flight.
        if self.follows.iter().any(|(_, other, _)| *other == name) {
            return Ok(());
        }
        match self.with(|claims| claims.join(&key, me, now, now + TIMEOUT)) {
            Some(Joined::Lead(id)) => self.led(id, name),
            Some(Joined::Follow(id, owner)) => {
                let leads = self.leads.iter().any(|(_, other)| *other == name);
                prop_assert_eq!(leads, owner == me, "two leaders of {}", name);
                self.follows.push((id, name, owner));
                Ok(())
            }
            Some(Joined::Full) => Err(TestCaseError::fail("full with a handful of claims")),
            None => Ok(()),
        }
    }

    fn led(&mut self, id: ClaimId, name: u64) -> Result<(), TestCaseError> {
        prop_assert!(self.leads.iter().all(|(_, other)| *other != name), "it leads {name} already");
        self.leads.push((id, name));
        Ok(())
    }

    /// Ends a flight, with or without an outcome.
    fn land(&mut self, pick: usize, len: Option<usize>) -> Result<(), TestCaseError> {
        let pick = pick % self.leads.len().max(1);
        let Some(&(id, name)) = self.leads.get(pick) else { return Ok(()) };
        let (now, outcome) = (clock::boot(), marked(marks(name, self.me), len.unwrap_or(0)));
        let ended = self.with(|claims| match len {
            Some(_) => claims.land(id, now, &outcome),
            None => claims.abandon(id, now),
        });
        if ended.is_some() {
            self.leads.swap_remove(pick);
        }
        Ok(())
    }

    fn collect(&mut self, pick: usize) -> Result<(), TestCaseError> {
        let pick = pick % self.follows.len().max(1);
        let Some(&(id, name, leader)) = self.follows.get(pick) else { return Ok(()) };
        let mut buffer = std::mem::take(&mut self.buffer);
        let found = self.with(|claims| claims.collect(id, &mut buffer));
        match found {
            Some(Collected::Landed(len)) => {
                prop_assert_eq!(&buffer[..len], marked(marks(name, leader), len), "of another flight");
            }
            Some(Collected::Flying(owner)) => prop_assert_eq!(owner, leader),
            Some(Collected::Gone) | None => {}
        }
        if matches!(found, Some(Collected::Landed(_) | Collected::Gone)) {
            self.follows.swap_remove(pick);
        }
        self.buffer = buffer;
        Ok(())
    }

    fn forsake(&mut self, pick: usize) {
        let pick = pick % self.follows.len().max(1);
        let Some(&(id, ..)) = self.follows.get(pick) else { return };
        if self.with(|claims| claims.forsake(id)).is_some() {
            self.follows.swap_remove(pick);
        }
    }

    /// Ends all flights, so that nobody waits for them.
    pub(super) fn end(&mut self) -> Result<(), TestCaseError> {
        while !self.leads.is_empty() {
            self.land(0, None)?;
        }
        while !self.follows.is_empty() {
            self.forsake(0);
        }
        Ok(())
    }
}

fn marks(name: u64, leader: Owner) -> [u64; 2] {
    [name, u64::from(leader.pid)]
}
