//! Runs the models of the store and of the claims in memory from nginx's slab, under nginx's lock. In a module built with
//! fault injection, `env AUTHGEAR_MODEL=alone:50` in nginx's configuration makes each worker run 50 cases of each model
//! when it starts. `together:50` makes the workers run them at the same time, with fewer comparisons.

#![allow(clippy::panic, clippy::expect_used, reason = "these are tests, wherever they run")]

mod together;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::sessions;
use super::state::{self, SharedState, State};
use crate::claims::{self as claiming, Owner};
use crate::nginx::ffi::callback;
use crate::nginx::ffi::log;
use crate::nginx::ffi::shm::Arena;
use crate::store::{self, Store};

/// Runs what the environment variable asks for, and logs the result.
pub fn run(sessions: &Arena, state: &SharedState, me: Owner) {
    let Ok(wanted) = std::env::var("AUTHGEAR_MODEL") else { return };
    let (how, cases) = wanted.split_once(':').expect("AUTHGEAR_MODEL is a word, a colon and a number");
    let cases = cases.parse().expect("AUTHGEAR_MODEL ends with a number");
    let outcome = match how {
        "alone" => with_store(cases, sessions).and_then(|()| with_claims(cases, &state.arena)),
        "together" => together::run(cases, sessions, state, me),
        _ => panic!("AUTHGEAR_MODEL is neither alone nor together"),
    };
    match outcome {
        Ok(()) => log::cycle().notice(format_args!("shared memory does what the models do, {wanted}")),
        Err(error) => {
            log::cycle().alert(format_args!("shared memory does not do what the models do: {error}"))
        }
    }
}

fn with_store(cases: u32, arena: &Arena) -> Result<(), String> {
    for bytes in [store::model::SMALL, arena.bytes()] {
        let layout = store::Layout::of(bytes).expect("it is enough for a store");
        let capacity = layout.capacity();
        let most = 10 * (capacity.valid + capacity.negative) as usize;
        check(cases, vec(store::model::step(&layout), 1..most), |steps| {
            locked(arena, sessions::format, |memory| {
                let mut store = Store::over(&mut memory[..bytes], &layout).expect("it is aligned");
                store.format();
                store::model::compare(&mut store, &steps);
                Ok(())
            })
        })?;
    }
    Ok(())
}

fn with_claims(cases: u32, arena: &Arena) -> Result<(), String> {
    // Only a part of the arena: checking that thousands of claims become free again takes minutes.
    for bytes in [claiming::model::SMALL, 10 * claiming::model::SMALL] {
        let layout = claiming::Layout::of(bytes).expect("it is enough for claims");
        for compare in [claiming::model::compare, claiming::model::compare_until_all_came] {
            check(cases, vec(claiming::model::event(), 0..150), |events| {
                locked(arena, state::format, |memory| {
                    let mut claims = State::over(memory, &layout).expect("it is aligned").claims;
                    claims.format();
                    compare(&mut claims, &events);
                    Ok(())
                })
            })?;
        }
    }
    Ok(())
}

/// Runs cases until one fails, and returns why it failed.
fn check<S>(
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), String>
where
    S: Strategy<Value: Debug>,
{
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, test).map_err(|error| match error {
        TestError::Fail(why, input) => {
            // The location of an assertion that isn't one of the test runner's own.
            let place = callback::last_panic().map(|place| format!(" at {place}")).unwrap_or_default();
            format!("{why}{place} ({input:?})").replace('\n', " ")
        }
        TestError::Abort(why) => why.to_string(),
    })
}

/// Runs a case with exclusive access, and leaves the memory empty. A failed assertion is rethrown only after the lock is
/// released, since the worker would abort otherwise. No other function under the lock may panic or allocate as this one
/// does.
fn locked<R>(arena: &Arena, format: fn(&mut [u8]), case: impl FnOnce(&mut [u8]) -> R) -> R {
    let outcome = arena.with(format, |memory| {
        let outcome = catch_unwind(AssertUnwindSafe(|| case(memory)));
        format(memory);
        Ok(outcome)
    });
    outcome.expect("nobody else holds the lock").unwrap_or_else(|panic| resume_unwind(panic))
}
