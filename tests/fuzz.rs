//! The fuzz targets as ordinary tests: their corpora, and inputs made from those, without libFuzzer.
//!
//! `AUTHGEAR_FUZZ_INPUTS` says how many inputs each target gets, `AUTHGEAR_TEST_SEED` makes them others.

#![allow(unreachable_pub, reason = "modules that several programs share say what they offer them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that meets the unexpected fails, and says what it met"
)]

use std::panic::catch_unwind;
use std::path::Path;

use mutate::Mutator;

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Enough to notice an oracle that is wrong; what is rare is libFuzzer's to find.
const INPUTS: usize = 1_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Replays the corpus of a target, then has it take inputs made from that.
fn replay(name: &str, run: targets::Target) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let corpus = mutate::corpus(&fuzz.join("corpus").join(name));
    assert!(corpus.len() > 2, "{name} has no corpus");
    let words = mutate::dictionary(&fuzz.join("dictionaries").join(format!("{name}.dict")));
    let mut mutator = Mutator::new(number("AUTHGEAR_TEST_SEED").unwrap_or(1), words);
    let more = number("AUTHGEAR_FUZZ_INPUTS").map_or(INPUTS, |inputs| usize::try_from(inputs).unwrap());
    let made = (0..more).map(|_| mutator.input(&corpus)).collect::<Vec<_>>();
    for input in corpus.iter().chain(&made) {
        let found = catch_unwind(|| run(input));
        assert!(found.is_ok(), "{name} fails on \"{}\"", input.escape_ascii());
    }
    println!("{name}: {} inputs", corpus.len() + made.len());
}

/// A test for each target, so that they run side by side.
macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), targets::$name::run);
        })*

        #[test]
        fn every_target_is_replayed() {
            let names = targets::TARGETS.map(|(name, _)| name);
            assert_eq!(names[..], [$(stringify!($name)),*]);
        }
    };
}

replays! {
    answer cache_key claims claims_damage codec credentials directives expiry identity_header policy question relay
    store store_damage
}
