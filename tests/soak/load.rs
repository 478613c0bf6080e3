//! All clients together: they ask without a pause, or at a steady pace, until the soak is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::client::{Client, Door};
use crate::judge::judge;
use crate::plan::Plan;
use crate::standin::runtime;
use crate::tally::{Loss, Tally};
use crate::weather::Weather;
use crate::world::World;

/// How often a request is sent whose connection closes before it is read: reloads can come one after the other.
const TRIES: usize = 4;

/// What all clients share.
pub(crate) struct Load {
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) answers: AtomicU64,
    serial: AtomicU64,
    seed: u64,
}

/// How many clients there are, and of which kind.
pub(crate) struct Crowd {
    pub(crate) http1: usize,
    pub(crate) tls: usize,
    /// Connections, and streams on each.
    pub(crate) http2: (usize, usize),
    pub(crate) http2_tls: (usize, usize),
}

impl Load {
    pub(crate) fn new(world: Arc<World>, weather: Arc<Weather>, seed: u64) -> Arc<Self> {
        Arc::new(Self { world, weather, seed, answers: AtomicU64::new(0), serial: AtomicU64::new(1) })
    }

    /// Starts the clients. They end, each with its tally, when the weather is over.
    pub(crate) fn start(self: &Arc<Self>, crowd: &Crowd, doors: &Doors) -> JoinSet<Tally> {
        let mut clients: Vec<Client> = Vec::new();
        clients.extend((0..crowd.http1).map(|_| Client::http1(doors.http1.clone())));
        clients.extend((0..crowd.tls).map(|_| Client::http1(doors.tls.clone())));
        clients.extend((0..crowd.http2.0).flat_map(|_| Client::http2(doors.http2.clone(), crowd.http2.1)));
        let tls =
            (0..crowd.http2_tls.0).flat_map(|_| Client::http2(doors.http2_tls.clone(), crowd.http2_tls.1));
        clients.extend(tls);
        let mut running = JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            let random = fastrand::Rng::with_seed(self.seed.wrapping_add(number as u64));
            running.spawn_on(self.clone().run(client, random), runtime().handle());
        }
        running
    }

    async fn run(self: Arc<Self>, mut client: Client, mut random: fastrand::Rng) -> Tally {
        let mut tally = Tally::default();
        while !self.weather.is_over() {
            let serial = self.serial.fetch_add(1, Ordering::Relaxed);
            let plan = Plan::draw(&mut random, serial);
            tally.requests += 1;
            self.ask(&mut client, &plan, &mut tally).await;
        }
        tally
    }

    async fn ask(&self, client: &mut Client, plan: &Plan, tally: &mut Tally) {
        let mut last = None;
        for _ in 0..TRIES {
            let (result, connections) = client.exchange(&self.world, &self.weather, plan).await;
            tally.connections += connections;
            let broken = match result {
                Ok((sent, answer)) => {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                    judge(&self.world, &self.weather, plan, sent, &answer, tally);
                    return;
                }
                Err(broken) => broken,
            };
            let again = broken.unsent || broken.raced && self.weather.may_be_leaving(broken.generation);
            tally.retried += u64::from(again && !broken.unsent);
            let why = format!("{} ({}): {}", plan.path(), plan.method(), broken.why);
            last = Some(Loss { pid: broken.pid, at: Instant::now(), why });
            if !again {
                break;
            }
        }
        tally.losses.extend(last);
    }
}

/// The ports of the site.
pub(crate) struct Doors {
    pub(crate) http1: Door,
    pub(crate) tls: Door,
    pub(crate) http2: Door,
    pub(crate) http2_tls: Door,
}

/// Waits for the clients, and adds up what they got.
pub(crate) fn gather(mut running: JoinSet<Tally>) -> Tally {
    let mut all = Tally::default();
    runtime().block_on(async {
        while let Some(tally) = running.join_next().await {
            all.merge(tally.expect("a client doesn't panic"));
        }
    });
    all
}
