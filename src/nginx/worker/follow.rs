//! Calls made by other workers: following them, and ending the claims of a worker that is gone.

use std::io;
use std::sync::Arc;

use super::ended::Arrival;
use super::flight::Course;
use super::following::{Followed, Following, Unlanded};
use super::poll::Pace;
use super::state::Worker;
use crate::claims::{ClaimId, Collected, Owner, Wakes};
use crate::freshness::Stamp;
use crate::nginx::ffi::clock;
use crate::resolver::{Outcome, Wake, relay};
use crate::single_flight::{FlightId, Landing};

impl Worker {
    pub(super) fn follow(&mut self, flight: FlightId, claim: ClaimId, leader: Owner) {
        self.following.flights.push(Followed { flight, claim, leader });
        self.schedule_poll();
    }

    /// Passes an outcome to the followers of a claim, now or with the next poll.
    pub(super) fn land(&mut self, landing: Unlanded) {
        match self.end(&landing) {
            Some(wakes) => self.wake(wakes),
            None => self.following.unlanded.push(landing),
        }
        self.schedule_poll();
    }

    fn end(&self, landing: &Unlanded) -> Option<Wakes> {
        let Unlanded { claim, outcome } = landing;
        self.shared.with(|state| match outcome {
            Some(outcome) => state.claims.land(*claim, clock::boot(), outcome),
            None => state.claims.abandon(*claim, clock::boot()),
        })
    }

    /// Ends the flights of this worker, which is exiting.
    pub(super) fn abandon_all(&self) {
        for (_, note) in self.flights.notes() {
            match &note.course {
                Course::Called(call) => {
                    let wakes = call.claim.and_then(|claim| self.end(&Unlanded { claim, outcome: None }));
                    self.wake(wakes.unwrap_or_default());
                }
                Course::Followed(claim) => {
                    self.shared.with(|state| state.claims.forsake(*claim));
                }
            }
        }
    }

    /// Ends the claims of a worker that died and that this one replaces, since nobody will land them. But another worker
    /// with the same number may still be alive and shutting down: see `bridge`.
    pub(super) fn end_claims_of_predecessor(&self) {
        let me = self.me;
        let is_predecessor = |owner: Owner| {
            let has_my_place = owner.slot == me.slot && owner.generation == me.generation;
            has_my_place && owner.pid != me.pid && is_gone(owner.pid)
        };
        let wakes = self.shared.with(|state| state.claims.abandon_all(clock::boot(), is_predecessor));
        self.wake(wakes.unwrap_or_default());
    }

    /// Collects the outcomes of followed flights that have ended.
    pub fn collect(&mut self) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        for flight in self.take_over() {
            let buffer = &mut self.following.buffer;
            let collected = self.shared.with(|state| state.claims.collect(flight.claim, buffer));
            match collected {
                Some(Collected::Flying(_)) | None => self.following.flights.push(flight),
                Some(Collected::Landed(len)) => {
                    let told = self.following.buffer.get(..len).and_then(relay::decode);
                    arrivals.extend(self.arrive(flight.flight, told));
                }
                Some(Collected::Gone) => arrivals.extend(self.arrive(flight.flight, None)),
            }
        }
        self.schedule_poll();
        arrivals
    }

    /// Removes the flights that have ended from the list. All are checked in one pass under the lock, since most have not ended.
    fn take_over(&mut self) -> Vec<Followed> {
        let flights = std::mem::take(&mut self.following.flights);
        let (mut flying, mut over) = (Vec::with_capacity(flights.len()), Vec::with_capacity(flights.len()));
        let now = clock::boot();
        let looked = self.shared.with(|state| {
            for flight in &flights {
                let is_over = state.claims.is_over(flight.claim, now)?;
                // There is room: nothing is allocated under the lock.
                if is_over { over.push(*flight) } else { flying.push(*flight) }
            }
            Ok(())
        });
        // Without the lock nothing is known. Damage has ended all of them, as each will find.
        self.following.flights = if looked.is_some() { flying } else { flights };
        if looked.is_some() { over } else { Vec::new() }
    }

    fn arrive(&mut self, flight: FlightId, told: Option<(Outcome, Option<Stamp>)>) -> Option<Arrival> {
        let Landing { key, note, waiters } = self.flights.land(flight)?;
        let (outcome, stamp) = told.unzip();
        let (outcome, stamp) = (outcome.map(Arc::new), stamp.flatten());
        if let Some(outcome) = &outcome {
            self.keep(&key, &note, stamp, outcome);
        }
        Some(Arrival { key, waiters, outcome, stamp, call: None })
    }

    /// Does the work for which there is no wake: hands on delayed outcomes, and detects leaders that are gone.
    pub fn check(&mut self) {
        for landing in std::mem::take(&mut self.following.unlanded) {
            self.land(landing);
        }
        let mut leaders: Vec<_> = self.following.flights.iter().map(|followed| followed.leader).collect();
        leaders.sort_unstable_by_key(|leader| leader.pid);
        leaders.dedup_by_key(|leader| leader.pid);
        leaders.retain(|leader| is_gone(leader.pid));
        for Followed { claim, leader, .. } in &self.following.flights {
            if leaders.iter().any(|gone| gone.pid == leader.pid) {
                // If the lock isn't available, the next poll tries again.
                let wakes = self.end(&Unlanded { claim: *claim, outcome: None });
                self.wake(wakes.unwrap_or_default());
            }
        }
    }

    fn schedule_poll(&mut self) {
        let Following { flights, unlanded, .. } = &self.following;
        // Workers of another configuration can't wake this one.
        let is_deaf = |followed: &Followed| followed.leader.generation != self.me.generation;
        let pace = if !unlanded.is_empty()
            || self.wakers.is_empty() && !flights.is_empty()
            || flights.iter().any(is_deaf)
        {
            Pace::Fast
        } else if !flights.is_empty() {
            Pace::Slow
        } else {
            Pace::Stopped
        };
        self.poll.set(pace);
    }

    fn wake(&self, wakes: Wakes) {
        for (slot, waker) in (0..).zip(&self.wakers) {
            if wakes.has(slot) {
                waker.wake();
            }
        }
    }
}

fn is_gone(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return true };
    // SAFETY: no pointers; signal 0 only checks whether the process exists.
    let alive = unsafe { libc::kill(pid, 0) };
    alive != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}
