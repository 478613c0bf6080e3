//! How much a zone holds, and what goes when it is full.

use std::ops::Range;

use super::flood::flood;
use super::{Site, bearer};

/// More sessions than a megabyte has room for.
const MANY: usize = 6_000;
/// So many are asked for at a time, in any order.
const PART: usize = 500;

fn ask(site: &Site, users: Range<usize>) {
    let line = |user| {
        let (name, value) = bearer(user);
        format!("{name}: {value}\r\n")
    };
    flood(&site.nginx, users, line);
}

/// What the manual says that a megabyte holds, once it says a number.
fn promised() -> Option<usize> {
    let manual = include_str!("../../../README.md");
    let (_, after) = manual.split_once("One megabyte holds about ").expect("the manual says it");
    after.split_whitespace().next()?.replace(',', "").parse().ok()
}

#[test]
fn a_megabyte_holds_as_many_sessions_as_the_manual_says() {
    let site = Site::start(|builder| builder);
    for part in 0..MANY / PART {
        ask(&site, part * PART..(part + 1) * PART);
    }
    site.renew_workers();
    site.fast.forbid_to_store();
    let statuses = site.statuses((0..MANY).map(bearer));
    let held = statuses.iter().filter(|status| *status == "HIT").count();
    println!("one megabyte holds {held} sessions");
    assert!((3_500..MANY).contains(&held), "{held}");
    if let Some(promised) = promised() {
        assert!(held.abs_diff(promised) <= promised / 20, "{held} are held, {promised} are promised");
    }
    // The latest; in the part that the border is in they came in any order.
    let (border, is_hit) = ((MANY - held) / PART * PART, |status: &String| status == "HIT");
    assert!(!statuses[..border].iter().any(is_hit) && statuses[border + PART..].iter().all(is_hit));
    let told = site.complaints();
    assert!(
        !told.is_empty() && told.iter().all(|line| line.contains("zone \"sessions\" is full")),
        "{told:?}"
    );
    site.assert_quiet();
    site.nginx.finish();
}

/// As far as the zone gets to know of it: what a worker finds in its own cache it doesn't look for in the zone.
#[test]
fn of_a_full_zone_the_least_recently_used_go() {
    let site = Site::start(|builder| builder);
    ask(&site, 0..2_000);
    site.renew_workers();
    assert_eq!(site.hits(0..100), 100);
    let calls = site.fast.calls();
    ask(&site, 2_000..MANY);
    site.renew_workers();
    assert_eq!(site.hits(0..100), 100, "they were used after the others");
    assert_eq!(site.fast.calls(), calls + (MANY - 2_000) as u64);
    assert_eq!(site.hits(100..200), 0, "they were not");
    site.nginx.finish();
}

/// A session that is asked for all the time stays, whichever cache answers.
#[test]
fn a_session_in_use_stays_in_a_full_zone() {
    let site = Site::start(|builder| builder);
    ask(&site, 0..50);
    for round in 1..60 {
        ask(&site, round * 100..(round + 1) * 100);
        assert_eq!(site.hits(0..50), 50, "from a cache of the worker's or of all");
    }
    site.renew_workers();
    assert_eq!(site.hits(0..50), 50, "from the zone");
    site.nginx.finish();
}
