//! What goes wrong while the clients ask: resolvers that fail and move, a network without IPv6, reloads, upgrades that are
//! taken back, killed workers, sessions that end, and clients that leave. All on threads of their own, until the soak is over.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::download::Downloads;
use crate::faults::{REFUSED, Trouble, troubles};
use crate::it::harness::{Http1, Nginx, Request};
use crate::memory::Sample;
use crate::names::{Names, REMEMBERED};
use crate::weather::Weather;
use crate::world::World;

/// A cycle of reloads, kills and upgrades that are taken back, with a calm end: there memory is looked at, so that workers of
/// the same age are compared.
const CYCLE: [(u64, Event); 9] = [
    (0, Event::Reload),
    (3, Event::Kill),
    (4, Event::Reload),
    (7, Event::Reload),
    (8, Event::Kill),
    (10, Event::Reload),
    (12, Event::RollBack),
    (21, Event::Sample),
    (22, Event::End),
];

#[derive(Clone, Copy)]
enum Event {
    Reload,
    Kill,
    RollBack,
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
    /// Their kinds, by name.
    pub(crate) kinds: BTreeSet<&'static str>,
    pub(crate) roll_backs: u64,
    /// Downloads of old workers that didn't come whole.
    pub(crate) broken_downloads: u64,
    pub(crate) moves: u64,
    pub(crate) times_without_ipv6: u64,
    pub(crate) sessions_ended: u64,
    pub(crate) clients_left: u64,
}

pub(crate) struct Chaos<'a> {
    pub(crate) world: &'a World,
    pub(crate) weather: &'a Weather,
    pub(crate) nginx: &'a Nginx,
    pub(crate) started: Instant,
    /// Held by whoever changes where resolvers are or what they do wrong.
    pub(crate) resolvers: Mutex<()>,
    pub(crate) deeds: Mutex<Deeds>,
}

impl Chaos<'_> {
    /// Returns when the time is over.
    pub(crate) fn run(&self, time: Duration) {
        thread::scope(|scope| {
            let over = Over(self.weather);
            scope.spawn(|| self.disturb_resolvers());
            scope.spawn(|| self.disturb_names());
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

    fn wait(&self, time: Duration) -> bool {
        self.wait_until(Instant::now() + time)
    }

    fn resolvers(&self) -> MutexGuard<'_, ()> {
        self.resolvers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.deeds.lock().expect("nobody panics holding it")
    }

    fn disturb_resolvers(&self) {
        let _over = OverIfPanics(self.weather);
        for trouble in troubles().iter().cycle() {
            if !self.wait(Duration::from_millis(6000)) {
                return;
            }
            self.disturb(trouble, false);
        }
    }

    fn disturb(&self, trouble: &Trouble, is_without_ipv6: bool) {
        let _resolvers = self.resolvers();
        self.weather.fault_begins();
        trouble.begin(self.world);
        self.weather.set_ipv6_outage(is_without_ipv6);
        self.wait(trouble.lasts);
        self.weather.set_ipv6_outage(false);
        Trouble::end(self.world);
        self.weather.fault_ends();
        let mut deeds = self.deeds();
        deeds.faults += 1;
        deeds.kinds.insert(trouble.name);
    }

    /// The addresses of the resolver with a name change, and there is no IPv6 for a time. Its clients are to notice neither.
    fn disturb_names(&self) {
        let _over = OverIfPanics(self.weather);
        let Some(names) = &self.world.names else { return };
        while self.change_names(names).is_some() {
            self.deeds().moves += 2;
        }
    }

    /// `None` when the soak is over.
    fn change_names(&self, names: &Names) -> Option<()> {
        let first = &self.world.resolvers[0];
        let calm = |seconds| self.wait(Duration::from_secs(seconds)).then_some(());
        let change = |change: &dyn Fn()| {
            let _resolvers = self.resolvers();
            change();
        };
        calm(2)?;
        if names.can_switch_ipv6() {
            change(&|| names.switch_ipv6_off(first));
            // Sessions that are known by then have to do with their old answers.
            calm(3)?;
            self.disturb(&REFUSED, true);
            calm(1)?;
        }
        change(&|| names.move_there(first));
        self.wait(REMEMBERED).then_some(())?;
        change(&|| names.leave_old(first, false));
        calm(3)?;
        if names.can_switch_ipv6() {
            change(&|| names.switch_ipv6_on());
            self.deeds().times_without_ipv6 += 1;
        }
        change(&|| names.move_back(first));
        self.wait(REMEMBERED).then_some(())?;
        change(&|| names.leave_old(first, true));
        calm(3)
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
                    Event::RollBack => self.roll_back(),
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

    /// While downloads keep the old workers for longer than that takes.
    fn roll_back(&self) {
        let downloads = Downloads::begin(self.nginx);
        self.weather.reload_turns();
        let old = self.nginx.begin_upgrade();
        self.nginx.wind_down(old);
        let new = self.nginx.roll_back(old);
        self.nginx.dismiss(new);
        self.weather.reload_turns();
        self.wait(Duration::from_secs(2));
        let broken = downloads.end();
        self.wait(Duration::from_secs(1));
        // A client of HTTP/2 that always has a request under way keeps its worker for 100,000 requests.
        let lingering = self.nginx.workers_of(new);
        self.deeds().killed.extend(lingering.iter().map(|worker| (*worker, Instant::now())));
        self.nginx.kill_lingering(&lingering);
        self.nginx.wait_for_master_to_go(new);
        let mut deeds = self.deeds();
        deeds.roll_backs += 1;
        deeds.broken_downloads += broken;
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
