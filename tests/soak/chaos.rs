//! What goes wrong while the clients ask: resolvers that fail, reloads, killed workers, sessions that end, and clients
//! that leave. All on threads of their own, until the soak is over.

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::faults::{Trouble, troubles};
use crate::it::harness::{Http1, Nginx, Request};
use crate::memory::Sample;
use crate::weather::Weather;
use crate::world::World;

/// A cycle of reloads and kills, with a calm end: there memory is looked at, so that workers of the same age are
/// compared.
const CYCLE: [(u64, Event); 8] = [
    (0, Event::Reload),
    (3, Event::Kill),
    (4, Event::Reload),
    (7, Event::Reload),
    (8, Event::Kill),
    (10, Event::Reload),
    (19, Event::Sample),
    (20, Event::End),
];

#[derive(Clone, Copy)]
enum Event {
    Reload,
    Kill,
    Sample,
    End,
}

/// What was done, for the report and for telling which answers may be missing.
#[derive(Default)]
pub(crate) struct Deeds {
    pub(crate) reloads: u64,
    pub(crate) killed: HashMap<i32, Instant>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) faults: u64,
    pub(crate) sessions_ended: u64,
    pub(crate) clients_left: u64,
}

pub(crate) struct Chaos<'a> {
    pub(crate) world: &'a World,
    pub(crate) weather: &'a Weather,
    pub(crate) nginx: &'a Nginx,
    pub(crate) started: Instant,
    pub(crate) deeds: Mutex<Deeds>,
}

impl Chaos<'_> {
    /// Returns when the time is over.
    pub(crate) fn run(&self, time: Duration) {
        thread::scope(|scope| {
            let over = Over(self.weather);
            scope.spawn(|| self.disturb_resolvers());
            scope.spawn(|| self.disturb_workers());
            scope.spawn(|| self.end_sessions());
            scope.spawn(|| self.leave());
            self.wait_until(self.started + time);
            drop(over);
        });
    }

    /// False when the soak is over before that.
    fn wait_until(&self, when: Instant) -> bool {
        while !self.weather.is_over() && Instant::now() < when {
            thread::sleep(Duration::from_millis(5));
        }
        !self.weather.is_over()
    }

    fn deeds(&self) -> std::sync::MutexGuard<'_, Deeds> {
        self.deeds.lock().expect("nobody panics holding it")
    }

    fn disturb_resolvers(&self) {
        let _over = OverIfPanics(self.weather);
        for trouble in troubles().iter().cycle() {
            if !self.wait_until(Instant::now() + Duration::from_millis(6000)) {
                return;
            }
            self.weather.fault_begins();
            trouble.begin(&self.world.resolvers);
            self.wait_until(Instant::now() + trouble.lasts);
            Trouble::end(&self.world.resolvers);
            self.weather.fault_ends();
            self.deeds().faults += 1;
        }
    }

    fn disturb_workers(&self) {
        let _over = OverIfPanics(self.weather);
        let mut cycle = Instant::now();
        loop {
            for (second, event) in CYCLE {
                if !self.wait_until(cycle + Duration::from_secs(second)) {
                    return;
                }
                match event {
                    Event::Reload => self.reload(),
                    Event::Kill => self.kill(),
                    Event::Sample => {
                        let sample = Sample::take(self.nginx, self.started);
                        self.deeds().samples.push(sample);
                    }
                    Event::End => cycle += Duration::from_secs(second),
                }
            }
        }
    }

    fn reload(&self) {
        self.weather.reload_turns();
        self.nginx.reload();
        self.weather.reload_turns();
        self.deeds().reloads += 1;
    }

    fn kill(&self) {
        // Before: an answer may be missed at once.
        let victim = *self.nginx.worker_pids().first().expect("a worker runs");
        self.deeds().killed.insert(victim, Instant::now());
        // nginx frees a lock that it held.
        self.nginx.allow_log(format!(" was locked by {victim}"));
        self.nginx.kill_worker_pid(victim);
    }

    fn end_sessions(&self) {
        for turn in 0.. {
            if !self.wait_until(Instant::now() + Duration::from_millis(500)) || !self.world.revoke(turn) {
                return;
            }
            self.deeds().sessions_ended += 1;
        }
    }

    /// Clients that ask for what takes a call, and don't wait for it.
    fn leave(&self) {
        for turn in 0u64.. {
            if !self.wait_until(Instant::now() + Duration::from_millis(25)) {
                return;
            }
            let request = Request { target: "/a/0".into(), ..Request::get("/") }
                .header("Authorization", format!("Bearer nobody-waits-{turn}"));
            let Ok(mut client) = Http1::connect(self.nginx.port()) else { continue };
            if client.send(&request).is_ok() && turn % 2 == 0 {
                client.reset();
            }
            self.deeds().clients_left += 1;
        }
    }
}

struct Over<'a>(&'a Weather);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A thread that fails ends the others.
struct OverIfPanics<'a>(&'a Weather);

impl Drop for OverIfPanics<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}
