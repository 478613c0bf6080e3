//! The store against its model. Input: steps.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use nginx_authgear::cache_key::{CacheKey, KeyMaker, ResolverId, Secret};
use nginx_authgear::credentials::{Credentials, Presented, present};
use nginx_authgear::freshness::{Kind, Millis, Stamp};
use nginx_authgear::store::{Layout, MAX_PAYLOAD, Put, Store, Usage};
use zerocopy::IntoBytes;

#[path = "../../src/store/tests/naive.rs"]
mod naive;

pub use naive::Step;
use naive::{Entry, Model};

/// The memory that the model is of: 35 valid entries with 70 blocks, 5 negative ones with 10.
const SMALL: usize = 56 + 40 * 216;

/// So many keys that none of them stays for long.
const NAMES: u64 = 70;

/// Keys are made once: that takes longer than most of what is done with them.
const KEYS_MADE: u64 = 1_200;

/// Memory as a zone has it.
pub struct Memory {
    words: Vec<u64>,
    layout: Layout,
}

impl Default for Memory {
    fn default() -> Self {
        let layout = Layout::of(SMALL).expect("enough for a store");
        let mut memory = Self { words: vec![0; SMALL / 8], layout };
        memory.store().format();
        memory
    }
}

impl Memory {
    pub fn bytes(&mut self) -> &mut [u8] {
        self.words.as_mut_slice().as_mut_bytes()
    }

    pub fn store(&mut self) -> Store<'_> {
        Store::over(self.words.as_mut_slice().as_mut_bytes(), &self.layout).expect("memory of that size")
    }
}

pub fn run(input: &[u8]) {
    compare(&mut Memory::default().store(), &steps(&mut Unstructured::new(input), usize::MAX));
}

/// As many steps as the input has, up to a number.
pub fn steps(input: &mut Unstructured<'_>, most: usize) -> Vec<Step> {
    std::iter::from_fn(|| if input.is_empty() { None } else { step(input).ok() }).take(most).collect()
}

fn step(input: &mut Unstructured<'_>) -> Result<Step> {
    let choice = input.int_in_range(0..=15)?;
    let name = input.int_in_range(0..=NAMES - 1)?;
    Ok(match choice {
        0..9 => Step::Put { name, user: user(input)?, stamp: stamp(input)?, len: len(input)? },
        9..12 => Step::Get { name },
        12 => Step::Void { name, asked: input.int_in_range(0..=29)? },
        13..15 => Step::Touch { name },
        _ => {
            if input.ratio(1, 8)? {
                Step::Format
            } else {
                Step::Get { name }
            }
        }
    })
}

/// Many entries of few users, who share a bucket, and others.
fn user(input: &mut Unstructured<'_>) -> Result<u64> {
    let user = input.int_in_range(0..=31)?;
    Ok(if user < 16 { user % 2 + 1 } else { (user + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) })
}

fn stamp(input: &mut Unstructured<'_>) -> Result<Stamp> {
    let kind = *input.choose(&[Kind::Valid, Kind::Valid, Kind::Invalid, Kind::None])?;
    let asked: Millis = input.int_in_range(0..=29)?;
    Ok(Stamp { kind, asked, until: asked + 1000 })
}

/// Around the bounds: of a block, of what a class may hold, of what is ever kept.
fn len(input: &mut Unstructured<'_>) -> Result<usize> {
    let len: usize = input.int_in_range(0..=255)?;
    Ok(match len {
        0..200 => len,
        200..230 => (len - 200) * 25,
        230..250 => 4190 + len - 230,
        _ => MAX_PAYLOAD + len - 253,
    })
}

/// Does the steps with the store and the model side by side.
pub fn compare(store: &mut Store<'_>, steps: &[Step]) {
    let mut model = Model { evictions: store.usage().evictions, ..Model::default() };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Put { name, user, stamp, len } => {
                let payload = vec![number.to_le_bytes()[0]; len];
                let put = store.put(&key(name), user, stamp, &payload);
                assert_eq!(put, Ok(model.put(Entry { name, user, stamp, payload, number })), "{step:?}");
            }
            Step::Get { name } => assert_eq!(got(store, name), model.get(name), "{step:?}"),
            Step::Void { name, asked } => {
                assert_eq!(store.void(&key(name), asked), Ok(()));
                model.void(name, asked);
            }
            Step::Touch { name } => {
                assert_eq!(store.touch(&key(name)), Ok(()));
                model.touch(name);
            }
            Step::Format => {
                store.format();
                model.entries.clear();
            }
        }
        assert_eq!(store.usage(), model.usage());
    }
    for name in 0..NAMES {
        assert_eq!(got(store, name), model.get(name));
    }
}

/// Does the steps whatever they bring.
pub fn bear(store: &mut Store<'_>, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Put { name, user, stamp, len } => drop(store.put(&key(name), user, stamp, &vec![0; len])),
            Step::Get { name } => drop(store.get(&key(name), &mut [0; MAX_PAYLOAD])),
            Step::Void { name, asked } => drop(store.void(&key(name), asked)),
            Step::Touch { name } => drop(store.touch(&key(name))),
            Step::Format => {}
        }
        let _ = store.usage();
    }
}

fn got(store: &mut Store<'_>, name: u64) -> Option<(Stamp, Vec<u8>)> {
    let mut out = [0; MAX_PAYLOAD];
    let (stamp, size) = store.get(&key(name), &mut out).expect("sound memory")?;
    Some((stamp, out[..size].to_vec()))
}

/// One key for each name, the same in every run.
#[must_use]
pub fn key(name: u64) -> CacheKey {
    static KEYS: LazyLock<Vec<CacheKey>> = LazyLock::new(|| {
        let (secret, credentials) = (Secret::new([0; 32]), some_credentials());
        let resolvers = (0..KEYS_MADE).map(|name: u64| ResolverId::digest(&[&name.to_le_bytes()]));
        resolvers.map(|resolver| KeyMaker::new(&secret, &resolver).key(&credentials)).collect()
    });
    KEYS[usize::try_from(name).expect("a small number")]
}

fn some_credentials() -> Credentials {
    match present([(&b"authorization"[..], &b"Bearer a"[..])], b"") {
        Presented::Credentials(found) => found,
        _ => panic!("these are credentials"),
    }
}
