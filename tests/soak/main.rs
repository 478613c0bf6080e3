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
mod faults;
mod histogram;
mod judge;
mod load;
mod memory;
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
use load::{Crowd, Load};
use memory::Sample;
use report::{Report, grouped};
use turns::Recorder;
use weather::Weather;
use world::World;

const HELP: &str = "\
usage: soak MINUTES [--seed N]

Prints tables of what it found, and ends with 1 when that is not as it must be. AUTHGEAR_MODULE names the module,
AUTHGEAR_TURNS the library made of turns.c.
";

/// As many as keep two cores busy.
const CROWD: Crowd = Crowd { http1: 48, tls: 16, http2: (4, 12), http2_tls: (2, 12) };

struct Arguments {
    time: Duration,
    seed: u64,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Option<Self> {
        let (mut time, mut seed, mut words) = (None, 1, words);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => seed = words.next()?.parse().ok()?,
                minutes if time.is_none() => time = Some(minutes.parse::<f64>().ok().filter(|n| *n > 0.0)?),
                _ => return None,
            }
        }
        Some(Self { time: Duration::from_secs_f64(time? * 60.0), seed })
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let library = std::env::var_os("AUTHGEAR_TURNS").map(PathBuf::from);
    let report = soak(&arguments, &library.expect("AUTHGEAR_TURNS names the library made of turns.c"));
    println!("{}\n{}", report.table(), report.endings());
    let failures = report.failures();
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    report.details().iter().chain(&failures).for_each(|line| eprintln!("soak: {line}"));
    ExitCode::FAILURE
}

fn soak(arguments: &Arguments, library: &Path) -> Report {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recorder = Recorder::new(library, folder.path());
    let (world, backend) = (Arc::new(World::start()), Backend::start());
    let nginx = site::builder(&world, &backend, &recorder, folder.path(), "").start();
    let weather = Arc::new(Weather::new(Duration::ZERO));
    let started = Instant::now();
    let before = Sample::take(&nginx, started);
    let load = Load::new(world.clone(), weather.clone(), arguments.seed);
    let running = load.start(&CROWD, &site::doors(&nginx));
    let chaos = Chaos {
        world: &world,
        weather: &weather,
        nginx: &nginx,
        started,
        deeds: Mutex::new(Deeds { samples: vec![before], ..Deeds::default() }),
    };
    thread::scope(|scope| {
        scope.spawn(|| tell_progress(&load));
        chaos.run(arguments.time);
    });
    let took = chaos.started.elapsed();
    let deeds = chaos.deeds.into_inner().expect("nobody panics holding it");
    let tally = load::gather(running);
    let zone_was_full = nginx.error_log().contains("is full");
    let calls = world.resolvers.iter().map(standin::Resolver::call_count).sum();
    nginx.finish();
    Report { took, tally, deeds, turns: recorder.read(), calls, zone_was_full }
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
