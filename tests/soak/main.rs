//! The soak: real traffic over HTTP/1.1, HTTP/2 and TLS at full speed, for minutes, while resolvers fail and recover,
//! nginx reloads, workers are killed and sessions end. Each answer must be the one that its credentials are owed, and
//! none may be missing. `scripts/soak` runs it.

#![allow(unreachable_pub, reason = "modules that several programs share say what they offer them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets the unexpected fails, and says what it met"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the list guards nginx's event loop; tests block in threads of their own"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

mod backend;
mod chaos;
mod client;
mod download;
mod faults;
mod histogram;
mod judge;
mod load;
mod memory;
mod names;
mod outage;
mod plan;
mod report;
mod site;
mod tally;
mod turns;
mod weather;
mod world;

#[path = "../standin/mod.rs"]
mod standin;

/// What the integration tests start nginx with.
#[path = "../it"]
mod it {
    pub(crate) mod harness;
}

use backend::Backend;
use chaos::{Chaos, Deeds};
use it::harness::Nginx;
use load::{Crowd, Load};
use memory::Sample;
use report::{Can, Report, Zone, grouped};
use turns::Recorder;
use weather::Weather;
use world::World;

const HELP: &str = "\
usage: soak MINUTES [--seed N]
       soak outage [--rate REQUESTS_PER_SECOND]

Prints tables of what it found, and ends with 1 when that is not as it must be. AUTHGEAR_MODULE names the module,
AUTHGEAR_TURNS the library made of turns.c.
";

/// As many as keep two cores busy.
const CROWD: Crowd = Crowd { http1: 48, tls: 16, http2: (4, 12), http2_tls: (2, 12) };

struct Arguments {
    /// None: for outages.
    time: Option<Duration>,
    seed: u64,
    rate: u32,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Option<Self> {
        let mut arguments = Self { time: None, seed: 1, rate: 5000 };
        let (mut what, mut words) = (None, words);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => arguments.seed = words.next()?.parse().ok()?,
                "--rate" => arguments.rate = words.next()?.parse().ok()?,
                _ if what.is_none() => what = Some(word),
                _ => return None,
            }
        }
        let what = what?;
        if what != "outage" {
            let minutes = what.parse::<f64>().ok().filter(|minutes| *minutes > 0.0)?;
            arguments.time = Some(Duration::from_secs_f64(minutes * 60.0));
        }
        Some(arguments)
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let library = std::env::var_os("AUTHGEAR_TURNS").map(PathBuf::from);
    let library = library.expect("AUTHGEAR_TURNS names the library made of turns.c");
    let (text, failures, nginx) = match arguments.time {
        None => outage::run(&library, arguments.rate),
        Some(time) => {
            let (report, nginx) = soak(time, arguments.seed, &library);
            let text = format!("{}\n{}", report.table(), report.endings());
            report.left_out().iter().for_each(|line| eprintln!("soak: {line}"));
            let failures = report.failures();
            let details = if failures.is_empty() { Vec::new() } else { report.details() };
            (text, [details, failures].concat(), nginx)
        }
    };
    print!("{text}");
    failures.iter().for_each(|line| eprintln!("soak: {line}"));
    // Last: it panics where the log holds what it must not.
    nginx.finish();
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak(time: Duration, seed: u64, library: &Path) -> (Report, Nginx) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recorder = Recorder::new(library, folder.path());
    let (world, backend) = (Arc::new(World::start(Some(folder.path()))), Backend::start());
    let nginx = site::mixed(&world, &backend, &recorder, folder.path()).start();
    let weather = Arc::new(Weather::new());
    let started = Instant::now();
    let before = Sample::take(&nginx, started);
    let load = Load::new(world.clone(), weather.clone(), seed);
    let running = load.start(&CROWD, &site::doors(&nginx));
    let chaos = Chaos {
        world: &world,
        weather: &weather,
        nginx: &nginx,
        started,
        resolvers: Mutex::new(()),
        deeds: Mutex::new(Deeds { samples: vec![before], ..Deeds::default() }),
    };
    thread::scope(|scope| {
        scope.spawn(|| tell_progress(&load));
        chaos.run(time);
    });
    let took = chaos.started.elapsed();
    let deeds = chaos.deeds.into_inner().expect("nobody panics holding it");
    let tally = load::gather(running);
    let zone = Zone::of(&nginx);
    let calls = world.all().map(standin::Resolver::call_count).sum();
    let can = Can::of(&world);
    let report = Report { can, took, tally, deeds, turns: recorder.read(), calls, zone };
    (report, nginx)
}

/// A line now and then: ten minutes are long.
fn tell_progress(load: &Load) {
    let (mut before, mut next) = (0, Instant::now());
    while !load.weather.is_over() {
        thread::sleep(Duration::from_millis(50));
        if Instant::now() < next {
            continue;
        }
        let answers = load.answers.load(Ordering::Relaxed);
        eprintln!("soak: {} answers, {} a second", grouped(answers), grouped((answers - before) / 10));
        (before, next) = (answers, next + Duration::from_secs(10));
    }
}
