//! A steady load: so many requests a second, sent when they are due.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::Seen;
use super::tables::Outage;
use crate::client::Client;
use crate::load::Doors;
use crate::plan::{Place, Plan};
use crate::standin;
use crate::weather::Weather;
use crate::world::{Owed, Presented, World};

/// Those who ask again and again.
const KNOWN: u64 = 200;
/// Of the users that the others are: not those above, for a user has only so many entries.
const OTHERS: std::ops::Range<u64> = 1000..2500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Calm,
    /// Until the calls that had begun have failed.
    Begins,
    Outage,
    After,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Calm, Self::Begins, Self::Outage, Self::After];

    pub(crate) fn name(self) -> &'static str {
        ["before", "begins", "outage", "after"][self as usize]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The session has been resolved before.
    Known,
    /// A good credential that was never seen.
    Stranger,
}

pub(crate) struct Load {
    world: Arc<World>,
    weather: Arc<Weather>,
    phase: AtomicU8,
    door: crate::client::Door,
    /// Clients that have nothing to do. There are as many as are needed at a time.
    idle: Mutex<Vec<Client>>,
}

impl Load {
    pub(crate) fn new(world: Arc<World>, weather: Arc<Weather>, doors: &Doors) -> Arc<Self> {
        let mut idle: Vec<Client> = (0..4).flat_map(|_| Client::http2(doors.http2.clone(), 16)).collect();
        idle.extend((0..64).map(|_| Client::http1(doors.http1.clone())));
        fastrand::Rng::with_seed(1).shuffle(&mut idle);
        let door = doors.http1.clone();
        Arc::new(Self { world, weather, door, phase: AtomicU8::new(0), idle: Mutex::new(idle) })
    }

    pub(crate) fn turn_to(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::SeqCst))]
    }

    /// Sends until the weather is over, and waits for the answers.
    pub(crate) async fn send(self: Arc<Self>, rate: u32, outage: Arc<Mutex<Outage>>) {
        let (mut ticks, mut under_way) = (interval(Duration::from_millis(1)), JoinSet::new());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // Of an earlier outage's load nothing is to be known.
        let first = self.world.ms(Instant::now()) * 1_000_000;
        let (begun, mut number) = (Instant::now(), 0);
        while !self.weather.is_over() {
            ticks.tick().await;
            let due = (begun.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            while number < due {
                number += 1;
                let sent = begun + Duration::from_secs_f64(number as f64 / f64::from(rate));
                under_way.spawn(self.clone().ask(first + number, sent, outage.clone()));
            }
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn ask(self: Arc<Self>, number: u64, sent: Instant, outage: Arc<Mutex<Outage>>) {
        let mut phase = self.phase();
        let (kind, user, plan) = plan(number);
        let idle = self.idle.lock().expect("nobody panics holding it").pop();
        let mut client = idle.unwrap_or_else(|| Client::http1(self.door.clone()));
        let (result, _) = client.exchange(&self.world, &self.weather, &plan).await;
        self.idle.lock().expect("nobody panics holding it").push(client);
        // What was under way when the outage began is hit by it.
        if phase == Phase::Calm {
            phase = self.phase();
        }
        let (status, right) = match result {
            Ok((_, answer)) => {
                let owed = self.world.lines(plan.place.resolver(), Owed::Valid(user));
                let told = answer.body.strip_prefix(plan.path().as_bytes());
                (answer.status, told.and_then(|told| told.strip_prefix(b"\n")) == Some(owed))
            }
            Err(_) => (0, false),
        };
        let seen = Seen { phase, kind, status, right, took: sent.elapsed(), sent };
        outage.lock().expect("nobody panics holding it").add(&seen);
    }
}

/// Four of five are known. The resolver is the one over HTTP/2.
fn plan(number: u64) -> (Kind, usize, Plan) {
    let kind = if number.is_multiple_of(5) { Kind::Stranger } else { Kind::Known };
    let of = |range: std::ops::Range<u64>| {
        let user = range.start + number / 5 % (range.end - range.start);
        // Every fiftieth is disabled.
        usize::try_from(if user % 50 == 49 { user - 1 } else { user }).expect("it is small")
    };
    let (user, presented) = match kind {
        Kind::Known => (of(0..KNOWN), Presented::Of(of(0..KNOWN))),
        Kind::Stranger => (of(OTHERS), Presented::Bad(format!("user:user-{}:{number}", of(OTHERS)))),
    };
    let plan = Plan {
        place: Place::B,
        serial: number,
        presented: vec![(standin::Kind::Bearer, presented)],
        forged: Vec::new(),
        forged_first: false,
        body: None,
    };
    (kind, user, plan)
}
