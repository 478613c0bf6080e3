//! An outage of the resolver under a steady load: what do those see whose session is known, and the others, and for how
//! long after it is over?
//!
//! Requests are sent when they are due, whatever became of those before, and their times count from then.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::faults::{Trouble, outages};
use crate::it::harness::Nginx;
use crate::site;
use crate::standin::runtime;
use crate::turns::Recorder;
use crate::weather::{CALL_TIMEOUT, Weather};
use crate::world::World;
use load::{Kind, Load, Phase};
use tables::{Outage, checks};

mod load;
pub(crate) mod tables;

/// The times of the site, from which follows how long anything may take.
pub(crate) const TIMEOUT: Duration = CALL_TIMEOUT;
pub(crate) const FAIL_TIMEOUT: Duration = Duration::from_secs(2);

const CALM: Duration = Duration::from_secs(4);
const LASTS: Duration = Duration::from_secs(10);
/// Longer than the recovery may take.
const AFTER: Duration = Duration::from_secs(8);

/// Runs one outage of each kind: what was seen, what of it must not be, and the nginx, which is to be ended.
pub(crate) fn run(library: &Path, rate: u32) -> (String, Vec<String>, Nginx) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recorder = Recorder::new(library, folder.path());
    let (world, backend) = (Arc::new(World::start(None)), Backend::start());
    let nginx = site::steady(&world, &backend, &recorder, folder.path()).start();
    let (mut text, mut failures) = (tables::head(), Vec::new());
    for trouble in outages() {
        let outage = one(&world, &nginx, &trouble, rate);
        eprintln!("soak: \"{}\" is over", trouble.name);
        text.push_str(&outage.rows());
        failures.extend(checks(&outage));
    }
    (text, failures, nginx)
}

fn one(world: &Arc<World>, nginx: &Nginx, trouble: &Trouble, rate: u32) -> Outage {
    let weather = Arc::new(Weather::new());
    let load = Load::new(world.clone(), weather.clone(), &site::doors(nginx));
    let outage = Arc::new(Mutex::new(Outage::new(trouble.name)));
    let sending = runtime().spawn(load.clone().send(rate, outage.clone()));
    let turn_to = |phase| load.turn_to(phase);
    thread::sleep(CALM);
    turn_to(Phase::Begins);
    trouble.begin(world);
    // Calls that had begun have to time out before anybody knows.
    thread::sleep(TIMEOUT + Duration::from_millis(500));
    turn_to(Phase::Outage);
    thread::sleep(LASTS);
    turn_to(Phase::After);
    let ended = Instant::now();
    Trouble::end(world);
    thread::sleep(AFTER);
    weather.end();
    runtime().block_on(sending).expect("the load doesn't panic");
    let mut outage = std::mem::take(&mut *outage.lock().expect("nobody panics holding it"));
    outage.recovered_after(ended);
    outage
}

/// One answer, as it is counted.
pub(crate) struct Seen {
    phase: Phase,
    kind: Kind,
    status: u16,
    /// The identity is the one that is owed.
    right: bool,
    took: Duration,
    sent: Instant,
}
