//! What is in the memory that the workers share.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::harness::Nginx;

/// As few bytes of a secret as don't turn up by chance.
const WINDOW: usize = 8;

/// The shared memory of nginx, as one of its workers sees it: every zone.
#[track_caller]
pub(super) fn shared(nginx: &Nginx) -> Vec<u8> {
    let pid = *nginx.worker_pids().first().expect("a worker");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let memory =
        File::open(format!("/proc/{pid}/mem")).expect("the worker is our descendant, and of our user");
    let mut bytes = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some("rw-s")) = (words.next(), words.next()) else { continue };
        let (from, to) = range.split_once('-').expect("a range");
        let number = |hex| u64::from_str_radix(hex, 16).expect("an address");
        let mut part = vec![0; usize::try_from(number(to) - number(from)).expect("it is mapped")];
        memory.read_exact_at(&mut part, number(from)).expect("it is there");
        bytes.extend(part);
    }
    bytes
}

/// The places of those texts of which a part is among the bytes. A part, because the zone keeps what is long in pieces.
pub(super) fn parts_found(bytes: &[u8], texts: &[String]) -> BTreeSet<usize> {
    let windows = |text: &'_ String| text.as_bytes().windows(WINDOW).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let known: HashMap<Vec<u8>, usize> = texts
        .iter()
        .enumerate()
        .flat_map(|(n, text)| windows(text).into_iter().map(move |w| (w, n)))
        .collect();
    // Hashing every window would take long.
    let begin = |window: &[u8]| usize::from(window[0]) << 8 | usize::from(window[1]);
    let mut begins = vec![false; 1 << 16];
    known.keys().for_each(|window| begins[begin(window)] = true);
    let likely = bytes.windows(WINDOW).filter(|window| begins[begin(window)]);
    likely.filter_map(|window| known.get(window).copied()).collect()
}

#[test]
fn a_part_of_a_text_is_found() {
    let texts = ["0123456789abcdef", "GOODnothing"].map(str::to_owned);
    let found = |part: &str| {
        parts_found(format!("....{part}....").as_bytes(), &texts).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(found("89abcdef"), [0]);
    assert_eq!(found("0123456789abcdef GOODnoth"), [0, 1]);
    assert_eq!(found("9abcdef"), [0_usize; 0]);
    assert_eq!(parts_found(b"", &texts), BTreeSet::new());
}
